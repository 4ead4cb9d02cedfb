//! Which timesteps run, number for number as numpy computes them in diffusers' `set_timesteps`.

use super::diffusion::TimestepSpacing;
use super::{SamplerError, StepTableRequest};

/// `numpy.linspace(start, stop, count)`.
pub(super) fn linspace(start: f64, stop: f64, count: usize) -> Vec<f64> {
    if count == 1 {
        return vec![start];
    }
    let step = (stop - start) / (count - 1) as f64;
    let mut points: Vec<f64> = (0..count).map(|i| i as f64 * step + start).collect();
    if let Some(last) = points.last_mut() {
        *last = stop;
    }
    points
}

/// `numpy.arange(from, 0, -step).round() - 1`: the trailing timesteps, descending.
///
/// Where the division is inexact numpy goes one point too far and diffusers calls the model at
/// timestep −1; that point is left out here.
pub(super) fn trailing(from: f64, step: f64) -> Vec<f64> {
    // numpy takes the distance between the first two points, not the step itself, which decides
    // some roundings at exactly one half.
    let distance = (from - step) - from;
    (0..)
        .map(|i| (from + f64::from(i) * distance).round_ties_even() - 1.0)
        .take_while(|timestep| *timestep >= 0.0)
        .collect()
}

/// Descending timesteps of the schedulers that walk the training timesteps: whole numbers, but
/// for `fractional` (Euler) under linspace.
pub(super) fn timesteps(
    spacing: TimestepSpacing,
    train: usize,
    steps: usize,
    offset: usize,
    fractional: bool,
) -> Vec<f64> {
    match spacing {
        TimestepSpacing::Linspace => linspace(0.0, (train - 1) as f64, steps)
            .into_iter()
            .rev()
            .map(|timestep| {
                if fractional {
                    f64::from(timestep as f32)
                } else {
                    timestep.round_ties_even()
                }
            })
            .collect(),
        TimestepSpacing::Leading => (0..steps)
            .rev()
            .map(|i| (i * (train / steps) + offset) as f64)
            .collect(),
        TimestepSpacing::Trailing => trailing(train as f64, train as f64 / steps as f64),
    }
}

impl StepTableRequest {
    /// The number of steps, 1 to `most`.
    pub(super) fn checked_steps(&self, most: usize) -> Result<usize, SamplerError> {
        if let Some(eta) = self.eta.filter(|eta| !(0.0..=1.0).contains(eta)) {
            return Err(SamplerError::request("eta", eta, "a number from 0 to 1"));
        }
        if !(self.strength > 0.0 && self.strength <= 1.0) {
            let allowed = "a number above 0, up to 1";
            return Err(SamplerError::request("strength", self.strength, allowed));
        }
        let steps = self.schedule.listed_steps().unwrap_or(self.steps);
        let steps = usize::try_from(steps).unwrap_or(usize::MAX);
        if steps == 0 || steps > most {
            return Err(SamplerError::request(
                "steps",
                steps,
                format!("1 to {most}"),
            ));
        }
        Ok(steps)
    }

    /// How many of `steps` the strength leaves out at the noisy end, as in
    /// `StableDiffusionImg2ImgPipeline.get_timesteps`.
    pub(super) fn skipped(&self, steps: usize) -> Result<usize, SamplerError> {
        Ok(steps - self.left_of(steps)?)
    }

    /// `int(steps · strength)`, at least 1: where it would be less, that is refused or made 1 as asked.
    pub(super) fn left_of(&self, steps: usize) -> Result<usize, SamplerError> {
        let left = (steps as f64 * self.strength) as usize;
        if left == 0 && !self.keeps_a_step {
            let least = (10_000.0 / steps as f64).ceil() / 10_000.0;
            let allowed = format!("{least} to 1, which leaves at least one of {steps} steps");
            return Err(SamplerError::request("strength", self.strength, allowed));
        }
        Ok(left.clamp(1, steps))
    }
}

/// Refuses timesteps that the model was not trained on.
pub(super) fn check_trained(timesteps: &[f64], train: usize) -> Result<(), SamplerError> {
    if timesteps
        .iter()
        .any(|timestep| *timestep > (train - 1) as f64)
    {
        let allowed = format!(
            "fewer, so that `steps_offset` does not lead past the last of {train} training timesteps"
        );
        return Err(SamplerError::request("steps", timesteps.len(), allowed));
    }
    Ok(())
}
