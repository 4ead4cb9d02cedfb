//! The real binary inverts a photo and edits it inside a mask.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use impasto::canvas::{ImageLimits, Pixels, decode_image, encode_image};
use impasto::protocol::FrameFormat;
use serde_json::Value;
use tempfile::TempDir;

/// Not made of the bundled model's cells.
const SIZE: (u32, u32) = (100, 70);

struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn draw(&self, name: &str, (width, height): (u32, u32), pixel: impl Fn(u32, u32) -> [u8; 3]) {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let bytes = places.flat_map(|(x, y)| pixel(x, y)).collect();
        let picture = Pixels::from_raw(width, height, bytes).unwrap();
        let bytes = encode_image(&picture, FrameFormat::Png, 100).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Pixels {
        let bytes = std::fs::read(self.path(name)).unwrap();
        decode_image(&bytes, &ImageLimits::default()).unwrap()
    }

    /// Runs the command in this folder, with the bundled model.
    fn impasto(&self, command: &str, flags: &[&str]) -> Output {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/storybook");
        Command::new(env!("CARGO_BIN_EXE_impasto"))
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .arg(command)
            .arg("--model")
            .arg(model)
            .args(flags)
            .output()
            .unwrap()
    }

    fn report(&self, command: &str, flags: &[&str]) -> Value {
        let output = self.impasto(command, flags);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// One line on standard error that names what is wrong, exit code 2.
    fn refused(&self, command: &str, flags: &[&str], names: &str) {
        let output = self.impasto(command, flags);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert_eq!(told.trim_end().lines().count(), 1, "{told}");
        assert!(
            told.starts_with("impasto: ") && told.contains(names),
            "{told}"
        );
    }
}

fn number(report: &Value, path: &str) -> f64 {
    let found = report.pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("no {path} in {report}"))
}

#[test]
fn a_photo_is_inverted_and_edited_inside_its_mask_only() {
    let scratch = Scratch::new();
    scratch.draw("photo.png", SIZE, |x, y| match y > 40 {
        true => [60, 120 + (x / 2) as u8, 50],
        false => [120, 170, 220 - y as u8],
    });
    // A soft disc.
    scratch.draw("mask.png", SIZE, |x, y| {
        let (x, y) = (f64::from(x) - 40.0, f64::from(y) - 30.0);
        [((30.0 - x.hypot(y)) * 25.0).clamp(0.0, 255.0) as u8; 3]
    });
    let invert = ["--image", "photo.png", "--prompt", "green hills", "--json"];
    let inverted = scratch.report(
        "invert",
        &[&invert[..], &["--steps", "8", "--out", "photo.safetensors"]].concat(),
    );
    assert_eq!(
        (inverted["width"].as_u64(), inverted["height"].as_u64()),
        (Some(100), Some(70))
    );
    for path in [
        "/psnr_db/reconstruction",
        "/psnr_db/latents",
        "/psnr_db/autoencoder",
        "/timings_ms/encode",
        "/timings_ms/denoise",
        "/timings_ms/total",
        "/reconstruction_ms/total",
        "/load_ms",
    ] {
        assert!(number(&inverted, path) > 0.0, "{path} in {inverted}");
    }

    let photo = scratch.read("photo.png");
    let mask = scratch.read("mask.png");
    let edit = ["--inversion", "photo.safetensors", "--mask", "mask.png"];
    let edit = [
        &edit[..],
        &["--prompt", "a red apple", "--json", "--seed", "3"],
        &["--steps", "4", "--strength", "1", "--guidance-scale", "1"],
    ]
    .concat();
    let mut made = Vec::new();
    for method in ["ddim", "edit-friendly", "infedit"] {
        let flags = [&edit[..], &["--method", method, "--out", "out.png"]].concat();
        let report = scratch.report("edit", &flags);
        assert_eq!(report["method"], method);
        assert_eq!(number(&report, "/steps"), 4.0);
        for path in [
            "/psnr_db/reconstruction",
            "/psnr_db/autoencoder",
            "/timings_ms/denoise",
        ] {
            assert!(number(&report, path) > 0.0, "{path} in {report}");
        }
        let autoencoder = number(&inverted, "/psnr_db/autoencoder");
        assert_eq!(number(&report, "/psnr_db/autoencoder"), autoencoder);
        let file = std::fs::read(scratch.path("out.png")).unwrap();
        let term = b"digitalsourcetype/compositeWithTrainedAlgorithmicMedia<";
        assert!(file.windows(term.len()).any(|part| part == term));
        let edited = scratch.read("out.png");
        assert_eq!(edited.bounds(), photo.bounds());
        let mut changed = 0;
        for y in 0..photo.height() {
            for x in 0..photo.width() {
                match edited.pixel(x, y) == photo.pixel(x, y) {
                    true => (),
                    false if mask.pixel(x, y)[0] == 0 => panic!("{method}: ({x}, {y}) changed"),
                    false => changed += 1,
                }
            }
        }
        assert!(changed > 1000, "{method}: only {changed} pixels changed");
        made.push(edited);
    }
    assert!(made[0] != made[1] && made[1] != made[2] && made[0] != made[2]);

    // Again, and without a number of its own: the same picture.
    let flags = [&edit[..], &["--method", "infedit", "--out", "again.png"]].concat();
    scratch.report("edit", &flags);
    assert_eq!(scratch.read("again.png"), made[2]);

    // What cannot be: another size, no inversion, no steps, no such method.
    scratch.draw("small.png", (50, 70), |_, _| [255; 3]);
    let out = ["--prompt", "x", "--out", "refused.png"];
    let with =
        |inversion, mask| [&["--inversion", inversion, "--mask", mask][..], &out[..]].concat();
    scratch.refused("edit", &with("photo.safetensors", "small.png"), "50 × 70");
    scratch.refused(
        "edit",
        &with("photo.png", "mask.png"),
        "photo.png is no inversion",
    );
    scratch.refused(
        "edit",
        &with("none.safetensors", "mask.png"),
        "none.safetensors",
    );
    let encoded = [
        &invert[..],
        &["--steps", "0", "--out", "encoded.safetensors"],
    ]
    .concat();
    let encoded = scratch.report("invert", &encoded);
    assert!(encoded["psnr_db"]["reconstruction"].is_null(), "{encoded}");
    scratch.refused("edit", &with("encoded.safetensors", "mask.png"), "0 steps");
    assert!(!scratch.path("refused.png").exists());

    scratch.draw("large.png", (1100, 1000), |_, _| [255; 3]);
    let large = [
        "--image",
        "large.png",
        "--prompt",
        "x",
        "--out",
        "large.safetensors",
    ];
    scratch.refused("invert", &large, "1100 × 1000");
    assert!(!scratch.path("large.safetensors").exists());
}
