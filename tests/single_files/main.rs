//! Checkpoints in a single file are the models that diffusers makes of them.
//!
//! `tests/parity/single_files.py` made the fixtures; `fixtures/single-files/versions.json` says with
//! which versions.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod autoencoders;
mod command;
mod converting;
#[path = "../support/fixtures.rs"]
mod fixtures;
mod parity;
mod prediction;
mod refusals;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use fixtures::relative_error;
use impasto::model::{LoadOptions, Model, ModelError, ModelReport, Supplied, inspect_with};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;

/// Largest difference allowed, relative to the largest expected value.
const TOLERANCE: f32 = 1e-4;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures/single-files")
        .join(name)
}

/// The checkpoint of a line.
fn checkpoint(line: &str) -> PathBuf {
    fixture(line).join(format!("{line}.safetensors"))
}

/// The fixtures' words are few, and not CLIP's.
fn own_words() -> Supplied {
    Supplied {
        tokenizer: Some(fixture("tokenizer")),
        ..Supplied::default()
    }
}

fn load(file: &Path, supplied: Supplied) -> Result<Model, ModelError> {
    let options = LoadOptions {
        supplied,
        ..LoadOptions::default()
    };
    Model::load(file, &options)
}

fn report(file: &Path, supplied: &Supplied) -> ModelReport {
    let report = inspect_with(file, supplied).unwrap();
    assert!(report.usable, "{:?}", report.problems);
    report
}

/// A refusal, which must be one line with all of `parts` in it, whether the file is looked into or
/// loaded.
fn is_refused(file: &Path, supplied: &Supplied, parts: &[&str]) {
    let loading = load(file, supplied.clone())
        .err()
        .expect("it must be refused");
    let looking = match inspect_with(file, supplied) {
        Ok(report) => report.problems.join(" "),
        Err(error) => error.to_string(),
    };
    for message in [loading.to_string(), looking] {
        assert!(!message.contains('\n'), "{message:?} is not one line");
        for part in parts {
            assert!(message.contains(part), "{message:?} does not name {part:?}");
        }
    }
}

/// What a fixture computes, by name.
struct Expected(std::collections::HashMap<String, Tensor>);

impl Expected {
    fn of(name: &str) -> Self {
        let path = fixture(name).join("expected.safetensors");
        Self(candle_core::safetensors::load(path, &Device::Cpu).unwrap())
    }

    fn get(&self, name: &str) -> Tensor {
        self.optional(name).unwrap_or_else(|| panic!("no {name}"))
    }

    fn optional(&self, name: &str) -> Option<Tensor> {
        self.0.get(name).cloned()
    }

    fn check(&self, name: &str, found: &Tensor) {
        let wanted = self.get(name);
        assert_eq!(found.dims(), wanted.dims(), "{name}");
        let error = relative_error(found, &wanted);
        assert!(error <= TOLERANCE, "{name}: relative error {error}");
    }
}

/// A tensor's number format, shape and bytes.
type Raw = (Dtype, Vec<usize>, Vec<u8>);

/// All tensors of a file.
fn tensors(file: &Path) -> BTreeMap<String, Raw> {
    let bytes = std::fs::read(file).unwrap();
    let all = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = all.iter().map(|(name, tensor)| {
        let raw = (
            tensor.dtype(),
            tensor.shape().to_vec(),
            tensor.data().to_vec(),
        );
        (name.to_owned(), raw)
    });
    tensors.collect()
}

fn write(file: &Path, tensors: &BTreeMap<String, Raw>) {
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        let view = TensorView::new(*dtype, shape.clone(), data).unwrap();
        (name, view)
    });
    safetensors::serialize_to_file(views, None, file).unwrap();
}

/// A folder for files that are made for one test.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A line's checkpoint, changed.
    fn edited(&self, line: &str, edit: impl FnOnce(&mut BTreeMap<String, Raw>)) -> PathBuf {
        let mut all = tensors(&checkpoint(line));
        edit(&mut all);
        let file = self.path(&format!("{line}.safetensors"));
        write(&file, &all);
        file
    }

    /// A line's checkpoint with another UNet.
    fn with_unet(&self, line: &str, unet: &str) -> PathBuf {
        self.edited(line, |all| {
            all.retain(|name, _| !name.starts_with("model.diffusion_model."));
            all.extend(tensors(&fixture(unet).join("unet.safetensors")));
        })
    }
}
