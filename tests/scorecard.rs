//! `impasto eval` as it is typed: the bundled model, judged by a tiny random CLIP.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn eval(folder: &Path, extra: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_impasto"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .arg("eval")
        .arg("--prompts")
        .arg(folder.join("prompts.txt"))
        .arg("--out")
        .arg(folder.join("out"))
        .args(extra)
        .output()
        .unwrap()
}

fn clip() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/clip")
}

fn folder_with(prompts: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prompts.txt"), prompts).unwrap();
    folder
}

#[test]
fn a_scorecard_of_the_bundled_model() {
    let folder = folder_with(
        "# two prompts\nred apple & <pear>\tapple\n\n\
         {\"prompt\": \"green hills\", \"objects\": [\"hills\", \"sky\"]}\n",
    );
    let clip = clip();
    let flags = [
        "--clip",
        clip.to_str().unwrap(),
        "--samplers",
        "lcm,ddim-inverse,ddim",
        "--steps",
        "2,1",
        "--variation",
        "1",
        "--json",
    ];
    let output = eval(folder.path(), &flags);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let out = folder.path().join("out");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let card: Value = serde_json::from_slice(&output.stdout).unwrap();
    let written: Value = serde_json::from_str(&read("scorecard.json")).unwrap();
    assert_eq!(card, written);

    let rows = card["rows"].as_array().unwrap();
    let of = |sampler: &str, steps: u64| {
        rows.iter()
            .find(|row| row["sampler"] == sampler && row["steps"] == steps)
            .unwrap_or_else(|| panic!("no row of {sampler} at {steps}: {card}"))
    };
    assert_eq!(rows.len(), 6);
    for sampler in ["lcm", "ddim"] {
        for steps in [1, 2] {
            let row = of(sampler, steps);
            assert_eq!(row["steps_run"], steps);
            assert_eq!(row["image_ms"]["count"], 4);
            let (image, step) = (&row["image_ms"]["mean"], &row["step_ms"]["mean"]);
            assert!(step.as_f64().unwrap() > 0.0 && image.as_f64() > step.as_f64());
            // Two seeds of one and of two objects.
            assert_eq!(row["objects"], 6);
            assert!((0.0..=1.0).contains(&row["recall"].as_f64().unwrap()));
            let score = row["clip_score"]["mean"].as_f64().unwrap();
            assert!((0.0..=100.0).contains(&score));
            assert_eq!(row["across_seeds"]["pairs"], 2);
            assert!(row["across_seeds"]["pixel_rms"].as_f64().unwrap() > 0.0);
            assert!(row["round_trip_psnr"].is_null());
        }
    }
    // Inversion has no seeds of its own to compare, but a way back.
    let inverse = of("ddim-inverse", 2);
    assert!(inverse["across_seeds"].is_null());
    assert!(inverse["round_trip_psnr"]["mean"].as_f64().unwrap() > 5.0);
    let pairs = card["across_samplers"].as_array().unwrap();
    assert_eq!(pairs.len(), 2);
    assert!(pairs.iter().all(|pair| pair["pairs"] == 4));
    assert_eq!(
        card["prompts"][0]["distractors"],
        serde_json::json!(["hills", "sky"])
    );
    assert_eq!(card["prompts"][1]["objects_from"], "file");

    let pictures = card["pictures"].as_array().unwrap();
    assert_eq!(pictures.len(), 3 * 2 * 2 * 2);
    let (page, table) = (read("scorecard.html"), read("scorecard.md"));
    let images: Vec<&str> = page
        .split("src=\"data:image/jpeg;base64,")
        .skip(1)
        .collect();
    assert_eq!(images.len(), pictures.len());
    for picture in pictures {
        let file = picture["file"].as_str().unwrap();
        assert!(page.contains(&format!("href=\"{file}\"")), "{file}");
        let png = std::fs::read(out.join(file)).unwrap();
        let limits = impasto::canvas::ImageLimits::default();
        let pixels = impasto::canvas::decode_image(&png, &limits).unwrap();
        assert_eq!(
            card["size"],
            serde_json::json!([pixels.width(), pixels.height()])
        );
    }
    assert!(page.contains("red apple &amp; &lt;pear&gt;"));
    // In the pictures' base64 such letters may come up.
    let words = page.split("src=\"data:image/jpeg;base64,").map(|part| {
        let rest = part.split_once('"').filter(|_| !part.starts_with('<'));
        rest.map_or(part, |(_, rest)| rest)
    });
    assert!(!words.collect::<String>().contains("NaN"));
    assert!(!page.contains("<pear>"));
    assert!(page.matches("<svg").count() >= 4, "plots are missing");
    assert!(!page.contains("http://") && !page.contains("https://"));
    for sampler in ["lcm", "ddim", "ddim-inverse"] {
        let of_sampler = table
            .lines()
            .filter(|line| line.starts_with(&format!("| {sampler} | ")) && line.contains(" ± "));
        assert_eq!(of_sampler.count(), 2, "{table}");
    }

    // The same again: only times may differ.
    let again = eval(folder.path(), &flags);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    for (first, second) in pictures.iter().zip(again["pictures"].as_array().unwrap()) {
        assert_eq!(first["clip_score"], second["clip_score"]);
        assert_eq!(first["objects"], second["objects"]);
    }
    assert_eq!(card["across_samplers"], again["across_samplers"]);
}

#[test]
fn bad_input_gets_one_line() {
    let clip = clip();
    let clip = ["--clip", clip.to_str().unwrap()];
    let refused = |folder: &tempfile::TempDir, flags: &[&str], names: &str| {
        let output = eval(folder.path(), flags);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        let lines = told.lines().filter(|line| line.starts_with("impasto:"));
        assert_eq!(lines.count(), 1, "{told}");
        assert!(told.contains(names), "{told}");
    };
    let good = folder_with("red apple\n");
    let absent = tempfile::tempdir().unwrap();
    refused(&absent, &clip, "prompts.txt");
    refused(&folder_with("# nothing\n\n"), &clip, "has no prompts");
    refused(&folder_with("{\"prompts\": 1}\n"), &clip, "line 1");
    let sampler = [&clip[..], &["--samplers", "lcm,nobody"]].concat();
    refused(&good, &sampler, "nobody");
    let steps = [&clip[..], &["--samplers", "lcm", "--steps", "100"]].concat();
    refused(&good, &steps, "steps");
    let model = [&clip[..], &["--model", "absent-model"]].concat();
    refused(&good, &model, "absent-model");
    refused(&good, &["--clip", "absent-clip"], "absent-clip");
    // A pipeline's folder is no CLIPModel, and neither is its text encoder's.
    refused(&good, &["--clip", "models/storybook"], "CLIPModel");
    refused(
        &good,
        &["--clip", "models/storybook/text_encoder"],
        "CLIPModel",
    );

    // A folder that cannot be made, for root as well: there is a file of that name.
    let taken = folder_with("red apple\n");
    std::fs::write(taken.path().join("out"), "").unwrap();
    refused(&taken, &clip, "--out");
}
