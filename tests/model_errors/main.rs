//! A model folder that is not what it says gets one clear error that names the file and the
//! tensor or field.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod config;
#[path = "../support/fixtures.rs"]
mod fixtures;
mod flow;
mod lora;
mod weights;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use fixtures::copy_folder;
use impasto::model::{LoadOptions, Model, ModelError, inspect};
use tempfile::TempDir;

const UNET: &str = "unet/diffusion_pytorch_model.safetensors";

/// A copy of a fixture, to be broken.
struct Folder {
    dir: TempDir,
}

impl Folder {
    fn of(family: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy_folder(&fixture(family), dir.path());
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
        let error = self
            .load()
            .err()
            .expect("the folder must be refused")
            .to_string();
        check_message(&error, parts);
        match inspect(self.dir.path()) {
            Ok(report) => {
                assert!(!report.usable);
                let found = report
                    .problems
                    .iter()
                    .any(|text| parts.iter().all(|part| text.contains(part)));
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
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures/networks")
        .join(name)
}

fn check_message(message: &str, parts: &[&str]) {
    assert!(!message.contains('\n'), "{message:?} is not one line");
    for part in parts {
        assert!(message.contains(part), "{message:?} does not name {part:?}");
    }
}
