//! One render as a state machine: each step is an affine combination from the
//! sampler's timetable, with known latents blended in where the mask says so.

use candle_core::{DType, Tensor};

use super::embedding::TextEmbedding;
use super::guidance::{Guidance, guidance_embedding};
use super::timings::{Stage, Timings};
use super::{PipelineError, noise_tensor};
use crate::model::{AddedConditioning, Model};
use crate::sampler::{LatentRect, Step, Timetable};

/// Where a render's initial noise comes from.
pub enum NoiseSource {
    /// The position-addressed generator.
    Seed(u64),
    /// Given noise.
    Given {
        /// The initial noise, `[1, channels, height, width]`.
        initial: Tensor,
        /// Noise that the steps add, `[steps, channels, height, width]`; steps beyond these use
        /// the seed.
        between: Option<Tensor>,
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
    /// What the UNet sees beside the noise, `[1, in_channels − channels, height, width]`; zeros
    /// when left out. None for a model that sees nothing there.
    pub image_input: Option<Tensor>,
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
    seed: u64,
    noise_between: Option<Tensor>,
    latent_rect: LatentRect,
    sample: Tensor,
    previous_denoised: Option<Tensor>,
    image_input: Option<Tensor>,
    known: Option<Tensor>,
    mask: Option<Tensor>,
    conditioning: Conditioning,
    timings: Timings,
}

/// What the model is told beside the sample and the timestep.
pub(super) struct Conditioning {
    /// As many tokens as the negative prompt's, where there is one.
    pub prompt: TextEmbedding,
    pub guidance: Guidance,
    /// For models that embed it.
    pub guidance_scale: f64,
    /// SDXL's sizes.
    pub time_ids: [f32; 6],
}

impl Render {
    pub(super) fn new(
        model: &Model,
        inputs: RenderInputs,
        timetable: Timetable,
        conditioning: Conditioning,
        timings: Timings,
    ) -> Result<Self, PipelineError> {
        let channels = model.vae.latent_channels();
        let rect = inputs.latent_rect;
        let (noise, noise_between, seed) = match inputs.noise {
            NoiseSource::Seed(seed) => {
                let initial = noise_tensor(seed, 0, channels, &rect, &model.device)?;
                (initial, None, seed)
            }
            NoiseSource::Given {
                initial,
                between,
                seed,
            } => (initial, between, seed),
        };
        let sample = match &inputs.start {
            Some(start) => {
                let start = start.to_dtype(DType::F32)?;
                ((start * timetable.initial.signal)? + (noise * timetable.initial.noise)?)?
            }
            None => (noise * timetable.initial_noise_scale)?,
        };
        let beside = model.unet().config().in_channels.saturating_sub(channels);
        let image_input = match inputs.image_input {
            _ if beside == 0 => None,
            Some(image) => Some(image.to_dtype(DType::F32)?),
            None => {
                let shape = (1, beside, rect.height as usize, rect.width as usize);
                Some(Tensor::zeros(shape, DType::F32, &model.device)?)
            }
        };
        Ok(Self {
            timetable,
            next_step: 0,
            seed,
            noise_between,
            latent_rect: rect,
            sample,
            previous_denoised: None,
            image_input,
            known: inputs.known,
            mask: inputs.mask,
            conditioning,
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
        let tokens = self.conditioning.prompt.tokens();
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

    /// What the UNet takes for one row of this step.
    fn model_input(&self, step: &Step, sees_image: bool) -> Result<Tensor, PipelineError> {
        let sample = match step.input_scale == 1.0 {
            true => self.sample.clone(),
            false => (&self.sample * step.input_scale)?,
        };
        Ok(match &self.image_input {
            Some(image) if sees_image => Tensor::cat(&[&sample, image], 1)?,
            Some(image) => Tensor::cat(&[&sample, &image.zeros_like()?], 1)?,
            None => sample,
        })
    }

    /// Unit noise that the current step adds.
    fn fresh_noise(&self) -> Result<Tensor, PipelineError> {
        if let Some(between) = &self.noise_between
            && self.next_step < between.dim(0)?
        {
            return Ok(between.narrow(0, self.next_step, 1)?);
        }
        let (_, channels, _, _) = self.sample.dims4()?;
        let draw = self.next_step as u32 + 1;
        noise_tensor(
            self.seed,
            draw,
            channels,
            &self.latent_rect,
            self.sample.device(),
        )
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
            sample = (sample + (self.fresh_noise()? * next.noise)?)?;
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
    let mut pooled = Vec::new();
    let mut time_ids = Vec::new();
    for render in renders.iter() {
        let Some(step) = render.step() else { continue };
        let told = &render.conditioning;
        let input = render.model_input(step, true)?;
        for row in told.guidance.rows(&told.prompt) {
            samples.push(match row.sees_image {
                true => input.clone(),
                false => render.model_input(step, false)?,
            });
            timesteps.push(step.timestep as f32);
            texts.push(row.text.hidden_states.clone());
            scales.push(told.guidance_scale);
            pooled.extend(row.text.pooled.clone());
            time_ids.extend(told.time_ids);
        }
    }
    if samples.is_empty() {
        return Ok(());
    }
    let rows = samples.len();
    let sample = Tensor::cat(&samples, 0)?.to_dtype(model.dtype)?;
    let timesteps = Tensor::new(timesteps, &model.device)?;
    let text = Tensor::cat(&texts, 0)?;
    let mut added = AddedConditioning {
        timestep_cond: guidance_embedding(model, &scales)?,
        ..AddedConditioning::default()
    };
    if model.unet().config().text_time.is_some() {
        added.text_embeds = Some(Tensor::cat(&pooled, 0)?);
        added.time_ids = Some(Tensor::from_vec(time_ids, (rows, 6), &model.device)?);
    }
    let output = model
        .unet()
        .forward(&sample, &timesteps, &text, &added)?
        .to_dtype(DType::F32)?;
    let mut row = 0;
    for render in renders.iter_mut() {
        if render.is_done() {
            continue;
        }
        let told = &render.conditioning;
        let guided = told.guidance.combine(&output, row)?;
        row += told.guidance.rows(&told.prompt).len();
        render.advance(&guided)?;
    }
    let spent = started.elapsed();
    for render in renders.iter_mut() {
        render.timings.add(Stage::Denoise, spent);
    }
    Ok(())
}
