//! Adversarial diffusion distillation (SD-Turbo, SDXL-Turbo; arXiv 2311.17042).

use super::diffusion::TimestepSpacing;
use super::{Sampler, SamplerError, SchedulerConfig, StepTable, StepTableRequest, euler_ancestral};

/// `turbo`: Euler ancestral at trailing timesteps, whatever spacing the config has: the student
/// was distilled to start at the last training timestep. Meant for a guidance scale of 0 or 1.
pub(super) struct Turbo;

impl Sampler for Turbo {
    fn name(&self) -> &'static str {
        "turbo"
    }

    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        let spacing = Some(TimestepSpacing::Trailing);
        euler_ancestral::step_table(self.name(), config, request, spacing)
    }
}
