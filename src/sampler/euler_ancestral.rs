//! Euler's method with ancestral noise (k-diffusion's `sample_euler_ancestral`).

use super::config::SchedulerClass;
use super::diffusion::{Diffusion, TimestepSpacing};
use super::euler::SigmaWalk;
use super::{Sampler, SamplerError, SchedulerConfig, Timetable, TimetableRequest};

/// `euler-ancestral`: diffusers' `EulerAncestralDiscreteScheduler`.
pub(super) struct EulerAncestral;

impl Sampler for EulerAncestral {
    fn name(&self) -> &'static str {
        "euler-ancestral"
    }

    fn timetable(
        &self,
        config: &SchedulerConfig,
        request: &TimetableRequest,
    ) -> Result<Timetable, SamplerError> {
        timetable(self.name(), config, request, None)
    }
}

/// The timetable, with the spacing of the config or another.
pub(super) fn timetable(
    sampler: &str,
    config: &SchedulerConfig,
    request: &TimetableRequest,
    spacing: Option<TimestepSpacing>,
) -> Result<Timetable, SamplerError> {
    let mut diffusion = Diffusion::read(config, SchedulerClass::EulerAncestral)?;
    diffusion.refuse_flow(sampler)?;
    diffusion.timestep_spacing = spacing.unwrap_or(diffusion.timestep_spacing);
    let count = request.checked_steps(diffusion.num_train_timesteps)?;
    let walk = SigmaWalk::new(&diffusion, count)?;
    walk.into_timetable(&diffusion, 0.0, request.skipped(count)?, sigma_up)
}

/// The deviation of the new noise that brings a DDPM-like step from one sigma to the next.
fn sigma_up(from: f64, to: f64) -> f64 {
    to * (1.0 - (to / from).powi(2)).max(0.0).sqrt()
}
