//! The networks of flow models agree with diffusers and transformers, number by number.
//!
//! `tests/parity/flow_models.py` made the fixtures; `fixtures/flow-models/versions.json` says with
//! which versions. Whole pipelines of them are in `pipeline_parity.rs`, faults in `model_errors`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use fixtures::relative_error;
use impasto::canvas::{Mask, Pixels};
use impasto::model::{
    AddedConditioning, Denoiser, Family, LoadOptions, LoraChoice, Model, inspect,
};
use impasto::pipeline::{Edit, Output, Pipeline, RenderInputs, RenderSettings, check_folder};
use impasto::protocol::Rect;
use impasto::sampler::LatentRect;

/// Largest difference allowed, relative to the largest expected value.
const TOLERANCE: f32 = 1e-4;

const MODELS: [(&str, Family); 4] = [
    ("flux-schnell", Family::FluxSchnell),
    ("flux-dev", Family::Flux),
    ("sd3", Family::Sd3),
    ("sd35", Family::Sd3),
];

fn fixture(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures/flow-models")
        .join(model)
}

fn load(model: &str) -> Model {
    Model::load(&fixture(model), &LoadOptions::default()).unwrap()
}

struct Expected {
    model: &'static str,
    tensors: HashMap<String, Tensor>,
}

impl Expected {
    fn of(model: &'static str) -> Self {
        let path = fixture(model).join("networks.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        Self { model, tensors }
    }

    fn get(&self, name: &str) -> Tensor {
        self.tensors[name].clone()
    }

    fn check(&self, name: &str, found: &Tensor) {
        let wanted = self.get(name);
        assert_eq!(found.dims(), wanted.dims(), "{} {name}", self.model);
        let error = relative_error(found, &wanted);
        assert!(error <= TOLERANCE, "{} {name}: {error}", self.model);
    }

    fn run(&self, denoiser: &Denoiser) -> Tensor {
        self.run_rows(denoiser, 0, 2)
    }

    fn run_rows(&self, denoiser: &Denoiser, first: usize, rows: usize) -> Tensor {
        let row = |tensor: &Tensor| tensor.narrow(0, first, rows).unwrap();
        let get = |name: &str| row(&self.get(&format!("denoiser.{name}")));
        let added = AddedConditioning {
            text_embeds: Some(get("text_embeds")),
            guidance: self.tensors.get("denoiser.guidance").map(row),
            ..AddedConditioning::default()
        };
        let states = get("encoder_hidden_states");
        denoiser
            .forward(&get("sample"), &get("timesteps"), &states, &added)
            .unwrap()
    }
}

#[test]
fn denoisers() {
    for (model, _) in MODELS {
        let (expected, loaded) = (Expected::of(model), load(model));
        expected.check("denoiser.output", &expected.run(loaded.denoiser()));
    }
}

/// A row's answer must not depend on the rows beside it: several rooms share a batch.
#[test]
fn rows_of_a_batch_are_independent() {
    for (model, _) in MODELS {
        let (expected, loaded) = (Expected::of(model), load(model));
        let alone = expected.run_rows(loaded.denoiser(), 1, 1);
        let wanted = expected.get("denoiser.output").narrow(0, 1, 1).unwrap();
        assert!(relative_error(&alone, &wanted) <= TOLERANCE, "{model}");
    }
}

#[test]
fn half_precision_stays_close() {
    for (model, _) in MODELS {
        let options = LoadOptions {
            dtype: DType::F16,
            ..LoadOptions::default()
        };
        let loaded = Model::load(&fixture(model), &options).unwrap();
        let expected = Expected::of(model);
        let output = expected.run(loaded.denoiser());
        let error = relative_error(&output, &expected.get("denoiser.output"));
        assert!(error < 0.03, "{model}: {error}");
        // T5 would overflow in f16.
        let t5_is_wide = loaded.t5.is_none_or(|(encoder, _)| {
            let ids = Tensor::zeros((1, 3), DType::U32, &Device::Cpu).unwrap();
            encoder.forward(&ids).unwrap().dtype() == DType::F32
        });
        assert!(t5_is_wide, "{model}");
    }
}

#[test]
fn what_a_transformer_needs_is_named() {
    let expected = Expected::of("flux-dev");
    let model = load("flux-dev");
    let get = |name: &str| expected.get(&format!("denoiser.{name}"));
    let run = |added: &AddedConditioning| {
        let (sample, states) = (get("sample"), get("encoder_hidden_states"));
        let output = model
            .denoiser()
            .forward(&sample, &get("timesteps"), &states, added);
        output.unwrap_err().to_string()
    };
    assert!(run(&AddedConditioning::default()).contains("text_embeds"));
    let unguided = AddedConditioning {
        text_embeds: Some(get("text_embeds")),
        ..AddedConditioning::default()
    };
    assert!(run(&unguided).contains("guidance scale"));
}

#[test]
fn autoencoders_are_shifted() {
    for (model, _) in MODELS {
        let (expected, loaded) = (Expected::of(model), load(model));
        let encoded = loaded.vae.encode(&expected.get("vae.image")).unwrap();
        expected.check("vae.latents", &encoded);
        let decoded = loaded.vae.decode(&expected.get("vae.given")).unwrap();
        expected.check("vae.decoded", &decoded);
    }
}

#[derive(serde::Deserialize)]
struct Tokens {
    prompt: String,
    ids: Vec<u32>,
}

#[test]
fn t5_reads_prompts_as_transformers_does() {
    for model in ["flux-schnell", "flux-dev", "sd35"] {
        let (expected, loaded) = (Expected::of(model), load(model));
        let (encoder, tokenizer) = loaded.t5.as_ref().unwrap();
        let ids = expected.get("t5.ids").to_dtype(DType::U32).unwrap();
        expected.check("t5.output", &encoder.forward(&ids).unwrap());
        let text = std::fs::read_to_string(fixture(model).join("t5_tokens.json")).unwrap();
        let rows: Vec<Tokens> = serde_json::from_str(&text).unwrap();
        assert!(rows.len() > 10);
        for Tokens { prompt, ids } in rows {
            let words = tokenizer.words(&prompt).unwrap();
            assert_eq!(tokenizer.window(&words, 48), ids, "{model}: {prompt:?}");
        }
    }
    assert!(load("sd3").t5.is_none());
}

#[test]
fn loras_in_diffusers_naming() {
    for model in ["flux-schnell", "sd35"] {
        let expected = Expected::of(model);
        let choice = LoraChoice::new(fixture(model).join("ink.safetensors"), 0.7);
        let mut loaded = load(model);
        loaded.set_loras(&[choice]).unwrap();
        expected.check("lora.output", &expected.run(loaded.denoiser()));
        expected.check("denoiser.output", &expected.run(loaded.base_denoiser()));
        loaded.set_loras(&[]).unwrap();
        assert!(std::ptr::eq(loaded.denoiser(), loaded.base_denoiser()));
    }
}

#[test]
fn folders_are_told_what_they_are() {
    for (model, family) in MODELS {
        let report = check_folder(&fixture(model)).unwrap();
        assert!(report.usable, "{:?}", report.problems);
        assert_eq!(report.family, Some(family));
        assert_eq!(report.sampler.as_deref(), Some("flow-euler"));
        assert_eq!(report.prediction_type.as_deref(), Some("flow_prediction"));
        assert_eq!(report.latent_channels, Some(4));
        let names: Vec<_> = report
            .components
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        let wanted: &[&str] = match model {
            "sd35" => &[
                "transformer",
                "vae",
                "text_encoder",
                "text_encoder_2",
                "text_encoder_3",
            ],
            _ => &["transformer", "vae", "text_encoder", "text_encoder_2"],
        };
        assert_eq!(names, wanted, "{model}");
        for component in &report.components {
            assert!(component.unexpected_tensors.is_empty(), "{component:?}");
        }
        assert_eq!(report.memory_cpu, 4 * report.parameters);
        let loaded = load(model);
        assert_eq!(loaded.family, family);
        assert_eq!((loaded.window_grid(), loaded.least_grid()), (16, 16));
    }
    assert_eq!(load("flux-dev").native_side(), 1024);
    assert_eq!(load("sd35").native_side(), 64);
}

#[test]
fn weights_are_half_of_it_on_a_gpu() {
    let report = inspect(&fixture("flux-dev")).unwrap();
    assert_eq!(report.memory_gpu, 2 * report.parameters);
}

fn settings(prompt: &str, steps: u32) -> RenderSettings {
    RenderSettings {
        prompt: prompt.to_owned(),
        steps,
        seed: 7,
        sampler: "flow-euler".to_owned(),
        guidance_scale: 3.0,
        ..RenderSettings::default()
    }
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    fixtures::largest(&(a - b).unwrap())
}

/// Renders of several rooms share a batch, each at its own step, guided or not.
#[test]
fn renders_in_one_batch_come_out_as_they_do_alone() {
    for (model, _) in MODELS {
        let mut pipeline = Pipeline::new(load(model), 8).unwrap();
        let inputs = |x| {
            let latent_rect = LatentRect {
                x,
                y: 0,
                width: 6,
                height: 4,
            };
            RenderInputs::from_seed(latent_rect, 3)
        };
        let first = settings("a tree", 2);
        let second = RenderSettings {
            guidance_scale: 1.0,
            ..settings("a boat", 4)
        };
        let mut alone = Vec::new();
        for (x, settings) in [(0, &first), (6, &second)] {
            let mut render = pipeline.begin_inputs(settings, inputs(x)).unwrap();
            while !render.is_done() {
                pipeline.step(&mut [&mut render]).unwrap();
            }
            alone.push(pipeline.finish(render).unwrap().latents);
        }
        let mut one = pipeline.begin_inputs(&first, inputs(0)).unwrap();
        let mut other = pipeline.begin_inputs(&second, inputs(6)).unwrap();
        assert_eq!(one.batch_shape(), other.batch_shape());
        pipeline.step(&mut [&mut one]).unwrap();
        pipeline.step(&mut [&mut one, &mut other]).unwrap();
        assert!(one.is_done());
        while !other.is_done() {
            pipeline.step(&mut [&mut other]).unwrap();
        }
        for (alone, render) in alone.iter().zip([one, other]) {
            let together = pipeline.finish(render).unwrap().latents;
            assert!(relative_error(&together, alone) < 1e-3, "{model}");
        }
        assert!(largest_difference(&alone[0], &alone[1]) > 1e-2, "{model}");
    }
}

/// What a stroke does: SDEdit from the sketch, and what is outside the mask stays.
#[test]
fn painting_keeps_what_is_outside_the_mask() {
    for (model, _) in MODELS {
        let mut pipeline = Pipeline::new(load(model), 8).unwrap();
        let known = Pixels::new(64, 64, [255; 3]);
        let mut sketch = known.clone();
        sketch.paste(&Pixels::new(32, 64, [200, 30, 20]), 32, 0);
        let mut mask = Mask::new(64, 64, 0);
        for y in 0..64 {
            mask.span_mut(32, y, 32).fill(255);
        }
        let window = Rect::new(64, 0, 64, 64);
        let edit = Edit {
            window,
            sketch: Arc::new(sketch),
            known: Arc::new(known),
            mask: Arc::new(mask),
            settings: RenderSettings {
                strength: 0.7,
                ..settings("a red apple", 4)
            },
            control: None,
            output: Output::plain(window),
            photo: None,
        };
        let (sketch, known) = (
            pipeline.encode(&edit.sketch).unwrap(),
            pipeline.encode(&edit.known).unwrap(),
        );
        let mut render = pipeline
            .begin(&edit, sketch.clone(), Some(known.clone()))
            .unwrap();
        assert_eq!(render.steps(), 3);
        while !render.is_done() {
            pipeline.step(&mut [&mut render]).unwrap();
        }
        let latents = pipeline.finish(render).unwrap().latents;
        let half = |tensor: &Tensor, from| tensor.narrow(3, from, 4).unwrap();
        assert!(largest_difference(&half(&latents, 0), &half(&known, 0)) < 1e-4);
        assert!(largest_difference(&half(&latents, 4), &half(&sketch, 4)) > 1e-2);
    }
}

/// Weights in brackets reach T5 and CLIP; a prompt that has none is read as diffusers reads it.
#[test]
fn weighted_words_change_the_picture() {
    for model in ["flux-dev", "sd35", "sd3"] {
        let mut pipeline = Pipeline::new(load(model), 8).unwrap();
        let mut painted = |prompt: &str| {
            let rect = LatentRect {
                x: 0,
                y: 0,
                width: 4,
                height: 4,
            };
            let inputs = RenderInputs::from_seed(rect, 3);
            let mut render = pipeline.begin_inputs(&settings(prompt, 1), inputs).unwrap();
            pipeline.step(&mut [&mut render]).unwrap();
            pipeline.finish(render).unwrap().latents
        };
        let plain = painted("a red apple");
        assert_eq!(largest_difference(&plain, &painted("a (red:1) apple")), 0.0);
        assert!(largest_difference(&plain, &painted("a (red:1.6) apple")) > 1e-3);
        assert!(largest_difference(&plain, &painted("a green apple")) > 1e-3);
    }
}

#[test]
fn sizes_that_make_no_tokens_are_refused() {
    use impasto::pipeline::GenerateRequest;
    let request = |width, height| GenerateRequest {
        settings: settings("a tree", 1),
        size: (width, height),
        image: None,
        controls: Vec::new(),
        mask: None,
        latents: None,
    };
    for (model, size, parts) in [
        ("flux-dev", (64, 56), ["multiples of 16", "64 × 56"]),
        ("sd35", (72, 64), ["multiples of 16", "72 × 64"]),
        ("sd35", (208, 64), ["at most 192", "208 × 64"]),
    ] {
        let mut pipeline = Pipeline::new(load(model), 8).unwrap();
        let refused = pipeline.generate(request(size.0, size.1), |_, _| ());
        let said = refused.err().expect("accepted").to_string();
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

#[test]
fn photos_are_not_inverted() {
    let mut pipeline = Pipeline::new(load("flux-schnell"), 8).unwrap();
    let photo = Pixels::new(64, 64, [90; 3]);
    for steps in [0, 4] {
        let refused = pipeline.begin_inversion(&photo, "a tree", steps, 0);
        let said = refused.err().expect("accepted").to_string();
        assert!(
            said.contains("flow model") && said.contains("cannot be inverted"),
            "{said}"
        );
    }
}
