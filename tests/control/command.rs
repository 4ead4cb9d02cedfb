//! `impasto generate --control` and `impasto model check`.

use std::path::Path;
use std::process::{Command, Output};

use candle_core::Device;
use image::{Rgb, RgbImage};

use super::{control, folder};

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
fn a_picture_is_steered_by_one_or_by_several() {
    let model = folder("sd15");
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let mut drawing = RgbImage::from_pixel(90, 40, Rgb([255; 3]));
    for x in 10..80 {
        drawing.put_pixel(x, 20, Rgb([20; 3]));
    }
    let image = path("drawing.png");
    drawing.save(&image).unwrap();
    let adapter = format!("lines={}", text(&control("t2i-sketch")));
    let net = text(&control("controlnet-scribble")).to_owned();
    let made = |name: &str, more: &[&str]| {
        let (out, latents) = (path("made.png"), path(&format!("{name}.safetensors")));
        let mut arguments = vec!["generate", "--model", text(model.path())];
        arguments.extend([
            "--prompt",
            "a red apple",
            "--steps",
            "2",
            "--width",
            "64",
            "--height",
            "64",
        ]);
        arguments.extend(["--save-latents", text(&latents), "--out", text(&out)]);
        arguments.extend(more);
        let output = impasto(&arguments);
        assert!(output.status.success(), "{name}: {}", told(&output));
        let tensors = candle_core::safetensors::load(&latents, &Device::Cpu).unwrap();
        let latents = tensors["latents"].flatten_all().unwrap();
        (latents.to_vec1::<f32>().unwrap(), told(&output))
    };
    let (words, _) = made("words", &[]);
    let one = ["--control", &adapter, "--control-image", text(&image)];
    let (steered, said) = made("one", &one);
    assert_ne!(steered, words);
    assert!(
        said.contains("drawing.png, 90 x 40, is scaled to 64 x 64"),
        "{said}"
    );
    let (ink, _) = made(
        "ink",
        &[&one[..], &["--control-preprocess", "ink"]].concat(),
    );
    assert_ne!(ink, steered);
    let (off, _) = made("off", &[&one[..], &["--control-scale", "0"]].concat());
    assert_eq!(off, words);
    let both = [
        &one[..],
        &[
            "--control",
            &net,
            "--control-scale",
            "1",
            "--control-scale",
            "0.5",
        ],
    ]
    .concat();
    let (both, _) = made("both", &both);
    assert!(both != steered && both != words);
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
    let adapter = control("t2i-sketch");
    let other = control("t2i-sketch-xl");
    let usual = [
        "generate",
        "--model",
        text(model.path()),
        "--prompt",
        "x",
        "--steps",
        "1",
        "--out",
        text(&out),
    ];
    for (more, part) in [
        (vec!["--control", text(&adapter)], "--control-image"),
        (vec!["--control-image", text(&image)], "--control"),
        (
            vec![
                "--control",
                text(&adapter),
                "--control-image",
                text(&broken),
            ],
            "broken.png",
        ),
        (
            vec!["--control", text(&other), "--control-image", text(&image)],
            "another family",
        ),
        (
            vec![
                "--control",
                text(&adapter),
                "--control-image",
                text(&image),
                "--control-start",
                "0.5",
                "--control-end",
                "0.5",
            ],
            "--control-start",
        ),
        (
            vec![
                "--control",
                text(&adapter),
                "--control-image",
                text(&image),
                "--control-preprocess",
                "depth",
            ],
            "xdog",
        ),
        (
            vec![
                "--control",
                text(&adapter),
                "--control-image",
                text(&image),
                "--control-scale",
                "nan",
            ],
            "control_scale",
        ),
    ] {
        let output = impasto(&[&usual[..], &more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains(part), "{}", told(&output));
    }
}

#[test]
fn model_check_tells_what_a_control_is() {
    let check = |name: &str| impasto(&["model", "check", text(&control(name))]);
    let output = check("t2i-sketch");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", told(&output));
    assert!(
        said.contains("T2IAdapter (full_adapter)") && said.contains("grey"),
        "{said}"
    );
    let output = check("controlnet-scribble");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("ControlNetModel") && said.contains("usable"),
        "{said}"
    );

    let cut = tempfile::tempdir().unwrap();
    super::copy_folder(&control("t2i-color"), cut.path());
    let weights = cut.path().join("diffusion_pytorch_model.safetensors");
    let mut tensors = super::tensors(&weights);
    let lost = "adapter.body.2.out_conv.weight";
    tensors.remove(lost).unwrap();
    candle_core::safetensors::save(&tensors, &weights).unwrap();
    let output = impasto(&["model", "check", text(cut.path())]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains(lost), "{}", told(&output));
}
