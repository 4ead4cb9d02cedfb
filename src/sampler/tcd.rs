//! Trajectory consistency distillation (Zheng et al., arXiv 2402.19159): each step jumps along the
//! trajectory past the next level and is noised back to it. Hyper-SD's one-step and multi-step LoRAs
//! want it.

use super::config::SchedulerClass;
use super::diffusion::Diffusion;
use super::lcm::timesteps;
use super::step_table::{Next, Step, StepTable, StepTableRequest};
use super::{Sampler, SamplerError, SchedulerConfig, schedule};
use crate::protocol::ScheduleChoices;

/// `tcd`: diffusers' `TCDScheduler`. The strength shortens the list of timesteps that the model was
/// distilled on, as with `lcm`.
pub(super) struct Tcd;

/// How much of each step is fresh noise when nobody says (`TCDScheduler.step`): the paper's γ.
const ETA: f64 = 0.3;

impl Sampler for Tcd {
    fn name(&self) -> &'static str {
        "tcd"
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
        let diffusion = Diffusion::read(config, SchedulerClass::Tcd)?;
        diffusion.refuse_flow(self.name())?;
        let train = diffusion.num_train_timesteps;
        let original = config.whole("original_inference_steps", 50.min(train), 1..=train)?;
        let timesteps = timesteps(request, train, original)?;
        let eta = request.eta.unwrap_or(ETA);
        let prediction = diffusion.prediction_type;
        let steps = timesteps
            .iter()
            .enumerate()
            .map(|(i, &timestep)| {
                let following = timesteps.get(i + 1).copied();
                let next_timestep = following.unwrap_or(0);
                // In f32, as torch multiplies.
                let jump = ((1.0 - eta) as f32 * next_timestep as f32).floor() as i64;
                let level = diffusion.level(timestep);
                let [jump_level, next_level] = [jump, next_timestep].map(|t| diffusion.level(t));
                let jumped = Next::along(level, jump_level, 0.0);
                let next = match following {
                    Some(_) if eta > 0.0 => {
                        let kept = next_level.alpha / jump_level.alpha;
                        Next {
                            pred_original_sample: jumped.pred_original_sample * kept,
                            sample: jumped.sample * kept,
                            noise: (1.0 - kept * kept).max(0.0).sqrt(),
                            ..jumped
                        }
                    }
                    _ => jumped,
                };
                Step::new(timestep as f64, prediction, [level, next_level], next)
            })
            .collect();
        StepTable::new(steps, 1.0, None, prediction)
    }
}
