//! The safety checker agrees with diffusers, number by number, and nobody gets what it flags.
//!
//! `tests/parity/safety.py` made the fixture; `fixtures/safety/versions.json` says with which versions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output as Ended, Stdio};
use std::sync::Arc;
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use fixtures::copy_folder;
use impasto::canvas::{Mask, Pixels};
use impasto::engine::{Command, Engine, EngineOptions, Event, RenderWork, Request, RoomKey, Work};
use impasto::model::{SafetyChecker, SafetyCheckerChoice, SafetyScores};
use impasto::pipeline::{Edit, Output, RenderSettings};
use impasto::protocol::Rect;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Largest difference allowed between scores.
const TOLERANCE: f32 = 1e-4;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(300);
/// The fixture's picture that has the tower's size, and is flagged.
const FLAGGED: usize = 2;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/safety")
}

fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/storybook")
}

fn load(folder: &Path) -> SafetyChecker {
    SafetyChecker::load(folder, &Device::Cpu).unwrap()
}

fn expected() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixture().join("expected.safetensors"), &Device::Cpu).unwrap()
}

fn check_scores(found: &[SafetyScores]) {
    let expected = expected();
    let flags = expected["flags"].to_vec1::<u8>().unwrap();
    let rows = |name: &str| expected[name].to_vec2::<f32>().unwrap();
    let (special, concepts) = (rows("special_scores"), rows("concept_scores"));
    assert_eq!(found.len(), flags.len());
    for (picture, scores) in found.iter().enumerate() {
        for (found, wanted) in [
            (&scores.special, &special[picture]),
            (&scores.concepts, &concepts[picture]),
        ] {
            assert_eq!(found.len(), wanted.len());
            let differences = found.iter().zip(wanted).map(|(a, b)| (a - b).abs());
            let most = differences.fold(0.0, f32::max);
            assert!(most <= TOLERANCE, "{picture}: {found:?} {wanted:?}");
        }
        assert_eq!(scores.is_flagged(), flags[picture] == 1, "{picture}");
    }
}

#[test]
fn scores_and_flags_are_those_of_diffusers() {
    let checker = load(&fixture().join("safety_checker"));
    let values = &expected()["pixel_values"];
    check_scores(&checker.scores(values).unwrap());
    // What is judged alone is judged as among others.
    let alone: Vec<SafetyScores> = (0..values.dim(0).unwrap())
        .flat_map(|row| checker.scores(&values.narrow(0, row, 1).unwrap()).unwrap())
        .collect();
    check_scores(&alone);
}

/// A copy of the fixture with other tensors.
fn changed(change: impl Fn(String, Tensor) -> (String, Tensor)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&fixture(), folder.path());
    let file = folder.path().join("safety_checker/model.safetensors");
    let tensors = candle_core::safetensors::load(&file, &Device::Cpu).unwrap();
    let tensors: HashMap<String, Tensor> = tensors
        .into_iter()
        .map(|(name, tensor)| change(name, tensor))
        .collect();
    candle_core::safetensors::save(&tensors, &file).unwrap();
    folder
}

/// The published files are older than the layout that transformers writes now.
#[test]
fn a_tower_within_a_module_is_the_same_tower() {
    let old = changed(|name, tensor| match name.strip_prefix("vision_model.") {
        Some(rest) => (format!("vision_model.vision_model.{rest}"), tensor),
        None => (name, tensor),
    });
    // Given as a model folder, with the checker in it.
    let checker = load(old.path());
    check_scores(&checker.scores(&expected()["pixel_values"]).unwrap());
}

fn flagged_picture() -> Pixels {
    let tensor = &expected()[&format!("picture.{FLAGGED}")];
    let bytes = tensor.flatten_all().unwrap().to_vec1::<u8>().unwrap();
    Pixels::from_raw(32, 32, bytes).unwrap()
}

/// diffusers sees the middle square alone, and would let these pass.
#[test]
fn long_pictures_are_seen_to_their_ends() {
    let checker = load(&fixture());
    let (grey, flagged) = (Pixels::new(32, 32, [128; 3]), flagged_picture());
    assert!(!checker.is_flagged(&grey).unwrap());
    assert!(checker.is_flagged(&flagged).unwrap());
    let long = |(width, height), (x, y)| {
        let mut long = Pixels::new(width, height, [128; 3]);
        long.paste(&flagged, x, y);
        checker.is_flagged(&long).unwrap()
    };
    assert!(long((96, 32), (64, 0)));
    assert!(long((96, 32), (0, 0)));
    assert!(long((32, 160), (0, 128)));
    assert!(!checker.is_flagged(&Pixels::new(96, 32, [128; 3])).unwrap());
}

fn edit_json(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(file, value.to_string()).unwrap();
}

#[test]
fn what_is_no_safety_checker_is_refused_in_one_sentence() {
    let broken = |change: &dyn Fn(&Path)| {
        let folder = changed(|name, tensor| (name, tensor));
        change(folder.path());
        let told = SafetyChecker::load(folder.path(), &Device::Cpu).err();
        let told = told.unwrap().to_string();
        assert!(!told.contains('\n'), "{told}");
        told
    };
    let told = broken(&|folder| {
        edit_json(&folder.join("safety_checker/config.json"), |config| {
            config["architectures"] = json!(["CLIPModel"]);
        });
    });
    assert!(
        told.contains("CLIPModel") && told.contains("use StableDiffusionSafetyChecker"),
        "{told}"
    );
    let told = broken(&|folder| std::fs::remove_dir_all(folder.join("feature_extractor")).unwrap());
    assert!(told.contains("preprocessor_config.json"), "{told}");
    let told = broken(&|folder| {
        edit_json(&folder.join("safety_checker/config.json"), |config| {
            config["projection_dim"] = json!(13);
        });
    });
    assert!(told.contains("visual_projection"), "{told}");
    let told = broken(&|folder| {
        std::fs::remove_file(folder.join("safety_checker/model.safetensors")).unwrap();
    });
    assert!(told.contains("model.safetensors"), "{told}");
}

#[test]
fn a_models_own_checker_is_taken_and_missed_where_there_is_none() {
    let chosen = |choice, model: &Path| SafetyChecker::chosen(&choice, model, &Device::Cpu);
    let off = chosen(SafetyCheckerChoice::Off, Path::new("nowhere"));
    assert!(off.unwrap().is_none());
    let own = chosen(SafetyCheckerChoice::Own, &fixture());
    assert!(own.unwrap().is_some());
    let at = SafetyCheckerChoice::At(fixture().join("safety_checker"));
    assert!(chosen(at, &bundled()).unwrap().is_some());
    let told = chosen(SafetyCheckerChoice::Own, &bundled()).err().unwrap();
    let told = told.to_string();
    assert!(
        told.contains("storybook") && told.contains("without a safety checker"),
        "{told}"
    );
    let nowhere = chosen(SafetyCheckerChoice::At("nowhere".into()), &bundled());
    let told = nowhere.err().unwrap().to_string();
    assert!(told.starts_with("nowhere is missing"), "{told}");
}

/// A checker that flags everything, or nothing.
fn checker_that_flags(everything: bool) -> TempDir {
    // Cosines are between -1 and 1.
    let threshold = if everything { -2f32 } else { 2.0 };
    changed(|name, tensor| {
        let tensor = match name.as_str() {
            "concept_embeds_weights" => Tensor::full(threshold, 17, &Device::Cpu)
                .and_then(|thresholds| thresholds.to_dtype(DType::F16))
                .unwrap(),
            _ => tensor,
        };
        (name, tensor)
    })
}

fn edit() -> Edit {
    let window = Rect::new(0, 0, 128, 128);
    let mut sketch = Pixels::new(128, 128, [255; 3]);
    sketch.paste(&Pixels::new(48, 48, [200, 30, 20]), 40, 40);
    Edit {
        window,
        sketch: Arc::new(sketch),
        known: Arc::new(Pixels::new(128, 128, [255; 3])),
        mask: Arc::new(Mask::new(128, 128, 255)),
        settings: RenderSettings {
            prompt: "red apple".to_owned(),
            steps: 1,
            sampler: "lcm".to_owned(),
            ..RenderSettings::default()
        },
        output: Output::plain(window),
        control: None,
        photo: None,
    }
}

async fn end_of_a_render(flags_everything: bool) -> Event {
    let checker = checker_that_flags(flags_everything);
    let options = EngineOptions {
        safety_checker: SafetyCheckerChoice::At(checker.path().to_owned()),
        ..EngineOptions::new(bundled())
    };
    // It starts all the same where what it warms up with is flagged.
    let engine = tokio::task::spawn_blocking(move || Engine::start(options));
    let engine = engine.await.unwrap().unwrap();
    let handle = engine.handle();
    assert!(handle.model_info().safety_checker);
    let (sender, mut events) = mpsc::channel(8);
    let work = RenderWork {
        author: Uuid::from_u128(1),
        is_refinement: false,
        edit: edit(),
    };
    let work = Work::Render(Box::new(work));
    let start = Command::Start(Request { ticket: 1, work });
    handle.send(RoomKey(1), start, &sender).unwrap();
    loop {
        let event = tokio::time::timeout(PATIENCE, events.recv()).await;
        match event.unwrap().unwrap() {
            Event::Started { .. } => (),
            end => return end,
        }
    }
}

#[tokio::test]
async fn a_room_gets_no_pixels_of_what_is_flagged() {
    let Event::HeldBack { ticket: 1, message } = end_of_a_render(true).await else {
        panic!("a flagged picture is held back");
    };
    assert!(message.contains("safety checker"), "{message}");
    let shown = end_of_a_render(false).await;
    assert!(
        matches!(shown, Event::Rendered { ticket: 1, .. }),
        "{shown:?}"
    );
}

fn generate(folder: &Path, safety_checker: &str) -> Ended {
    Process::new(env!("CARGO_BIN_EXE_impasto"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .args(["generate", "--prompt", "red apple", "--steps", "1"])
        .args(["--width", "128", "--height", "128"])
        .args(["--out", "out.png", "--save-latents", "out.safetensors"])
        .arg("--model")
        .arg(bundled())
        .args(["--safety-checker", safety_checker])
        .output()
        .unwrap()
}

#[test]
fn the_command_line_writes_nothing_of_what_is_flagged() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str| folder.path().join(name).exists();
    let refused = |safety_checker: &str, names: &str| {
        let ended = generate(folder.path(), safety_checker);
        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{told}");
        assert!(told.contains(names), "{told}");
        assert!(!written("out.png") && !written("out.safetensors"));
    };
    let everything = checker_that_flags(true);
    refused(
        everything.path().to_str().unwrap(),
        "the safety checker holds this picture back",
    );
    refused("on", "without a safety checker");
    let nothing = checker_that_flags(false);
    let ended = generate(folder.path(), nothing.path().to_str().unwrap());
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    assert!(written("out.png") && written("out.safetensors"));
}
