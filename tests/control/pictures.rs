//! What pipelines make with controls.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use impasto::canvas::Pixels;
use impasto::model::LoraChoice;
use impasto::pipeline::{
    ControlPicture, ControlSettings, GenerateRequest, GivenNoise, Pipeline, RenderSettings,
};
use impasto::protocol::ControlPreprocess;

use super::fixtures::relative_error;
use super::{check, control, load, named, tensors};

/// Largest difference allowed, relative to the largest expected value.
const TOLERANCE: f32 = 1e-3;

/// A control as diffusers was asked, in the words of `impasto generate`.
#[derive(Clone, serde::Deserialize)]
struct AskedControl {
    control: String,
    scale: f64,
    start: f64,
    end: f64,
}

#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    width: u32,
    height: u32,
    sampler: String,
    prompt: String,
    negative_prompt: String,
    steps: u32,
    guidance_scale: f64,
    strength: Option<f64>,
    controls: Vec<AskedControl>,
}

struct Family {
    asked: Vec<Asked>,
    tensors: HashMap<String, Tensor>,
    pipeline: Pipeline,
}

impl Family {
    fn of(name: &str, controls: &[&str]) -> Self {
        let asked = std::fs::read_to_string(control(name).join("requests.json")).unwrap();
        Self {
            asked: serde_json::from_str(&asked).unwrap(),
            tensors: tensors(&control(name).join("pipeline.safetensors")),
            pipeline: Pipeline::new(load(name, &named(controls)), 8).unwrap(),
        }
    }

    fn pixels(&self, name: &str) -> Option<Pixels> {
        let tensor = self.tensors.get(name)?;
        let (height, width) = (tensor.dims()[0] as u32, tensor.dims()[1] as u32);
        let bytes = tensor.flatten_all().unwrap().to_vec1::<u8>().unwrap();
        let bytes = match tensor.rank() {
            2 => bytes.into_iter().flat_map(|value| [value; 3]).collect(),
            _ => bytes,
        };
        Some(Pixels::from_raw(width, height, bytes).unwrap())
    }

    fn request(&self, asked: &Asked) -> GenerateRequest {
        let controls = asked.controls.iter().enumerate();
        let controls = controls.map(|(number, one)| ControlPicture {
            settings: ControlSettings {
                name: one.control.clone(),
                preprocess: ControlPreprocess::None,
                scale: one.scale,
                start: one.start,
                end: one.end,
            },
            picture: Arc::new(
                self.pixels(&format!("{}.control.{number}", asked.name))
                    .unwrap(),
            ),
        });
        GenerateRequest {
            settings: RenderSettings {
                prompt: asked.prompt.clone(),
                negative_prompt: Some(asked.negative_prompt.clone()),
                guidance_scale: asked.guidance_scale,
                steps: asked.steps,
                strength: asked.strength.unwrap_or(1.0),
                sampler: asked.sampler.clone(),
                ..RenderSettings::default()
            },
            size: (asked.width, asked.height),
            image: self.pixels(&format!("{}.image", asked.name)),
            controls: controls.collect(),
            mask: None,
            latents: Some(GivenNoise {
                initial: self.tensors[&format!("{}.latents", asked.name)].clone(),
                between: None,
            }),
        }
    }

    fn asked(&self, name: &str) -> Asked {
        let found = self.asked.iter().find(|asked| asked.name == name);
        found.unwrap().clone()
    }

    fn latents(&mut self, request: GenerateRequest) -> Tensor {
        let rendered = self.pipeline.generate_batch(request, |_, _| ()).unwrap();
        let rows: Vec<_> = rendered.iter().map(|rendered| &rendered.latents).collect();
        Tensor::cat(&rows, 0).unwrap()
    }

    fn check_all(&mut self) {
        assert!(!self.asked.is_empty());
        for asked in self.asked.clone() {
            let asked = &asked;
            let found = self.latents(self.request(asked));
            let wanted = self.tensors[&format!("{}.output", asked.name)].clone();
            check(&asked.name, &found, &wanted, TOLERANCE);
            // It does steer.
            let mut free = self.request(asked);
            free.controls.clear();
            assert!(relative_error(&self.latents(free), &wanted) > 10.0 * TOLERANCE);
        }
    }
}

const SD15: [&str; 5] = [
    "t2i-sketch",
    "t2i-color",
    "t2i-depth",
    "controlnet-scribble",
    "controlnet-bgr",
];

#[test]
fn pictures_of_sd15() {
    Family::of("sd15", &SD15).check_all();
}

#[test]
fn pictures_of_sdxl() {
    Family::of("sdxl", &["t2i-sketch-xl", "controlnet-canny-xl"]).check_all();
}

/// Renders that are steered, in different ways or not at all, share a batch.
#[test]
fn rows_of_a_batch_are_steered_each_by_its_own() {
    let mut family = Family::of("sd15", &SD15);
    let (adapters, nets) = (family.asked("adapters"), family.asked("two"));
    let mut free = family.request(&adapters);
    free.controls.clear();
    let requests = vec![family.request(&adapters), family.request(&nets), free];
    let one_row = |request: GenerateRequest| {
        let given = request.latents.unwrap();
        GenerateRequest {
            latents: Some(GivenNoise {
                initial: given.initial.narrow(0, 0, 1).unwrap(),
                between: None,
            }),
            ..request
        }
    };
    let requests: Vec<_> = requests.into_iter().map(one_row).collect();
    let mut renders: Vec<_> = requests
        .iter()
        .map(|request| {
            let mut renders = family.pipeline.begin_generate(request).unwrap();
            renders.remove(0)
        })
        .collect();
    while !renders[0].is_done() {
        let mut batch: Vec<_> = renders.iter_mut().collect();
        family.pipeline.step(&mut batch).unwrap();
    }
    for (render, request) in renders.into_iter().zip(requests) {
        let together = family.pipeline.finish(render).unwrap().latents;
        let alone = family.latents(request);
        check("in a batch", &together, &alone, 1e-5);
    }
}

/// LoRAs change the UNet, and not what steers it.
#[test]
fn a_lora_may_be_switched_beside_a_control() {
    let mut family = Family::of("sd15", &["t2i-sketch"]);
    let asked = family.asked("sketch");
    let steered = family.latents(family.request(&asked));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lora.safetensors");
    let layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
    let device = &Device::Cpu;
    let values = |shape: (usize, usize)| Tensor::ones(shape, DType::F32, device).unwrap();
    let tensors = HashMap::from([
        (format!("{layer}.lora_A.weight"), values((2, 8))),
        (format!("{layer}.lora_B.weight"), values((8, 2))),
    ]);
    candle_core::safetensors::save(&tensors, &file).unwrap();
    family
        .pipeline
        .set_loras(&[LoraChoice::new(file, 1.0)])
        .unwrap();
    let changed = family.latents(family.request(&asked));
    assert!(relative_error(&changed, &steered) > 1e-3);
    family.pipeline.set_loras(&[]).unwrap();
    let back = family.latents(family.request(&asked));
    assert_eq!(relative_error(&back, &steered), 0.0);
}
