//! Photos: inverted as diffusers inverts them, brought back, and edited inside a mask only.

// Clippy's allowance for tests stops at the helpers around them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use fixtures::{largest, relative_error};
use impasto::canvas::{Mask, Pixels};
use impasto::model::{AddedConditioning, LoadOptions, LoraChoice, Model, SafetensorsFile};
use impasto::pipeline::{
    EditMethod, EditedPhoto, Inversion, Pipeline, PipelineError, Reconstruction, RenderSettings,
    TextCache, noise_tensor,
};

/// Of each step, as a share of the largest value.
const STEP_TOLERANCE: f32 = 1e-4;
/// Of a whole way back, as for other pipelines.
const WAY_TOLERANCE: f32 = 1e-3;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures")
        .join(name)
}

fn pipeline(name: &str) -> Pipeline {
    let model = Model::load(&fixture(name), &LoadOptions::default()).unwrap();
    Pipeline::new(model, 8).unwrap()
}

/// Bytes that look random and are the same every time.
fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2) + 1;
    let mut next = || {
        // Knuth's multiplier for linear congruential generators.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

fn photo(seed: u64, width: u32, height: u32) -> Pixels {
    Pixels::from_raw(width, height, bytes(seed, (width * height * 3) as usize)).unwrap()
}

/// A third kept, a third free, a third in between, at random.
fn random_mask(seed: u64, width: u32, height: u32) -> Mask {
    let values = bytes(seed, 2 * (width * height) as usize);
    let values = values.chunks_exact(2).map(|pair| match pair[0] % 3 {
        0 => 0,
        1 => 255,
        _ => pair[1],
    });
    Mask::from_raw(width, height, values.collect()).unwrap()
}

/// Plain inverse DDIM.
fn invert(pipeline: &mut Pipeline, photo: &Pixels, prompt: &str, steps: u32) -> Arc<Inversion> {
    invert_refined(pipeline, photo, prompt, steps, 0)
}

fn invert_refined(
    pipeline: &mut Pipeline,
    photo: &Pixels,
    prompt: &str,
    steps: u32,
    refinements: u32,
) -> Arc<Inversion> {
    let mut inverting = pipeline
        .begin_inversion(photo, prompt, steps, refinements)
        .unwrap();
    assert_eq!(inverting.steps(), steps as usize);
    while !inverting.is_done() {
        let done = inverting.steps_done();
        pipeline.step_inversion(&mut inverting).unwrap();
        assert_eq!(inverting.steps_done(), done + 1);
    }
    Arc::new(inverting.finish().unwrap())
}

fn reconstruct(pipeline: &mut Pipeline, inversion: &Arc<Inversion>) -> Reconstruction {
    let mut back = pipeline.begin_reconstruction(inversion).unwrap();
    while !back.is_done() {
        pipeline.step_photo_edit(&mut back).unwrap();
    }
    pipeline.finish_reconstruction(back).unwrap()
}

fn edit(
    pipeline: &mut Pipeline,
    inversion: &Arc<Inversion>,
    mask: &Mask,
    method: EditMethod,
    settings: &RenderSettings,
) -> EditedPhoto {
    let mut edit = pipeline
        .begin_photo_edit(inversion, mask, method, settings)
        .unwrap();
    while !edit.is_done() {
        pipeline.step_photo_edit(&mut edit).unwrap();
    }
    pipeline.finish_photo_edit(edit).unwrap()
}

fn settings(sampler: &str, steps: u32) -> RenderSettings {
    RenderSettings {
        prompt: "green hills".to_owned(),
        negative_prompt: Some("snow".to_owned()),
        guidance_scale: 2.0,
        sampler: sampler.to_owned(),
        steps,
        seed: 7,
        ..RenderSettings::default()
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn the_way_to_the_noise_is_that_of_diffusers_step_by_step() {
    for family in ["sd15", "sd21", "sdxl", "inpainting"] {
        let folder = format!("pipelines/{family}");
        let path = fixture(&folder).join("inversion.safetensors");
        let file = SafetensorsFile::open(&path).unwrap();
        let wanted = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
        let (height, width, _) = wanted["image"].dims3().unwrap();
        let image = wanted["image"].flatten_all().unwrap().to_vec1().unwrap();
        let image = Pixels::from_raw(width as u32, height as u32, image).unwrap();
        let timesteps = wanted["timesteps"].to_vec1::<f64>().unwrap();

        let mut pipeline = pipeline(&folder);
        let prompt = file.note("prompt").unwrap();
        let inversion = invert(&mut pipeline, &image, prompt, timesteps.len() as u32);
        let error = relative_error(inversion.latents(), &wanted["latents"]);
        assert!(error <= STEP_TOLERANCE, "{family}: latents off by {error}");
        let mut worst = 0f32;
        for (step, kept) in inversion.trajectory().iter().enumerate() {
            assert_eq!(kept.timestep, timesteps[step], "{family}");
            let theirs = wanted["trajectory"].narrow(0, step, 1).unwrap();
            worst = worst.max(relative_error(&kept.latents, &theirs));
        }
        let mut back = pipeline.begin_reconstruction(&inversion).unwrap();
        while !back.is_done() {
            pipeline.step_photo_edit(&mut back).unwrap();
        }
        let back = pipeline.finish_photo_edit(back).unwrap().latents;
        let error = relative_error(&back, &wanted["reconstruction"]);
        eprintln!("{family}: steps off by {worst:.1e} at most, the way back by {error:.1e}");
        assert!(
            worst <= STEP_TOLERANCE,
            "{family}: a step is off by {worst}"
        );
        assert!(error <= WAY_TOLERANCE, "{family}: back, off by {error}");
    }
}

/// Random networks are no denoisers, so it takes many steps until the way back finds the way.
#[test]
fn more_steps_bring_more_of_the_photo_back() {
    let mut pipeline = pipeline("pipelines/sd15");
    let photo = photo(1, 64, 32);
    let found = [20, 100, 400].map(|steps| {
        let inversion = invert(&mut pipeline, &photo, "a red apple", steps);
        reconstruct(&mut pipeline, &inversion).latents_psnr
    });
    eprintln!("{found:?} dB");
    assert!(found[0] < found[1] && found[1] < found[2], "{found:?}");
    assert!(found[2] > 10.0, "{found:?}");
}

#[test]
fn the_bundled_model_brings_a_picture_back_as_well_as_its_autoencoder() {
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/storybook");
    let model = Model::load(&bundled, &LoadOptions::default()).unwrap();
    let mut pipeline = Pipeline::new(model, 4).unwrap();
    let picture = landscape(96, 64);
    let prompt = "green hills under a blue sky";
    let found = [0, 1].map(|refinements| {
        let inversion = invert_refined(&mut pipeline, &picture, prompt, 25, refinements);
        let found = reconstruct(&mut pipeline, &inversion);
        let alone = pipeline.autoencoder_psnr(&inversion).unwrap();
        (found.latents_psnr, found.psnr, alone)
    });
    eprintln!("latents, pixels, autoencoder alone: {found:.1?} dB");
    let [(plain, ..), (latents, pixels, alone)] = found;
    assert!(latents > 30.0 && latents > plain + 3.0, "{found:?}");
    assert!(pixels > alone - 0.5, "{found:?}");
}

/// Smooth sky and hills.
fn landscape(width: u32, height: u32) -> Pixels {
    let mut picture = Pixels::new(width, height, [0; 3]);
    for y in 0..height {
        for x in 0..width {
            let hill = height / 2 + (f64::from(x) / 9.0).sin().mul_add(6.0, 6.0) as u32;
            let shade = (y * 90 / height) as u8;
            let pixel = match y < hill {
                true => [120 + shade / 2, 170 + shade / 3, 235],
                false => [70 + shade / 2, 160 - shade / 2, 60],
            };
            picture.span_mut(x, y, 1).copy_from_slice(&pixel);
        }
    }
    picture
}

#[test]
fn kept_latents_are_the_photo_and_the_noise_that_it_implies() {
    let mut pipeline = pipeline("pipelines/sd15");
    let inversion = invert(&mut pipeline, &photo(2, 40, 50), "a red apple", 12);
    assert_eq!(inversion.trajectory().len(), 12);
    for kept in inversion.trajectory() {
        let noise = inversion.implied_noise(kept).unwrap();
        let clean = (inversion.latents() * kept.level.alpha).unwrap();
        let mixed = (clean + (&noise * kept.level.sigma).unwrap()).unwrap();
        let error = relative_error(&mixed, &kept.latents);
        assert!(error < 1e-6, "{}: {error}", kept.timestep);
        assert!(largest(&noise) > 0.0);
        // The same noise, asked for by its level.
        let found = inversion.noise_at(&kept.level).unwrap();
        assert_eq!(values(&found), values(&noise));
    }
}

#[test]
fn pixels_outside_the_mask_keep_their_bytes() {
    let runs = [
        (EditMethod::Ddim, "ddim", 6),
        (EditMethod::Ddim, "lcm", 2),
        (EditMethod::Ddim, "euler-ancestral", 3),
        (EditMethod::Ddim, "dpm-solver++", 3),
        (EditMethod::EditFriendly, "lcm", 4),
        (EditMethod::InfEdit, "lcm", 3),
        (EditMethod::InfEdit, "euler", 2),
    ];
    for (name, width, height) in [("pipelines/sd15", 45, 37), ("networks/sketch", 33, 64)] {
        let mut pipeline = pipeline(name);
        let photo = photo(3, width, height);
        let inversion = invert(&mut pipeline, &photo, "a red apple", 6);
        for (number, (method, sampler, steps)) in runs.into_iter().enumerate() {
            let mask = random_mask(number as u64, width, height);
            let settings = settings(sampler, steps);
            let edited = edit(&mut pipeline, &inversion, &mask, method, &settings);
            let pixels = photo.data().chunks_exact(3);
            let pixels = pixels.zip(edited.pixels.data().chunks_exact(3));
            let mut changed = 0;
            for ((before, after), value) in pixels.zip(mask.data()) {
                match before == after {
                    true => (),
                    false if *value == 0 => panic!("{name} {method} {sampler}: a kept pixel"),
                    false => changed += 1,
                }
            }
            assert!(
                changed > 400,
                "{name} {method} {sampler}: {changed} changed"
            );

            let nothing = Mask::new(width, height, 0);
            let edited = edit(&mut pipeline, &inversion, &nothing, method, &settings);
            assert_eq!(edited.pixels, photo, "{name} {method} {sampler}");
            // The latents too are the photo's again.
            let error = relative_error(&edited.latents, inversion.latents());
            assert!(error < 1e-5, "{name} {method} {sampler}: {error}");
        }
    }
}

#[test]
fn an_edit_follows_its_prompt_and_its_strength() {
    let mut pipeline = pipeline("pipelines/sd15");
    let photo = photo(4, 64, 64);
    let inversion = invert(&mut pipeline, &photo, "a red apple", 20);
    let everything = Mask::new(64, 64, 255);
    let mut latents = |method, prompt: &str, strength| {
        let settings = RenderSettings {
            prompt: prompt.to_owned(),
            strength,
            ..settings("ddim", 20)
        };
        edit(&mut pipeline, &inversion, &everything, method, &settings).latents
    };
    for method in EditMethod::ALL {
        let (hills, cat) = (latents(method, "hills", 1.0), latents(method, "cat", 1.0));
        assert!(relative_error(&hills, &cat) > 1e-3, "{method}");
        let little = latents(method, "hills", 0.1);
        let far = |edited: &Tensor| largest(&(edited - inversion.latents()).unwrap());
        assert!(far(&little) < far(&hills), "{method}");
    }
}

#[test]
fn a_photo_of_its_own_prompt_comes_back() {
    let mut pipeline = pipeline("pipelines/sd15");
    let inversion = invert(&mut pipeline, &photo(5, 64, 32), "a red apple", 25);
    let alone = pipeline.autoencoder_psnr(&inversion).unwrap();
    let mut run = |method| {
        let settings = settings("ddim", 25);
        let mut back = pipeline
            .begin_method_reconstruction(&inversion, method, &settings)
            .unwrap();
        while !back.is_done() {
            pipeline.step_photo_edit(&mut back).unwrap();
        }
        pipeline.finish_reconstruction(back).unwrap()
    };
    for method in [EditMethod::Ddim, EditMethod::InfEdit] {
        let back = run(method);
        assert!((back.psnr - alone).abs() < 0.05, "{method}: {}", back.psnr);
        // Rounding is all that is left, but a random network makes much of it.
        let latents = back.latents_psnr;
        assert!(latents > 40.0, "{method}: {latents}");
    }
}

/// What the methods with two prompts compute, written down once more as their papers have it, but
/// for one line at the end: in predicted noise, row by row, with alphas of its own.
struct Paper {
    alphas_cumprod: Vec<f64>,
    model: Pipeline,
    source: Tensor,
    target: Tensor,
    photo: Arc<Inversion>,
}

impl Paper {
    fn new() -> Self {
        let mut model = pipeline("pipelines/sd15");
        let photo = invert(&mut model, &photo(6, 64, 32), "a red apple", 0);
        let mut text = TextCache::new(2);
        let mut embed = |prompt| text.embed(model.model(), prompt).unwrap().hidden_states;
        let (source, target) = (embed("a red apple"), embed("green hills"));
        let mut product = 1.0;
        let alphas_cumprod = (0..1000)
            .map(|t| {
                let (start, end) = (0.00085f64.sqrt(), 0.012f64.sqrt());
                product *= 1.0 - (start + (end - start) * f64::from(t) / 999.0).powi(2);
                product
            })
            .collect();
        Self {
            alphas_cumprod,
            model,
            source,
            target,
            photo,
        }
    }

    fn unet(&self, sample: &Tensor, timestep: usize, text: &Tensor) -> Tensor {
        let timestep = Tensor::new(&[timestep as f32], &Device::Cpu).unwrap();
        let unet = self.model.model().denoiser();
        let added = AddedConditioning::default();
        unet.forward(sample, &timestep, text, &added).unwrap()
    }

    fn alpha(&self, timestep: i64) -> f64 {
        usize::try_from(timestep).map_or(1.0, |timestep| self.alphas_cumprod[timestep])
    }

    fn noised(&self, image: &Tensor, timestep: i64, draw: u32) -> Tensor {
        let rect = self.photo.latent_rect();
        let noise = noise_tensor(7, draw, 4, &rect, &Device::Cpu).unwrap();
        let alpha = self.alpha(timestep);
        ((image * alpha.sqrt()).unwrap() + (noise * (1.0 - alpha).sqrt()).unwrap()).unwrap()
    }

    /// The mean of a DDPM step from predicted noise: formula (11) of arXiv 2006.11239, strided.
    fn mean(&self, sample: &Tensor, timestep: i64, next: i64, text: &Tensor) -> Tensor {
        let noise = self.unet(sample, timestep as usize, text);
        let step = self.alpha(timestep) / self.alpha(next);
        let share = (1.0 - step) / (1.0 - self.alpha(timestep)).sqrt();
        let mean = (sample - (noise * share).unwrap()).unwrap();
        (mean / step.sqrt()).unwrap()
    }

    fn edit_friendly(&self) -> Tensor {
        let z0 = self.photo.latents();
        let exact = [(599, 0), (399, 1), (199, 2)].map(|(t, draw)| self.noised(z0, t, draw));
        let exact = [&exact[0], &exact[1], &exact[2], z0, z0];
        let (mut photo, mut sample) = (exact[0].clone(), exact[0].clone());
        for (index, (timestep, next)) in [(799, 599), (599, 399), (399, 199), (199, -1)]
            .into_iter()
            .enumerate()
        {
            let of_photo = self.mean(&photo, timestep, next, &self.source);
            let of_edit = self.mean(&sample, timestep, next, &self.source);
            let of_target = self.mean(&sample, timestep, next, &self.target);
            let residual = (exact[index + 1] - &of_photo).unwrap();
            let norm: f32 = values(&residual).iter().map(|x| x * x).sum::<f32>().sqrt();
            let most = 15.5 * (residual.elem_count() as f32 / 16384.0).sqrt();
            let kept = match index {
                3 => f64::from((most / norm).min(1.0)),
                _ => 1.0,
            };
            let turn = ((of_target - &of_edit).unwrap() * 1.5).unwrap();
            let follow = (of_edit - (&of_photo * kept).unwrap()).unwrap();
            sample = (((exact[index + 1] * kept).unwrap() + follow).unwrap() + turn).unwrap();
            photo = (of_photo + (residual * kept).unwrap()).unwrap();
        }
        // Ours: what the limit took away comes back where the edit is like the photo's own way.
        let lost = (z0 - &photo).unwrap();
        let power = |tensor: Tensor| tensor.sqr().unwrap().mean_keepdim(1).unwrap();
        let loss = power(lost.clone());
        let change = (power((&sample - &photo).unwrap()) * 4.0).unwrap();
        let share = (&loss / (&loss + change).unwrap()).unwrap();
        (sample + lost.broadcast_mul(&share).unwrap()).unwrap()
    }

    fn infedit(&self, timesteps: [i64; 3]) -> Tensor {
        let z0 = self.photo.latents();
        let mut edited = z0.clone();
        for (draw, timestep) in timesteps.into_iter().enumerate() {
            let alpha = self.alpha(timestep);
            let source = self.noised(z0, timestep, draw as u32);
            let target = self.noised(&edited, timestep, draw as u32);
            let of_source = self.unet(&source, timestep as usize, &self.source);
            let of_target = self.unet(&target, timestep as usize, &self.target);
            let noise = ((of_target - of_source).unwrap() * (1.0 - alpha).sqrt()).unwrap();
            let moved = ((target - source).unwrap() - noise).unwrap();
            edited = (z0 + (moved / alpha.sqrt()).unwrap()).unwrap();
        }
        edited
    }
}

#[test]
fn methods_with_two_prompts_do_what_their_papers_say() {
    let mut paper = Paper::new();
    let photo = Arc::clone(&paper.photo);
    let everything = Mask::new(64, 32, 255);
    let ours = |paper: &mut Paper, method, steps| {
        let settings = RenderSettings {
            prompt: "green hills".to_owned(),
            guidance_scale: 1.0,
            ..settings("lcm", steps)
        };
        edit(&mut paper.model, &photo, &everything, method, &settings).latents
    };
    let found = ours(&mut paper, EditMethod::EditFriendly, 4);
    let error = relative_error(&found, &paper.edit_friendly());
    assert!(error < 1e-3, "edit-friendly is off by {error}");
    let found = ours(&mut paper, EditMethod::InfEdit, 3);
    let error = relative_error(&found, &paper.infedit([999, 679, 339]));
    assert!(error < 1e-3, "infedit is off by {error}");
}

#[test]
fn loras_paint_but_do_not_invert() {
    let photo = photo(8, 48, 32);
    let mut plain = pipeline("networks/sd15");
    let wanted = invert(&mut plain, &photo, "a (red:1.2) apple", 3);
    let mut adapted = pipeline("networks/sd15");
    let lora = LoraChoice::new(fixture("loras").join("ink.safetensors"), 1.0);
    adapted.set_loras(&[lora]).unwrap();
    let found = invert(&mut adapted, &photo, "a (red:1.2) apple", 3);
    for (found, wanted) in found.trajectory().iter().zip(wanted.trajectory()) {
        assert_eq!(values(&found.latents), values(&wanted.latents));
    }
    let back = reconstruct(&mut adapted, &found);
    assert_eq!(back.pixels, reconstruct(&mut plain, &wanted).pixels);
    let everything = Mask::new(48, 32, 255);
    let painted = |pipeline: &mut Pipeline| {
        let settings = settings("ddim", 3);
        edit(pipeline, &wanted, &everything, EditMethod::Ddim, &settings).latents
    };
    let (with, without) = (painted(&mut adapted), painted(&mut plain));
    assert!(relative_error(&with, &without) > 1e-3);
}

#[test]
fn an_inversion_comes_back_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo.safetensors");
    let mut pipeline = pipeline("networks/sketch");
    let photo = photo(9, 50, 30);
    for steps in [0, 4] {
        let inversion = invert(&mut pipeline, &photo, "Äpfel, \"rot\"", steps);
        inversion.save(&path).unwrap();
        let read = Inversion::load(&path, &Device::Cpu).unwrap();
        assert_eq!(read.photo(), inversion.photo());
        assert_eq!((read.prompt(), read.model()), ("Äpfel, \"rot\"", "sketch"));
        assert_eq!(values(read.latents()), values(inversion.latents()));
        assert_eq!(read.trajectory().len(), steps as usize);
        for (found, wanted) in read.trajectory().iter().zip(inversion.trajectory()) {
            assert_eq!(found.timestep, wanted.timestep);
            assert!((found.level.sigma - wanted.level.sigma).abs() < 1e-12);
            assert_eq!(values(&found.latents), values(&wanted.latents));
        }
        let method = match steps {
            0 => EditMethod::InfEdit,
            _ => EditMethod::Ddim,
        };
        let mask = random_mask(1, 50, 30);
        let read = Arc::new(read);
        let [from_file, at_once] = [&read, &inversion]
            .map(|photo| edit(&mut pipeline, photo, &mask, method, &settings("ddim", 4)).pixels);
        assert_eq!(from_file, at_once);
    }
}

#[test]
fn files_that_are_no_inversions_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let refused = |name: &str, names: &str| {
        let error = Inversion::load(&path(name), &Device::Cpu).unwrap_err();
        let told = error.to_string();
        assert!(told.contains(name) && told.contains(names), "{told}");
        assert!(told.contains("`impasto invert`"), "{told}");
    };
    refused("absent.safetensors", "no inversion");
    std::fs::write(path("empty.safetensors"), "").unwrap();
    refused("empty.safetensors", "0 bytes");
    std::fs::write(path("photo.png"), [0x89; 3000]).unwrap();
    refused("photo.png", "no inversion");
    let latents = Tensor::zeros((1, 4, 2, 2), DType::F32, &Device::Cpu).unwrap();
    latents
        .save_safetensors("latents", path("latents.safetensors"))
        .unwrap();
    refused("latents.safetensors", "something else");

    let mut pipeline = pipeline("networks/sketch");
    let inversion = invert(&mut pipeline, &photo(10, 32, 32), "a tree", 2);
    inversion.save(&path("whole.safetensors")).unwrap();
    let whole = std::fs::read(path("whole.safetensors")).unwrap();
    std::fs::write(path("half.safetensors"), &whole[..whole.len() / 2]).unwrap();
    refused("half.safetensors", "ends within tensor");
    let error = inversion.save(folder.path()).unwrap_err().to_string();
    assert!(error.contains("choose another place"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_in_one_sentence() {
    let mut sketch = pipeline("networks/sketch");
    let photo = photo(11, 40, 40);
    let encoded = invert(&mut sketch, &photo, "a tree", 0);
    let mask = Mask::new(40, 40, 255);
    let refused = |result: Result<_, PipelineError>, parts: &[&str]| {
        let told = result.err().expect("accepted").to_string();
        for part in parts {
            assert!(told.contains(part), "{told}");
        }
    };
    let ddim = settings("ddim", 4);
    refused(
        sketch.begin_photo_edit(&encoded, &mask, EditMethod::Ddim, &ddim),
        &["0 steps", "edit-friendly or infedit"],
    );
    refused(
        sketch.begin_photo_edit(&encoded, &Mask::new(40, 39, 0), EditMethod::InfEdit, &ddim),
        &["40 × 39", "40 × 40"],
    );
    let inverted = invert(&mut sketch, &photo, "a tree", 2);
    let mut other = pipeline("pipelines/sd15");
    for method in EditMethod::ALL {
        refused(
            other.begin_photo_edit(&inverted, &mask, method, &ddim),
            &["made by sketch", "[1, 8, 8, 8]", "[1, 4, 8, 8]"],
        );
        let weak = RenderSettings {
            strength: 0.0,
            ..ddim.clone()
        };
        refused(
            sketch.begin_photo_edit(&inverted, &mask, method, &weak),
            &["`strength`"],
        );
    }
    let mut begin = |width, height| {
        let photo = Pixels::new(width, height, [9; 3]);
        sketch.begin_inversion(&photo, "", 1, 0).map(drop)
    };
    assert!(begin(1, 1).is_ok());
    for (width, height) in [(0, 8), (1025, 1024), (40_000, 30)] {
        let told = begin(width, height).unwrap_err().to_string();
        assert!(told.contains(&format!("{width} × {height}")), "{told}");
        assert!(told.contains("1024 × 1024"), "{told}");
    }
}
