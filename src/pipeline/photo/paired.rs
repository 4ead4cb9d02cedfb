//! Methods that compare what the source prompt and the target prompt say of the same photo, for
//! models that were distilled to few steps. They need no inversion.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::{EditMethod, Inversion, put_back};
use crate::pipeline::blending::{blend, pred_original_sample, step_mask};
use crate::pipeline::control::Steering;
use crate::pipeline::forward::{Conditioning, Network, Rows, image_beside};
use crate::pipeline::guidance::check_guidance;
use crate::pipeline::{Pipeline, PipelineError, RenderSettings, Stage, Timings, noise_tensor};
use crate::protocol::Schedule;
use crate::sampler::{
    CROSS_PROMPT, EditFriendlyStep, NoiseLevel, Step, StepTableRequest, edit_friendly_steps,
    sampler_by_name,
};

/// An edit that runs on the painting UNet with both prompts.
pub(super) struct PairedEdit {
    steps: Steps,
    clip: Option<f64>,
    next_step: usize,
    seed: u64,
    inversion: Arc<Inversion>,
    mask: Option<Tensor>,
    image_input: Option<Tensor>,
    source: Conditioning,
    target: Conditioning,
    /// The edit's sample.
    sample: Tensor,
    /// The photo's sample of the same noise level.
    photo_sample: Tensor,
    timings: Timings,
}

enum Steps {
    EditFriendly(Vec<EditFriendlyStep>),
    /// Any sampler's timesteps and noise levels.
    InfEdit(Vec<Step>),
}

impl PairedEdit {
    pub fn begin(
        pipeline: &mut Pipeline,
        inversion: &Arc<Inversion>,
        mask: Option<Tensor>,
        method: EditMethod,
        settings: &RenderSettings,
    ) -> Result<Self, PipelineError> {
        check_guidance(settings)?;
        pipeline.check_inverts()?;
        let rect = inversion.latent_rect();
        let request = settings.step_table_request(pipeline.image_seq_len(&rect));
        let (steps, clip) = match method {
            EditMethod::EditFriendly => {
                // It has timesteps of its own, whatever the sampler's are.
                let request = StepTableRequest {
                    schedule: Schedule::default(),
                    ..request
                };
                let (steps, clip) = edit_friendly_steps(pipeline.scheduler(), &request)?;
                (Steps::EditFriendly(steps), clip)
            }
            _ => {
                let sampler = sampler_by_name(&settings.sampler)?;
                let step_table = sampler.step_table(pipeline.scheduler(), &request)?;
                (Steps::InfEdit(step_table.steps), step_table.clip_denoised)
            }
        };
        let mut timings = Timings::default();
        let stage = timings.start(Stage::Text);
        let size = pipeline.pixel_size(&rect);
        let [source, target] = pipeline.paired_conditioning(inversion.prompt(), settings, size)?;
        timings.finish(stage);
        let stage = timings.start(Stage::Encode);
        let image_input = pipeline.no_image(inversion)?;
        let image_input = image_beside(pipeline.model(), Network::Painting, image_input, &rect)?;
        timings.finish(stage);
        let mut paired = Self {
            steps,
            clip,
            next_step: 0,
            seed: settings.seed,
            inversion: Arc::clone(inversion),
            mask,
            image_input,
            source,
            target,
            sample: inversion.latents().clone(),
            photo_sample: inversion.latents().clone(),
            timings,
        };
        let level = match &paired.steps {
            Steps::EditFriendly(steps) => steps.first().map(|step| step.photo_level),
            Steps::InfEdit(steps) => steps.first().map(|step| step.level),
        };
        let noise = paired.noise(0)?;
        let first = level.unwrap_or(NoiseLevel::CLEAN);
        paired.photo_sample = mixed(inversion.latents(), &noise, &first)?;
        paired.sample = paired.photo_sample.clone();
        Ok(paired)
    }

    pub fn steps_done(&self) -> usize {
        self.next_step
    }

    pub fn steps(&self) -> usize {
        match &self.steps {
            Steps::EditFriendly(steps) => steps.len(),
            Steps::InfEdit(steps) => steps.len(),
        }
    }

    pub fn timings_mut(&mut self) -> &mut Timings {
        &mut self.timings
    }

    pub fn into_latents(self) -> (Tensor, Timings) {
        (self.sample, self.timings)
    }

    pub fn step(&mut self, pipeline: &Pipeline) -> Result<(), PipelineError> {
        let started = std::time::Instant::now();
        match &self.steps {
            Steps::EditFriendly(steps) => {
                if let Some(step) = steps.get(self.next_step).copied() {
                    self.edit_friendly(pipeline, &step)?;
                }
            }
            Steps::InfEdit(steps) => {
                let is_last = self.next_step + 1 >= steps.len();
                if let Some(step) = steps.get(self.next_step).copied() {
                    self.infedit(pipeline, &step, is_last)?;
                }
            }
        }
        self.timings.add(Stage::Denoise, started.elapsed());
        Ok(())
    }

    /// `x̂0 = x0 + ((x_t − x_s) − √(1−ᾱ)(e_t − e_s))/√ᾱ` (InfEdit's virtual inversion, arXiv
    /// 2312.04965), written as the difference of what both denoise to, which is the same for every
    /// prediction type. Both samples are noised again with the same noise.
    fn infedit(
        &mut self,
        pipeline: &Pipeline,
        step: &Step,
        is_last: bool,
    ) -> Result<(), PipelineError> {
        let samples = [
            (&self.photo_sample, &self.source),
            (&self.sample, &self.target),
        ];
        let [source, target] = self.denoise(pipeline, step, samples)?;
        let photo = self.inversion.latents();
        let edited = ((photo + target)? - source)?;
        let edited = self.outside_kept(photo, edited, step)?;
        self.next_step += 1;
        if is_last {
            self.sample = edited;
            return Ok(());
        }
        let noise = self.noise(self.next_step)?;
        self.photo_sample = mixed(photo, &noise, &step.next_level)?;
        self.sample = mixed(&edited, &noise, &step.next_level)?;
        Ok(())
    }

    /// One step of [`crate::sampler::edit_friendly_steps`], whose formulas these are.
    fn edit_friendly(
        &mut self,
        pipeline: &Pipeline,
        at: &EditFriendlyStep,
    ) -> Result<(), PipelineError> {
        let step = &at.step;
        let samples = [
            (&self.photo_sample, &self.source),
            (&self.sample, &self.source),
            (&self.sample, &self.target),
        ];
        let [of_photo, of_edit, of_target] = self.denoise(pipeline, step, samples)?;
        let mean =
            |pred_original_sample: Tensor, sample: &Tensor| -> Result<Tensor, PipelineError> {
                Ok(((pred_original_sample * step.next.pred_original_sample)?
                    + (sample * step.next.sample)?)?)
            };
        let of_photo = mean(of_photo, &self.photo_sample)?;
        let of_edit = mean(of_edit, &self.sample)?;
        let of_target = mean(of_target, &self.sample)?;

        let noise = self.noise(self.next_step + 1)?;
        let exact = mixed(self.inversion.latents(), &noise, &at.next_photo_level)?;
        let missed = (&exact - &of_photo)?;
        let kept = match at.residual_limit {
            Some(limit) => (limit / root_mean_square(&missed)?).min(1.0),
            None => 1.0,
        };
        let cross_trajectory = (&of_edit - (&of_photo * kept)?)?;
        let cross_prompt = ((of_target - of_edit)? * CROSS_PROMPT)?;
        let edited = (((&exact * kept)? + cross_trajectory)? + cross_prompt)?;
        self.photo_sample = (of_photo + (missed * kept)?)?;
        // What the limit takes from the photo is not meant to be lost where nothing changes.
        let edited = match kept < 1.0 {
            true => put_back(&edited, &self.photo_sample, &exact)?,
            false => edited,
        };
        self.sample = self.outside_kept(&exact, edited, step)?;
        self.next_step += 1;
        Ok(())
    }

    /// What the painting UNet makes of samples, each with what it is told of it, in one forward.
    fn denoise<const COUNT: usize>(
        &self,
        pipeline: &Pipeline,
        step: &Step,
        samples: [(&Tensor, &Conditioning); COUNT],
    ) -> Result<[Tensor; COUNT], PipelineError> {
        let mut rows = Rows::default();
        let mut images = samples.map(|(sample, _)| sample.clone());
        let mut firsts = [0; COUNT];
        for (first, (sample, conditioning)) in firsts.iter_mut().zip(samples) {
            let sample = (sample * step.input_scale)?;
            let references = &conditioning.references;
            *first = rows.push(
                &sample,
                self.image_input.as_ref(),
                step.timestep,
                conditioning,
                &Steering::of_step(references, self.next_step, self.steps()),
            )?;
        }
        let outputs = rows.forward(pipeline.model(), Network::Painting)?;
        for ((image, first), (sample, conditioning)) in images.iter_mut().zip(firsts).zip(samples) {
            let output = conditioning.combine(&outputs, first)?;
            *image = pred_original_sample(sample, &output, step, self.clip)?;
        }
        Ok(images)
    }

    /// The photo where the mask is 0.
    fn outside_kept(
        &self,
        photo: &Tensor,
        edited: Tensor,
        step: &Step,
    ) -> Result<Tensor, PipelineError> {
        match &self.mask {
            Some(mask) => blend(photo, &edited, &step_mask(mask, step)?),
            None => Ok(edited),
        }
    }

    fn noise(&self, draw: usize) -> Result<Tensor, PipelineError> {
        let photo = self.inversion.latents();
        let (_, channels, _, _) = photo.dims4()?;
        let rect = self.inversion.latent_rect();
        noise_tensor(self.seed, draw as u32, channels, &rect, photo.device())
    }
}

fn mixed(image: &Tensor, noise: &Tensor, level: &NoiseLevel) -> Result<Tensor, PipelineError> {
    Ok(((image * level.alpha)? + (noise * level.sigma)?)?)
}

/// Never 0, so that it can be divided by.
fn root_mean_square(tensor: &Tensor) -> Result<f64, PipelineError> {
    let mean = tensor.sqr()?.mean_all()?.to_dtype(DType::F64)?;
    Ok(mean.to_scalar::<f64>()?.sqrt().max(f64::MIN_POSITIVE))
}
