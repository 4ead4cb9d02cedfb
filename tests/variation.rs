//! `variation` scales the noise of the seed: at 0 the seed makes no difference, whatever the sampler.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use impasto::canvas::Pixels;
use impasto::model::{LoadOptions, Model};
use impasto::pipeline::{GenerateRequest, Pipeline, RenderSettings};
use impasto::sampler::samplers_for;

const SIDE: u32 = 64;

fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/storybook")
}

fn painted(
    pipeline: &mut Pipeline,
    sampler: &str,
    seed: u64,
    variation: f64,
    strength: f64,
) -> Pixels {
    let mut sketch = Pixels::new(SIDE, SIDE, [255; 3]);
    sketch.paste(&Pixels::new(32, 32, [200, 30, 20]), 16, 16);
    let request = GenerateRequest {
        settings: RenderSettings {
            prompt: "red apple".to_owned(),
            steps: 3,
            strength,
            seed,
            variation,
            sampler: sampler.to_owned(),
            eta: Some(1.0),
            ..RenderSettings::default()
        },
        size: (SIDE, SIDE),
        image: Some(sketch),
        controls: Vec::new(),
        mask: None,
        latents: None,
    };
    pipeline.generate(request, |_, _| ()).unwrap().pixels
}

#[test]
fn without_variation_the_seed_makes_no_difference_to_any_sampler() {
    let model = Model::load(&bundled(), &LoadOptions::default()).unwrap();
    let mut pipeline = Pipeline::new(model, 2).unwrap();
    let scheduler = pipeline.scheduler().clone();
    for sampler in samplers_for(&scheduler) {
        // From noise alone, and from a sketch with noise over it.
        for strength in [1.0, 0.7] {
            let mut paint =
                |seed, variation| painted(&mut pipeline, sampler, seed, variation, strength);
            let (first, second) = (paint(1, 0.0), paint(2, 0.0));
            assert!(first.data() == second.data(), "{sampler} at {strength}");
            let (first, second) = (paint(1, 0.5), paint(2, 0.5));
            assert!(first.data() != second.data(), "{sampler} at {strength}");
            assert!(
                first.data() != paint(1, 1.0).data(),
                "{sampler} at {strength}"
            );
        }
    }
}

/// The command's exit code and what it says on standard error.
fn generate(model: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_impasto"))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .args([
            "generate", "--prompt", "apple", "--steps", "1", "--out", "a.png", "--width", "64",
        ])
        .args(["--height", "64", "--model"])
        .arg(model)
        .args(flags)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn what_is_out_of_range_is_named_with_what_it_may_be() {
    for (flags, names, may_be) in [
        (["--variation", "1.5"], "variation", "0 to 1"),
        (
            ["--finish", "pastel"],
            "--finish",
            "none, oil, watercolour or ink",
        ),
        (["--finish-strength", "2"], "--finish-strength", "0 to 1"),
    ] {
        let (code, said) = generate(&bundled(), &flags);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(names) && said.contains(may_be), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_says_what_it_wants() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(bundled()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name != "impasto.json" {
            std::os::unix::fs::symlink(&path, folder.path().join(name)).unwrap();
        }
    }
    let (code, said) = generate(folder.path(), &[]);
    assert_eq!(code, Some(0), "{said}");
    let wants = folder.path().join("impasto.json");
    for (text, names, may_be) in [
        (r#"{"variations": 1}"#, "`variations`", "variation"),
        (r#"{"strength": 2}"#, "`strength`", "to 1"),
        (r#"{"sampler": "nobody"}"#, "nobody", "lcm"),
        (r#"{"sigmas": "cosine"}"#, "`sigmas`", "karras"),
        (
            r#"{"sigmas": "karras"}"#,
            "impasto.json: `sigmas`",
            "use default",
        ),
    ] {
        std::fs::write(&wants, text).unwrap();
        let (code, said) = generate(folder.path(), &[]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(names) && said.contains(may_be), "{said}");
    }
}
