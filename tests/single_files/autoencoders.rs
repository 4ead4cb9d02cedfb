//! Autoencoders that are given beside a model.

use std::path::{Path, PathBuf};

use impasto::model::{Autoencoder, Supplied};

use crate::{Expected, Scratch, checkpoint, fixture, is_refused, load, own_words, tensors, write};

fn with_vae(vae: &Path) -> Supplied {
    Supplied {
        vae: Some(vae.to_owned()),
        ..own_words()
    }
}

/// A line's autoencoder in a file of its own, with names that begin so.
fn alone(scratch: &Scratch, line: &str, prefix: &str) -> PathBuf {
    let all = tensors(&checkpoint(line)).into_iter();
    let own = all.filter_map(|(name, raw)| {
        let name = name.strip_prefix("first_stage_model.")?.to_owned();
        Some((format!("{prefix}{name}"), raw))
    });
    let file = scratch.path("vae.safetensors");
    write(&file, &own.collect());
    file
}

#[test]
fn a_checkpoint_without_one_takes_one_from_a_file() {
    for (line, prefix) in [("sd15", ""), ("sdxl", ""), ("sdxl", "first_stage_model.")] {
        let scratch = Scratch::new();
        let vae = alone(&scratch, line, prefix);
        let file = scratch.edited(line, |all| {
            all.retain(|name, _| !name.starts_with("first_stage_model."));
        });
        is_refused(
            &file,
            &own_words(),
            &["single-file checkpoint", "autoencoder", "--vae"],
        );
        let model = load(&file, with_vae(&vae)).unwrap();
        let expected = Expected::of(line);
        let latents = model.vae.encode(&expected.get("vae.image")).unwrap();
        expected.check("vae.latents", &latents);
        let decoded = model.vae.decode(&expected.get("vae.given")).unwrap();
        expected.check("vae.decoded", &decoded);
    }
}

fn is_taesd(model: &impasto::model::Model) {
    assert!(matches!(model.vae, Autoencoder::Tiny(_)));
    let expected = Expected::of("taesd");
    let latents = model.vae.encode(&expected.get("vae.image")).unwrap();
    expected.check("vae.latents", &latents);
    let decoded = model.vae.decode(&expected.get("vae.given")).unwrap();
    expected.check("vae.decoded", &decoded);
}

/// TAESD as its own two files, by either of them or by their folder.
#[test]
fn taesd_takes_the_place_of_any() {
    let folder = fixture("taesd");
    for vae in [
        folder.join("taesd_encoder.safetensors"),
        folder.join("taesd_decoder.safetensors"),
        folder.clone(),
    ] {
        is_taesd(&load(&checkpoint("sd15"), with_vae(&vae)).unwrap());
    }
    let networks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/networks");
    let supplied = Supplied {
        vae: Some(folder.clone()),
        ..Supplied::default()
    };
    is_taesd(&load(&networks.join("sd15"), supplied).unwrap());
    // One half alone is none.
    let scratch = Scratch::new();
    let half = scratch.path("taesd_decoder.safetensors");
    std::fs::copy(folder.join("taesd_decoder.safetensors"), &half).unwrap();
    is_refused(
        &checkpoint("sd15"),
        &with_vae(&half),
        &["taesd_encoder.safetensors", "missing"],
    );
}

/// A folder as diffusers writes it, and a model folder with one in it; also in the place of a
/// model's own, where the index still names the other class.
#[test]
fn folders_say_what_they_are() {
    let networks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/networks");
    for vae in [networks.join("sd21/vae"), networks.join("sd21")] {
        let model = load(&checkpoint("sd15"), with_vae(&vae)).unwrap();
        assert!(matches!(model.vae, Autoencoder::Tiny(_)));
    }
    let scratch = Scratch::new();
    let folder = scratch.path("sd15");
    crate::fixtures::copy_folder(&networks.join("sd15"), &folder);
    std::fs::remove_dir_all(folder.join("vae")).unwrap();
    crate::fixtures::copy_folder(&networks.join("sd21/vae"), &folder.join("vae"));
    let model = load(&folder, Supplied::default()).unwrap();
    assert!(matches!(model.vae, Autoencoder::Tiny(_)));
}

#[test]
fn what_is_no_autoencoder_is_named() {
    let file = checkpoint("sd15");
    is_refused(
        &file,
        &with_vae(Path::new("no/such/vae")),
        &["no/such/vae", "--vae"],
    );
    let unet = fixture("sdxs").join("unet.safetensors");
    is_refused(
        &file,
        &with_vae(&unet),
        &["unet.safetensors", "no autoencoder"],
    );
    let networks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/networks");
    is_refused(
        &file,
        &with_vae(&networks.join("sd15/unet")),
        &["UNet2DConditionModel"],
    );
}
