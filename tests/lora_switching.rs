//! LoRAs in a loaded model: several at once, switched, and switched off, on what
//! `tests/parity/loras.py` made with diffusers and PEFT.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use fixtures::{copy_folder, relative_error};
use impasto::model::{
    AddedConditioning, ClipTextModel, Denoiser, LoadOptions, LoraChoice, Model, ModelError,
};
use impasto::pipeline::{GenerateRequest, GivenNoise, Pipeline, RenderSettings};

/// Largest difference from diffusers, relative to the largest expected value.
const TOLERANCE: f32 = 1e-4;

/// The sets in `loras.py`.
const ALL: [(&str, f64); 3] = [("ink", 0.7), ("lcm", -0.4), ("peft", 1.3)];
const TWO: [(&str, f64); 2] = [("ink", 1.0), ("lcm", 0.5)];
const ONE: [(&str, f64); 1] = [("peft", 0.25)];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures")
        .join(name)
}

fn tensors(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixture(name), &Device::Cpu).unwrap()
}

fn choices(set: &[(&str, f64)]) -> Vec<LoraChoice> {
    let choice = |(name, weight): &(&str, f64)| {
        let path = match *name {
            "peft" => fixture("loras/peft"),
            name => fixture(&format!("loras/{name}.safetensors")),
        };
        let choice = LoraChoice::new(path, *weight);
        assert_eq!(choice.name, *name);
        choice
    };
    set.iter().map(choice).collect()
}

fn load(folder: &Path, set: &[(&str, f64)], dtype: DType) -> Model {
    let options = LoadOptions {
        loras: choices(set),
        dtype,
        ..LoadOptions::default()
    };
    Model::load(folder, &options).unwrap()
}

/// What the networks of a model answer to the fixture's inputs.
struct Probe(HashMap<String, Tensor>);

impl Probe {
    fn new() -> Self {
        Self(tensors("networks/sd15/expected.safetensors"))
    }

    fn unet(&self, unet: &Denoiser) -> Tensor {
        unet.forward(
            &self.0["unet.sample"],
            &self.0["unet.timesteps"],
            &self.0["unet.encoder_hidden_states"],
            &AddedConditioning::default(),
        )
        .unwrap()
    }

    fn text(&self, model: &Model) -> Tensor {
        let ids = self.0["text.ids"].to_dtype(DType::U32).unwrap();
        let states = model.text_encoder.forward(&ids).unwrap();
        states.to_dtype(DType::F32).unwrap()
    }

    /// Every value of the painting UNet, the base UNet and the text encoder, bit for bit.
    fn bits(&self, model: &Model) -> [Vec<u32>; 3] {
        let bits = |tensor: Tensor| {
            let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            values.into_iter().map(f32::to_bits).collect()
        };
        [
            bits(self.unet(model.denoiser())),
            bits(self.unet(model.base_denoiser())),
            bits(self.text(model)),
        ]
    }
}

#[test]
fn several_loras_in_every_naming_agree_with_diffusers() {
    let (probe, expected) = (Probe::new(), tensors("loras/expected.safetensors"));
    let mut model = load(&fixture("networks/sd15"), &[], DType::F32);
    for (name, set) in [("all", ALL.as_slice()), ("two", &TWO), ("one", &ONE)] {
        model.set_loras(&choices(set)).unwrap();
        let unet = relative_error(
            &probe.unet(model.denoiser()),
            &expected[&format!("{name}.unet")],
        );
        assert!(unet <= TOLERANCE, "{name}: UNet, relative error {unet}");
        let text = relative_error(&probe.text(&model), &expected[&format!("{name}.text")]);
        assert!(text <= TOLERANCE, "{name}: text, relative error {text}");
        let base = relative_error(&probe.unet(model.base_denoiser()), &probe.0["unet.output"]);
        assert!(base <= TOLERANCE, "{name}: base, relative error {base}");
    }
}

/// Over SDXL's UNet and both of its text encoders, in diffusers' naming before PEFT and since, and
/// in kohya's; then the whole pipeline.
#[test]
fn sdxl_loras_in_every_naming_agree_with_diffusers() {
    let given = tensors("networks/sdxl/expected.safetensors");
    let expected = tensors("loras/sdxl-expected.safetensors");
    let mut pipeline = Pipeline::new(load(&fixture("networks/sdxl"), &[], DType::F32), 8).unwrap();
    for (name, set) in [
        ("old", [("old", 0.8)].as_slice()),
        ("new", &[("new", 1.0)]),
        ("sgm", &[("sgm", 1.2)]),
        ("all", &[("old", 0.6), ("new", -0.5), ("sgm", 0.9)]),
    ] {
        let choice = |(name, weight): &(&str, f64)| {
            LoraChoice::new(fixture(&format!("loras/sdxl-{name}.safetensors")), *weight)
        };
        let choices: Vec<_> = set.iter().map(choice).collect();
        pipeline.set_loras(&choices).unwrap();
        let check = |part: &str, found: &Tensor, tolerance: f32| {
            let error = relative_error(found, &expected[&format!("{name}.{part}")]);
            assert!(error <= tolerance, "{name} {part}: relative error {error}");
        };
        let model = pipeline.model();
        let added = AddedConditioning {
            text_embeds: Some(given["unet.text_embeds"].clone()),
            time_ids: Some(given["unet.time_ids"].clone()),
            ..AddedConditioning::default()
        };
        let output = model.denoiser().forward(
            &given["unet.sample"],
            &given["unet.timesteps"],
            &given["unet.encoder_hidden_states"],
            &added,
        );
        check("unet", &output.unwrap(), TOLERANCE);
        let encoders = model.text_encoders();
        let read = |encoder: &ClipTextModel, ids: &str| {
            let ids = given[ids].to_dtype(DType::U32).unwrap();
            encoder.forward_all(&ids).unwrap()
        };
        let first = read(encoders.first.0, "text.ids");
        check("text", &first.penultimate_hidden_state, TOLERANCE);
        let second = read(encoders.second.unwrap().0, "text_2.ids");
        check("text_2", &second.penultimate_hidden_state, TOLERANCE);
        check("text_2_embeds", &second.text_embeds.unwrap(), TOLERANCE);
        let request = GenerateRequest {
            settings: RenderSettings {
                prompt: "a house with a red roof".to_owned(),
                negative_prompt: Some("snow".to_owned()),
                steps: 4,
                guidance_scale: 4.0,
                strength: 1.0,
                sampler: "euler".to_owned(),
                ..RenderSettings::default()
            },
            size: (64, 48),
            image: None,
            controls: Vec::new(),
            mask: None,
            latents: Some(GivenNoise {
                initial: expected["latents"].clone(),
                between: None,
            }),
        };
        let rendered = pipeline.generate(request, |_, _| ()).unwrap();
        check("final", &rendered.latents, 1e-3);
    }
}

#[test]
fn every_switch_gives_what_a_fresh_load_gives() {
    let probe = Probe::new();
    for dtype in [DType::F32, DType::F16] {
        let mut model = load(&fixture("networks/sd15"), &ALL, dtype);
        let sets: [&[(&str, f64)]; 6] = [&ALL, &TWO, &[], &ALL, &ONE, &[]];
        let mut seen = Vec::new();
        for set in sets {
            model.set_loras(&choices(set)).unwrap();
            assert_eq!(model.loras(), choices(set));
            let bits = probe.bits(&model);
            let fresh = load(&fixture("networks/sd15"), set, dtype);
            assert!(bits == probe.bits(&fresh), "{dtype:?} {set:?}");
            seen.push(bits);
        }
        assert!(
            seen[0] == seen[3] && seen[2] == seen[5],
            "A, and none again"
        );
        assert!(seen[0][0] != seen[1][0] && seen[0][2] != seen[1][2], "A, B");
        assert!(
            seen[0][0] != seen[2][0] && seen[0][2] != seen[2][2],
            "A, none"
        );
        assert!(seen.iter().all(|bits| bits[1] == seen[2][0]), "inversion");
    }
}

#[test]
fn the_base_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&fixture("networks/sd15"), folder.path());
    let mut model = load(folder.path(), &[], DType::F32);
    for part in ["unet/diffusion_pytorch_model", "text_encoder/model"] {
        let file = folder.path().join(format!("{part}.safetensors"));
        std::fs::write(file, "").unwrap();
    }
    let (probe, whole) = (Probe::new(), fixture("networks/sd15"));
    for set in [ALL.as_slice(), &TWO, &[]] {
        model.set_loras(&choices(set)).unwrap();
        let fresh = load(&whole, set, DType::F32);
        assert!(probe.bits(&model) == probe.bits(&fresh), "{set:?}");
    }
}

#[test]
fn a_lora_without_weight_changes_nothing() {
    let mut model = load(&fixture("networks/sd15"), &[], DType::F32);
    model
        .set_loras(&choices(&[("ink", 0.0), ("peft", 0.0)]))
        .unwrap();
    assert!(std::ptr::eq(model.denoiser(), model.base_denoiser()));
}

#[test]
fn one_that_does_not_fit_leaves_the_others_as_they_were() {
    let probe = Probe::new();
    let mut model = load(&fixture("networks/sd15"), &TWO, DType::F32);
    let before = probe.bits(&model);
    let folder = tempfile::tempdir().unwrap();
    let mut refused = |name: &str, key: &str, edit: &dyn Fn(&mut HashMap<String, Tensor>)| {
        let path = folder.path().join(name);
        let mut lora = tensors("loras/lcm.safetensors");
        edit(&mut lora);
        candle_core::safetensors::save(&lora, &path).unwrap();
        // The good one comes first: nothing of it may stay.
        let mut set = choices(&ONE);
        set.push(LoraChoice::new(path, 0.5));
        let error = model.set_loras(&set).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(key), "{error}");
        assert_eq!(model.loras(), choices(&TWO));
        assert!(probe.bits(&model) == before, "{name}");
    };
    let zeros = |shape: (usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let query = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
    let fc1 = "lora_te_text_model_encoder_layers_0_mlp_fc1";
    refused("rank", "lora_up", &|lora| {
        lora.insert(format!("{query}.lora_up.weight"), zeros((8, 5)));
    });
    refused("shape", "[3, 9]", &|lora| {
        lora.insert(format!("{fc1}.lora_down.weight"), zeros((3, 9)));
    });
    refused("target", "lora_unet_nowhere", &|lora| {
        lora.insert(
            "lora_unet_nowhere.lora_down.weight".to_owned(),
            zeros((2, 8)),
        );
        lora.insert("lora_unet_nowhere.lora_up.weight".to_owned(), zeros((8, 2)));
    });
    refused("norm", "no matrix", &|lora| {
        let norm = "lora_unet_conv_norm_out";
        lora.insert(format!("{norm}.lora_down.weight"), zeros((2, 1)));
        lora.insert(format!("{norm}.lora_up.weight"), zeros((8, 2)));
    });
    refused("sdxl", "text_encoder_2", &|lora| {
        let name = fc1.replace("lora_te_", "lora_te2_");
        lora.insert(format!("{name}.lora_down.weight"), zeros((2, 24)));
        lora.insert(format!("{name}.lora_up.weight"), zeros((40, 2)));
    });

    let absent = LoraChoice::new("no/ink.safetensors".into(), 1.0);
    let error = model.set_loras(&[absent]).unwrap_err();
    assert!(error.to_string().contains("no/ink.safetensors"), "{error}");
    let error = model.set_loras(&choices(&[("ink", f64::NAN)])).unwrap_err();
    assert!(matches!(error, ModelError::LoraWeight { .. }), "{error}");
    assert!(probe.bits(&model) == before);
}
