//! Configurations that are not supported, contradict themselves, or do not fit together.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use impasto::model::{ClipTokenizer, LoadOptions, Model, inspect};

use crate::fixtures::copy_folder;
use crate::{Folder, UNET, check_message, fixture};

#[test]
fn unknown_classes() {
    let folder = Folder::of("sd15");
    folder.edit_json(
        "model_index.json",
        "unet",
        serde_json::json!(["diffusers", "SD3Transformer2DModel"]),
    );
    folder.error_names(&[
        "model_index.json",
        "unet",
        "SD3Transformer2DModel",
        "UNet2DConditionModel",
    ]);

    let folder = Folder::of("sd15");
    folder.edit_json(
        "model_index.json",
        "vae",
        serde_json::json!(["diffusers", "VQModel"]),
    );
    folder.error_names(&[
        "model_index.json",
        "vae",
        "VQModel",
        "AutoencoderTiny",
        "AutoencoderKL",
    ]);

    let folder = Folder::of("sd15");
    folder.edit_json("unet/config.json", "_class_name", "UNet2DModel".into());
    folder.error_names(&["unet/config.json", "UNet2DModel", "UNet2DConditionModel"]);
}

#[test]
fn unsupported_and_contradictory_fields() {
    let cases = [
        (
            "unet/config.json",
            "down_block_types",
            serde_json::json!(["KDownBlock2D", "DownBlock2D"]),
            "KDownBlock2D",
        ),
        (
            "unet/config.json",
            "class_embed_type",
            "timestep".into(),
            "timestep",
        ),
        (
            "unet/config.json",
            "addition_embed_type",
            "image".into(),
            "text_time",
        ),
        (
            "unet/config.json",
            "block_out_channels",
            serde_json::json!([8, 16, 32]),
            "2",
        ),
        (
            "unet/config.json",
            "block_out_channels",
            "wide".into(),
            "wide",
        ),
        (
            "unet/config.json",
            "attention_head_dim",
            serde_json::json!([2, 2, 2]),
            "3 values",
        ),
        (
            "unet/config.json",
            "attention_head_dim",
            0.into(),
            "between 1",
        ),
        ("unet/config.json", "norm_num_groups", 3.into(), "divide"),
        ("unet/config.json", "act_fn", "mish".into(), "silu"),
        (
            "unet/config.json",
            "mid_block_type",
            "UNetMidBlock2DSimpleCrossAttn".into(),
            "UNetMidBlock2DCrossAttn",
        ),
        (
            "text_encoder/config.json",
            "use_attention_mask",
            true.into(),
            "must be false",
        ),
        (
            "text_encoder/config.json",
            "hidden_act",
            "relu".into(),
            "quick_gelu",
        ),
        (
            "text_encoder/config.json",
            "num_attention_heads",
            5.into(),
            "hidden_size",
        ),
        (
            "vae/config.json",
            "block_out_channels",
            serde_json::json!([8, 16]),
            "down_block_types",
        ),
    ];
    for (file, field, value, part) in cases {
        let folder = Folder::of("sd15");
        folder.edit_json(file, field, value);
        folder.error_names(&[file, part]);
    }
    for (field, value) in [
        ("act_fn", serde_json::json!("mish")),
        ("upsampling_scaling_factor", 3.into()),
        ("num_encoder_blocks", serde_json::json!([1, 1])),
        (
            "encoder_block_out_channels",
            serde_json::json!([8, 8, 8, 16]),
        ),
    ] {
        let folder = Folder::of("sketch");
        folder.edit_json("vae/config.json", field, value);
        folder.error_names(&["vae/config.json", field]);
    }
}

#[test]
fn parts_that_do_not_fit_together() {
    let folder = Folder::of("sd15");
    copy_folder(&fixture("sketch/vae"), &folder.path("vae"));
    folder.edit_json(
        "model_index.json",
        "vae",
        serde_json::json!(["diffusers", "AutoencoderTiny"]),
    );
    folder.error_names(&["unet/config.json", "out_channels", "8 channels"]);

    let folder = Folder::of("sdxl");
    folder.edit_json(
        "model_index.json",
        "text_encoder_2",
        serde_json::json!([null, null]),
    );
    folder.error_names(&["unet/config.json", "cross_attention_dim", "24 wide"]);

    let folder = Folder::of("sdxl");
    let class = serde_json::json!(["transformers", "CLIPTextModel"]);
    folder.edit_json("model_index.json", "text_encoder_2", class);
    folder.error_names(&["unet/config.json", "addition_embed_type", "WithProjection"]);
}

#[test]
fn files_that_are_not_json() {
    for name in [
        "model_index.json",
        "unet/config.json",
        "scheduler/scheduler_config.json",
    ] {
        for content in ["", "{", "[1, 2]"] {
            let folder = Folder::of("sd15");
            std::fs::write(folder.path(name), content).unwrap();
            folder.error_names(&[name, "JSON"]);
        }
    }
}

#[test]
fn broken_tokenizers() {
    let folder = Folder::of("sketch");
    std::fs::write(folder.path("tokenizer/tokenizer.json"), "{}").unwrap();
    folder.error_names(&["tokenizer/tokenizer.json"]);

    let folder = Folder::of("sketch");
    folder.edit_json(
        "tokenizer/tokenizer_config.json",
        "eos_token",
        "<|nowhere|>".into(),
    );
    folder.error_names(&["tokenizer.json", "<|nowhere|>"]);
}

#[test]
fn number_formats_that_the_device_cannot_compute() {
    for (dtype, name) in [
        (DType::BF16, "bf16"),
        (DType::F64, "f64"),
        (DType::U8, "u8"),
    ] {
        let options = LoadOptions {
            dtype,
            ..LoadOptions::default()
        };
        let error = Model::load(&fixture("sd15"), &options)
            .err()
            .unwrap()
            .to_string();
        check_message(&error, &[name, "Cpu", "f32 or f16"]);
    }
}

/// The words of textual inversions lie beside the vocabulary.
#[test]
fn added_tokens_are_words_of_their_own() {
    let tokens = |files: &[(&str, serde_json::Value)], prompt: &str| {
        let folder = Folder::of("sd15");
        for (name, content) in files {
            std::fs::write(folder.path("tokenizer").join(name), content.to_string()).unwrap();
        }
        let tokenizer = ClipTokenizer::load(&folder.path("tokenizer"), 77).unwrap();
        tokenizer.words(prompt).unwrap()
    };
    let plain = tokens(&[], "a");
    let word = |ids: &[u32]| [plain.as_slice(), ids, plain.as_slice()].concat();
    let legacy = serde_json::json!({"<cat-toy>": 604});
    let one = [("added_tokens.json", legacy)];
    assert_eq!(tokens(&one, "a <cat-toy> a"), word(&[604]));
    // Several vectors for one word, listed in the other file.
    let decoder = serde_json::json!({"added_tokens_decoder": {
        "604": {"content": "<cat>", "special": false},
        "605": {"content": "<cat>_1", "special": false},
        "606": {"content": "<cat>_2", "special": false},
    }});
    let three = [("tokenizer_config.json", decoder)];
    assert_eq!(tokens(&three, "a <cat> a"), word(&[604, 605, 606]));
    // A number that the vocabulary does not lead to.
    let folder = Folder::of("sd15");
    let far = serde_json::json!({"<cat>": 700}).to_string();
    std::fs::write(folder.path("tokenizer/added_tokens.json"), far).unwrap();
    folder.error_names(&["added_tokens.json", "<cat>", "700"]);
}

/// transformers finds the text tower in a whole CLIPModel's file.
#[test]
fn a_nested_text_config_is_the_same_model() {
    for section in ["text_config", "text_config_dict"] {
        let folder = Folder::of("sd15");
        let path = folder.path("text_encoder/config.json");
        let inner: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let outer = serde_json::json!({
            "model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": 9,
            section: inner,
        });
        std::fs::write(&path, outer.to_string()).unwrap();
        let nested = folder.load().unwrap();
        let plain = Folder::of("sd15").load().unwrap();
        assert_eq!(nested.text_encoder.config(), plain.text_encoder.config());
    }
}

#[test]
fn what_is_no_diffusers_folder_is_named_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let tensor = || Tensor::zeros((1, 1), DType::F32, &Device::Cpu).unwrap();
    let file = |name: &str, keys: &[&str]| {
        let path = dir.path().join(name);
        let tensors: HashMap<String, Tensor> = keys
            .iter()
            .map(|key| ((*key).to_owned(), tensor()))
            .collect();
        candle_core::safetensors::save(&tensors, &path).unwrap();
        path
    };
    let error = |path: &Path| inspect(path).unwrap_err().to_string();
    let unet = "model.diffusion_model.input_blocks.0.0.weight";
    let single = file("dream.safetensors", &[unet]);
    check_message(
        &error(&single),
        &["dream.safetensors", "single-file checkpoint", "UNet"],
    );
    let xl = file("xl.safetensors", &[unet, "conditioner.embedders.0.x"]);
    check_message(&error(&xl), &["xl.safetensors", "single-file checkpoint"]);
    let lora = file("ink.safetensors", &["lora_unet_x.lora_down.weight"]);
    check_message(&error(&lora), &["a LoRA", "--lora"]);
    let inside = tempfile::tempdir().unwrap();
    std::fs::copy(&single, inside.path().join("m.safetensors")).unwrap();
    check_message(&error(inside.path()), &["m.safetensors", "single-file"]);
    let pickled = dir.path().join("old.ckpt");
    std::fs::write(&pickled, b"PK").unwrap();
    check_message(&error(&pickled), &["old.ckpt", "pickled", "safetensors"]);

    let folder = Folder::of("sdxl");
    folder.edit_json("model_index.json", "requires_aesthetics_score", true.into());
    folder.error_names(&["refiner", "base model"]);
    let folder = Folder::of("sdxl");
    let nothing = serde_json::json!([null, null]);
    folder.edit_json("model_index.json", "text_encoder", nothing);
    folder.error_names(&["refiner", "base model"]);
    for name in [UNET, "text_encoder/config.json"] {
        let folder = Folder::of("sd15");
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n";
        std::fs::write(folder.path(name), pointer).unwrap();
        folder.error_names(&[name, "Git LFS", "git lfs pull"]);
    }
}

/// diffusers goes by the index, whatever the scheduler's own file says or leaves out.
#[test]
fn the_index_names_the_scheduler() {
    let folder = Folder::of("sd15");
    let class = serde_json::json!(["diffusers", "LCMScheduler"]);
    folder.edit_json("model_index.json", "scheduler", class);
    folder.edit_json(
        "scheduler/scheduler_config.json",
        "_class_name",
        serde_json::Value::Null,
    );
    let model = folder.load().unwrap();
    assert_eq!(model.scheduler.class.as_deref(), Some("LCMScheduler"));
    assert_eq!(model.family.name(), "lcm");
    let report = inspect(&folder.path("")).unwrap();
    assert_eq!(report.scheduler_class.as_deref(), Some("LCMScheduler"));
    assert!(report.usable, "{:?}", report.problems);
}
