//! The networks agree with diffusers, number by number.
//!
//! `tests/parity/networks.py` made the fixtures; `fixtures/networks/versions.json` says with
//! which versions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use fixtures::{copy_folder, relative_error};
use impasto::model::{
    AddedConditioning, Component, Denoiser, DenoiserConfig, Family, LoadOptions, LoraChoice, Model,
    inspect,
};

/// Largest difference allowed, relative to the largest expected value.
const TOLERANCE: f32 = 1e-4;

const FAMILIES: [(&str, Family); 8] = [
    ("sketch", Family::Sketch),
    ("sd15", Family::Sd),
    ("sd21", Family::Sd),
    ("lcm", Family::Lcm),
    ("turbo", Family::Turbo),
    ("inpainting", Family::Inpainting),
    ("instruct-pix2pix", Family::InstructPix2Pix),
    ("sdxl", Family::Sdxl),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures/networks")
        .join(name)
}

struct Expected {
    family: String,
    tensors: HashMap<String, Tensor>,
}

impl Expected {
    fn of(family: &str) -> Self {
        let path = fixture(family).join("expected.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        Self {
            family: family.to_owned(),
            tensors,
        }
    }

    fn get(&self, name: &str) -> Tensor {
        self.tensors
            .get(name)
            .unwrap_or_else(|| panic!("{} has no {name}", self.family))
            .clone()
    }

    fn check(&self, name: &str, found: &Tensor) {
        self.check_within(name, found, TOLERANCE);
    }

    fn check_within(&self, name: &str, found: &Tensor, tolerance: f32) {
        let wanted = self.get(name);
        assert_eq!(found.dims(), wanted.dims(), "{} {name}", self.family);
        let error = relative_error(found, &wanted);
        eprintln!("{} {name}: relative error {error:.1e}", self.family);
        assert!(
            error <= tolerance,
            "{} {name}: relative error {error}",
            self.family
        );
    }

    /// Runs a UNet on the inputs called `name.…` and compares with `name.output`.
    fn check_unet(&self, unet: &Denoiser, name: &str) {
        let output = self.run_unet(unet, name);
        self.check(&format!("{name}.output"), &output);
    }

    fn run_unet(&self, unet: &Denoiser, name: &str) -> Tensor {
        let optional = |part: &str| self.tensors.get(&format!("{name}.{part}")).cloned();
        let added = AddedConditioning {
            timestep_cond: optional("timestep_cond"),
            text_embeds: optional("text_embeds"),
            time_ids: optional("time_ids"),
            encoder_attention_mask: optional("encoder_attention_mask"),
            ..AddedConditioning::default()
        };
        unet.forward(
            &self.get(&format!("{name}.sample")),
            &self.get(&format!("{name}.timesteps")),
            &self.get(&format!("{name}.encoder_hidden_states")),
            &added,
        )
        .unwrap()
    }
}

fn load(family: &str) -> Model {
    Model::load(&fixture(family), &LoadOptions::default()).unwrap()
}

fn load_unet(folder: &Path) -> Denoiser {
    let component = Component::at(folder).unwrap();
    let class = "UNet2DConditionModel";
    let config = DenoiserConfig::read(class, &component.config_of(class).unwrap()).unwrap();
    let weights = component.weights(&Device::Cpu, DType::F32).unwrap();
    Denoiser::load(&config, &weights).unwrap()
}

fn ids(tensor: &Tensor) -> Tensor {
    tensor.to_dtype(DType::U32).unwrap()
}

#[test]
fn unets_of_all_families() {
    for family in [
        "sketch",
        "sd15",
        "sd21",
        "lcm",
        "inpainting",
        "instruct-pix2pix",
        "sdxl",
    ] {
        Expected::of(family).check_unet(load(family).denoiser(), "unet");
    }
}

#[test]
fn unet_with_rare_settings() {
    let expected = Expected::of("odd");
    expected.check_unet(&load_unet(&fixture("odd/unet")), "unet");
    expected.check_unet(&load_unet(&fixture("odd/bottomless")), "bottomless");
}

#[test]
fn unet_with_masked_tokens() {
    Expected::of("sd15").check_unet(load("sd15").denoiser(), "masked");
}

#[test]
fn lcm_unet_without_guidance_embedding() {
    Expected::of("lcm").check_unet(load("lcm").denoiser(), "unconditioned");
}

#[test]
fn guidance_embedding_is_refused_where_there_is_no_place_for_it() {
    let mut expected = Expected::of("sd15");
    let condition = Tensor::zeros((2, 12), DType::F32, &Device::Cpu).unwrap();
    expected
        .tensors
        .insert("unet.timestep_cond".to_owned(), condition.clone());
    let added = AddedConditioning {
        timestep_cond: Some(condition),
        ..Default::default()
    };
    let error = load("sd15")
        .denoiser()
        .forward(
            &expected.get("unet.sample"),
            &expected.get("unet.timesteps"),
            &expected.get("unet.encoder_hidden_states"),
            &added,
        )
        .unwrap_err();
    assert!(error.to_string().contains("time_cond_proj_dim"), "{error}");
}

/// A row's answer must not depend on the rows beside it: several rooms share a batch.
#[test]
fn rows_of_a_batch_are_independent() {
    let expected = Expected::of("sketch");
    let model = load("sketch");
    let row = |name: &str| expected.get(name).narrow(0, 1, 1).unwrap();
    let alone = model
        .denoiser()
        .forward(
            &row("unet.sample"),
            &row("unet.timesteps"),
            &row("unet.encoder_hidden_states"),
            &AddedConditioning::default(),
        )
        .unwrap();
    assert!(relative_error(&alone, &row("unet.output")) <= TOLERANCE);
}

#[test]
fn autoencoders() {
    for family in ["sketch", "sd15", "sd21", "turbo"] {
        let (model, expected) = (load(family), Expected::of(family));
        expected.check(
            "vae.latents",
            &model.vae.encode(&expected.get("vae.image")).unwrap(),
        );
        expected.check(
            "vae.decoded",
            &model.vae.decode(&expected.get("vae.given")).unwrap(),
        );
    }
}

#[test]
fn autoencoder_refuses_images_that_are_not_whole_cells() {
    let image = Tensor::zeros((1, 3, 64, 60), DType::F32, &Device::Cpu).unwrap();
    assert!(load("sd21").vae.encode(&image).is_err());
}

#[test]
fn text_encoders() {
    for family in ["sketch", "sd15", "sd21", "sdxl"] {
        let (model, expected) = (load(family), Expected::of(family));
        let output = model
            .text_encoder
            .forward_all(&ids(&expected.get("text.ids")))
            .unwrap();
        expected.check("text.last_hidden_state", &output.last_hidden_state);
        expected.check(
            "text.penultimate_hidden_state",
            &output.penultimate_hidden_state,
        );
        assert!(output.text_embeds.is_none());
    }
}

#[test]
fn second_text_encoder_with_projection() {
    let (model, expected) = (load("sdxl"), Expected::of("sdxl"));
    let (encoder, _) = model.second_text_encoder.unwrap();
    let output = encoder
        .forward_all(&ids(&expected.get("text_2.ids")))
        .unwrap();
    expected.check(
        "text_2.penultimate_hidden_state",
        &output.penultimate_hidden_state,
    );
    expected.check("text_2.text_embeds", &output.text_embeds.unwrap());
}

#[derive(serde::Deserialize)]
struct Tokens {
    prompt: String,
    ids: Vec<u32>,
}

/// From tokenizer.json, from vocab.json and merges.txt, and with a padding token of its own.
#[test]
fn tokenizers() {
    for family in ["sketch", "sd15", "sd21"] {
        let tokenizer = load(family).tokenizer;
        let path = fixture(family).join("tokenizer_expected.json");
        let rows: Vec<Tokens> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(rows.len() > 10);
        for Tokens { prompt, ids } in rows {
            assert_eq!(
                tokenizer.encode(&prompt).unwrap(),
                ids,
                "{family}: {prompt:?}"
            );
        }
    }
}

fn lora(name: &str, weight: f64) -> LoadOptions {
    let path = fixture("lora").join(format!("{name}.safetensors"));
    let loras = vec![LoraChoice {
        path,
        weight,
        name: name.to_owned(),
    }];
    LoadOptions {
        loras,
        ..LoadOptions::default()
    }
}

#[test]
fn loras_in_every_naming() {
    let expected = Expected::of("sd15");
    for name in ["diffusers", "kohya", "old"] {
        let model = Model::load(&fixture("sd15"), &lora(name, 0.7)).unwrap();
        let output = expected.run_unet(model.denoiser(), "unet");
        expected.check(&format!("lora_{name}.output"), &output);
        expected.check_unet(model.base_denoiser(), "unet");
    }
}

#[test]
fn lora_of_the_text_encoder() {
    let expected = Expected::of("sd15");
    let model = Model::load(&fixture("sd15"), &lora("diffusers", 0.7)).unwrap();
    let output = model
        .text_encoder
        .forward(&ids(&expected.get("lora_text.ids")))
        .unwrap();
    expected.check("lora_text.output", &output);
}

#[test]
fn several_loras_add_up() {
    let expected = Expected::of("sd15");
    let mut options = lora("kohya", 0.5);
    options.loras.extend(lora("kohya", 0.2).loras);
    let model = Model::load(&fixture("sd15"), &options).unwrap();
    let output = expected.run_unet(model.denoiser(), "unet");
    expected.check("lora_kohya.output", &output);
}

#[test]
fn without_lora_one_unet_does_both_jobs() {
    let model = load("sd15");
    assert!(std::ptr::eq(model.denoiser(), model.base_denoiser()));
}

#[test]
fn a_second_unet_folder_paints() {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&fixture("sd15"), folder.path());
    copy_folder(&fixture("lcm/unet"), &folder.path().join("unet_lcm"));
    let painting_unet = Some("unet_lcm".to_owned());
    let options = LoadOptions {
        painting_unet,
        ..LoadOptions::default()
    };
    let model = Model::load(folder.path(), &options).unwrap();
    Expected::of("lcm").check_unet(model.denoiser(), "unet");
    Expected::of("sd15").check_unet(model.base_denoiser(), "unet");
    assert_eq!(model.family, Family::Lcm);
}

#[test]
fn families_are_told_apart() {
    for (name, family) in FAMILIES {
        let model = load(name);
        assert_eq!(model.family, family, "{name}");
        assert_eq!(model.name, name);
        let report = inspect(&fixture(name)).unwrap();
        assert!(report.usable, "{name}: {:?}", report.problems);
        assert_eq!(report.family, Some(family), "{name}");
        assert_eq!(report.native_size, model.native_size());
        for component in &report.components {
            assert!(
                component.unexpected_tensors.is_empty(),
                "{name}: {component:?}"
            );
            assert!(component.dtypes.iter().eq(["F16"]), "{name}: {component:?}");
        }
    }
    assert_eq!(load("sketch").native_size(), Some((256, 256)));
}

#[test]
fn half_precision_stays_close() {
    for family in ["sd15", "sd21", "lcm", "sdxl"] {
        let expected = Expected::of(family);
        let options = LoadOptions {
            dtype: DType::F16,
            ..LoadOptions::default()
        };
        let model = Model::load(&fixture(family), &options).unwrap();
        assert_eq!(model.denoiser().as_unet().unwrap().dtype(), DType::F16);
        let output = expected.run_unet(model.denoiser(), "unet");
        assert_eq!(output.dtype(), DType::F32);
        expected.check_within("unet.output", &output, 0.02);
    }
}

/// The model that ships with the project, where its weights are in the working tree.
#[test]
fn bundled_model_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/storybook");
    if !folder.join("model_index.json").is_file() {
        return;
    }
    let report = inspect(&folder).unwrap();
    assert!(report.usable, "{:?}", report.problems);
    let model = Model::load(&folder, &LoadOptions::default()).unwrap();
    assert_eq!(model.family, Family::Sketch);
    let ids = model.tokenizer.encode("a red apple").unwrap();
    let ids = Tensor::new(ids, &Device::Cpu)
        .unwrap()
        .unsqueeze(0)
        .unwrap();
    let prompt = model.text_encoder.forward(&ids).unwrap();
    let image = Tensor::zeros((1, 3, 64, 128), DType::F32, &Device::Cpu).unwrap();
    let latents = model.vae.encode(&image).unwrap();
    let (channels, scale) = (model.vae.latent_channels(), model.vae.scale());
    assert_eq!(latents.dims(), [1, channels, 64 / scale, 128 / scale]);
    let sample = Tensor::cat(&[&latents, &latents], 1).unwrap();
    let timesteps = Tensor::new(&[999f32], &Device::Cpu).unwrap();
    let output = model
        .denoiser()
        .forward(&sample, &timesteps, &prompt, &AddedConditioning::default())
        .unwrap();
    assert_eq!(output.dims(), latents.dims());
    let decoded = model.vae.decode(&output).unwrap();
    assert_eq!(decoded.dims(), image.dims());
    let total = decoded.sum_all().unwrap().to_scalar::<f32>().unwrap();
    assert!(total.is_finite());
}
