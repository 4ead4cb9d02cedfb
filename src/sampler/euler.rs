//! Euler's method in sigma space (algorithm 2 of Karras et al., arXiv 2206.00364, without churn).

use super::config::SchedulerClass;
use super::diffusion::{Diffusion, TimestepSpacing};
use super::sigmas::{self, SigmaSpacing};
use super::step_table::{Next, NoiseLevel, Step, StepTable, StepTableRequest};
use super::{Sampler, SamplerError, SchedulerConfig, schedule, spacing};
use crate::protocol::ScheduleChoices;

/// `euler`: diffusers' `EulerDiscreteScheduler`.
pub(super) struct Euler;

impl Sampler for Euler {
    fn name(&self) -> &'static str {
        "euler"
    }

    fn schedule_choices(&self, config: &SchedulerConfig) -> ScheduleChoices {
        ScheduleChoices {
            timestep_spacing: schedule::all_spacings(),
            sigmas: schedule::all_sigmas(),
            largest_timestep: schedule::largest_timestep(config),
            largest_sigma: Some(schedule::LARGEST_SIGMA),
        }
    }

    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        let diffusion = Diffusion::read(config, SchedulerClass::Euler)?;
        diffusion.refuse_flow(self.name())?;
        config.choice("interpolation_type", "linear", &[("linear", ())])?;
        config.choice("timestep_type", "discrete", &[("discrete", ())])?;
        let to_sigma_min = reads_sigma_min(config)?;
        let sigma_spacing = SigmaSpacing::read(config, false)?;
        let count = request.checked_steps(diffusion.num_train_timesteps)?;
        let mut walk = SigmaWalk::new(&diffusion, request, count)?;
        let (most, least) = (walk.sigmas.first(), walk.sigmas.last());
        if let (Some(&most), Some(&least)) = (most, least) {
            let most = config.number("sigma_max", most, 0.0..=f64::MAX)?;
            let least = config.number("sigma_min", least, 0.0..=f64::MAX)?;
            if let Some(spaced) = sigma_spacing.between(most, least, count) {
                let table = diffusion.sigmas();
                walk.timesteps = spaced
                    .iter()
                    .map(|sigma| sigmas::timestep_of(&table, *sigma))
                    .collect();
                walk.sigmas = spaced;
            }
        }
        // A list says itself that it ends at 0.
        let last = if to_sigma_min && request.listed_sigmas().is_none() {
            diffusion.sigmas()[0]
        } else {
            0.0
        };
        let fresh = |_: f64, _: f64| 0.0;
        walk.into_step_table(&diffusion, last, request.skipped(count)?, fresh)
    }
}

/// `final_sigmas_type`: whether a run ends at the table's least sigma instead of 0.
pub(super) fn reads_sigma_min(config: &SchedulerConfig) -> Result<bool, SamplerError> {
    config.choice(
        "final_sigmas_type",
        "zero",
        &[("zero", false), ("sigma_min", true)],
    )
}

/// The sigmas and timesteps of a run in sigma space, before any strength.
pub(super) struct SigmaWalk {
    timesteps: Vec<f64>,
    sigmas: Vec<f64>,
}

impl SigmaWalk {
    /// What the request lists, or else `count` spaced timesteps.
    pub(super) fn new(
        diffusion: &Diffusion,
        request: &StepTableRequest,
        count: usize,
    ) -> Result<Self, SamplerError> {
        let table = diffusion.sigmas();
        if let Some(sigmas) = request.listed_sigmas() {
            let timestep = |sigma: &f64| sigmas::timestep_of(&table, *sigma);
            let timesteps = sigmas.iter().map(timestep).collect();
            return Ok(Self { timesteps, sigmas });
        }
        let timesteps = request.listed_timesteps().unwrap_or_else(|| {
            spacing::timesteps(
                diffusion.timestep_spacing,
                diffusion.num_train_timesteps,
                count,
                diffusion.steps_offset,
                true,
            )
        });
        spacing::check_trained(&timesteps, diffusion.num_train_timesteps)?;
        let sigmas = timesteps
            .iter()
            .map(|timestep| sigmas::at(&table, *timestep))
            .collect();
        Ok(Self { timesteps, sigmas })
    }

    /// The steps down to the sigma `last`. `fresh` gives the deviation of new noise from a sigma
    /// and the next.
    pub(super) fn into_step_table(
        self,
        diffusion: &Diffusion,
        last: f64,
        skipped: usize,
        fresh: impl Fn(f64, f64) -> f64,
    ) -> Result<StepTable, SamplerError> {
        let sigmas = sigmas::rounded(self.sigmas.into_iter().chain([last]));
        let most = sigmas.iter().copied().fold(0.0, f64::max);
        let initial_noise_scale = match diffusion.timestep_spacing {
            TimestepSpacing::Leading => most.hypot(1.0),
            TimestepSpacing::Linspace | TimestepSpacing::Trailing => most,
        };
        let steps = self
            .timesteps
            .iter()
            .zip(sigmas.windows(2))
            .skip(skipped)
            .map(|(&timestep, pair)| {
                let level = NoiseLevel {
                    alpha: 1.0,
                    sigma: pair[0],
                };
                let next_level = NoiseLevel {
                    alpha: 1.0,
                    sigma: pair[1],
                };
                let levels = [level, next_level];
                let next = Next::along(level, next_level, fresh(pair[0], pair[1]));
                let timestep = f64::from(timestep as f32);
                Step {
                    input_scale: level.to_unit_variance(),
                    ..Step::new(timestep, diffusion.prediction_type, levels, next)
                }
            })
            .collect();
        StepTable::new(steps, initial_noise_scale, None, diffusion.prediction_type)
    }
}
