//! What pipelines make with reference pictures.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use impasto::canvas::Pixels;
use impasto::model::{ControlChoice, LoadOptions, LoraChoice, Model};
use impasto::pipeline::{
    ControlPicture, ControlSettings, GenerateRequest, GivenNoise, Pipeline, ReferencePicture,
    ReferenceSettings, RenderSettings,
};
use impasto::protocol::ControlPreprocess;

use super::fixtures::relative_error;
use super::{adapters, check, folder, named, parity, pixels, tensors};

/// Largest difference allowed, relative to the largest expected value.
const TOLERANCE: f32 = 1e-3;

/// A reference as diffusers was asked, in the words of `impasto generate`.
#[derive(Clone, serde::Deserialize)]
struct AskedReference {
    ip_adapter: String,
    scale: f64,
    start: f64,
    end: f64,
}

#[derive(Clone, serde::Deserialize)]
struct AskedControl {
    control: String,
    scale: f64,
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
    references: Vec<AskedReference>,
    controls: Vec<AskedControl>,
}

struct Family {
    asked: Vec<Asked>,
    tensors: HashMap<String, Tensor>,
    pipeline: Pipeline,
}

impl Family {
    fn of(name: &str, names: &[&str], controls: &[&str]) -> Self {
        let asked = adapters().join(name).join("requests.json");
        let asked = std::fs::read_to_string(asked).unwrap();
        let control = |name: &&str| ControlChoice {
            name: (*name).to_owned(),
            path: parity("control").join(name),
        };
        let options = LoadOptions {
            ip_adapters: named(names),
            controls: controls.iter().map(control).collect(),
            ..LoadOptions::default()
        };
        let model = Model::load(folder(name).path(), &options).unwrap();
        Self {
            asked: serde_json::from_str(&asked).unwrap(),
            tensors: tensors(&adapters().join(name).join("pipeline.safetensors")),
            pipeline: Pipeline::new(model, 8).unwrap(),
        }
    }

    fn picture(&self, name: &str) -> Arc<Pixels> {
        Arc::new(pixels(&self.tensors[name]))
    }

    fn request(&self, asked: &Asked) -> GenerateRequest {
        let name = &asked.name;
        let references = asked.references.iter().enumerate();
        let references = references.map(|(number, one)| ReferencePicture {
            settings: ReferenceSettings {
                ip_adapter: one.ip_adapter.clone(),
                scale: one.scale,
                start: one.start,
                end: one.end,
            },
            picture: self.picture(&format!("{name}.reference.{number}")),
        });
        let controls = asked.controls.iter().enumerate();
        let controls = controls.map(|(number, one)| ControlPicture {
            settings: ControlSettings {
                name: one.control.clone(),
                preprocess: ControlPreprocess::None,
                scale: one.scale,
                start: 0.0,
                end: 1.0,
            },
            picture: self.picture(&format!("{name}.control.{number}")),
        });
        GenerateRequest {
            settings: RenderSettings {
                prompt: asked.prompt.clone(),
                negative_prompt: Some(asked.negative_prompt.clone()),
                guidance_scale: asked.guidance_scale,
                steps: asked.steps,
                sampler: asked.sampler.clone(),
                references: references.collect(),
                ..RenderSettings::default()
            },
            size: (asked.width, asked.height),
            image: None,
            controls: controls.collect(),
            mask: None,
            latents: Some(GivenNoise {
                initial: self.tensors[&format!("{name}.latents")].clone(),
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
            // It is seen.
            let mut free = self.request(asked);
            free.settings.references.clear();
            assert!(relative_error(&self.latents(free), &wanted) > 10.0 * TOLERANCE);
        }
    }
}

const SD15: [&str; 2] = ["ip-adapter_sd15", "ip-adapter-plus_sd15"];

fn sd15() -> Family {
    Family::of("sd15", &SD15, &["controlnet-scribble"])
}

#[test]
fn pictures_of_sd15() {
    sd15().check_all();
}

#[test]
fn pictures_of_sdxl() {
    let names = ["ip-adapter_sdxl", "ip-adapter-plus_sdxl_vit-h"];
    Family::of("sdxl", &names, &[]).check_all();
}

/// Scale 0, and a span that holds no step, are as no picture.
#[test]
fn what_is_not_seen_leaves_the_picture_as_it_is() {
    let mut family = sd15();
    let asked = family.asked("base");
    let mut free = family.request(&asked);
    free.settings.references.clear();
    let free = family.latents(free);
    for (scale, start, end) in [(0.0, 0.0, 1.0), (0.6, 0.3, 0.45)] {
        let mut request = family.request(&asked);
        let settings = &mut request.settings.references[0].settings;
        (settings.scale, settings.start, settings.end) = (scale, start, end);
        assert_eq!(relative_error(&family.latents(request), &free), 0.0);
    }
}

/// Renders that see different pictures, through different adapters, or none, share a batch.
#[test]
fn rows_of_a_batch_see_each_its_own() {
    let mut family = sd15();
    let (two, base) = (family.asked("two"), family.asked("resampled"));
    let mut free = family.request(&two);
    free.settings.references.clear();
    let mut unguided = family.request(&base);
    unguided.settings.guidance_scale = 1.0;
    let requests = [family.request(&two), family.request(&base), free, unguided];
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

/// CLIP looks at a picture once, wherever its pixels lie.
#[test]
fn pictures_are_remembered() {
    let mut family = sd15();
    let asked = family.asked("base");
    let request = family.request(&asked);
    let first = family.latents(request);
    assert_eq!(family.pipeline.images().runs(), 1);
    // The same pixels in another place.
    let request = family.request(&asked);
    let second = family.latents(request);
    assert_eq!(family.pipeline.images().runs(), 1);
    assert_eq!(relative_error(&second, &first), 0.0);
    let mut other = family.request(&asked);
    let pixels = Pixels::new(32, 32, [9, 80, 160]);
    other.settings.references[0].picture = Arc::new(pixels);
    assert!(relative_error(&family.latents(other), &first) > 1e-3);
    assert_eq!(family.pipeline.images().runs(), 2);
}

/// LoRAs change the UNet, and neither what CLIP sees nor how it is shown.
#[test]
fn a_lora_may_be_switched_beside_a_reference() {
    let mut family = sd15();
    let asked = family.asked("plus");
    let request = family.request(&asked);
    let seen = family.latents(request);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lora.safetensors");
    let layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q";
    let values = |shape: (usize, usize)| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
    let tensors = HashMap::from([
        (format!("{layer}.lora_A.weight"), values((2, 8))),
        (format!("{layer}.lora_B.weight"), values((8, 2))),
    ]);
    candle_core::safetensors::save(&tensors, &file).unwrap();
    let loras = [LoraChoice::new(file, 1.0)];
    family.pipeline.set_loras(&loras).unwrap();
    let request = family.request(&asked);
    let changed = family.latents(request);
    assert!(relative_error(&changed, &seen) > 1e-3);
    let mut free = family.request(&asked);
    free.settings.references.clear();
    assert!(relative_error(&family.latents(free), &changed) > 1e-3);
    family.pipeline.set_loras(&[]).unwrap();
    let request = family.request(&asked);
    let back = family.latents(request);
    assert_eq!(relative_error(&back, &seen), 0.0);
    assert_eq!(family.pipeline.images().runs(), 1);
}
