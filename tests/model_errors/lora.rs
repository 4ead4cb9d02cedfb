//! LoRA files that do not fit the model.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use impasto::model::{LoadOptions, LoraChoice, Model};
use tempfile::TempDir;

use crate::{check_message, fixture};

fn lora_error(path: PathBuf) -> String {
    let loras = vec![LoraChoice {
        path,
        weight: 1.0,
        name: "test".to_owned(),
    }];
    let options = LoadOptions {
        loras,
        ..LoadOptions::default()
    };
    Model::load(&fixture("sd15"), &options)
        .err()
        .expect("the LoRA must be refused")
        .to_string()
}

fn lora_with(edit: impl FnOnce(&mut HashMap<String, Tensor>)) -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edited.safetensors");
    let mut tensors =
        candle_core::safetensors::load(fixture("lora/old.safetensors"), &Device::Cpu).unwrap();
    edit(&mut tensors);
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let error = lora_error(path);
    (dir, error)
}

#[test]
fn loras_that_do_not_fit() {
    let module = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k";
    let (down, up) = (
        format!("{module}.lora.down.weight"),
        format!("{module}.lora.up.weight"),
    );
    let zeros = |shape: (usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();

    check_message(
        &lora_error(PathBuf::from("no/lora.safetensors")),
        &["no/lora.safetensors", "missing"],
    );
    let (_dir, error) = lora_with(|tensors| {
        tensors.remove(&up).unwrap();
    });
    check_message(&error, &["edited.safetensors", &down, "partner"]);
    let (_dir, error) = lora_with(|tensors| {
        tensors.insert(down.clone(), zeros((2, 25)));
    });
    check_message(&error, &["edited.safetensors", &down, "[2, 25]"]);
    let (_dir, error) = lora_with(|tensors| {
        tensors.insert(up.clone(), zeros((8, 3)));
    });
    check_message(&error, &["edited.safetensors", &up, "[8, 3]"]);
    let (_dir, error) = lora_with(|tensors| {
        tensors.insert("unet.other.lora.down.weight".to_owned(), zeros((2, 2)));
        tensors.insert("unet.other.lora.up.weight".to_owned(), zeros((2, 2)));
    });
    check_message(
        &error,
        &["edited.safetensors", "unet.other.lora", "another model"],
    );
    let (_dir, error) = lora_with(|tensors| {
        tensors.insert("unet.conv_in.hada_w1_a".to_owned(), zeros((2, 2)));
    });
    check_message(&error, &["edited.safetensors", "hada_w1_a", "partner"]);
    let (_dir, error) = lora_with(|tensors| {
        tensors.insert("unet.conv_in.oft_blocks".to_owned(), zeros((2, 2)));
    });
    check_message(&error, &["edited.safetensors", "oft_blocks", "OFT"]);
    let (_dir, error) = lora_with(|tensors| {
        tensors.clear();
        tensors.insert("bundle_emb.word".to_owned(), zeros((2, 2)));
    });
    check_message(
        &error,
        &["edited.safetensors", "bundle_emb.word", "no LoRA"],
    );
    let (_dir, error) = lora_with(|tensors| {
        let module = "text_encoder_2.text_model.encoder.layers.0.mlp.fc1";
        tensors.insert(format!("{module}.lora_A.weight"), zeros((2, 24)));
        tensors.insert(format!("{module}.lora_B.weight"), zeros((40, 2)));
    });
    check_message(
        &error,
        &["edited.safetensors", "text_encoder_2", "does not have"],
    );
}

#[test]
fn settings_that_make_it_no_plain_lora() {
    for (field, value) in [
        ("init_lora_weights", "pissa_niter_4"),
        ("init_lora_weights", "olora"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("adapter_model.safetensors");
        std::fs::copy(fixture("lora/old.safetensors"), &path).unwrap();
        let settings = serde_json::json!({ "r": 2, field: value }).to_string();
        std::fs::write(dir.path().join("adapter_config.json"), settings).unwrap();
        check_message(
            &lora_error(path),
            &["adapter_model.safetensors", field, "plain LoRA"],
        );
    }
}
