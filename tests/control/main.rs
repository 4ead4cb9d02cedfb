//! T2I-Adapters and ControlNets: that they agree with diffusers, what is refused, and how rooms and
//! the command line are steered.
//!
//! `tests/parity/control.py` made the fixtures; `fixtures/control/versions.json` says with which
//! versions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

#[path = "../support/fixtures.rs"]
mod fixtures;
#[path = "../support/mod.rs"]
mod support;

mod command;
mod networks;
mod pictures;
mod refusals;
mod rooms;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use fixtures::{copy_folder, relative_error};
use impasto::model::{ControlChoice, LoadOptions, Model};

fn parity(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures")
        .join(name)
}

fn control(name: &str) -> PathBuf {
    parity("control").join(name)
}

fn tensors(file: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(file, &Device::Cpu).unwrap()
}

fn choice(name: &str, path: PathBuf) -> ControlChoice {
    ControlChoice {
        name: name.to_owned(),
        path,
    }
}

/// A family's folder: the pipeline's parts, with the UNet that the controls were made for.
fn folder(family: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&parity("pipelines").join(family), folder.path());
    copy_folder(&control(family).join("unet"), &folder.path().join("unet"));
    folder
}

/// The family's model with these controls, by the names of their folders.
fn load(family: &str, controls: &[ControlChoice]) -> Model {
    let folder = folder(family);
    let options = LoadOptions {
        controls: controls.to_vec(),
        ..LoadOptions::default()
    };
    Model::load(folder.path(), &options).unwrap()
}

fn named(names: &[&str]) -> Vec<ControlChoice> {
    names
        .iter()
        .map(|name| choice(name, control(name)))
        .collect()
}

fn check(what: &str, found: &Tensor, wanted: &Tensor, tolerance: f32) {
    assert_eq!(found.dims(), wanted.dims(), "{what}");
    let error = relative_error(found, wanted);
    eprintln!("{what}: relative error {error:.1e}");
    assert!(error <= tolerance, "{what}: relative error {error}");
}
