//! Weights and files that are missing, damaged or of another shape.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use impasto::model::{LoadOptions, Model, inspect};

use crate::{Folder, UNET, check_message};

const TENSOR: &str = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight";

#[test]
fn missing_tensor() {
    let folder = Folder::of("sd15");
    folder.edit_weights(UNET, |tensors| {
        tensors.remove(TENSOR).unwrap();
    });
    folder.error_names(&[UNET, TENSOR]);
}

#[test]
fn inspection_lists_every_missing_tensor() {
    let folder = Folder::of("sd15");
    folder.edit_weights(UNET, |tensors| {
        tensors.retain(|name, _| !name.starts_with("mid_block"));
    });
    let report = inspect(folder.dir.path()).unwrap();
    assert!(report.problems.len() > 20, "{:?}", report.problems);
    assert!(
        report
            .problems
            .iter()
            .all(|problem| problem.contains("mid_block"))
    );
}

#[test]
fn wrong_shape() {
    let folder = Folder::of("sd15");
    folder.edit_weights(UNET, |tensors| {
        let wrong = Tensor::zeros((8, 23), DType::F16, &Device::Cpu).unwrap();
        tensors.insert(TENSOR.to_owned(), wrong);
    });
    folder.error_names(&[UNET, TENSOR, "[8, 23]", "[8, 24]"]);
}

#[test]
fn wrong_number_format() {
    let folder = Folder::of("sd15");
    folder.edit_weights(UNET, |tensors| {
        let whole = Tensor::zeros((8, 24), DType::I64, &Device::Cpu).unwrap();
        tensors.insert(TENSOR.to_owned(), whole);
    });
    let error = folder.load().err().unwrap().to_string();
    check_message(&error, &[UNET, TENSOR, "I64", "float16"]);
}

#[test]
fn unexpected_tensors_are_reported_but_do_no_harm() {
    let folder = Folder::of("sd15");
    folder.edit_weights(UNET, |tensors| {
        let extra = Tensor::zeros(1, DType::F16, &Device::Cpu).unwrap();
        tensors.insert("left_over.weight".to_owned(), extra);
    });
    assert!(folder.load().is_ok());
    let report = inspect(folder.dir.path()).unwrap();
    let unet = report
        .components
        .iter()
        .find(|component| component.name == "unet")
        .unwrap();
    assert_eq!(unet.unexpected_tensors, ["left_over.weight"]);
}

#[test]
fn truncated_weights() {
    let folder = Folder::of("sd15");
    let path = folder.path(UNET);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    // The last tensor of the file, which is where it is cut.
    folder.error_names(&[
        UNET,
        "it ends within tensor",
        "up_blocks.1.resnets.2.time_emb_proj.weight",
    ]);
}

#[test]
fn weights_that_are_not_safetensors() {
    for content in [
        &b""[..],
        b"1234",
        b"not a safetensors file, but long enough to have a header",
    ] {
        let folder = Folder::of("sd15");
        std::fs::write(folder.path(UNET), content).unwrap();
        folder.error_names(&[UNET, "damaged"]);
    }
    let folder = Folder::of("sd15");
    let mut content = 2u64.to_le_bytes().to_vec();
    content.extend(b"[]");
    std::fs::write(folder.path(UNET), content).unwrap();
    folder.error_names(&[UNET, "header"]);
}

#[test]
fn missing_shard() {
    let folder = Folder::of("sd21");
    let shard = "unet/diffusion_pytorch_model-00002-of-00002.safetensors";
    std::fs::remove_file(folder.path(shard)).unwrap();
    folder.error_names(&[shard, "missing"]);
}

#[test]
fn shard_without_its_tensor() {
    let folder = Folder::of("sd21");
    let shard = "unet/diffusion_pytorch_model-00002-of-00002.safetensors";
    folder.edit_weights(shard, |tensors| {
        tensors
            .remove("up_blocks.1.resnets.0.conv1.weight")
            .unwrap();
    });
    folder.error_names(&[shard, "up_blocks.1.resnets.0.conv1.weight"]);
}

/// As diffusers and transformers write a variant's index today, and as diffusers did before.
#[test]
fn shards_of_a_variant_are_found_in_every_spelling() {
    let plain = "unet/diffusion_pytorch_model.safetensors.index.json";
    for index in [
        "unet/diffusion_pytorch_model.safetensors.index.fp16.json",
        "unet/diffusion_pytorch_model.safetensors.fp16.index.json",
        "unet/model.safetensors.index.fp16.json",
    ] {
        for spelling in ["-0000$-of-00002.fp16", ".fp16-0000$-of-00002"] {
            let folder = Folder::of("sd21");
            let mut text = std::fs::read_to_string(folder.path(plain)).unwrap();
            for shard in ["1", "2"] {
                let old = format!("diffusion_pytorch_model-0000{shard}-of-00002.safetensors");
                let new = spelling.replace('$', shard);
                let new = format!("diffusion_pytorch_model{new}.safetensors");
                text = text.replace(&old, &new);
                let unet = folder.path("unet");
                std::fs::rename(unet.join(old), unet.join(new)).unwrap();
            }
            std::fs::remove_file(folder.path(plain)).unwrap();
            std::fs::write(folder.path(index), text).unwrap();
            assert!(folder.load().is_ok(), "{index} {spelling}");
            assert!(
                inspect(folder.dir.path()).unwrap().usable,
                "{index} {spelling}"
            );
        }
    }
}

#[test]
fn shards_outside_the_folder() {
    let folder = Folder::of("sd21");
    let index = "unet/diffusion_pytorch_model.safetensors.index.json";
    let map = serde_json::json!({"conv_in.weight": "../../secret.safetensors"});
    folder.edit_json(index, "weight_map", map);
    folder.error_names(&[index, "weight_map"]);
}

#[test]
fn missing_files_and_folders() {
    let nowhere = Path::new("no/such/model");
    check_message(
        &Model::load(nowhere, &LoadOptions::default())
            .err()
            .unwrap()
            .to_string(),
        &["no/such/model", "missing"],
    );
    for name in [
        "model_index.json",
        "unet",
        "vae",
        "text_encoder",
        "tokenizer",
        "unet/config.json",
        UNET,
        "text_encoder/model.safetensors",
        "tokenizer/vocab.json",
        "scheduler/scheduler_config.json",
    ] {
        let folder = Folder::of("sd15");
        let path = folder.path(name);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
        folder.error_names(&[name, "missing"]);
    }
}

#[test]
fn weights_in_pytorch_format_only() {
    let folder = Folder::of("sd15");
    std::fs::rename(
        folder.path(UNET),
        folder.path("unet/diffusion_pytorch_model.bin"),
    )
    .unwrap();
    folder.error_names(&[UNET, "safe_serialization"]);
}
