//! Configurations that are not supported, contradict themselves, or do not fit together.

use candle_core::DType;
use impasto::model::{LoadOptions, Model};

use crate::fixtures::copy_folder;
use crate::{Folder, check_message, fixture};

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
