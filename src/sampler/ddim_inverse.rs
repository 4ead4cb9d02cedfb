//! DDIM run backwards: from an image to the noise that DDIM would have made it from.

use super::config::SchedulerClass;
use super::ddim::with_predicted_noise;
use super::diffusion::Diffusion;
use super::step_table::{NoiseLevel, Step, StepTable, StepTableRequest};
use super::{Sampler, SamplerError, SchedulerConfig};

/// `ddim-inverse`: diffusers' `DDIMInverseScheduler`.
///
/// The step table climbs, from the image itself (`initial` is [`NoiseLevel::CLEAN`], so nothing is
/// added to it) to the noisiest timestep; a strength below 1 stops early, where a `ddim` run of
/// the same strength begins. There is nothing to mask: its steps follow the model's own noise.
pub(super) struct DdimInverse;

impl Sampler for DdimInverse {
    fn name(&self) -> &'static str {
        "ddim-inverse"
    }

    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        let diffusion = Diffusion::read(config, SchedulerClass::DdimInverse)?;
        diffusion.refuse_flow(self.name())?;
        let count = request.checked_steps(diffusion.num_train_timesteps)?;
        let left = request.left_of(count)?;
        let stride = (diffusion.num_train_timesteps / count) as i64;
        let prediction = diffusion.prediction_type;
        let steps = diffusion
            .whole_timesteps(count)?
            .into_iter()
            .rev()
            .take(left)
            .map(|timestep| {
                let level = diffusion.level(timestep - stride);
                let next_level = diffusion.level(timestep);
                let next = with_predicted_noise(prediction, level, next_level, 0.0);
                Step::new(timestep as f64, prediction, [level, next_level], next)
            })
            .collect();
        let step_table = StepTable::new(steps, 1.0, diffusion.clip_sample, prediction)?;
        Ok(StepTable {
            initial: NoiseLevel::CLEAN,
            ..step_table
        })
    }
}
