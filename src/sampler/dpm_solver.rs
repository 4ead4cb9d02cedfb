//! DPM-Solver++ 2M (Lu et al., arXiv 2211.01095): second order, from the denoised images of this
//! step and the one before.

use super::config::SchedulerClass;
use super::diffusion::Diffusion;
use super::euler::reads_sigma_min;
use super::sigmas::{self, SigmaSpacing};
use super::timetable::{Denoised, Next, NoiseLevel, Step, Timetable, TimetableRequest};
use super::{PredictionType, Sampler, SamplerError, SchedulerConfig, spacing};

/// `dpm-solver++`: diffusers' `DPMSolverMultistepScheduler`, orders 1 and 2, as an ODE or an SDE.
pub(super) struct DpmSolver;

/// How the slope between two denoised images enters.
#[derive(Clone, Copy, PartialEq)]
enum Correction {
    Midpoint,
    Heun,
}

/// The solver's own fields of the config.
struct Solver {
    second_order: bool,
    correction: Correction,
    /// Fresh noise at each step (`sde-dpmsolver++`).
    stochastic: bool,
}

impl Sampler for DpmSolver {
    fn name(&self) -> &'static str {
        "dpm-solver++"
    }

    fn timetable(
        &self,
        config: &SchedulerConfig,
        request: &TimetableRequest,
    ) -> Result<Timetable, SamplerError> {
        let diffusion = Diffusion::read(config, SchedulerClass::DpmSolverMultistep)?;
        let solver = Solver::read(config)?;
        let to_sigma_min = reads_sigma_min(config)?;
        let lower_order_final = config.flag("lower_order_final", true)?;
        let euler_at_final = config.flag("euler_at_final", false)?;
        let count = request.checked_steps(diffusion.num_train_timesteps)?;
        let skipped = request.skipped(count)?;
        let (timesteps, levels) = walk(config, &diffusion, count, to_sigma_min)?;
        let last = timesteps.len().saturating_sub(1);
        let first_order_at_end =
            euler_at_final || (lower_order_final && timesteps.len() < 15) || !to_sigma_min;
        let prediction = diffusion.prediction_type;
        let steps = (skipped..timesteps.len())
            .map(|i| {
                let (level, next_level) = (levels[i], levels[i + 1]);
                let has_history = i > skipped && solver.second_order;
                let before =
                    (has_history && !(i == last && first_order_at_end)).then(|| levels[i - 1]);
                Step {
                    timestep: timesteps[i],
                    input_scale: 1.0,
                    denoised: Denoised::new(prediction, level),
                    next: solver.next(before, level, next_level),
                    level,
                    next_level,
                }
            })
            .collect();
        Timetable::new(steps, 1.0, None, prediction)
    }
}

impl Solver {
    fn read(config: &SchedulerConfig) -> Result<Self, SamplerError> {
        Ok(Self {
            second_order: config.whole("solver_order", 2, 1..=2)? == 2,
            correction: config.choice(
                "solver_type",
                "midpoint",
                // diffusers reads the last three, other solvers' types, as midpoint.
                &[
                    ("midpoint", Correction::Midpoint),
                    ("heun", Correction::Heun),
                    ("logrho", Correction::Midpoint),
                    ("bh1", Correction::Midpoint),
                    ("bh2", Correction::Midpoint),
                ],
            )?,
            stochastic: config.choice(
                "algorithm_type",
                "dpmsolver++",
                &[
                    ("dpmsolver++", false),
                    ("sde-dpmsolver++", true),
                    ("deis", false),
                ],
            )?,
        })
    }

    /// From a level to the next; of first order unless the level before is given.
    fn next(&self, before: Option<NoiseLevel>, level: NoiseLevel, next: NoiseLevel) -> Next {
        let lambda = |level: NoiseLevel| (level.signal / level.noise).ln();
        let h = lambda(next) - lambda(level);
        // e^(−h), and for the SDE e^(−2h), without a detour through infinity at the last step.
        let decay = (next.noise * level.signal) / (next.signal * level.noise);
        let decay = if self.stochastic {
            decay * decay
        } else {
            decay
        };
        let span = if self.stochastic { 2.0 * h } else { h };
        let kept = next.noise / level.noise;
        let mut factors = Next {
            denoised: next.signal * (1.0 - decay),
            sample: if self.stochastic {
                kept * decay.sqrt()
            } else {
                kept
            },
            noise: if self.stochastic {
                next.noise * (1.0 - decay).max(0.0).sqrt()
            } else {
                0.0
            },
            ..Next::default()
        };
        if let Some(before) = before {
            let slope = match self.correction {
                Correction::Midpoint => 0.5 * (1.0 - decay),
                Correction::Heun => (decay - 1.0) / span + 1.0,
            };
            let ratio = h / (lambda(level) - lambda(before));
            let correction = next.signal * slope * ratio;
            factors.denoised += correction;
            factors.previous_denoised = -correction;
        }
        factors
    }
}

/// The timesteps of a run and its levels, of which there is one more.
fn walk(
    config: &SchedulerConfig,
    diffusion: &Diffusion,
    count: usize,
    to_sigma_min: bool,
) -> Result<(Vec<f64>, Vec<NoiseLevel>), SamplerError> {
    let train = diffusion.num_train_timesteps;
    let table = diffusion.sigmas();
    let last = if to_sigma_min { table[0] } else { 0.0 };
    let flows = diffusion.prediction_type == PredictionType::FlowPrediction
        || config.flag("use_flow_sigmas", false)?;
    if flows {
        let shift = config.number("shift", 1.0, 0.001..=1000.0)?;
        let shift = config.number("flow_shift", shift, 0.001..=1000.0)?;
        let sigmas: Vec<f64> = spacing::linspace(1.0, 1.0 / train as f64, count + 1)
            .into_iter()
            .skip(1)
            .map(|alpha| 1.0 - alpha)
            .map(|sigma| shift * sigma / (1.0 + (shift - 1.0) * sigma))
            .rev()
            .collect();
        let timesteps = sigmas
            .iter()
            .map(|sigma| (sigma * train as f64).trunc())
            .collect();
        let levels = sigmas::rounded(sigmas.into_iter().chain([last]))
            .into_iter()
            .map(|sigma| NoiseLevel {
                signal: 1.0 - sigma,
                noise: sigma,
            })
            .collect();
        return Ok((timesteps, levels));
    }

    let sigma_spacing = SigmaSpacing::read(config, true)?;
    let (least, most) = (table[0], table[train - 1]);
    let (timesteps, sigmas) = match sigma_spacing.between(most, least, count) {
        Some(sigmas) => {
            let timesteps = sigmas
                .iter()
                .map(|sigma| sigmas::timestep_of(&table, *sigma))
                .map(|timestep| {
                    let rounds = sigma_spacing != SigmaSpacing::Exponential && !diffusion.is_cosine;
                    if rounds {
                        timestep.round_ties_even()
                    } else {
                        timestep.trunc()
                    }
                })
                .collect();
            (timesteps, sigmas)
        }
        None => {
            let end = last_timestep(config, diffusion)?;
            let timesteps = spacing::solver_timesteps(
                diffusion.timestep_spacing,
                train,
                end,
                count,
                diffusion.steps_offset,
            );
            spacing::check_trained(&timesteps, train)?;
            let sigmas = timesteps
                .iter()
                .map(|timestep| sigmas::at(&table, *timestep))
                .collect();
            (timesteps, sigmas)
        }
    };
    let levels = sigmas::rounded(sigmas.into_iter().chain([last]))
        .into_iter()
        .map(|sigma| {
            let signal = 1.0 / sigma.hypot(1.0);
            NoiseLevel {
                signal,
                noise: sigma * signal,
            }
        })
        .collect();
    Ok((timesteps, levels))
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
