//! The scorecard's CLIP agrees with transformers, number by number.
//!
//! `tests/parity/clip.py` made the fixture; `fixtures/clip/versions.json` says with which versions.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use fixtures::{copy_folder, largest, relative_error};
use impasto::canvas::Pixels;
use impasto::model::ClipModel;
use serde_json::{Value, json};

/// Largest difference allowed, relative to the largest expected value.
const TOLERANCE: f32 = 1e-4;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/clip")
}

fn load() -> ClipModel {
    ClipModel::load(&fixture(), &Device::Cpu).unwrap()
}

fn expected() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixture().join("expected.safetensors"), &Device::Cpu).unwrap()
}

fn check(name: &str, found: &Tensor, wanted: &Tensor) {
    assert_eq!(found.dims(), wanted.dims(), "{name}");
    let error = relative_error(found, wanted);
    eprintln!("clip {name}: relative error {error:.1e}");
    assert!(error <= TOLERANCE, "{name}: relative error {error}");
}

/// The fixture's pictures in the order of their numbers.
fn pictures(expected: &HashMap<String, Tensor>) -> Vec<Pixels> {
    let mut pictures = Vec::new();
    while let Some(tensor) = expected.get(&format!("picture.{}", pictures.len())) {
        let (height, width, _) = tensor.dims3().unwrap();
        let bytes = tensor.flatten_all().unwrap().to_vec1::<u8>().unwrap();
        pictures.push(Pixels::from_raw(width as u32, height as u32, bytes).unwrap());
    }
    assert_eq!(pictures.len(), 5);
    pictures
}

#[test]
fn both_towers_and_their_likeness() {
    let (clip, expected) = (load(), expected());
    let ids = expected["ids"].to_dtype(DType::U32).unwrap();
    let text = clip.get_text_features(&ids).unwrap();
    check("text_features", &text, &expected["text_features"]);
    let values: Vec<&Tensor> = (0..5)
        .map(|number| &expected[&format!("pixel_values.{number}")])
        .collect();
    let image = clip
        .get_image_features(&Tensor::stack(&values, 0).unwrap())
        .unwrap();
    check("image_features", &image, &expected["image_features"]);

    let unit = |tensor: &Tensor| {
        let length = tensor
            .sqr()
            .unwrap()
            .sum_keepdim(1)
            .unwrap()
            .sqrt()
            .unwrap();
        tensor.broadcast_div(&length).unwrap()
    };
    let cosines = unit(&image).matmul(&unit(&text).t().unwrap()).unwrap();
    let logits = (cosines * clip.logit_scale()).unwrap();
    check("logits_per_image", &logits, &expected["logits_per_image"]);
}

/// Resamplers round to bytes, and two of them may round one step apart: the picture that is not
/// resampled must agree but for the arithmetic of floats, the others within one step, seldom.
#[test]
fn pictures_are_prepared_as_pillow_does() {
    let (clip, expected) = (load(), expected());
    let std = Tensor::new(&[0.5f32, 0.3, 0.25], &Device::Cpu).unwrap();
    let std = std.reshape((1, 3, 1, 1)).unwrap();
    for (number, picture) in pictures(&expected).iter().enumerate() {
        let wanted = expected[&format!("pixel_values.{number}")]
            .unsqueeze(0)
            .unwrap();
        let found = clip
            .image_processor()
            .preprocess(picture, &Device::Cpu)
            .unwrap();
        assert_eq!(found.dims(), wanted.dims());
        let steps = (found - wanted).unwrap().broadcast_mul(&std).unwrap();
        let steps = (steps * 255.0).unwrap();
        let mean = steps.abs().unwrap().mean_all().unwrap();
        let (most, mean) = (largest(&steps), mean.to_scalar::<f32>().unwrap());
        eprintln!("picture {number}: {most:.3} steps at most, {mean:.4} on average");
        let resampled = (picture.width(), picture.height()) != (32, 32);
        assert!(
            most <= if resampled { 1.01 } else { 0.001 },
            "{number}: {most}"
        );
        assert!(mean <= 0.02, "{number}: {mean}");
    }
}

#[test]
fn a_picture_and_a_text_go_in_as_they_are() {
    let (clip, expected) = (load(), expected());
    let picture = &pictures(&expected)[2];
    let image = clip.embed_picture(picture).unwrap();
    let wanted = expected["image_features"].narrow(0, 2, 1).unwrap();
    check("embed_picture", &image, &wanted);
    // The second of the fixture's texts.
    let text = clip.embed_text("red apple").unwrap();
    let wanted = expected["text_features"].narrow(0, 1, 1).unwrap();
    check("embed_text", &text, &wanted);
}

/// A copy of the fixture, to be changed.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&fixture(), folder.path());
    folder
}

/// The error that a changed copy is refused with, in one line.
fn broken(change: impl FnOnce(&Path)) -> String {
    let folder = copy();
    change(folder.path());
    let error = ClipModel::load(folder.path(), &Device::Cpu).err().unwrap();
    let told = error.to_string();
    assert!(!told.contains('\n'), "{told}");
    told
}

fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(file, value.to_string()).unwrap();
}

#[test]
fn a_folder_that_is_no_clip_model_is_told_apart() {
    let told = broken(|folder| {
        edit(&folder.join("config.json"), |config| {
            config["architectures"] = json!(["CLIPTextModel"]);
        });
    });
    assert!(
        told.contains("CLIPTextModel") && told.contains("use CLIPModel"),
        "{told}"
    );

    let told = broken(|folder| std::fs::remove_file(folder.join("config.json")).unwrap());
    assert!(
        told.contains("config.json") && told.contains("CLIPModel"),
        "{told}"
    );

    let told = broken(|folder| std::fs::remove_file(folder.join("model.safetensors")).unwrap());
    assert!(told.contains("/model.safetensors"), "{told}");

    let told = broken(|folder| {
        std::fs::remove_file(folder.join("preprocessor_config.json")).unwrap();
    });
    assert!(told.contains("preprocessor_config.json"), "{told}");

    let told = broken(|folder| {
        edit(&folder.join("config.json"), |config| {
            config["vision_config"]["num_attention_heads"] = json!(7);
        });
    });
    assert!(told.contains("vision_config.num_attention_heads"), "{told}");

    let told = broken(|folder| {
        edit(&folder.join("config.json"), |config| {
            config["vision_config"]["image_size"] = json!(64);
        });
    });
    assert!(told.contains("position_embedding"), "{told}");

    let told = broken(|folder| {
        edit(&folder.join("preprocessor_config.json"), |config| {
            config["size"] = json!({"longest_edge": 32});
        });
    });
    assert!(told.contains("size"), "{told}");
}

/// Newer folders have one file for everything that prepares inputs.
#[test]
fn the_image_processor_is_also_read_from_the_joint_file() {
    let folder = copy();
    let own = folder.path().join("preprocessor_config.json");
    let alone: Value = serde_json::from_slice(&std::fs::read(&own).unwrap()).unwrap();
    std::fs::remove_file(own).unwrap();
    let joint = json!({"processor_class": "CLIPProcessor", "image_processor": alone});
    std::fs::write(
        folder.path().join("processor_config.json"),
        joint.to_string(),
    )
    .unwrap();
    let clip = ClipModel::load(folder.path(), &Device::Cpu).unwrap();
    assert_eq!(clip.image_processor(), load().image_processor());
}
