//! IP-Adapters: that they agree with diffusers, what is refused, and how rooms and the command line
//! show pictures.
//!
//! `tests/parity/ip_adapter.py` made the fixtures; `fixtures/ip-adapter/versions.json` says with which
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
use impasto::canvas::Pixels;
use impasto::model::{IpAdapterChoice, LoadOptions, Model};

/// Each with its family.
const ADAPTERS: [(&str, &str); 4] = [
    ("sd15", "ip-adapter_sd15"),
    ("sd15", "ip-adapter-plus_sd15"),
    ("sdxl", "ip-adapter_sdxl"),
    ("sdxl", "ip-adapter-plus_sdxl_vit-h"),
];

fn parity(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures")
        .join(name)
}

fn adapters() -> PathBuf {
    parity("ip-adapter")
}

fn adapter(name: &str) -> PathBuf {
    adapters().join(format!("{name}.safetensors"))
}

fn tensors(file: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(file, &Device::Cpu).unwrap()
}

fn choice(name: &str, path: PathBuf) -> IpAdapterChoice {
    IpAdapterChoice {
        name: name.to_owned(),
        path,
        image_encoder: None,
    }
}

fn named(names: &[&str]) -> Vec<IpAdapterChoice> {
    let choices = names.iter().map(|name| choice(name, adapter(name)));
    choices.collect()
}

/// A family's folder: the pipeline's parts, with the UNet that the adapters were made for.
fn folder(family: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&parity("pipelines").join(family), folder.path());
    let unet = parity("control").join(family).join("unet");
    copy_folder(&unet, &folder.path().join("unet"));
    folder
}

/// The family's model with these adapters, by the names of their files.
fn load(family: &str, names: &[&str]) -> Model {
    let options = LoadOptions {
        ip_adapters: named(names),
        ..LoadOptions::default()
    };
    Model::load(folder(family).path(), &options).unwrap()
}

/// A picture that is kept as bytes, height first.
fn pixels(tensor: &Tensor) -> Pixels {
    let (height, width, _) = tensor.dims3().unwrap();
    let bytes = tensor.flatten_all().unwrap().to_vec1::<u8>().unwrap();
    Pixels::from_raw(width as u32, height as u32, bytes).unwrap()
}

fn check(what: &str, found: &Tensor, wanted: &Tensor, tolerance: f32) {
    assert_eq!(found.dims(), wanted.dims(), "{what}");
    let error = relative_error(found, wanted);
    eprintln!("{what}: relative error {error:.1e}");
    assert!(error <= tolerance, "{what}: relative error {error}");
}
