//! Controls that cannot be used are refused with a sentence that says why.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use impasto::canvas::Pixels;
use impasto::model::{LoadOptions, Model};
use impasto::pipeline::{ControlPicture, ControlSettings, Pipeline};
use impasto::protocol::ControlPreprocess;

use super::fixtures::copy_folder;
use super::{choice, control, folder, load, named, parity, tensors};

/// What stands in the way of loading the family's model with a control.
fn refused(family: &str, path: PathBuf) -> String {
    let folder = folder(family);
    let options = LoadOptions {
        controls: vec![choice("lines", path)],
        ..LoadOptions::default()
    };
    let model = Model::load(folder.path(), &options);
    model.err().expect("accepted").to_string()
}

#[test]
fn controls_for_other_families_are_refused_by_name() {
    for (family, name, parts) in [
        (
            "sd15",
            "t2i-sketch-xl",
            ["t2i-sketch-xl", "another family", "8 at 1/16"],
        ),
        (
            "sdxl",
            "t2i-sketch",
            ["t2i-sketch", "another family", "8 at 1/8"],
        ),
        (
            "sd15",
            "controlnet-canny-xl",
            [
                "controlnet-canny-xl",
                "another family",
                "block_out_channels is [8, 12, 16]",
            ],
        ),
        (
            "sdxl",
            "controlnet-scribble",
            ["controlnet-scribble", "another family", "[8, 12, 12]"],
        ),
    ] {
        let message = refused(family, control(name));
        for part in parts {
            assert!(message.contains(part), "{message}");
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("net");
    copy_folder(&control("controlnet-scribble"), &path);
    let file = path.join("config.json");
    let config = std::fs::read_to_string(&file).unwrap();
    let other = config.replace("\"cross_attention_dim\": 20", "\"cross_attention_dim\": 24");
    assert_ne!(config, other);
    std::fs::write(&file, other).unwrap();
    let message = refused("sd15", path);
    assert!(
        message.contains("cross_attention_dim is [24, 24, 24]"),
        "{message}"
    );
}

#[test]
fn what_is_no_control_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, tensor: &str| {
        let path = folder.path().join(name);
        let value = Tensor::zeros((4, 5, 3, 3), DType::F32, &Device::Cpu).unwrap();
        let tensors = HashMap::from([(tensor.to_owned(), value)]);
        candle_core::safetensors::save(&tensors, &path).unwrap();
        path
    };
    let pickle = folder.path().join("sketch.pth");
    std::fs::write(&pickle, "x").unwrap();
    for (path, part) in [
        (file("lora.safetensors", "a.lora_A.weight"), "--lora"),
        (
            file("ip.safetensors", "image_proj.norm.weight"),
            "IP-Adapter",
        ),
        (
            file("union.safetensors", "task_embedding"),
            "ControlNet Union",
        ),
        (
            file("model.safetensors", "model.diffusion_model.out.2.weight"),
            "--model",
        ),
        (file("else.safetensors", "x"), "neither a T2I-Adapter"),
        (
            file("adapter.safetensors", "body.0.block1.weight"),
            "conv_in.weight",
        ),
        (pickle, "pickle"),
        (folder.path().join("nowhere"), "T2I-Adapter or a ControlNet"),
        (parity("pipelines/sd15"), "--model"),
        (parity("pipelines/sd15/vae"), "AutoencoderKL"),
    ] {
        let message = refused("sd15", path.clone());
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            message.contains(part) && message.contains(name),
            "{message}"
        );
    }
    // A tensor that is not there, and one of another shape.
    let cut = folder.path().join("t2i-cut");
    copy_folder(&control("t2i-sketch"), &cut);
    let weights = cut.join("diffusion_pytorch_model.safetensors");
    let whole = tensors(&weights);
    let tensor = "adapter.body.1.resnets.0.block2.weight";
    let mut fewer = whole.clone();
    fewer.remove(tensor);
    candle_core::safetensors::save(&fewer, &weights).unwrap();
    let message = refused("sd15", cut.clone());
    assert!(message.contains(tensor), "{message}");
    let mut other = whole.clone();
    let flat = whole[tensor].flatten_all().unwrap();
    other.insert(tensor.to_owned(), flat);
    candle_core::safetensors::save(&other, &weights).unwrap();
    let message = refused("sd15", cut);
    assert!(
        message.contains(tensor) && message.contains("[12, 12, 1, 1]"),
        "{message}"
    );
}

#[test]
fn settings_and_sizes_that_a_control_cannot_have_are_refused() {
    let model = load("sdxl", &named(&["t2i-sketch-xl"]));
    let pipeline = Pipeline::new(model, 2).unwrap();
    let settings = ControlSettings {
        name: "t2i-sketch-xl".to_owned(),
        preprocess: ControlPreprocess::None,
        scale: 1.0,
        start: 0.0,
        end: 1.0,
    };
    let picture = Arc::new(Pixels::new(64, 64, [255; 3]));
    let message = |settings: ControlSettings, size| {
        let picture = ControlPicture {
            settings,
            picture: Arc::clone(&picture),
        };
        let steering = pipeline.steering(&picture, size);
        steering.err().expect("accepted").to_string()
    };
    let size = message(settings.clone(), (64, 72));
    assert!(
        size.contains("multiples of 16") && size.contains("64 × 72"),
        "{size}"
    );
    let unknown = ControlSettings {
        name: "depth".to_owned(),
        ..settings.clone()
    };
    let unknown = message(unknown, (64, 64));
    assert!(
        unknown.contains("\"depth\"") && unknown.contains("t2i-sketch-xl"),
        "{unknown}"
    );
    for (settings, field) in [
        (
            ControlSettings {
                scale: f64::NAN,
                ..settings.clone()
            },
            "control_scale",
        ),
        (
            ControlSettings {
                start: -0.1,
                ..settings.clone()
            },
            "control_start",
        ),
        (
            ControlSettings {
                end: 1.5,
                ..settings
            },
            "control_end",
        ),
    ] {
        let message = message(settings, (64, 64));
        assert!(message.contains(field), "{message}");
    }
}

#[test]
fn controls_have_names_that_differ() {
    let folder = folder("sd15");
    let options = LoadOptions {
        controls: vec![
            choice("lines", control("t2i-sketch")),
            choice("lines", control("t2i-color")),
        ],
        ..LoadOptions::default()
    };
    let message = Model::load(folder.path(), &options).err().unwrap();
    assert!(message.to_string().contains("\"lines\""), "{message}");
}
