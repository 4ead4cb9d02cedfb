//! Latent consistency models (Luo et al., arXiv 2310.04378): a few steps, each of which jumps to
//! the image and noises it again.

use super::config::SchedulerClass;
use super::diffusion::Diffusion;
use super::step_table::{Next, NoiseLevel, Step, StepTable, StepTableRequest};
use super::{Sampler, SamplerError, SchedulerConfig, schedule};
use crate::protocol::ScheduleChoices;

/// `lcm`: diffusers' `LCMScheduler`.
///
/// The strength shortens the list of timesteps that the model was distilled on, as in
/// `LatentConsistencyModelImg2ImgPipeline`, and all `steps` run on what is left. Where diffusers
/// refuses because fewer timesteps are left than steps asked for, all that are left run.
pub(super) struct Lcm;

impl Sampler for Lcm {
    fn name(&self) -> &'static str {
        "lcm"
    }

    fn schedule_choices(&self, config: &SchedulerConfig) -> ScheduleChoices {
        ScheduleChoices {
            largest_timestep: schedule::largest_timestep(config),
            ..ScheduleChoices::NONE
        }
    }

    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        let diffusion = Diffusion::read(config, SchedulerClass::Lcm)?;
        diffusion.refuse_flow(self.name())?;
        let train = diffusion.num_train_timesteps;
        let original = config.whole("original_inference_steps", 50.min(train), 1..=train)?;
        let timestep_scaling = config.number("timestep_scaling", 10.0, 0.0..=1e6)?;
        let timesteps = timesteps(request, train, original)?;
        let prediction = diffusion.prediction_type;
        let steps = timesteps
            .iter()
            .enumerate()
            .map(|(i, &timestep)| {
                let level = diffusion.level(timestep);
                let following = timesteps.get(i + 1).map(|next| diffusion.level(*next));
                let next_level = following.unwrap_or(NoiseLevel::CLEAN);
                let (skip, out) = boundary_scalings(timestep as f64 * timestep_scaling);
                let next = Next {
                    pred_original_sample: next_level.alpha * out,
                    sample: next_level.alpha * skip,
                    noise: next_level.sigma,
                    ..Next::default()
                };
                Step::new(timestep as f64, prediction, [level, next_level], next)
            })
            .collect();
        StepTable::new(steps, 1.0, diffusion.clip_sample, prediction)
    }
}

/// What the request lists, without what the strength leaves out of it; otherwise of the timesteps
/// that the model was distilled on, `original` of `train`, those that the strength leaves.
pub(super) fn timesteps(
    request: &StepTableRequest,
    train: usize,
    original: usize,
) -> Result<Vec<i64>, SamplerError> {
    if let Some(listed) = request.listed_timesteps() {
        let count = request.checked_steps(train)?;
        let listed = listed.into_iter().skip(request.skipped(count)?);
        return Ok(listed.map(|listed| listed as i64).collect());
    }
    let asked = request.checked_steps(original)?;
    let left = request.left_of(original)?;
    Ok(distilled_timesteps(train, original, left, asked))
}

/// Of the first `left` timesteps that the model was distilled on, `asked` evenly spaced ones
/// (all, when there are no more), descending.
fn distilled_timesteps(train: usize, original: usize, left: usize, asked: usize) -> Vec<i64> {
    let stride = train / original;
    let count = asked.min(left);
    let spacing = left as f64 / count as f64;
    (0..count)
        .map(|i| {
            let from_the_noisy_end = (i as f64 * spacing) as usize;
            ((left - from_the_noisy_end) * stride) as i64 - 1
        })
        .collect()
}

/// `c_skip` and `c_out`, which make the model the identity at timestep 0 (appendix C of the
/// consistency models paper, arXiv 2303.01469, with σ_data = ½).
fn boundary_scalings(scaled_timestep: f64) -> (f64, f64) {
    const SIGMA_DATA: f64 = 0.5;
    let square = scaled_timestep * scaled_timestep + SIGMA_DATA * SIGMA_DATA;
    (
        SIGMA_DATA * SIGMA_DATA / square,
        scaled_timestep / square.sqrt(),
    )
}
