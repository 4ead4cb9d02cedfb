//! The real binary looks into a single file, converts it and paints with it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::{Scratch, checkpoint, fixture};

fn impasto(place: &Path, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_impasto"))
        .current_dir(place)
        .env("IMPASTO_MODELS", place.join("models"))
        .stdin(Stdio::null())
        .args(flags)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_file_is_checked_converted_and_painted_with() {
    let scratch = Scratch::new();
    let place = scratch.0.path();
    let (file, words) = (checkpoint("sd21"), fixture("tokenizer"));
    let (file, words) = (file.to_str().unwrap(), words.to_str().unwrap());
    let checked = json(&impasto(
        place,
        &["model", "check", file, "--tokenizer", words, "--json"],
    ));
    assert_eq!(
        (&checked["family"], &checked["name"]),
        (&"sd".into(), &"sd21".into())
    );
    assert_eq!(checked["prediction_type"], "v_prediction");
    assert!(
        checked["notices"]
            .to_string()
            .contains("no scheduler and no tokenizer")
    );

    let flags = [
        "model",
        "convert",
        file,
        "out",
        "--tokenizer",
        words,
        "--prediction",
        "epsilon",
    ];
    let converted = impasto(place, &flags);
    let told = text(&converted.stdout);
    assert!(converted.status.success(), "{}", text(&converted.stderr));
    assert!(
        told.contains("usable") && told.contains("impasto serve --model out"),
        "{told}"
    );
    let folder = json(&impasto(place, &["model", "check", "out", "--json"]));
    assert_eq!(folder["prediction_type"], "epsilon");
    // Nothing is overwritten.
    let again = impasto(place, &flags);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("there already"));

    let painting = [
        "generate",
        "--model",
        file,
        "--tokenizer",
        words,
        "--prompt",
        "a red apple",
        "--steps",
        "1",
        "--width",
        "64",
        "--height",
        "64",
        "--out",
        "apple.png",
    ];
    let painted = impasto(place, &painting);
    assert!(painted.status.success(), "{}", text(&painted.stderr));
    assert!(text(&painted.stderr).contains("v_prediction is taken"));
    assert!(scratch.path("apple.png").is_file());
}

/// A file in the models folder is a model like the folders there.
#[test]
fn the_models_folder_may_hold_files() {
    let scratch = Scratch::new();
    let place = scratch.0.path();
    std::fs::create_dir(scratch.path("models")).unwrap();
    std::fs::copy(checkpoint("sd15"), scratch.path("models/dream.safetensors")).unwrap();
    let lora =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/loras/ink.safetensors");
    std::fs::copy(lora, scratch.path("models/ink.safetensors")).unwrap();
    let listed = json(&impasto(place, &["model", "list", "--json"]));
    let ids: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["dream.safetensors"]);
    let words = fixture("tokenizer");
    let flags = [
        "model",
        "check",
        "dream.safetensors",
        "--tokenizer",
        words.to_str().unwrap(),
    ];
    let checked = impasto(place, &flags);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
}
