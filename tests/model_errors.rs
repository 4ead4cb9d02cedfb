//! A model folder that is not what it says gets one clear error that names the file and the
//! tensor or field.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use impasto::model::{LoadOptions, LoraChoice, Model, ModelError, inspect};
use tempfile::TempDir;

/// A copy of a fixture, to be broken.
struct Folder {
    dir: TempDir,
}

impl Folder {
    fn of(family: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&fixture(family), dir.path());
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load(&self) -> Result<Model, ModelError> {
        Model::load(self.dir.path(), &LoadOptions::default())
    }

    /// The error of loading; it must be one line with all of `parts` in it, and inspection must
    /// find the same.
    fn error_names(&self, parts: &[&str]) {
        let error = self.load().err().expect("the folder must be refused").to_string();
        check_message(&error, parts);
        match inspect(self.dir.path()) {
            Ok(report) => {
                assert!(!report.usable);
                let found = report.problems.iter().any(|text| parts.iter().all(|part| text.contains(part)));
                assert!(found, "{parts:?} not in {:?}", report.problems);
            }
            Err(error) => check_message(&error.to_string(), parts),
        }
    }

    fn edit_json(&self, name: &str, field: &str, value: serde_json::Value) {
        let path = self.path(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json[field] = value;
        std::fs::write(&path, json.to_string()).unwrap();
    }

    fn edit_weights(&self, name: &str, edit: impl FnOnce(&mut HashMap<String, Tensor>)) {
        let path = self.path(name);
        let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
        edit(&mut tensors);
        candle_core::safetensors::save(&tensors, &path).unwrap();
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/networks").join(name)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn check_message(message: &str, parts: &[&str]) {
    assert!(!message.contains('\n'), "{message:?} is not one line");
    for part in parts {
        assert!(message.contains(part), "{message:?} does not name {part:?}");
    }
}

const UNET: &str = "unet/diffusion_pytorch_model.safetensors";
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
    assert!(report.problems.iter().all(|problem| problem.contains("mid_block")));
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
    let unet = report.components.iter().find(|component| component.name == "unet").unwrap();
    assert_eq!(unet.unexpected_tensors, ["left_over.weight"]);
}

#[test]
fn truncated_weights() {
    let folder = Folder::of("sd15");
    let path = folder.path(UNET);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    // The last tensor of the file, which is where it is cut.
    folder.error_names(&[UNET, "it ends within tensor", "up_blocks.1.resnets.2.time_emb_proj.weight"]);
}

#[test]
fn weights_that_are_not_safetensors() {
    for content in [&b""[..], b"1234", b"not a safetensors file, but long enough to have a header"] {
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
        tensors.remove("up_blocks.1.resnets.0.conv1.weight").unwrap();
    });
    folder.error_names(&[shard, "up_blocks.1.resnets.0.conv1.weight"]);
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
fn unknown_classes() {
    let folder = Folder::of("sd15");
    folder.edit_json("model_index.json", "unet", serde_json::json!(["diffusers", "SD3Transformer2DModel"]));
    folder.error_names(&["model_index.json", "unet", "SD3Transformer2DModel", "UNet2DConditionModel"]);

    let folder = Folder::of("sd15");
    folder.edit_json("model_index.json", "vae", serde_json::json!(["diffusers", "VQModel"]));
    folder.error_names(&["model_index.json", "vae", "VQModel", "AutoencoderTiny", "AutoencoderKL"]);

    let folder = Folder::of("sd15");
    folder.edit_json("unet/config.json", "_class_name", "UNet2DModel".into());
    folder.error_names(&["unet/config.json", "UNet2DModel", "UNet2DConditionModel"]);
}

#[test]
fn unsupported_and_contradictory_fields() {
    let cases = [
        ("unet/config.json", "down_block_types", serde_json::json!(["KDownBlock2D", "DownBlock2D"]), "KDownBlock2D"),
        ("unet/config.json", "class_embed_type", "timestep".into(), "timestep"),
        ("unet/config.json", "addition_embed_type", "image".into(), "text_time"),
        ("unet/config.json", "block_out_channels", serde_json::json!([8, 16, 32]), "2"),
        ("unet/config.json", "block_out_channels", "wide".into(), "wide"),
        ("unet/config.json", "attention_head_dim", serde_json::json!([2, 2, 2]), "3 values"),
        ("unet/config.json", "attention_head_dim", 0.into(), "between 1"),
        ("unet/config.json", "norm_num_groups", 3.into(), "divide"),
        ("unet/config.json", "act_fn", "mish".into(), "silu"),
        ("text_encoder/config.json", "hidden_act", "relu".into(), "quick_gelu"),
        ("text_encoder/config.json", "num_attention_heads", 5.into(), "hidden_size"),
        ("vae/config.json", "block_out_channels", serde_json::json!([8, 16]), "down_block_types"),
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
        ("encoder_block_out_channels", serde_json::json!([8, 8, 8, 16])),
    ] {
        let folder = Folder::of("sketch");
        folder.edit_json("vae/config.json", field, value);
        folder.error_names(&["vae/config.json", field]);
    }
}

#[test]
fn parts_that_do_not_fit_together() {
    let folder = Folder::of("sd15");
    copy(&fixture("sketch/vae"), &folder.path("vae"));
    folder.edit_json("model_index.json", "vae", serde_json::json!(["diffusers", "AutoencoderTiny"]));
    folder.error_names(&["unet/config.json", "out_channels", "8 channels"]);

    let folder = Folder::of("sdxl");
    folder.edit_json("model_index.json", "text_encoder_2", serde_json::json!([null, null]));
    folder.error_names(&["unet/config.json", "cross_attention_dim", "24 wide"]);
}

#[test]
fn missing_files_and_folders() {
    let nowhere = Path::new("no/such/model");
    check_message(
        &Model::load(nowhere, &LoadOptions::default()).err().unwrap().to_string(),
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
    std::fs::rename(folder.path(UNET), folder.path("unet/diffusion_pytorch_model.bin")).unwrap();
    folder.error_names(&[UNET, "safe_serialization"]);
}

#[test]
fn files_that_are_not_json() {
    for name in ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"] {
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
    folder.edit_json("tokenizer/tokenizer_config.json", "eos_token", "<|nowhere|>".into());
    folder.error_names(&["tokenizer.json", "<|nowhere|>"]);
}

fn lora_error(path: PathBuf) -> String {
    let loras = vec![LoraChoice { path, weight: 1.0, name: "test".to_owned() }];
    let options = LoadOptions { loras, ..LoadOptions::default() };
    Model::load(&fixture("sd15"), &options).err().expect("the LoRA must be refused").to_string()
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
    let (down, up) = (format!("{module}.lora.down.weight"), format!("{module}.lora.up.weight"));
    let zeros = |shape: (usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();

    check_message(&lora_error(PathBuf::from("no/lora.safetensors")), &["no/lora.safetensors", "missing"]);
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
    check_message(&error, &["edited.safetensors", "unet.other.lora", "another model"]);
    let (_dir, error) = lora_with(|tensors| {
        tensors.insert("unet.conv_in.hada_w1_a".to_owned(), zeros((2, 2)));
    });
    check_message(&error, &["edited.safetensors", "hada_w1_a", "supported"]);
    let (_dir, error) = lora_with(|tensors| {
        let module = "text_encoder_2.text_model.encoder.layers.0.mlp.fc1";
        tensors.insert(format!("{module}.lora_A.weight"), zeros((2, 24)));
        tensors.insert(format!("{module}.lora_B.weight"), zeros((40, 2)));
    });
    check_message(&error, &["edited.safetensors", "text_encoder_2", "does not have"]);
}
