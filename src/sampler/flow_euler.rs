//! Euler's method along a rectified flow (arXiv 2209.03003, 2403.03206).

use super::diffusion::Diffusion;
use super::flow_shift::{FlowShift, shifted, stretch_to_terminal};
use super::sigmas::{self, SigmaSpacing};
use super::step_table::{Next, NoiseLevel, Step, StepTable, StepTableRequest};
use super::{PredictionType, Sampler, SamplerError, SchedulerConfig, schedule, spacing};
use crate::protocol::ScheduleChoices;

/// `flow-euler`: diffusers' `FlowMatchEulerDiscreteScheduler` for flow models.
///
/// A model that was trained on a variance-preserving schedule runs too: a flow sample
/// `(1 − σ)·x0 + σ·e`, scaled to unit variance, is a sample of the timestep with the same ratio of
/// noise to image, so the model is asked there, and its answer is read as a velocity.
pub(super) struct FlowEuler;

impl Sampler for FlowEuler {
    fn name(&self) -> &'static str {
        "flow-euler"
    }

    fn schedule_choices(&self, config: &SchedulerConfig) -> ScheduleChoices {
        match config.prediction_type() {
            // Lists of timesteps have no meaning of their own: diffusers shifts the sigmas that it
            // makes of them, and tells the model the timesteps as they were.
            PredictionType::FlowPrediction => ScheduleChoices {
                sigmas: schedule::all_sigmas(),
                largest_sigma: Some(schedule::LARGEST_FLOW_SIGMA),
                ..ScheduleChoices::NONE
            },
            _ => ScheduleChoices::NONE,
        }
    }

    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        let prediction = config.prediction_type();
        if prediction != PredictionType::FlowPrediction {
            return through_diffusion(config, request);
        }
        config.refuse("invert_sigmas")?;
        let train = config.num_train_timesteps()?;
        let shift = FlowShift::read(config, request.image_seq_len)?;
        let count = request.checked_steps(train)?;
        let trained = 1.0 / train as f64;
        let least = match shift {
            _ if config.ends_a_step_early() => 1.0 / count as f64,
            // diffusers shifts the ends when the scheduler is built and all points again here.
            FlowShift::Static(_) => f64::from(shift.apply(trained) as f32),
            FlowShift::Dynamic(_) => trained,
        };
        let mut sigmas = match request.listed_sigmas() {
            Some(listed) => listed.into_iter().map(|sigma| shift.apply(sigma)).collect(),
            None => flow_sigmas(1.0, least, shift.factor(), count),
        };
        stretch_to_terminal(config, &mut sigmas)?;
        if let (Some(&most), Some(&least)) = (sigmas.first(), sigmas.last())
            && let Some(spaced) = SigmaSpacing::read(config, false)?.between(most, least, count)
        {
            sigmas = spaced;
        }
        let stochastic = config.flag("stochastic_sampling", false)?;
        let sigmas = sigmas::rounded(sigmas.into_iter().chain([0.0]));
        let steps = sigmas
            .windows(2)
            .skip(skipped(request, count))
            .map(|pair| {
                let (level, next_level) = (flow_level(pair[0]), flow_level(pair[1]));
                let fresh = if stochastic { next_level.sigma } else { 0.0 };
                let next = Next::along(level, next_level, fresh);
                let timestep = pair[0] * train as f64;
                Step::new(timestep, prediction, [level, next_level], next)
            })
            .collect();
        StepTable::new(steps, 1.0, None, prediction)
    }
}

/// The flow of a variance-preserving model, by the change of variables.
fn through_diffusion(
    config: &SchedulerConfig,
    request: &StepTableRequest,
) -> Result<StepTable, SamplerError> {
    let diffusion = Diffusion::read(config, config.class())?;
    let count = request.checked_steps(diffusion.num_train_timesteps)?;
    let shift = config.number("shift", 1.0, 0.001..=1000.0)?;
    let table = diffusion.sigmas();
    let flow_of = |sigma: f64| sigma / (1.0 + sigma);
    let (least, most) = (flow_of(table[0]), flow_of(table[table.len() - 1]));
    let mut sigmas = flow_sigmas(most, least, shift, count);
    // Shifting moves the noisy end too; the model knows nothing noisier than its last timestep.
    sigmas.iter_mut().for_each(|sigma| *sigma = sigma.min(most));
    sigmas.push(0.0);
    let steps: Vec<Step> = sigmas
        .windows(2)
        .skip(skipped(request, count))
        .map(|pair| {
            let (level, next_level) = (flow_level(pair[0]), flow_level(pair[1]));
            let timestep = sigmas::timestep_of(&table, pair[0] / (1.0 - pair[0]));
            let levels = [level, next_level];
            let next = Next::along(level, next_level, 0.0);
            Step {
                input_scale: level.to_unit_variance(),
                ..Step::new(timestep, diffusion.prediction_type, levels, next)
            }
        })
        .collect();
    // Unit noise in the model's eyes, as in the samplers that it was trained for.
    let initial_noise_scale = flow_level(most).alpha.hypot(flow_level(most).sigma);
    StepTable::new(
        steps,
        initial_noise_scale,
        diffusion.clip_sample,
        diffusion.prediction_type,
    )
}

fn flow_level(sigma: f64) -> NoiseLevel {
    NoiseLevel {
        alpha: 1.0 - sigma,
        sigma,
    }
}

/// `count` evenly spaced sigmas from `most` to `least`, then shifted towards the noisy end.
fn flow_sigmas(most: f64, least: f64, shift: f64, count: usize) -> Vec<f64> {
    spacing::linspace(most, least, count)
        .into_iter()
        .map(|sigma| shifted(sigma, shift))
        .collect()
}

/// How many steps the strength leaves out, as in `StableDiffusion3Img2ImgPipeline.get_timesteps`,
/// which rounds the other way than Stable Diffusion's and always leaves one.
fn skipped(request: &StepTableRequest, steps: usize) -> usize {
    let left = (steps as f64 * request.strength).min(steps as f64);
    ((steps as f64 - left) as usize).min(steps - 1)
}
