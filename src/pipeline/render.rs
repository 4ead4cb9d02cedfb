//! One render as a state machine: each step is an affine combination from the
//! sampler's timetable, with known latents blended in where the mask says so.

use candle_core::{DType, Tensor};

use super::guidance::guidance_embedding;
use super::text::TextEmbedding;
use super::timings::{Stage, Timings};
use super::{PipelineError, RenderSettings, noise_tensor};
use crate::model::{AddedConditioning, Model};
use crate::sampler::{LatentRect, Step, Timetable};

/// Where a render's initial noise comes from.
pub enum NoiseSource {
    /// The position-addressed generator.
    Seed(u64),
    /// Given noise, `[1, channels, height, width]`; later draws use the seed.
    Given {
        /// The initial noise.
        initial: Tensor,
        /// Seed of the draws between steps.
        seed: u64,
    },
}

/// What a render starts from, in latents. Tensors are `[1, channels, height, width]`.
pub struct RenderInputs {
    /// Where the window lies on the canvas, in latents.
    pub latent_rect: LatentRect,
    /// Latents that are noised to the strength's timestep; without them the start is noise alone.
    pub start: Option<Tensor>,
    /// Latents of the sketch, for a model that sees it; zeros when left out.
    pub sketch: Option<Tensor>,
    /// Latents that stay where the mask is 0.
    pub known: Option<Tensor>,
    /// `[1, 1, height, width]`, 0 (stays) … 1 (changes).
    pub mask: Option<Tensor>,
    /// Initial noise.
    pub noise: NoiseSource,
}

/// A render that is under way.
pub struct Render {
    timetable: Timetable,
    next_step: usize,
    guidance_scale: f64,
    seed: u64,
    latent_rect: LatentRect,
    sample: Tensor,
    previous_denoised: Option<Tensor>,
    sketch: Option<Tensor>,
    known: Option<Tensor>,
    mask: Option<Tensor>,
    prompt: TextEmbedding,
    negative: Option<TextEmbedding>,
    timings: Timings,
}

impl Render {
    pub(super) fn new(
        model: &Model,
        settings: &RenderSettings,
        inputs: RenderInputs,
        timetable: Timetable,
        prompt: TextEmbedding,
        negative: Option<TextEmbedding>,
        timings: Timings,
    ) -> Result<Self, PipelineError> {
        let channels = model.vae.latent_channels();
        let rect = inputs.latent_rect;
        let (noise, seed) = match inputs.noise {
            NoiseSource::Seed(seed) => {
                (noise_tensor(seed, 0, channels, &rect, &model.device)?, seed)
            }
            NoiseSource::Given { initial, seed } => (initial, seed),
        };
        let sample = match &inputs.start {
            Some(start) => {
                let start = start.to_dtype(DType::F32)?;
                ((start * timetable.initial.signal)? + (noise * timetable.initial.noise)?)?
            }
            None => (noise * timetable.initial_noise_scale)?,
        };
        let sketch = match (model.sketch_input, inputs.sketch) {
            (true, None) => Some(sample.zeros_like()?),
            (true, sketch) => sketch,
            (false, _) => None,
        };
        Ok(Self {
            timetable,
            next_step: 0,
            guidance_scale: settings.guidance_scale,
            seed,
            latent_rect: rect,
            sample,
            previous_denoised: None,
            sketch,
            known: inputs.known,
            mask: inputs.mask,
            prompt,
            negative,
            timings,
        })
    }

    /// Steps done so far.
    pub fn steps_done(&self) -> usize {
        self.next_step
    }

    /// Steps in all.
    pub fn steps(&self) -> usize {
        self.timetable.steps.len()
    }

    /// True when every step is done.
    pub fn is_done(&self) -> bool {
        self.next_step >= self.timetable.steps.len()
    }

    /// Renders can share a batch when this is equal: latents' height and width, text tokens.
    pub fn batch_shape(&self) -> (u32, u32, usize) {
        let tokens = self
            .prompt
            .hidden_states
            .dims()
            .get(1)
            .copied()
            .unwrap_or_default();
        (self.latent_rect.height, self.latent_rect.width, tokens)
    }

    /// Time spent so far.
    pub fn timings_mut(&mut self) -> &mut Timings {
        &mut self.timings
    }

    pub(super) fn into_latents(self) -> (Tensor, Timings) {
        (self.sample, self.timings)
    }

    fn step(&self) -> Option<&Step> {
        self.timetable.steps.get(self.next_step)
    }

    fn model_input(&self, step: &Step) -> Result<Tensor, PipelineError> {
        let sample = match step.input_scale == 1.0 {
            true => self.sample.clone(),
            false => (&self.sample * step.input_scale)?,
        };
        Ok(match &self.sketch {
            Some(sketch) => Tensor::cat(&[&sample, &sketch.to_dtype(DType::F32)?], 1)?,
            None => sample,
        })
    }

    /// Applies the model's output for the current step.
    fn advance(&mut self, output: &Tensor) -> Result<(), PipelineError> {
        let Some(step) = self.step().cloned() else {
            return Ok(());
        };
        let mut denoised =
            ((&self.sample * step.denoised.sample)? + (output * step.denoised.output)?)?;
        if let Some(limit) = self.timetable.clip_denoised {
            denoised = denoised.clamp(-limit, limit)?;
        }
        if let (Some(known), Some(mask)) = (&self.known, &self.mask) {
            let known = known.to_dtype(DType::F32)?;
            let mask = step_mask(mask, &step)?;
            let change = (&denoised - &known)?.broadcast_mul(&mask)?;
            denoised = (known + change)?;
        }
        let next = &step.next;
        let mut sample = (&denoised * next.denoised)?;
        if next.sample != 0.0 {
            sample = (sample + (&self.sample * next.sample)?)?;
        }
        if let (true, Some(previous)) = (next.previous_denoised != 0.0, &self.previous_denoised) {
            sample = (sample + (previous * next.previous_denoised)?)?;
        }
        if next.output != 0.0 {
            sample = (sample + (output * next.output)?)?;
        }
        if next.noise != 0.0 {
            let (_, channels, _, _) = sample.dims4()?;
            let draw = self.next_step as u32 + 1;
            let noise = noise_tensor(
                self.seed,
                draw,
                channels,
                &self.latent_rect,
                sample.device(),
            )?;
            sample = (sample + (noise * next.noise)?)?;
        }
        self.sample = sample;
        self.previous_denoised = Some(denoised);
        self.next_step += 1;
        Ok(())
    }
}

/// A soft mask hardened for one step: a pixel of mask value m is free from the
/// step on whose noise level has come down to m (StreamMultiDiffusion's
/// continuous form of differential diffusion), `σ = √(1−ᾱ)`.
fn step_mask(mask: &Tensor, step: &Step) -> Result<Tensor, PipelineError> {
    let (now, next) = (
        step.level.variance_preserving_sigma(),
        step.next_level.variance_preserving_sigma(),
    );
    if now - next <= f64::EPSILON {
        return Ok(mask.clone());
    }
    let slope = 1.0 / (now - next);
    Ok(mask.affine(slope, -next * slope)?.clamp(0.0, 1.0)?)
}

pub(super) fn step_batch(model: &Model, renders: &mut [&mut Render]) -> Result<(), PipelineError> {
    let started = std::time::Instant::now();
    let mut samples = Vec::new();
    let mut timesteps = Vec::new();
    let mut texts = Vec::new();
    let mut scales = Vec::new();
    for render in renders.iter() {
        let Some(step) = render.step() else { continue };
        let input = render.model_input(step)?;
        let rows = render.negative.iter().chain([&render.prompt]);
        for text in rows {
            samples.push(input.clone());
            timesteps.push(step.timestep as f32);
            texts.push(text.hidden_states.clone());
            scales.push(render.guidance_scale);
        }
    }
    if samples.is_empty() {
        return Ok(());
    }
    let sample = Tensor::cat(&samples, 0)?.to_dtype(model.dtype)?;
    let timesteps = Tensor::new(timesteps, &model.device)?;
    let text = Tensor::cat(&texts, 0)?;
    let added = AddedConditioning {
        timestep_cond: guidance_embedding(model, &scales)?,
        ..AddedConditioning::default()
    };
    let output = model
        .unet()
        .forward(&sample, &timesteps, &text, &added)?
        .to_dtype(DType::F32)?;
    let mut row = 0;
    for render in renders.iter_mut() {
        if render.is_done() {
            continue;
        }
        let guided = match render.negative {
            Some(_) => {
                let negative = output.narrow(0, row, 1)?;
                let positive = output.narrow(0, row + 1, 1)?;
                row += 2;
                let direction = (positive - &negative)?;
                (negative + (direction * render.guidance_scale)?)?
            }
            None => {
                row += 1;
                output.narrow(0, row - 1, 1)?
            }
        };
        render.advance(&guided)?;
    }
    let spent = started.elapsed();
    for render in renders.iter_mut() {
        render.timings.add(Stage::Denoise, spent);
    }
    Ok(())
}
