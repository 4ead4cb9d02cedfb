//! What the multistep solvers share: the walk of timesteps and levels, and the order of each step.

use super::diffusion::{Diffusion, TimestepSpacing};
use super::flow_shift::{FlowShift, shifted, stretch_to_terminal};
use super::sigmas::{self, SigmaSpacing};
use super::step_table::NoiseLevel;
use super::{
    PredictionType, SamplerError, SchedulerClass, SchedulerConfig, StepTableRequest, spacing,
};

/// The timesteps of a run before any strength, and its levels, of which there is one more.
pub(super) struct Walk {
    pub timesteps: Vec<f64>,
    pub levels: Vec<NoiseLevel>,
}

/// Where a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FinalSigma {
    /// At the image itself.
    Zero,
    /// At the least sigma of training.
    TableMin,
    /// At the least sigma of the run where sigmas are spaced, else at that of training.
    RunMin,
}

impl Walk {
    /// The walk of `class`, one of `DPMSolverMultistepScheduler`, `DEISMultistepScheduler` and
    /// `UniPCMultistepScheduler`, which differ in details, of the steps that are asked for.
    ///
    /// # Errors
    /// When a field of the config is out of range, or the timesteps were not trained.
    pub fn new(
        config: &SchedulerConfig,
        diffusion: &Diffusion,
        request: &StepTableRequest,
        class: SchedulerClass,
        last: FinalSigma,
    ) -> Result<Self, SamplerError> {
        let train = diffusion.num_train_timesteps;
        let count = request.checked_steps(train)?;
        let table = diffusion.sigmas();
        let (least, most) = (table[0], table[train - 1]);
        let is_dpm = class == SchedulerClass::DpmSolverMultistep;
        let sigma_spacing = SigmaSpacing::read(config, is_dpm)?;
        let flows = runs_on_a_flow(config)?;
        let bounds = match class {
            SchedulerClass::UniPc => [
                config.number("sigma_max", most, 0.0..=f64::MAX)?,
                config.number("sigma_min", least, 0.0..=f64::MAX)?,
            ],
            _ => [most, least],
        };
        let spaced = sigma_spacing.between(bounds[0], bounds[1], count);
        let is_spaced = spaced.is_some() || flows;
        let (timesteps, sigmas) = match (spaced, flows) {
            // Only UniPC spaces the sigmas of a flow, and takes them for those of a diffusion.
            (Some(sigmas), true) if class == SchedulerClass::UniPc => {
                let sigmas: Vec<f64> = sigmas.iter().map(|sigma| sigma / (sigma + 1.0)).collect();
                (flow_timesteps(&sigmas, train), sigmas)
            }
            (_, true) => {
                let sigmas = flow_sigmas(config, train, count, request, class)?;
                (flow_timesteps(&sigmas, train), sigmas)
            }
            (Some(sigmas), false) => {
                let rounds = match sigma_spacing {
                    SigmaSpacing::Karras | SigmaSpacing::Lu => !(is_dpm && diffusion.is_cosine),
                    _ => false,
                };
                let timesteps = sigmas.iter().map(|sigma| {
                    let timestep = sigmas::timestep_of(&table, *sigma);
                    match rounds {
                        true => timestep.round_ties_even(),
                        false => timestep.trunc(),
                    }
                });
                (timesteps.collect(), sigmas)
            }
            (None, false) => {
                let end = match is_dpm {
                    true => last_timestep(config, diffusion)?,
                    false => train,
                };
                let listed = request.listed_timesteps();
                let timesteps = listed.unwrap_or_else(|| solver_timesteps(diffusion, end, count));
                spacing::check_trained(&timesteps, train)?;
                let sigmas = timesteps
                    .iter()
                    .map(|timestep| sigmas::at(&table, *timestep))
                    .collect();
                (timesteps, sigmas)
            }
        };
        let last = match (last, sigmas.last()) {
            // A list says itself that it ends at 0.
            _ if request.listed_sigmas().is_some() => 0.0,
            (FinalSigma::Zero, _) => 0.0,
            (FinalSigma::RunMin, Some(sigma)) if is_spaced => *sigma,
            _ => least,
        };
        let levels = sigmas::rounded(sigmas.into_iter().chain([last]))
            .into_iter()
            .map(|sigma| level_of(sigma, flows))
            .collect();
        Ok(Self { timesteps, levels })
    }
}

/// Whether the samples are those of a flow: by what the model predicts, or as `use_flow_sigmas` says.
pub(super) fn runs_on_a_flow(config: &SchedulerConfig) -> Result<bool, SamplerError> {
    let predicts = config.prediction_type() == PredictionType::FlowPrediction;
    Ok(predicts || config.flag("use_flow_sigmas", false)?)
}

/// The order of step `index` of `count`, of which the first `skipped` do not run: no higher than
/// `solver_order`, than there are predictions, and, where a run ends with low orders, than the last
/// steps may have.
pub(super) fn order_of(
    solver_order: usize,
    index: usize,
    [skipped, count]: [usize; 2],
    is_last_first_order: bool,
    is_second_last_second_order: bool,
) -> usize {
    let order = solver_order.min(index - skipped + 1);
    match count - index {
        1 if is_last_first_order => 1,
        2 if is_second_last_second_order => order.min(2),
        _ => order,
    }
}

/// `λ`, the logarithm of the ratio of image to noise.
pub(super) fn lambda(level: NoiseLevel) -> f64 {
    (level.alpha / level.sigma).ln()
}

fn level_of(sigma: f64, flows: bool) -> NoiseLevel {
    if flows {
        return NoiseLevel {
            alpha: 1.0 - sigma,
            sigma,
        };
    }
    let alpha = 1.0 / sigma.hypot(1.0);
    NoiseLevel {
        alpha,
        sigma: sigma * alpha,
    }
}

fn flow_timesteps(sigmas: &[f64], train: usize) -> Vec<f64> {
    let timesteps = sigmas.iter().map(|sigma| (sigma * train as f64).trunc());
    timesteps.collect()
}

fn flow_sigmas(
    config: &SchedulerConfig,
    train: usize,
    count: usize,
    request: &StepTableRequest,
    class: SchedulerClass,
) -> Result<Vec<f64>, SamplerError> {
    /// diffusers keeps UniPC's first sigma this far from 1, whose λ is infinite.
    const FROM_ONE: f64 = 1e-6;
    let shift = match FlowShift::read(config, request.image_seq_len)? {
        FlowShift::Static(shift) => config.number("flow_shift", shift, 0.001..=1000.0)?,
        FlowShift::Dynamic(shift) => shift,
    };
    let points = spacing::linspace(1.0, 1.0 / train as f64, count + 1);
    let shifted = |sigma: f64| shifted(sigma, shift);
    if class == SchedulerClass::UniPc {
        let points = request.listed_sigmas().unwrap_or(points);
        let mut sigmas: Vec<f64> = points.into_iter().take(count).map(shifted).collect();
        stretch_to_terminal(config, &mut sigmas)?;
        if let Some(first) = sigmas.first_mut().filter(|first| 1.0 - **first < FROM_ONE) {
            *first -= FROM_ONE;
        }
        return Ok(sigmas);
    }
    let sigmas = points.into_iter().skip(1).map(|alpha| shifted(1.0 - alpha));
    Ok(sigmas.rev().collect())
}

/// Descending timesteps, of one point more than there are steps; `last` is one above the noisiest
/// timestep that may run.
fn solver_timesteps(diffusion: &Diffusion, last: usize, steps: usize) -> Vec<f64> {
    match diffusion.timestep_spacing {
        TimestepSpacing::Linspace => spacing::linspace(0.0, (last - 1) as f64, steps + 1)
            .into_iter()
            .skip(1)
            .rev()
            .map(f64::round_ties_even)
            .collect(),
        TimestepSpacing::Leading => (1..=steps)
            .rev()
            .map(|i| (i * (last / (steps + 1)) + diffusion.steps_offset) as f64)
            .collect(),
        TimestepSpacing::Trailing => {
            let train = diffusion.num_train_timesteps;
            spacing::trailing(last as f64, train as f64 / steps as f64)
        }
    }
}

/// One above the noisiest timestep whose log signal-to-noise is at least `lambda_min_clipped`:
/// cosine schedules end in timesteps that are too noisy to solve.
fn last_timestep(config: &SchedulerConfig, diffusion: &Diffusion) -> Result<usize, SamplerError> {
    let least = config.number("lambda_min_clipped", f64::NEG_INFINITY, -1e6..=1e6)?;
    let clipped = diffusion
        .sigmas()
        .into_iter()
        .filter(|sigma| -sigma.ln() < least)
        .count();
    let left = diffusion.num_train_timesteps - clipped;
    if left < 2 {
        let allowed = "a lower number: it leaves no timestep to run";
        return Err(SamplerError::config("lambda_min_clipped", least, allowed));
    }
    Ok(left)
}
