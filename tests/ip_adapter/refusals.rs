//! IP-Adapters that cannot be used are refused with a sentence that says why.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use impasto::canvas::Pixels;
use impasto::model::{IpAdapterChoice, LoadOptions, Model};
use impasto::pipeline::{Pipeline, ReferencePicture, ReferenceSettings};

use super::fixtures::copy_folder;
use super::{adapter, adapters, choice, folder, load, named, parity, tensors};

/// What stands in the way of loading the family's model with an adapter.
fn refused(family: &str, choice: IpAdapterChoice) -> String {
    let options = LoadOptions {
        ip_adapters: vec![choice],
        ..LoadOptions::default()
    };
    let model = Model::load(folder(family).path(), &options);
    model.err().expect("accepted").to_string()
}

#[test]
fn adapters_for_other_families_are_refused_by_name() {
    for (family, name, parts) in [
        (
            "sd15",
            "ip-adapter_sdxl",
            ["another family", "tokens of width 56", "tokens of width 20"],
        ),
        (
            "sdxl",
            "ip-adapter-plus_sd15",
            ["another family", "tokens of width 20", "tokens of width 56"],
        ),
    ] {
        let message = refused(family, choice("ip", adapter(name)));
        for part in [&[name], &parts[..]].concat() {
            assert!(message.contains(part), "{message}");
        }
    }
}

#[test]
fn a_transformer_has_no_place_for_one() {
    let options = LoadOptions {
        ip_adapters: named(&["ip-adapter_sd15"]),
        ..LoadOptions::default()
    };
    let model = Model::load(&parity("flow-models/flux-schnell"), &options);
    let message = model.err().expect("accepted").to_string();
    assert!(message.contains("transformer"), "{message}");
}

#[test]
fn what_is_no_ip_adapter_is_refused_by_name() {
    let scratch = tempfile::tempdir().unwrap();
    let file = |name: &str, tensor: &str| {
        let path = scratch.path().join(name);
        let value = Tensor::zeros((4, 5), DType::F32, &Device::Cpu).unwrap();
        let tensors = HashMap::from([(tensor.to_owned(), value)]);
        candle_core::safetensors::save(&tensors, &path).unwrap();
        path
    };
    let pickle = scratch.path().join("ip-adapter_sd15.bin");
    std::fs::write(&pickle, "x").unwrap();
    let pickles = scratch.path().join("pickles");
    std::fs::create_dir(&pickles).unwrap();
    std::fs::write(pickles.join("ip-adapter_sd15.bin"), "x").unwrap();
    for (path, part) in [
        (pickle, ".safetensors"),
        (pickles, "pickles"),
        (scratch.path().join("nowhere"), "safetensors file"),
        (file("lora.safetensors", "a.lora_A.weight"), "--lora"),
        (
            file("t2i.safetensors", "adapter.body.0.in_conv.weight"),
            "--control",
        ),
        (
            file("full.safetensors", "image_proj.proj.0.weight"),
            "Full or FaceID",
        ),
        (file("else.safetensors", "x"), "image_proj.latents"),
        (
            file("cut.safetensors", "image_proj.proj.weight"),
            "another family",
        ),
        (adapters(), "ip-adapter_sd15.safetensors"),
    ] {
        let message = refused("sd15", choice("ip", path.clone()));
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            message.contains(part) && message.contains(name),
            "{message}"
        );
    }
}

/// A copy of the adapter's file with other tensors, and of the image encoder beside it.
fn changed(
    name: &str,
    folder: &Path,
    change: impl FnOnce(&mut HashMap<String, Tensor>),
) -> PathBuf {
    let mut all = tensors(&adapter(name));
    change(&mut all);
    let path = folder.join(format!("{name}.safetensors"));
    candle_core::safetensors::save(&all, &path).unwrap();
    let encoder = folder.join("image_encoder");
    if !encoder.exists() {
        copy_folder(&adapters().join("image_encoder"), &encoder);
    }
    path
}

#[test]
fn tensors_that_are_missing_or_of_another_shape_are_named() {
    for (name, tensor) in [
        ("ip-adapter_sd15", "image_proj.norm.bias"),
        ("ip-adapter_sd15", "ip_adapter.3.to_v_ip.weight"),
        ("ip-adapter-plus_sd15", "image_proj.layers.2.0.to_kv.weight"),
        ("ip-adapter-plus_sd15", "image_proj.proj_out.weight"),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let path = changed(name, scratch.path(), |all| {
            all.remove(tensor).unwrap();
        });
        let message = refused("sd15", choice("ip", path));
        assert!(message.contains(tensor), "{message}");
        let path = changed(name, scratch.path(), |all| {
            let flat = all[tensor].flatten_all().unwrap();
            let flat = Tensor::cat(&[&flat, &flat], 0).unwrap();
            all.insert(tensor.to_owned(), flat);
        });
        let message = refused("sd15", choice("ip", path));
        assert!(message.contains(tensor), "{message}");
    }
}

/// The image encoder lies beside the adapter, or is named; and it is the one that the adapter was made
/// for.
#[test]
fn the_image_encoder_has_to_be_the_adapters_own() {
    let scratch = tempfile::tempdir().unwrap();
    let (own, other) = (
        adapters().join("image_encoder"),
        scratch.path().join("other"),
    );
    let alone = scratch.path().join("alone.safetensors");
    std::fs::copy(adapter("ip-adapter_sd15"), &alone).unwrap();
    let message = refused("sd15", choice("ip", alone.clone()));
    for part in ["projection_dim 12", "`image_encoder`", "--image-encoder"] {
        assert!(message.contains(part), "{message}");
    }
    let with = |path: &Path, encoder: &Path| IpAdapterChoice {
        image_encoder: Some(encoder.to_owned()),
        ..choice("ip", path.to_owned())
    };
    let options = LoadOptions {
        ip_adapters: vec![with(&alone, &own)],
        ..LoadOptions::default()
    };
    Model::load(folder("sd15").path(), &options).unwrap();

    copy_folder(&own, &other);
    let file = other.join("config.json");
    let config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let write = |field: &str, value: serde_json::Value| {
        let mut config = config.clone();
        config[field] = value;
        std::fs::write(&file, config.to_string()).unwrap();
    };
    write("projection_dim", 16.into());
    let message = refused("sd15", with(&alone, &other));
    for part in ["projection_dim 12", "other has 16"] {
        assert!(message.contains(part), "{message}");
    }
    write("hidden_size", 40.into());
    let plus = adapter("ip-adapter-plus_sd15");
    let message = refused("sd15", with(&plus, &other));
    for part in ["hidden_size 20", "other has 40"] {
        assert!(message.contains(part), "{message}");
    }
    write("architectures", vec!["CLIPTextModel"].into());
    let message = refused("sd15", with(&plus, &other));
    for part in ["CLIPTextModel", "CLIPVisionModelWithProjection"] {
        assert!(message.contains(part), "{message}");
    }
}

/// A folder with one adapter in it is that adapter.
#[test]
fn a_folder_may_be_given_for_the_file_in_it() {
    let scratch = tempfile::tempdir().unwrap();
    changed("ip-adapter_sd15", scratch.path(), |_| ());
    let options = LoadOptions {
        ip_adapters: vec![choice("ip", scratch.path().to_owned())],
        ..LoadOptions::default()
    };
    let model = Model::load(folder("sd15").path(), &options).unwrap();
    assert_eq!(model.ip_adapters()[0].name, "ip");
}

#[test]
fn settings_that_a_reference_cannot_have_are_refused() {
    let model = load("sd15", &["ip-adapter_sd15"]);
    let mut pipeline = Pipeline::new(model, 2).unwrap();
    let usual = ReferenceSettings {
        ip_adapter: "ip-adapter_sd15".to_owned(),
        scale: 0.6,
        start: 0.0,
        end: 1.0,
    };
    let mut message = |settings: ReferenceSettings| {
        let reference = ReferencePicture {
            settings,
            picture: Arc::new(Pixels::new(40, 30, [200; 3])),
        };
        let seen = pipeline.reference(&reference);
        seen.err().map(|refused| refused.to_string())
    };
    assert_eq!(message(usual.clone()), None);
    let unknown = ReferenceSettings {
        ip_adapter: "plus".to_owned(),
        ..usual.clone()
    };
    let unknown = message(unknown).unwrap();
    assert!(
        unknown.contains("\"plus\"") && unknown.contains("ip-adapter_sd15"),
        "{unknown}"
    );
    for (scale, start, end, field) in [
        (f64::NAN, 0.0, 1.0, "reference_scale"),
        (0.5, -0.1, 1.0, "reference_start"),
        (0.5, 0.0, 1.5, "reference_end"),
    ] {
        let settings = ReferenceSettings {
            scale,
            start,
            end,
            ..usual.clone()
        };
        let message = message(settings).unwrap();
        assert!(message.contains(field), "{message}");
    }
}

#[test]
fn adapters_have_names_that_differ() {
    let options = LoadOptions {
        ip_adapters: vec![
            choice("ip", adapter("ip-adapter_sd15")),
            choice("ip", adapter("ip-adapter-plus_sd15")),
        ],
        ..LoadOptions::default()
    };
    let message = Model::load(folder("sd15").path(), &options).err().unwrap();
    assert!(message.to_string().contains("\"ip\""), "{message}");
}
