//! Whole pipelines agree with diffusers' own, from the prompt to the final latents.
//!
//! `tests/parity/pipelines.py` made the fixtures; `fixtures/pipelines/versions.json` says with
//! which versions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::{DType, Device, Tensor};
use fixtures::relative_error;
use impasto::canvas::{Mask, Pixels};
use impasto::model::{Autoencoder, Family, LoadOptions, Model, inspect};
use impasto::pipeline::{
    GenerateRequest, GivenNoise, MicroConditioning, NoiseSource, Pipeline, RenderInputs,
    RenderSettings,
};
use impasto::sampler::LatentRect;

/// Largest difference allowed, relative to the largest expected value.
const TOLERANCE: f32 = 1e-3;

fn fixture(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures/pipelines")
        .join(family)
}

/// What was asked of diffusers, in the words of `impasto generate`.
#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    width: u32,
    height: u32,
    sampler: String,
    prompt: String,
    negative_prompt: Option<String>,
    steps: u32,
    guidance_scale: f64,
    #[serde(default)]
    guidance_rescale: f64,
    image_guidance_scale: Option<f64>,
    strength: Option<f64>,
    original_size: Option<(u32, u32)>,
    target_size: Option<(u32, u32)>,
    crop: Option<(u32, u32)>,
}

impl Asked {
    fn settings(&self) -> RenderSettings {
        let usual = RenderSettings::default();
        RenderSettings {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            guidance_scale: self.guidance_scale,
            guidance_rescale: self.guidance_rescale,
            image_guidance_scale: self
                .image_guidance_scale
                .unwrap_or(usual.image_guidance_scale),
            steps: self.steps,
            strength: self.strength.unwrap_or(1.0),
            sampler: self.sampler.clone(),
            micro_conditioning: MicroConditioning {
                original_size: self.original_size,
                target_size: self.target_size,
                crop: self.crop.unwrap_or_default(),
            },
            ..usual
        }
    }
}

struct Fixture {
    family: &'static str,
    asked: Vec<Asked>,
    tensors: HashMap<String, Tensor>,
}

impl Fixture {
    fn of(family: &'static str) -> Self {
        let folder = fixture(family);
        let asked = std::fs::read_to_string(folder.join("requests.json")).unwrap();
        let tensors = folder.join("expected.safetensors");
        Self {
            family,
            asked: serde_json::from_str(&asked).unwrap(),
            tensors: candle_core::safetensors::load(tensors, &Device::Cpu).unwrap(),
        }
    }

    fn pipeline(&self) -> Pipeline {
        let model = Model::load(&fixture(self.family), &LoadOptions::default()).unwrap();
        Pipeline::new(model, 8).unwrap()
    }

    fn get(&self, asked: &Asked, part: &str) -> Option<&Tensor> {
        self.tensors.get(&format!("{}.{part}", asked.name))
    }

    fn bytes(&self, asked: &Asked, part: &str) -> Option<(u32, u32, Vec<u8>)> {
        let tensor = self.get(asked, part)?;
        let (height, width) = (tensor.dims()[0] as u32, tensor.dims()[1] as u32);
        let bytes = tensor.flatten_all().unwrap().to_vec1::<u8>().unwrap();
        Some((width, height, bytes))
    }

    fn image(&self, asked: &Asked) -> Option<Pixels> {
        let (width, height, bytes) = self.bytes(asked, "image")?;
        Some(Pixels::from_raw(width, height, bytes).unwrap())
    }

    fn mask(&self, asked: &Asked) -> Option<Mask> {
        let (width, height, bytes) = self.bytes(asked, "mask")?;
        let mut mask = Mask::new(width, height, 0);
        mask.data_mut().copy_from_slice(&bytes);
        Some(mask)
    }

    fn request(&self, asked: &Asked) -> GenerateRequest {
        GenerateRequest {
            settings: asked.settings(),
            size: (asked.width, asked.height),
            image: self.image(asked),
            controls: Vec::new(),
            mask: self.mask(asked),
            latents: Some(GivenNoise {
                initial: self.get(asked, "latents").unwrap().clone(),
                between: self.get(asked, "noise").cloned(),
            }),
        }
    }

    fn check(&self, asked: &Asked, found: &Tensor) {
        let wanted = self.get(asked, "output").unwrap();
        assert_eq!(
            found.dims(),
            wanted.dims(),
            "{} {}",
            self.family,
            asked.name
        );
        let error = relative_error(found, wanted);
        eprintln!("{} {}: relative error {error:.1e}", self.family, asked.name);
        assert!(
            error <= TOLERANCE,
            "{} {}: relative error {error}",
            self.family,
            asked.name
        );
    }

    /// Generates everything that was asked, with one pipeline.
    fn check_all(family: &'static str) {
        let fixture = Self::of(family);
        assert!(!fixture.asked.is_empty());
        let mut pipeline = fixture.pipeline();
        for asked in &fixture.asked {
            let rendered = pipeline
                .generate_batch(fixture.request(asked), |_, _| ())
                .unwrap();
            let rows: Vec<_> = rendered.iter().map(|rendered| &rendered.latents).collect();
            fixture.check(asked, &Tensor::cat(&rows, 0).unwrap());
            for rendered in &rendered {
                let pixels = &rendered.pixels;
                assert_eq!(
                    (pixels.width(), pixels.height()),
                    (asked.width, asked.height)
                );
            }
        }
    }
}

#[test]
fn sd15() {
    Fixture::check_all("sd15");
}

#[test]
fn lcm() {
    Fixture::check_all("lcm");
}

#[test]
fn sd21() {
    Fixture::check_all("sd21");
}

/// Its files hold bf16.
#[test]
fn turbo() {
    let report = inspect(&fixture("turbo")).unwrap();
    for component in &report.components {
        assert!(component.dtypes.iter().eq(["BF16"]), "{component:?}");
    }
    Fixture::check_all("turbo");
}

/// What a folder's scheduler is, its pictures are made with, however the model was distilled.
#[test]
fn turbo_paints_with_its_own_scheduler() {
    for family in ["turbo", "sdxl-turbo"] {
        let pipeline = Fixture::of(family).pipeline();
        assert_eq!(pipeline.defaults().unwrap().sampler, "euler-ancestral");
    }
}

#[test]
fn sdxl() {
    Fixture::check_all("sdxl");
}

#[test]
fn sdxl_turbo() {
    Fixture::check_all("sdxl-turbo");
}

/// Trained with EDM; its autoencoder's latents are normalised channel by channel.
#[test]
fn playground() {
    let mut pipeline = Fixture::of("playground").pipeline();
    assert_eq!(pipeline.defaults().unwrap().sampler, "edm-dpm-solver++");
    let photo = Pixels::new(64, 64, [90; 3]);
    let refused = pipeline.begin_inversion(&photo, "a tree", 4, 0);
    let said = refused.err().expect("accepted").to_string();
    assert!(said.contains("a model of EDM"), "{said}");
    Fixture::check_all("playground");
}

#[test]
fn inpainting() {
    Fixture::check_all("inpainting");
}

#[test]
fn sdxl_inpainting() {
    Fixture::check_all("sdxl-inpainting");
}

#[test]
fn instruct_pix2pix() {
    Fixture::check_all("instruct-pix2pix");
}

/// Several pictures at once, from a folder whose scheduler's settings hold an infinity.
#[test]
fn solver() {
    Fixture::check_all("solver");
}

#[test]
fn activations() {
    Fixture::check_all("activations");
}

/// Flow models; `tests/parity/flow_models.py` made their fixtures.
#[test]
fn flux() {
    Fixture::check_all("../flow-models/flux-schnell");
    Fixture::check_all("../flow-models/flux-dev");
}

#[test]
fn stable_diffusion_3() {
    Fixture::check_all("../flow-models/sd3");
    Fixture::check_all("../flow-models/sd35");
}

/// diffusers' Stable Diffusion pipelines pay no heed to the autoencoder's `shift_factor`.
#[test]
fn latents_are_not_shifted() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::copy_folder(&fixture("sd15"), folder.path());
    let file = folder.path().join("vae/config.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["shift_factor"] = 0.3.into();
    std::fs::write(&file, config.to_string()).unwrap();
    let decoded = |folder: &Path| {
        let model = Model::load(folder, &LoadOptions::default()).unwrap();
        let latents = Tensor::ones((1, 4, 4, 6), DType::F32, &Device::Cpu).unwrap();
        model.vae.decode(&latents).unwrap()
    };
    let error = relative_error(&decoded(folder.path()), &decoded(&fixture("sd15")));
    assert_eq!(error, 0.0);
}

#[test]
fn one_picture_is_not_made_from_the_noise_of_three() {
    let fixture = Fixture::of("solver");
    let asked = fixture.asked.iter().find(|asked| asked.name == "batch");
    let refused = fixture
        .pipeline()
        .generate(fixture.request(asked.unwrap()), |_, _| ())
        .err()
        .expect("accepted");
    assert!(refused.to_string().contains("3 pictures"), "{refused}");
}

/// Renders of several rooms go in one batch, guided or not, each with its own sizes.
#[test]
fn sdxl_renders_share_a_batch() {
    let fixture = Fixture::of("sdxl");
    let mut pipeline = fixture.pipeline();
    let names = ["zeros", "negative", "sizes"];
    let asked: Vec<&Asked> = names
        .iter()
        .map(|name| fixture.asked.iter().find(|asked| asked.name == *name))
        .map(Option::unwrap)
        .collect();
    let mut renders: Vec<_> = asked
        .iter()
        .map(|asked| {
            let latent_rect = LatentRect {
                x: 0,
                y: 0,
                width: asked.width / 8,
                height: asked.height / 8,
            };
            let inputs = RenderInputs {
                noise: NoiseSource::Given {
                    initial: fixture.get(asked, "latents").unwrap().clone(),
                    between: None,
                    seed: 0,
                },
                ..RenderInputs::from_seed(latent_rect, 0)
            };
            pipeline.begin_inputs(&asked.settings(), inputs).unwrap()
        })
        .collect();
    while !renders[0].is_done() {
        let mut batch: Vec<_> = renders.iter_mut().collect();
        pipeline.step(&mut batch).unwrap();
    }
    for (asked, render) in asked.into_iter().zip(renders) {
        fixture.check(asked, &pipeline.finish(render).unwrap().latents);
    }
}

#[test]
fn large_pictures_go_through_the_autoencoder_in_tiles() {
    let model = Model::load(&fixture("sd15"), &LoadOptions::default()).unwrap();
    let Autoencoder::Kl(vae) = &model.vae else {
        panic!("not an AutoencoderKL")
    };
    let path = fixture("sd15").join("tiles.safetensors");
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let given = |name: &str| tensors[name].to_dtype(DType::F32).unwrap();
    let encoded = vae.encode_tiled(&given("image")).unwrap();
    assert!(relative_error(&encoded, &tensors["latents"]) <= 1e-4);
    let decoded = vae.decode_tiled(&given("given")).unwrap();
    assert!(relative_error(&decoded, &tensors["decoded"]) <= 1e-4);
}

#[test]
fn guidance_that_is_none_is_refused() {
    for (family, kind) in [("turbo", Family::Turbo), ("sdxl-turbo", Family::SdxlTurbo)] {
        let fixture = Fixture::of(family);
        let mut pipeline = fixture.pipeline();
        assert_eq!(pipeline.model().family, kind);
        for (change, parts) in [
            (
                (|settings| settings.guidance_scale = -0.5) as fn(&mut RenderSettings),
                ["`guidance_scale`", "-0.5", "from 0 on"],
            ),
            (
                |settings| settings.guidance_scale = f64::NAN,
                ["`guidance_scale`", "NaN", "from 0 on"],
            ),
            (
                |settings| settings.guidance_scale = f64::INFINITY,
                ["`guidance_scale`", "inf", "from 0 on"],
            ),
            (
                |settings| settings.guidance_rescale = 1.5,
                ["`guidance_rescale`", "1.5", "0 to 1"],
            ),
            (
                |settings| settings.image_guidance_scale = -1.0,
                ["`image_guidance_scale`", "-1", "from 0 on"],
            ),
        ] {
            let mut request = fixture.request(&fixture.asked[0]);
            change(&mut request.settings);
            let error = pipeline
                .generate(request, |_, _| ())
                .err()
                .expect("accepted")
                .to_string();
            for part in parts {
                assert!(error.contains(part), "{error}");
            }
        }
    }
}

/// The same through the command line, which is how anybody compares a pipeline of their own.
#[test]
fn the_command_line_gives_the_same_latents() {
    for (family, name) in [
        ("sdxl", "sizes"),
        ("sdxl", "negative"),
        ("instruct-pix2pix", "double"),
        ("inpainting", "guided"),
        ("solver", "batch"),
    ] {
        let fixture = Fixture::of(family);
        let asked = fixture.asked.iter().find(|asked| asked.name == name);
        let asked = asked.unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        let given = HashMap::from_iter(
            [("latents", "latents"), ("noise", "noise")]
                .into_iter()
                .filter_map(|(name, part)| Some((name, fixture.get(asked, part)?.clone()))),
        );
        candle_core::safetensors::save(&given, path("given.safetensors")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
        command
            .arg("generate")
            .arg("--model")
            .arg(self::fixture(family));
        command.args(["--prompt", &asked.prompt]);
        for (flag, value) in [
            ("--negative-prompt", asked.negative_prompt.clone()),
            ("--steps", Some(asked.steps.to_string())),
            ("--width", Some(asked.width.to_string())),
            ("--height", Some(asked.height.to_string())),
            ("--sampler", Some(asked.sampler.clone())),
            ("--guidance-scale", Some(asked.guidance_scale.to_string())),
            (
                "--guidance-rescale",
                Some(asked.guidance_rescale.to_string()),
            ),
            (
                "--image-guidance-scale",
                asked.image_guidance_scale.map(|scale| scale.to_string()),
            ),
            ("--original-size", asked.original_size.map(by)),
            ("--target-size", asked.target_size.map(by)),
            ("--crop", asked.crop.map(by)),
        ] {
            if let Some(value) = value {
                command.args([flag, &value]);
            }
        }
        if let Some(image) = fixture.image(asked) {
            write_png(&path("image.png"), &image);
            command.arg("--image").arg(path("image.png"));
            command.args(["--strength", "1"]);
        }
        if let Some((width, height, bytes)) = fixture.bytes(asked, "mask") {
            let grey = bytes.into_iter().flat_map(|value| [value; 3]).collect();
            let mask = Pixels::from_raw(width, height, grey).unwrap();
            write_png(&path("mask.png"), &mask);
            command.arg("--mask").arg(path("mask.png"));
        }
        command.arg("--latents").arg(path("given.safetensors"));
        command.arg("--save-latents").arg(path("made.safetensors"));
        let output = command.arg("--out").arg(path("made.png")).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{family} {name}: {told}");
        let made = candle_core::safetensors::load(path("made.safetensors"), &Device::Cpu).unwrap();
        fixture.check(asked, &made["latents"]);
    }
}

fn by((width, height): (u32, u32)) -> String {
    format!("{width}x{height}")
}

fn write_png(path: &Path, picture: &Pixels) {
    let format = impasto::protocol::FrameFormat::Png;
    let bytes = impasto::canvas::encode_image(picture, format, 100).unwrap();
    std::fs::write(path, bytes).unwrap();
}
