//! Edit-friendly noise with shifted timesteps (TurboEdit of Deutch et al., arXiv 2408.00735; the
//! reference is `utils.py` and `run_configs/noise_shift_steps_4.yaml` of GiilDe/turbo-edit).
//!
//! The photo is noised once for each step, each time with noise of its own, and every step is told
//! a timestep that is one stride noisier than its sample is: few-step models blur and streak the
//! unusual noise that inversion leaves, and take the shifted timestep as a reason to smooth it.
//! With `u(x, prompt)` the mean of a DDPM step, `x` the edit's sample, `y` the photo's, and `y'`
//! the photo at the next noise level:
//!
//! ```text
//! z  = y' − u(y, source)                         what the model misses of the photo
//! k  = min(1, limit / ‖z‖)                       in the last step
//! x' = k·y' + (u(x, source) − k·u(y, source)) + 1.5·(u(x, target) − u(x, source))
//! y' = u(y, source) + k·z
//! ```
//!
//! Four steps of a model of 1000 timesteps run at 799, 599, 399 and 199, with samples noised as at
//! 599, 399 and 199, and the clean photo.

use super::ddpm::posterior_mean;
use super::diffusion::{Diffusion, TimestepSpacing};
use super::step_table::{NoiseLevel, Step, StepTable, StepTableRequest};
use super::{SamplerError, SchedulerConfig, spacing};

/// How strongly the target prompt pulls away from the source prompt (`ws1`).
pub const CROSS_PROMPT: f64 = 1.5;
/// The root mean square that the norm of 15.5 in the reference means for its latents of
/// 4 × 64 × 64: other sizes are held to the same.
const RESIDUAL_LIMIT: f64 = 15.5 / 128.0;

/// One step of an edit-friendly run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EditFriendlyStep {
    /// Timestep, denoised image and the mean of the DDPM step, as the model is told them.
    pub step: Step,
    /// How noisy the samples are that the step begins with: one stride less than the model is told.
    pub photo_level: NoiseLevel,
    /// How noisy those are that it leaves.
    pub next_photo_level: NoiseLevel,
    /// The largest root mean square of what the model misses of the photo; the last step has one.
    pub residual_limit: Option<f64>,
}

/// The steps of an edit-friendly run, and the clamp of denoised images where the config has one.
/// A strength below 1 leaves the noisiest of them out; eta means nothing here.
///
/// # Errors
/// When a field of the request or of the config is out of range.
pub fn edit_friendly_steps(
    config: &SchedulerConfig,
    request: &StepTableRequest,
) -> Result<(Vec<EditFriendlyStep>, Option<f64>), SamplerError> {
    let diffusion = Diffusion::read(config, config.class())?;
    diffusion.refuse_flow("edit-friendly")?;
    let train = diffusion.num_train_timesteps;
    let count = request.checked_steps(train / 2)?;
    let left = request.left_of(count)?;
    let grid = spacing::timesteps(TimestepSpacing::Trailing, train, count + 1, 0, false);
    let grid: Vec<i64> = grid.into_iter().map(|timestep| timestep as i64).collect();
    let stride = grid.first().zip(grid.get(1)).map_or(1, |(a, b)| a - b);
    let timesteps = grid.get(count + 1 - left..).unwrap_or_default();
    let photo_level = |index: usize| {
        let timestep = timesteps.get(index).map(|timestep| timestep - stride);
        let noisy = timestep.filter(|timestep| *timestep > 0);
        noisy.map_or(NoiseLevel::CLEAN, |timestep| diffusion.level(timestep))
    };
    let prediction = diffusion.prediction_type;
    let steps: Vec<Step> = timesteps
        .iter()
        .enumerate()
        .map(|(index, &timestep)| {
            let alpha = diffusion.alpha_cumprod(timestep);
            let next = timesteps.get(index + 1);
            let next_alpha = next.map_or(1.0, |next| diffusion.alpha_cumprod(*next));
            let level = NoiseLevel::from_alpha_cumprod(alpha);
            let next_level = NoiseLevel::from_alpha_cumprod(next_alpha);
            let next = posterior_mean(alpha, next_alpha);
            Step::new(timestep as f64, prediction, [level, next_level], next)
        })
        .collect();
    let step_table = StepTable::new(steps, 1.0, diffusion.clip_sample, prediction)?;
    let steps = step_table.steps.into_iter().enumerate();
    let steps = steps.map(|(index, step)| EditFriendlyStep {
        step,
        photo_level: photo_level(index),
        next_photo_level: photo_level(index + 1),
        residual_limit: (index + 1 == left).then_some(RESIDUAL_LIMIT),
    });
    Ok((steps.collect(), diffusion.clip_sample))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(steps: u32, strength: f64) -> Vec<EditFriendlyStep> {
        let config = r#"{"_class_name": "EulerAncestralDiscreteScheduler",
            "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
            "timestep_spacing": "trailing"}"#;
        let request = StepTableRequest {
            strength,
            ..StepTableRequest::new(steps)
        };
        let config = SchedulerConfig::from_json(config).unwrap();
        edit_friendly_steps(&config, &request).unwrap().0
    }

    fn timesteps(steps: &[EditFriendlyStep]) -> Vec<f64> {
        steps.iter().map(|step| step.step.timestep).collect()
    }

    #[test]
    fn four_steps_are_those_of_the_reference() {
        let four = steps(4, 1.0);
        assert_eq!(timesteps(&four), [799.0, 599.0, 399.0, 199.0]);
        for (first, second) in four.iter().zip(&four[1..]) {
            // The sample of a step is as noisy as the next step is told that its own is.
            assert_eq!(first.photo_level, second.step.level);
            assert_eq!(first.next_photo_level, second.photo_level);
            assert_eq!(first.residual_limit, None);
        }
        assert_eq!(four[3].photo_level, NoiseLevel::CLEAN);
        assert_eq!(four[3].next_photo_level, NoiseLevel::CLEAN);
        assert!((four[3].residual_limit.unwrap() * 16384f64.sqrt() - 15.5).abs() < 1e-12);
        // The last mean is the denoised image itself.
        assert!((four[3].step.next.pred_original_sample - 1.0).abs() < 1e-12);
        assert_eq!(four[3].step.next.sample, 0.0);
        assert_eq!(timesteps(&steps(3, 1.0)), [749.0, 499.0, 249.0]);
        assert_eq!(timesteps(&steps(1, 1.0)), [499.0]);
    }

    #[test]
    fn strength_leaves_the_noisiest_steps_out() {
        let half = steps(4, 0.5);
        assert_eq!(timesteps(&half), [399.0, 199.0]);
        assert_eq!(half[0].photo_level, half[1].step.level);
    }
}
