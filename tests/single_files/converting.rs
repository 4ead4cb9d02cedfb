//! What `convert` writes is what diffusers writes.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device};
use impasto::model::{LoadOptions, Model, ModelFolder, SafetensorsFile, Supplied, convert};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Scratch, checkpoint, fixture, load, own_words};

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Whether two values of a configuration say the same: one for all blocks is as good as one for
/// each.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Array(list), single) | (single, Value::Array(list)) => {
            list.iter().all(|entry| same(entry, single))
        }
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

fn check_fields(place: &str, ours: &Value, theirs: &Value) {
    for (field, value) in ours.as_object().unwrap() {
        let wanted = &theirs[field];
        assert!(
            same(value, wanted),
            "{place} {field}: {value}, but diffusers has {wanted}"
        );
    }
}

/// Number format, shape and hash of each tensor, as in `folder.json`.
fn hashes(file: &Path) -> BTreeMap<String, Value> {
    let file = SafetensorsFile::open(file).unwrap();
    assert_eq!(file.note("format"), Some("pt"));
    let names = file.names().into_iter();
    let hashed = names.map(|name| {
        let info = file.info(&name).unwrap();
        let bytes = file.read_bytes(&name).unwrap();
        let digest = Sha256::digest(bytes);
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let said = serde_json::json!([format!("{:?}", info.dtype), info.shape, hash]);
        (name, said)
    });
    hashed.collect()
}

fn weights_in(folder: &Path) -> std::path::PathBuf {
    ["diffusion_pytorch_model", "model"]
        .map(|stem| folder.join(format!("{stem}.safetensors")))
        .into_iter()
        .find(|file| file.is_file())
        .unwrap()
}

fn converted(file: &Path, supplied: &Supplied, out: &Path) {
    let mut last = (0, 1);
    convert(file, supplied, out, &mut |written, total| {
        last = (written, total)
    })
    .unwrap();
    assert_eq!(last.0, last.1);
}

#[test]
fn the_folder_has_diffusers_names_shapes_and_bytes() {
    for line in ["sd15", "sd21", "sdxl"] {
        let scratch = Scratch::new();
        let out = scratch.path("deep/folder");
        converted(&checkpoint(line), &own_words(), &out);
        let wanted = json(&fixture(line).join("folder.json"));
        check_fields(
            "model_index.json",
            &json(&out.join("model_index.json")),
            &wanted["model_index"],
        );
        let scheduler = json(&out.join("scheduler/scheduler_config.json"));
        check_fields("scheduler", &scheduler, &wanted["scheduler"]);
        for (name, wanted) in wanted["components"].as_object().unwrap() {
            let folder = out.join(name);
            check_fields(name, &json(&folder.join("config.json")), &wanted["config"]);
            let found = hashes(&weights_in(&folder));
            let wanted = wanted["tensors"].as_object().unwrap();
            assert!(found.keys().eq(wanted.keys()), "{line} {name}");
            for (tensor, said) in &found {
                assert_eq!(*said, wanted[tensor], "{line} {name} {tensor}");
            }
        }
        // Nothing of what was under way is left.
        let parts = std::fs::read_dir(scratch.path("deep")).unwrap().count();
        assert_eq!(parts, 1);
    }
}

/// The same tensors, to the bit, whether a network reads them from the file or from the folder.
#[test]
fn file_and_folder_load_the_same_tensors() {
    for line in ["sd15", "sd21", "sdxl"] {
        let scratch = Scratch::new();
        let out = scratch.path("folder");
        converted(&checkpoint(line), &own_words(), &out);
        let file = ModelFolder::open_with(&checkpoint(line), &own_words()).unwrap();
        let folder = ModelFolder::open(&out).unwrap();
        for part in folder.parts().unwrap() {
            let weights = |model: &ModelFolder| {
                let component = model.component(part.name).unwrap();
                component.weights(&Device::Cpu, DType::F32)
            };
            let (Ok(ours), true) = (weights(&folder), part.name != "scheduler") else {
                continue;
            };
            let theirs = weights(&file).unwrap();
            for name in ours.names() {
                let shape = ours.shape(name).unwrap();
                let read = |weights: &impasto::model::Weights| {
                    let tensor = weights.tensor(name, &shape).unwrap();
                    let numbers: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
                    numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                assert_eq!(read(&ours), read(&theirs), "{line} {} {name}", part.name);
            }
            assert_eq!(ours.names().count(), theirs.names().count());
        }
        let model = Model::load(&out, &LoadOptions::default()).unwrap();
        let direct = load(&checkpoint(line), own_words()).unwrap();
        assert_eq!(model.family, direct.family);
        assert_eq!(model.scheduler.class, direct.scheduler.class);
        assert_eq!(model.native_size(), direct.native_size());
        let ids = |model: &Model| {
            let second = model.second_text_encoder.as_ref();
            let second = second.map(|(_, tokenizer)| tokenizer.encode("a red apple").unwrap());
            (model.tokenizer.encode("a red apple").unwrap(), second)
        };
        assert_eq!(ids(&model), ids(&direct));
    }
}

/// The configurations of distilled UNets are diffusers' own too.
#[test]
fn distilled_unets_have_diffusers_configuration() {
    for (line, unet) in [("sdxl", "ssd-1b"), ("sd21", "sdxs"), ("sd15", "uneven")] {
        let scratch = Scratch::new();
        let file = scratch.with_unet(line, unet);
        let out = scratch.path("folder");
        converted(&file, &own_words(), &out);
        let wanted = json(&fixture(unet).join("unet.json"));
        check_fields(
            unet,
            &json(&out.join("unet/config.json")),
            &wanted["config"],
        );
        let found = hashes(&weights_in(&out.join("unet")));
        let found: serde_json::Map<_, _> = found.into_iter().collect();
        assert_eq!(Value::Object(found), wanted["tensors"], "{unet}");
    }
}

#[test]
fn a_folder_that_is_there_is_left_alone() {
    let scratch = Scratch::new();
    let out = scratch.path("folder");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("mine.txt"), "mine").unwrap();
    let error = |source: &Path, out: &Path| {
        let error = convert(source, &own_words(), out, &mut |_, _| {}).unwrap_err();
        error.to_string()
    };
    assert!(error(&checkpoint("sd15"), &out).contains("there already"));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
    // An empty one is as good as none, and what fails leaves nothing.
    std::fs::remove_file(out.join("mine.txt")).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/networks/sd15");
    let refused = convert(&folder, &Supplied::default(), &out, &mut |_, _| {});
    assert!(refused.unwrap_err().to_string().contains("already"));
    converted(&checkpoint("sd15"), &own_words(), &out);
    assert!(out.join("model_index.json").is_file());
    assert_eq!(std::fs::read_dir(scratch.0.path()).unwrap().count(), 1);
}
