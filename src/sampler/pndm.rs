//! PNDM (Liu et al., arXiv 2202.09778) without its Runge-Kutta steps: the linear multistep method
//! (PLMS) that Stable Diffusion was published with.

use super::config::SchedulerClass;
use super::diffusion::Diffusion;
use super::step_table::{Next, NoiseLevel, Prediction, Step, StepTable, StepTableRequest};
use super::{PredictionType, Sampler, SamplerError, SchedulerConfig, schedule};
use crate::protocol::ScheduleChoices;

/// `pndm`: diffusers' `PNDMScheduler` with `skip_prk_steps`.
///
/// The second timestep runs twice: its first answer only corrects the first step. Where a strength
/// leaves out the noisiest timesteps, the same is done with those that are left. (diffusers cuts the
/// list after the second timestep of all was doubled; from then on its samples are a step noisier
/// than the model is told.)
pub(super) struct Pndm;

/// Adams and Bashforth's weights of the outputs, newest first.
const WEIGHTS: [&[f64]; 4] = [
    &[1.0],
    &[3.0 / 2.0, -1.0 / 2.0],
    &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
    &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
];

impl Sampler for Pndm {
    fn name(&self) -> &'static str {
        "pndm"
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
        let diffusion = Diffusion::read(config, SchedulerClass::Pndm)?;
        diffusion.refuse_flow(self.name())?;
        let own = config.class() == SchedulerClass::Pndm;
        if !config.flag("skip_prk_steps", !own)? {
            let allowed = "true: its Runge-Kutta steps are not supported";
            return Err(SamplerError::config("skip_prk_steps", "false", allowed));
        }
        let count = request.checked_steps(diffusion.num_train_timesteps)?;
        let skipped = request.skipped(count)?;
        let stride = (diffusion.num_train_timesteps / count) as i64;
        let prediction = diffusion.prediction_type;
        let timesteps = diffusion.whole_timesteps(count)?.split_off(skipped);
        let mut steps = Vec::with_capacity(timesteps.len() + 1);
        for (i, &timestep) in timesteps.iter().enumerate() {
            let level = diffusion.level(timestep);
            let next_level = diffusion.level(timestep - stride);
            // The noise; of models that predict v that, which diffusers averages as it is.
            let kept = match prediction {
                PredictionType::VPrediction => Prediction::output(prediction, level),
                _ => Prediction::noise(level),
            };
            let step = |next_level, next| {
                Step::new(timestep as f64, prediction, [level, next_level], next)
            };
            if i == 1 {
                let first = diffusion.level(timestep + stride);
                let again = moved(prediction, [first, level], &[0.5, 0.5]);
                let again = Mix {
                    next: Next {
                        previous_sample: again.next.sample,
                        sample: 0.0,
                        ..again.next
                    },
                    ..again
                };
                steps.push(Step {
                    kept: None,
                    ..step(level, again.with(kept))
                });
            }
            let mix = moved(prediction, [level, next_level], WEIGHTS[i.min(3)]);
            steps.push(Step {
                kept: Some(kept),
                ..step(next_level, mix.with(kept))
            });
        }
        StepTable::new(steps, 1.0, None, prediction)
    }
}

/// A next sample that lacks this step's own prediction.
struct Mix {
    next: Next,
    /// Factor of this step's own prediction.
    own: f64,
}

impl Mix {
    fn with(self, kept: Prediction) -> Next {
        self.next.with_prediction(self.own, kept)
    }
}

/// Formula (9) of the paper along the weighted predictions, newest first; it is DDIM's.
fn moved(prediction: PredictionType, pair: [NoiseLevel; 2], weights: &[f64]) -> Mix {
    let [level, next] = pair;
    let kept = next.alpha / level.alpha;
    let of_noise = next.sigma - level.sigma * kept;
    // The noise of a mean of v's: α·v + σ·x.
    let (of_prediction, of_sample) = match prediction {
        PredictionType::VPrediction => (of_noise * level.alpha, of_noise * level.sigma),
        _ => (of_noise, 0.0),
    };
    let mut next = Next {
        sample: kept + of_sample,
        ..Next::default()
    };
    for (factor, weight) in next.history.iter_mut().zip(weights.iter().skip(1)) {
        *factor = of_prediction * weight;
    }
    Mix {
        next,
        own: of_prediction * weights.first().copied().unwrap_or_default(),
    }
}
