//! Folders of flow models that are not supported, contradict themselves, or lack a part.

use impasto::model::{EmbeddingChoice, LoadOptions, LoraChoice, Model, Supplied};

use crate::{Folder, check_message, fixture};

fn folder(model: &str) -> Folder {
    Folder::of(&format!("../flow-models/{model}"))
}

#[test]
fn families_that_are_not_there_yet() {
    for (index, class) in [
        ("Flux2KleinPipeline", "Flux2Transformer2DModel"),
        ("ZImagePipeline", "ZImageTransformer2DModel"),
    ] {
        let folder = folder("flux-dev");
        folder.edit_json("model_index.json", "_class_name", index.into());
        let named = serde_json::json!(["diffusers", class]);
        folder.edit_json("model_index.json", "transformer", named);
        folder.error_names(&["transformer", class, "FLUX.1", "Stable Diffusion 3"]);
    }
}

#[test]
fn quantised_weights() {
    for part in ["transformer", "text_encoder_2"] {
        let folder = folder("flux-dev");
        let file = format!("{part}/config.json");
        let how = serde_json::json!({"quant_method": "bitsandbytes", "load_in_4bit": true});
        folder.edit_json(&file, "quantization_config", how);
        folder.error_names(&[&file, "quantization_config", "bitsandbytes", "float16"]);
    }
}

#[test]
fn fields_that_are_not_supported_or_do_not_fit() {
    let cases = [
        (
            "flux-dev",
            "transformer/config.json",
            "out_channels",
            serde_json::json!(8),
            "Fill",
        ),
        (
            "flux-dev",
            "transformer/config.json",
            "patch_size",
            2.into(),
            "must be 1",
        ),
        (
            "flux-dev",
            "transformer/config.json",
            "axes_dims_rope",
            serde_json::json!([4, 4, 4]),
            "attention_head_dim",
        ),
        (
            "flux-dev",
            "transformer/config.json",
            "axes_dims_rope",
            serde_json::json!([16]),
            "wrong type",
        ),
        (
            "flux-dev",
            "text_encoder_2/config.json",
            "feed_forward_proj",
            "relu".into(),
            "gated-gelu",
        ),
        (
            "sd35",
            "transformer/config.json",
            "qk_norm",
            "layer_norm".into(),
            "rms_norm",
        ),
        (
            "sd35",
            "transformer/config.json",
            "patch_size",
            0.into(),
            "is 0",
        ),
        (
            "sd35",
            "transformer/config.json",
            "caption_projection_dim",
            40.into(),
            "32",
        ),
    ];
    for (model, file, field, value, words) in cases {
        let folder = folder(model);
        folder.edit_json(file, field, value);
        folder.error_names(&[file, &format!("`{field}`"), words]);
    }
}

#[test]
fn parts_that_do_not_fit_each_other() {
    // FLUX's T5 is 32 wide, Stable Diffusion 3's 48.
    let one = folder("flux-dev");
    let other = fixture("../flow-models/sd35").join("text_encoder_3");
    crate::fixtures::copy_folder(&other, &one.path("text_encoder_2"));
    one.error_names(&["transformer/config.json", "joint_attention_dim", "32", "48"]);

    let one = folder("sd3");
    let class = serde_json::json!(["transformers", "CLIPTextModel"]);
    one.edit_json("model_index.json", "text_encoder", class);
    one.error_names(&["pooled_projection_dim", "CLIPTextModelWithProjection"]);
}

#[test]
fn parts_that_are_absent() {
    let one = folder("flux-dev");
    let nothing = serde_json::json!([null, null]);
    one.edit_json("model_index.json", "text_encoder_2", nothing);
    one.error_names(&["model_index.json", "text_encoder_2", "T5EncoderModel"]);

    let one = folder("flux-dev");
    std::fs::rename(
        one.path("tokenizer_2/tokenizer.json"),
        one.path("tokenizer_2/spiece.model"),
    )
    .unwrap();
    one.error_names(&["tokenizer_2", "tokenizer.json", "T5TokenizerFast"]);

    let one = folder("sd35");
    std::fs::remove_dir_all(one.path("text_encoder_3")).unwrap();
    one.error_names(&["text_encoder_3", "missing"]);
}

#[test]
fn a_transformer_without_a_tensor() {
    let one = folder("sd35");
    let name = "transformer_blocks.1.attn2.norm_q.weight";
    let file = "transformer/diffusion_pytorch_model.safetensors";
    one.edit_weights(file, |tensors| {
        assert!(tensors.remove(name).is_some());
    });
    one.error_names(&["transformer", name]);
}

#[test]
fn what_was_made_for_another_kind_of_model() {
    let flux = fixture("../flow-models/flux-schnell");
    let refused = |folder: &std::path::Path, options: LoadOptions, parts: &[&str]| {
        let error = Model::load(folder, &options).err().expect("accepted");
        check_message(&error.to_string(), parts);
    };
    let lora = |path| LoadOptions {
        loras: vec![LoraChoice::new(path, 1.0)],
        ..LoadOptions::default()
    };
    let ink = flux.join("ink.safetensors");
    refused(
        &fixture("sd15"),
        lora(ink.clone()),
        &["ink.safetensors", "transformer", "another model"],
    );
    refused(
        &fixture("../flow-models/sd3"),
        lora(ink),
        &["ink.safetensors", "another model"],
    );
    refused(
        &flux,
        lora(fixture("lora").join("kohya.safetensors")),
        &["kohya.safetensors", "another model"],
    );
    let embeddings = vec![EmbeddingChoice {
        path: fixture("../textual-inversions/InkWash.safetensors"),
        word: None,
    }];
    let options = LoadOptions {
        supplied: Supplied {
            embeddings,
            ..Supplied::default()
        },
        ..LoadOptions::default()
    };
    refused(&flux, options, &["InkWash.safetensors", "Stable Diffusion"]);
}
