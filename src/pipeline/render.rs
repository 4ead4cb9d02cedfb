//! One render as a state machine: each step is an affine combination from the
//! sampler's step table, with known latents blended in where the mask says so.

use std::collections::VecDeque;
use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::blending::{blend, pred_original_sample, step_mask};
use super::control::Steering;
use super::forward::{Conditioning, Network, Rows, image_beside};
use super::photo::{Inversion, put_back};
use super::start::{Kept, NoiseSource, RenderInputs, Start};
use super::timings::{Stage, Timings};
use super::{PipelineError, noise_tensor};
use crate::model::Model;
use crate::sampler::{LatentRect, Next, Prediction, Step, StepTable};

/// A sample on its way, and what the UNet is told of it.
struct Path {
    sample: Tensor,
    /// The sample that the step before went on from.
    previous_sample: Option<Tensor>,
    /// What the step before made of it, before a photo was put back into it.
    predicted: Option<Tensor>,
    /// What the steps before kept for those after them, the newest first.
    history: VecDeque<Tensor>,
    conditioning: Conditioning,
}

impl Path {
    /// Goes on to `next`, from `sample`, keeping as many predictions as later steps use.
    fn advance(
        &mut self,
        step: &Step,
        keeps: usize,
        sample: Tensor,
        pred_original_sample: &Tensor,
        next: Tensor,
    ) -> Result<(), PipelineError> {
        if let (Some(kept), true) = (step.kept, keeps > 0) {
            let prediction = match kept == Prediction::DATA {
                true => pred_original_sample.clone(),
                false => {
                    ((pred_original_sample * kept.pred_original_sample)?
                        + (&self.sample * kept.sample)?)?
                }
            };
            self.history.truncate(keeps - 1);
            self.history.push_front(prediction);
        }
        self.previous_sample = Some(sample);
        self.sample = next;
        Ok(())
    }
}

/// A render that is under way.
pub struct Render {
    step_table: StepTable,
    next_step: usize,
    seed: u64,
    noise_between: Option<Tensor>,
    variation: f64,
    latent_rect: LatentRect,
    path: Path,
    /// The photo's own way at each step: from its latents there, with its own prompt.
    source: Option<Path>,
    image_input: Option<Tensor>,
    kept: Option<Kept>,
    inversion: Option<Arc<Inversion>>,
    network: Network,
    steering: Vec<Arc<Steering>>,
    timings: Timings,
}

impl Render {
    pub(super) fn new(
        model: &Model,
        inputs: RenderInputs,
        step_table: StepTable,
        conditioning: Conditioning,
        source: Option<Conditioning>,
        variation: f64,
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
            Start::Inverted { inversion, .. } => inversion.latents_at(&step_table.initial)?,
            Start::Image(latents) => {
                let latents = latents.to_dtype(DType::F32)?;
                let noise = scaled(&noise, variation * step_table.initial.sigma)?;
                ((latents * step_table.initial.alpha)? + noise)?
            }
            Start::Noise => scaled(&noise, variation * step_table.initial_noise_scale)?,
        };
        let image_input = image_beside(model, inputs.network, inputs.image_input, &rect)?;
        let path = |conditioning| Path {
            sample: sample.clone(),
            previous_sample: None,
            predicted: None,
            history: VecDeque::new(),
            conditioning,
        };
        Ok(Self {
            source: source.map(path),
            path: path(conditioning),
            step_table,
            next_step: 0,
            seed,
            noise_between,
            variation,
            latent_rect: rect,
            image_input,
            kept: inputs.kept,
            inversion: match inputs.start {
                Start::Inverted { inversion, .. } => Some(inversion),
                Start::Image(_) | Start::Noise => None,
            },
            network: inputs.network,
            steering: inputs.steering,
            timings: inputs.timings,
        })
    }

    /// Steps done so far.
    pub fn steps_done(&self) -> usize {
        self.next_step
    }

    /// Steps in all.
    pub fn steps(&self) -> usize {
        self.step_table.steps.len()
    }

    /// True when every step is done.
    pub fn is_done(&self) -> bool {
        self.next_step >= self.step_table.steps.len()
    }

    /// Renders can share a batch when this is equal: the UNet, latents' height and width, text
    /// tokens.
    pub fn batch_shape(&self) -> (Network, u32, u32, usize) {
        let tokens = self.path.conditioning.prompt.tokens();
        let LatentRect { width, height, .. } = self.latent_rect;
        (self.network, height, width, tokens)
    }

    /// Time spent so far.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Time spent so far, to be added to.
    pub fn timings_mut(&mut self) -> &mut Timings {
        &mut self.timings
    }

    pub(super) fn into_latents(self) -> (Tensor, Timings) {
        (self.path.sample, self.timings)
    }

    pub(super) fn step(&self) -> Option<&Step> {
        self.step_table.steps.get(self.next_step)
    }

    pub(super) fn sample(&self) -> &Tensor {
        &self.path.sample
    }

    /// Unit noise that the current step adds.
    fn fresh_noise(&self) -> Result<Tensor, PipelineError> {
        if let Some(between) = &self.noise_between
            && self.next_step < between.dim(0)?
        {
            return Ok(between.narrow(0, self.next_step, 1)?);
        }
        let (_, channels, _, _) = self.path.sample.dims4()?;
        let draw = self.next_step as u32 + 1;
        noise_tensor(
            self.seed,
            draw,
            channels,
            &self.latent_rect,
            self.path.sample.device(),
        )
    }

    /// Applies the model's output for the current step, and what it is for the photo's own way.
    fn advance(&mut self, output: &Tensor, of_source: Option<Tensor>) -> Result<(), PipelineError> {
        let Some(step) = self.step().copied() else {
            return Ok(());
        };
        let mask = match &self.kept {
            Some(kept) => Some(step_mask(&kept.mask, &step)?),
            None => None,
        };
        let clip = self.step_table.clip_denoised;
        let free = pred_original_sample(&self.path.sample, output, &step, clip)?;
        let blended = match (&self.kept, &mask) {
            (Some(kept), Some(mask)) => blend(&kept.latents.to_dtype(DType::F32)?, &free, mask)?,
            _ => free.clone(),
        };
        let used = match self.inversion {
            Some(_) => &free,
            None => &blended,
        };
        let corrected = self.corrected(&self.path, &step, used, output)?;
        let next = match self.inversion.clone() {
            Some(inversion) => {
                let edited =
                    self.next_of_photo(&inversion, &self.path, &step, &corrected, &free, output)?;
                self.path.predicted = Some(edited.clone());
                let photo = inversion.latents_at(&step.next_level)?;
                let edited = self.photo_put_back(&inversion, &step, edited, &photo, of_source)?;
                match mask {
                    Some(mask) => blend(&photo, &edited, &mask)?,
                    None => edited,
                }
            }
            None => self.mixed(&step.next, &self.path, &corrected, &blended, output)?,
        };
        let keeps = self.step_table.predictions_kept();
        self.path.advance(&step, keeps, corrected, &blended, next)?;
        self.next_step += 1;
        Ok(())
    }

    /// The sample that a path goes on from: corrected, where the step says so. What was put back
    /// into the sample since the step before stays in it.
    fn corrected(
        &self,
        path: &Path,
        step: &Step,
        pred_original_sample: &Tensor,
        output: &Tensor,
    ) -> Result<Tensor, PipelineError> {
        let Some(correction) = &step.correction else {
            return Ok(path.sample.clone());
        };
        let corrected = self.mixed(correction, path, &path.sample, pred_original_sample, output)?;
        Ok(match &path.predicted {
            Some(predicted) => ((&path.sample + corrected)? - predicted)?,
            None => corrected,
        })
    }

    /// The scheduler's mix on a path, of this sample and this denoised image.
    fn mixed(
        &self,
        mix: &Next,
        path: &Path,
        sample: &Tensor,
        pred_original_sample: &Tensor,
        output: &Tensor,
    ) -> Result<Tensor, PipelineError> {
        let mut sum = (pred_original_sample * mix.pred_original_sample)?;
        let earlier = path.history.iter().zip(mix.history);
        let parts = [
            (Some(sample), mix.sample),
            (path.previous_sample.as_ref(), mix.previous_sample),
            (Some(output), mix.output),
        ];
        let earlier = earlier.map(|(kept, factor)| (Some(kept), factor));
        for (part, factor) in parts.into_iter().chain(earlier) {
            if let (Some(part), true) = (part, factor != 0.0) {
                sum = (sum + (part * factor)?)?;
            }
        }
        let noise_scale = self.variation * mix.noise;
        if noise_scale != 0.0 {
            sum = (sum + (self.fresh_noise()? * noise_scale)?)?;
        }
        Ok(sum)
    }

    /// The next sample of a photo's edit, as if all were free to change. Where the sampler would
    /// add noise the sample gets all of its noise from the photo: mixed with what is left of the
    /// step before, which is much like it, it would be too much. Outside the mask stands the photo
    /// at that level. The blend is one of samples, so what goes in is the denoised image before it
    /// was blended.
    fn next_of_photo(
        &self,
        inversion: &Inversion,
        path: &Path,
        step: &Step,
        sample: &Tensor,
        pred_original_sample: &Tensor,
        output: &Tensor,
    ) -> Result<Tensor, PipelineError> {
        if step.next.noise == 0.0 {
            return self.mixed(&step.next, path, sample, pred_original_sample, output);
        }
        let level = &step.next_level;
        let noise = inversion.noise_at(level)?;
        Ok(((pred_original_sample * level.alpha)? + (noise * level.sigma)?)?)
    }

    /// Takes the step of the photo's own way, and puts back into the edit what it loses of
    /// `photo`, its latents at the next level; from there it goes on.
    fn photo_put_back(
        &mut self,
        inversion: &Inversion,
        step: &Step,
        edited: Tensor,
        photo: &Tensor,
        output: Option<Tensor>,
    ) -> Result<Tensor, PipelineError> {
        let (Some(mut source), Some(output)) = (self.source.take(), output) else {
            return Ok(edited);
        };
        let clip = self.step_table.clip_denoised;
        let free = pred_original_sample(&source.sample, &output, step, clip)?;
        let sample = self.corrected(&source, step, &free, &output)?;
        let back = self.next_of_photo(inversion, &source, step, &sample, &free, &output)?;
        source.predicted = Some(back.clone());
        let keeps = self.step_table.predictions_kept();
        source.advance(step, keeps, sample, &free, photo.clone())?;
        self.source = Some(source);
        put_back(&edited, &back, photo)
    }

    /// Moves the sample closer to the one that `way_back`, a step of DDIM, takes to `target`: one
    /// iteration of `x ← (target − B·model(x))/A`, where that step is `A·x + B·model(x)`
    /// (fixed-point inversion: AIDI, arXiv 2309.04907; ReNoise, arXiv 2403.14602). A step that does
    /// not depend on its sample has nothing to solve.
    pub(super) fn refine(
        &mut self,
        model: &Model,
        target: &Tensor,
        way_back: &Step,
    ) -> Result<(), PipelineError> {
        let Step {
            pred_original_sample,
            next,
            ..
        } = way_back;
        let of_sample = next.pred_original_sample * pred_original_sample.sample + next.sample;
        let of_output = next.pred_original_sample * pred_original_sample.output + next.output;
        if of_sample.abs() < f64::EPSILON {
            return Ok(());
        }
        let started = std::time::Instant::now();
        let mut rows = Rows::default();
        let image = self.image_input.as_ref();
        let Path {
            sample,
            conditioning,
            ..
        } = &mut self.path;
        let row = rows.push(sample, image, way_back.timestep, conditioning, &[])?;
        let output = rows.forward(model, self.network)?;
        let output = conditioning.combine(&output, row)?;
        let rest = (target - (output * of_output)?)?;
        *sample = (rest / of_sample)?;
        self.timings.add(Stage::Denoise, started.elapsed());
        Ok(())
    }
}

/// Noise that is multiplied by 0 would keep its signs.
fn scaled(noise: &Tensor, scale: f64) -> Result<Tensor, PipelineError> {
    if scale == 0.0 {
        return Ok(noise.zeros_like()?);
    }
    Ok((noise * scale)?)
}

/// One step of renders whose [`Render::batch_shape`] is the same.
pub(super) fn step_batch(model: &Model, renders: &mut [&mut Render]) -> Result<(), PipelineError> {
    let started = std::time::Instant::now();
    let mut rows = Rows::default();
    let mut network = Network::Painting;
    let mut running = Vec::with_capacity(renders.len());
    for render in renders.iter_mut() {
        let Some(step) = render.step() else { continue };
        let image = render.image_input.as_ref();
        let of_step =
            |all: &[Arc<Steering>]| Steering::of_step(all, render.next_step, render.steps());
        let controls = of_step(&render.steering);
        let mut push = |path: &Path, controls: &[Arc<Steering>]| {
            let references = of_step(&path.conditioning.references);
            let steering = [controls, references.as_slice()].concat();
            let sample = match step.input_scale == 1.0 {
                true => path.sample.clone(),
                false => (&path.sample * step.input_scale)?,
            };
            let conditioning = &path.conditioning;
            rows.push(&sample, image, step.timestep, conditioning, &steering)
        };
        let row = push(&render.path, &controls)?;
        let source = render.source.as_ref();
        let source_row = source.map(|path| push(path, &[])).transpose()?;
        network = render.network;
        running.push((row, source_row, render));
    }
    if running.is_empty() {
        return Ok(());
    }
    let output = rows.forward(model, network)?;
    for (row, source_row, render) in running {
        let guided = render.path.conditioning.combine(&output, row)?;
        let of_source = match (&render.source, source_row) {
            (Some(source), Some(row)) => Some(source.conditioning.combine(&output, row)?),
            _ => None,
        };
        render.advance(&guided, of_source)?;
    }
    let spent = started.elapsed();
    for render in renders.iter_mut() {
        render.timings.add(Stage::Denoise, spent);
    }
    Ok(())
}
