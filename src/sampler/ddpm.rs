//! DDPM (Ho et al., arXiv 2006.11239): ancestral sampling, at all timesteps or some of them.

use super::config::SchedulerClass;
use super::diffusion::Diffusion;
use super::step_table::{Next, NoiseLevel, Step, StepTable, StepTableRequest};
use super::{Sampler, SamplerError, SchedulerConfig, schedule};
use crate::protocol::ScheduleChoices;

/// `ddpm`: diffusers' `DDPMScheduler`.
pub(super) struct Ddpm;

/// Which of the two variances that section 3.2 of the paper allows is used.
#[derive(Clone, Copy, PartialEq)]
enum Variance {
    Small,
    Large,
}

impl Sampler for Ddpm {
    fn name(&self) -> &'static str {
        "ddpm"
    }

    fn schedule_choices(&self, config: &SchedulerConfig) -> ScheduleChoices {
        ScheduleChoices {
            timestep_spacing: schedule::all_spacings(),
            largest_timestep: schedule::largest_timestep(config),
            ..ScheduleChoices::NONE
        }
    }

    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        let diffusion = Diffusion::read(config, SchedulerClass::Ddpm)?;
        diffusion.refuse_flow(self.name())?;
        let variance = config.choice(
            "variance_type",
            "fixed_small",
            &[
                ("fixed_small", Variance::Small),
                // The same variance, reached through its logarithm.
                ("fixed_small_log", Variance::Small),
                ("fixed_large", Variance::Large),
            ],
        )?;
        let count = request.checked_steps(diffusion.num_train_timesteps)?;
        let skipped = request.skipped(count)?;
        let prediction = diffusion.prediction_type;
        let timesteps = match request.listed_timesteps() {
            Some(listed) => listed.into_iter().map(|listed| listed as i64).collect(),
            None => diffusion.whole_timesteps(count)?,
        };
        let steps = (skipped..timesteps.len())
            .map(|i| {
                let timestep = timesteps[i];
                let alpha = diffusion.alpha_cumprod(timestep);
                let next_alpha = timesteps
                    .get(i + 1)
                    .map_or(1.0, |next| diffusion.alpha_cumprod(*next));
                let level = NoiseLevel::from_alpha_cumprod(alpha);
                let next_level = NoiseLevel::from_alpha_cumprod(next_alpha);
                let next = posterior(alpha, next_alpha, variance, timestep > 0);
                Step::new(timestep as f64, prediction, [level, next_level], next)
            })
            .collect();
        StepTable::new(steps, 1.0, diffusion.clip_sample, prediction)
    }
}

/// Formula (7): the mean of the posterior, from `ᾱ` here and at the next timestep.
pub(super) fn posterior_mean(alpha: f64, next_alpha: f64) -> Next {
    let step_alpha = alpha / next_alpha;
    let step_beta = 1.0 - step_alpha;
    let (beta, next_beta) = (1.0 - alpha, 1.0 - next_alpha);
    Next {
        pred_original_sample: next_alpha.sqrt() * step_beta / beta,
        sample: step_alpha.sqrt() * next_beta / beta,
        ..Next::default()
    }
}

/// The mean and the deviation of the posterior.
fn posterior(alpha: f64, next_alpha: f64, variance: Variance, noisy: bool) -> Next {
    let step_beta = 1.0 - alpha / next_alpha;
    let (beta, next_beta) = (1.0 - alpha, 1.0 - next_alpha);
    let deviation = match variance {
        Variance::Small => (next_beta / beta * step_beta).sqrt(),
        Variance::Large => step_beta.sqrt(),
    };
    Next {
        noise: if noisy { deviation } else { 0.0 },
        ..posterior_mean(alpha, next_alpha)
    }
}
