//! Euler's method with ancestral noise (k-diffusion's `sample_euler_ancestral`).

use super::config::SchedulerClass;
use super::diffusion::{Diffusion, TimestepSpacing};
use super::euler::SigmaWalk;
use super::{Sampler, SamplerError, SchedulerConfig, StepTable, StepTableRequest, schedule};
use crate::protocol::ScheduleChoices;

/// `euler-ancestral`: diffusers' `EulerAncestralDiscreteScheduler`.
pub(super) struct EulerAncestral;

impl Sampler for EulerAncestral {
    fn name(&self) -> &'static str {
        "euler-ancestral"
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
        step_table(self.name(), config, request, None)
    }
}

/// The step table, with the spacing of the config or another.
pub(super) fn step_table(
    sampler: &str,
    config: &SchedulerConfig,
    request: &StepTableRequest,
    spacing: Option<TimestepSpacing>,
) -> Result<StepTable, SamplerError> {
    let mut diffusion = Diffusion::read(config, SchedulerClass::EulerAncestral)?;
    diffusion.refuse_flow(sampler)?;
    diffusion.timestep_spacing = spacing.unwrap_or(diffusion.timestep_spacing);
    let count = request.checked_steps(diffusion.num_train_timesteps)?;
    let walk = SigmaWalk::new(&diffusion, request, count)?;
    walk.into_step_table(&diffusion, 0.0, request.skipped(count)?, sigma_up)
}

/// The deviation of the new noise that brings a DDPM-like step from one sigma to the next.
fn sigma_up(from: f64, to: f64) -> f64 {
    to * (1.0 - (to / from).powi(2)).max(0.0).sqrt()
}
