//! DDIM (Song et al., arXiv 2010.02502), with or without fresh noise.

use super::config::SchedulerClass;
use super::diffusion::Diffusion;
use super::step_table::{Next, NoiseLevel, Step, StepTable, StepTableRequest};
use super::{PredictionType, Sampler, SamplerError, SchedulerConfig, schedule};
use crate::protocol::ScheduleChoices;

/// `ddim`: diffusers' `DDIMScheduler`.
pub(super) struct Ddim;

impl Sampler for Ddim {
    fn name(&self) -> &'static str {
        "ddim"
    }

    fn schedule_choices(&self, _config: &SchedulerConfig) -> ScheduleChoices {
        ScheduleChoices {
            timestep_spacing: schedule::all_spacings(),
            ..ScheduleChoices::NONE
        }
    }

    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        let diffusion = Diffusion::read(config, SchedulerClass::Ddim)?;
        diffusion.refuse_flow(self.name())?;
        let count = request.checked_steps(diffusion.num_train_timesteps)?;
        let skipped = request.skipped(count)?;
        let stride = (diffusion.num_train_timesteps / count) as i64;
        let prediction = diffusion.prediction_type;
        let eta = request.eta.unwrap_or(0.0);
        let steps = diffusion
            .whole_timesteps(count)?
            .into_iter()
            .skip(skipped)
            .map(|timestep| {
                let level = diffusion.level(timestep);
                // One stride back, which is not always the next timestep of the run.
                let next_level = diffusion.level(timestep - stride);
                let fresh = eta * step_deviation(level, next_level);
                let next = if diffusion.clip_sample.is_some() {
                    with_predicted_noise(prediction, level, next_level, fresh)
                } else {
                    Next::along(level, next_level, fresh)
                };
                Step::new(timestep as f64, prediction, [level, next_level], next)
            })
            .collect();
        StepTable::new(steps, 1.0, diffusion.clip_sample, prediction)
    }
}

/// The standard deviation of the fresh noise at eta 1: formula (16).
fn step_deviation(level: NoiseLevel, next: NoiseLevel) -> f64 {
    let kept_signal = (level.alpha / next.alpha).powi(2);
    (next.sigma / level.sigma) * (1.0 - kept_signal).max(0.0).sqrt()
}

/// Like [`Next::along`], but along the noise that the model itself predicted: after clipping, the
/// denoised image no longer implies it.
pub(super) fn with_predicted_noise(
    prediction: PredictionType,
    level: NoiseLevel,
    next: NoiseLevel,
    fresh: f64,
) -> Next {
    let NoiseLevel { alpha, sigma } = level;
    let (of_sample, of_output) = match prediction {
        PredictionType::Epsilon => (0.0, 1.0),
        PredictionType::VPrediction => (sigma, alpha),
        PredictionType::Sample => (1.0 / sigma, -alpha / sigma),
        PredictionType::FlowPrediction => (1.0 / (alpha + sigma), alpha / (alpha + sigma)),
    };
    let kept = (next.sigma * next.sigma - fresh * fresh).max(0.0).sqrt();
    Next {
        pred_original_sample: next.alpha,
        sample: kept * of_sample,
        output: kept * of_output,
        noise: fresh,
        ..Next::default()
    }
}
