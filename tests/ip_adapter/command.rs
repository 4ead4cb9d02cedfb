//! `impasto generate --ip-adapter`.

use std::path::Path;
use std::process::{Command, Output};

use candle_core::Device;
use image::{Rgb, RgbImage};

use super::{adapter, folder};

fn impasto(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    command.args(arguments).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_picture_sees_one_reference_or_several() {
    let model = folder("sd15");
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let (blue, red) = (path("blue.png"), path("red.png"));
    let save = |file: &Path, color| RgbImage::from_pixel(50, 40, Rgb(color)).save(file).unwrap();
    save(&blue, [20, 60, 200]);
    save(&red, [200, 30, 20]);
    let base = format!("base={}", text(&adapter("ip-adapter_sd15")));
    let plus = adapter("ip-adapter-plus_sd15");
    let made = |name: &str, more: &[&str]| {
        let (out, latents) = (path("made.png"), path(&format!("{name}.safetensors")));
        let mut arguments = vec!["generate", "--model", text(model.path())];
        arguments.extend(["--prompt", "a red apple", "--steps", "2"]);
        arguments.extend(["--width", "64", "--height", "64"]);
        arguments.extend(["--save-latents", text(&latents), "--out", text(&out)]);
        arguments.extend(more);
        let output = impasto(&arguments);
        assert!(output.status.success(), "{name}: {}", told(&output));
        let tensors = candle_core::safetensors::load(&latents, &Device::Cpu).unwrap();
        let latents = tensors["latents"].flatten_all().unwrap();
        latents.to_vec1::<f32>().unwrap()
    };
    let words = made("words", &[]);
    let one = ["--ip-adapter", &base, "--reference", text(&blue)];
    let seen = made("one", &one);
    assert_ne!(seen, words);
    let more = made("more", &[&one[..], &["--reference-scale", "1"]].concat());
    assert_ne!(more, seen);
    let usual = made("usual", &[&one[..], &["--reference-scale", "0.6"]].concat());
    assert_eq!(usual, seen);
    let off = made("off", &[&one[..], &["--reference-scale", "0"]].concat());
    assert_eq!(off, words);
    let late = made("late", &[&one[..], &["--reference-start", "0.5"]].concat());
    assert!(late != seen && late != words);
    let second = ["--ip-adapter", text(&plus), "--reference", text(&red)];
    let both = made("both", &[&one[..], &second].concat());
    assert!(both != seen && both != words);
}

#[test]
fn flags_and_files_that_do_not_go_together_are_refused_with_code_2() {
    let model = folder("sd15");
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let (image, out, broken) = (path("white.png"), path("made.png"), path("broken.png"));
    RgbImage::from_pixel(64, 64, Rgb([255; 3]))
        .save(&image)
        .unwrap();
    std::fs::write(&broken, "no picture").unwrap();
    let (base, other) = (adapter("ip-adapter_sd15"), adapter("ip-adapter_sdxl"));
    let usual = ["generate", "--model", text(model.path()), "--prompt", "x"];
    let end = ["--steps", "1", "--out", text(&out)];
    let seen = ["--ip-adapter", text(&base), "--reference", text(&image)];
    for (more, part) in [
        (vec!["--ip-adapter", text(&base)], "--reference"),
        (vec!["--reference", text(&image)], "--ip-adapter"),
        (
            vec!["--ip-adapter", text(&base), "--reference", text(&broken)],
            "broken.png",
        ),
        (
            vec!["--ip-adapter", text(&other), "--reference", text(&image)],
            "another family",
        ),
        (
            [&seen[..], &["--reference-scale", "1.5"]].concat(),
            "0 to 1",
        ),
        (
            [&seen[..], &["--reference-start", "1"]].concat(),
            "--reference-start",
        ),
        (
            [&seen[..], &["--image-encoder", text(scratch.path())]].concat(),
            "config.json",
        ),
        (
            vec!["--control", text(&base), "--control-image", text(&image)],
            "--ip-adapter",
        ),
    ] {
        let output = impasto(&[&usual[..], &more, &end].concat());
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains(part), "{}", told(&output));
    }
}

#[test]
fn model_check_tells_what_an_adapter_is() {
    let check = |path: &Path| impasto(&["model", "check", text(path)]);
    for (name, class) in [
        ("ip-adapter_sd15", "IPAdapter,"),
        ("ip-adapter-plus_sdxl_vit-h", "IPAdapterPlus,"),
    ] {
        let output = check(&adapter(name));
        assert!(output.status.success(), "{}", told(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(class) && said.contains("usable"), "{said}");
    }
    // Without the image encoder beside it, and without one of its tensors.
    let cut = tempfile::tempdir().unwrap();
    let path = cut.path().join("cut.safetensors");
    let mut tensors = super::tensors(&adapter("ip-adapter_sd15"));
    let lost = "ip_adapter.5.to_v_ip.weight";
    tensors.remove(lost).unwrap();
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let output = check(&path);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains(lost), "{}", told(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("image_encoder"), "{said}");
}
