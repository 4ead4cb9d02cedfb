//! LoRAs of flow models under the names of the original code, in every naming that people have
//! them, agree with diffusers.
//!
//! `tests/parity/flow_loras.py` made the fixtures; `fixtures/flow-loras/versions.json` says with
//! which versions. diffusers' own naming is in `flow_models.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use fixtures::relative_error;
use impasto::model::{AddedConditioning, LoadOptions, LoraChoice, Model};
use impasto::pipeline::{GenerateRequest, GivenNoise, Pipeline, RenderSettings};

/// Largest difference of a network's output, relative to the largest expected value.
const TOLERANCE: f32 = 1e-4;
/// The same of a whole pipeline's latents.
const PIPELINE_TOLERANCE: f32 = 1e-3;
/// As in `flow_loras.py`.
const WEIGHT: f64 = 0.7;

/// Models, and the guidance of the whole pipeline.
const MODELS: [(&str, f64); 4] = [
    ("flux-schnell", 0.0),
    ("flux-dev", 2.0),
    ("sd3", 2.0),
    ("sd35", 2.0),
];

type Tensors = HashMap<String, Tensor>;

fn parity(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures")
        .join(path)
}

fn tensors(path: &str) -> Tensors {
    candle_core::safetensors::load(parity(path), &Device::Cpu).unwrap()
}

fn load(model: &str) -> Model {
    let folder = parity(&format!("flow-models/{model}"));
    Model::load(&folder, &LoadOptions::default()).unwrap()
}

/// A name in the dotted file, `MODULE.lora_A.weight` or `MODULE.alpha`, in another naming.
type Naming = fn(module: &str, part: &str) -> String;

/// sd-scripts', which ComfyUI and web UIs read too.
fn kohya(module: &str, part: &str) -> String {
    let module = module.replace('.', "_");
    let part = part.replace("lora_A", "lora_down");
    let part = part.replace("lora_B", "lora_up");
    format!("lora_unet_{module}.{part}")
}

const NAMINGS: [(&str, Naming); 4] = [
    ("original", |module, part| format!("{module}.{part}")),
    ("comfyui", |module, part| {
        format!("diffusion_model.{module}.{part}")
    }),
    ("peft", |module, part| {
        format!("base_model.model.{module}.{part}")
    }),
    ("kohya", kohya),
];

fn renamed(lora: &Tensors, naming: Naming) -> Tensors {
    let renamed = lora.iter().map(|(name, tensor)| {
        let end = name.find(".lora_").or_else(|| name.rfind(".alpha"));
        let (module, part) = name.split_at(end.unwrap());
        (naming(module, &part[1..]), tensor.clone())
    });
    renamed.collect()
}

fn saved(folder: &Path, name: &str, lora: &Tensors) -> LoraChoice {
    let path = folder.join(format!("{name}.safetensors"));
    candle_core::safetensors::save(lora, &path).unwrap();
    LoraChoice::new(path, WEIGHT)
}

fn output(model: &Model, name: &str) -> Tensor {
    let given = tensors(&format!("flow-models/{name}/networks.safetensors"));
    let added = AddedConditioning {
        text_embeds: Some(given["denoiser.text_embeds"].clone()),
        guidance: given.get("denoiser.guidance").cloned(),
        ..AddedConditioning::default()
    };
    let denoiser = model.denoiser();
    let output = denoiser.forward(
        &given["denoiser.sample"],
        &given["denoiser.timesteps"],
        &given["denoiser.encoder_hidden_states"],
        &added,
    );
    output.unwrap()
}

#[test]
fn every_naming_of_the_original_code_agrees_with_diffusers() {
    let folder = tempfile::tempdir().unwrap();
    for (name, _) in MODELS {
        let lora = tensors(&format!("flow-loras/{name}.safetensors"));
        let expected = tensors(&format!("flow-loras/{name}-expected.safetensors"));
        let mut model = load(name);
        for (naming, rename) in NAMINGS {
            let choice = saved(folder.path(), naming, &renamed(&lora, rename));
            model.set_loras(&[choice]).unwrap();
            let error = relative_error(&output(&model, name), &expected["output"]);
            assert!(error <= TOLERANCE, "{name} {naming}: {error}");
        }
        model.set_loras(&[]).unwrap();
        let error = relative_error(&output(&model, name), &expected["output"]);
        assert!(error > 0.01, "{name} without its LoRA: {error}");
    }
}

#[test]
fn whole_pipelines_agree_with_diffusers() {
    let folder = tempfile::tempdir().unwrap();
    for (name, guidance_scale) in MODELS {
        let lora = tensors(&format!("flow-loras/{name}.safetensors"));
        let expected = tensors(&format!("flow-loras/{name}-expected.safetensors"));
        let mut pipeline = Pipeline::new(load(name), 4).unwrap();
        let choice = saved(folder.path(), name, &renamed(&lora, kohya));
        pipeline.set_loras(&[choice]).unwrap();
        let request = GenerateRequest {
            settings: RenderSettings {
                prompt: "a red apple".to_owned(),
                steps: 3,
                guidance_scale,
                strength: 1.0,
                sampler: "flow-euler".to_owned(),
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
        let latents = pipeline.generate(request, |_, _| ()).unwrap().latents;
        let error = relative_error(&latents, &expected["final"]);
        assert!(error <= PIPELINE_TOLERANCE, "{name}: {error}");
    }
}

/// A Kronecker product over a layer that the original has in one piece is the same change as its
/// pieces over the layers here.
#[test]
fn other_kinds_of_changes_are_cut_up_too() {
    let folder = tempfile::tempdir().unwrap();
    let module = "lora_unet_single_blocks_0_linear1";
    let random = |shape: &[usize]| Tensor::randn(0f32, 0.1, shape, &Device::Cpu).unwrap();
    // 32 wide: queries, keys, values and four times that.
    let (first, second) = (random(&[7, 4]), random(&[32, 8]));
    let lokr = Tensors::from([
        (format!("{module}.lokr_w1"), first.clone()),
        (format!("{module}.lokr_w2"), second.clone()),
    ]);
    let product: Vec<f32> = {
        let (first, second) = (
            first.to_vec2::<f32>().unwrap(),
            second.to_vec2::<f32>().unwrap(),
        );
        let cell =
            |row: usize, column: usize| first[row / 32][column / 8] * second[row % 32][column % 8];
        (0..224)
            .flat_map(|row| (0..32).map(move |column| (row, column)))
            .map(|(row, column)| cell(row, column))
            .collect()
    };
    let whole = Tensor::from_vec(product, (224, 32), &Device::Cpu).unwrap();
    let parts = [
        ("attn_to_q", 32),
        ("attn_to_k", 32),
        ("attn_to_v", 32),
        ("proj_mlp", 128),
    ];
    let mut start = 0;
    let mut diffs = Tensors::new();
    for (part, outputs) in parts {
        let own = whole
            .narrow(0, start, outputs)
            .unwrap()
            .contiguous()
            .unwrap();
        let name = format!("lora_unet_single_transformer_blocks_0_{part}.diff");
        diffs.insert(name, own);
        start += outputs;
    }
    let mut model = load("flux-schnell");
    let plain = output(&model, "flux-schnell");
    let mut with = |name: &str, lora: &Tensors| {
        model
            .set_loras(&[saved(folder.path(), name, lora)])
            .unwrap();
        output(&model, "flux-schnell")
    };
    let (fused, apart) = (with("lokr", &lokr), with("diffs", &diffs));
    assert!(relative_error(&fused, &apart) <= 1e-5);
    assert!(relative_error(&fused, &plain) > 1e-3);
}

#[test]
fn text_encoders_are_changed_beside_the_transformer() {
    let folder = tempfile::tempdir().unwrap();
    let module = "lora_te1_text_model_encoder_layers_0_mlp_fc1";
    for (name, _) in MODELS {
        let mut model = load(name);
        let (encoder, _) = model.text_encoders().first;
        let ids = Tensor::zeros((1, 4), DType::U32, &Device::Cpu).unwrap();
        let before = encoder.forward(&ids).unwrap();
        let inputs = before.dim(2).unwrap();
        let config = parity(&format!("flow-models/{name}/text_encoder/config.json"));
        let config = std::fs::read_to_string(config).unwrap();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        let outputs = usize::try_from(config["intermediate_size"].as_u64().unwrap()).unwrap();
        let ones = |shape: (usize, usize)| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        let lora = Tensors::from([
            (format!("{module}.lora_down.weight"), ones((1, inputs))),
            (format!("{module}.lora_up.weight"), ones((outputs, 1))),
        ]);
        model
            .set_loras(&[saved(folder.path(), name, &lora)])
            .unwrap();
        let after = model.text_encoders().first.0.forward(&ids).unwrap();
        assert!(relative_error(&after, &before) > 1e-3, "{name}");
    }
}

#[test]
fn what_a_model_cannot_take_is_refused_by_its_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let zeros = |shape: (usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let pair = |module: &str, outputs, inputs| {
        Tensors::from([
            (format!("{module}.lora_down.weight"), zeros((2, inputs))),
            (format!("{module}.lora_up.weight"), zeros((outputs, 2))),
        ])
    };
    let joint = "lora_unet_joint_blocks_0_x_block_attn_qkv";
    let double = "lora_unet_double_blocks_0_img_attn_qkv";
    let t5 = "lora_te3_encoder_block_0_layer_0_SelfAttention_q";
    let mut dora = pair(double, 96, 32);
    dora.insert(format!("{double}.dora_scale"), zeros((1, 32)));
    let with_bias = Tensors::from([(
        "double_blocks.0.img_attn.qkv.lora_B.bias".to_owned(),
        zeros((1, 96)),
    )]);
    for (model, lora, parts) in [
        (
            "flux-schnell",
            pair(joint, 96, 32),
            [joint, "transformer", "another model"],
        ),
        (
            "sd35",
            pair(double, 96, 32),
            [double, "transformer", "another model"],
        ),
        (
            "sd35",
            pair(t5, 24, 48),
            ["SelfAttention_q", "text_encoder_3", "without it"],
        ),
        // A layer of another width.
        (
            "flux-schnell",
            pair(double, 48, 32),
            [double, "[48, 2]", "[96, 32]"],
        ),
        ("flux-schnell", dora, [double, "magnitude", "plain LoRA"]),
        (
            "flux-schnell",
            with_bias,
            ["lora_B.bias", "bias", "plain LoRA"],
        ),
    ] {
        let error = load(model).set_loras(&[saved(folder.path(), "wrong", &lora)]);
        let error = error.unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{model}: {error}");
        }
    }
}
