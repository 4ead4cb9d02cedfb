//! DPM-Solver and DPM-Solver++ (Lu et al., arXiv 2206.00927, 2211.01095): up to third order, from
//! the predictions of this step and of those before, as an ODE or an SDE.

use super::config::SchedulerClass;
use super::diffusion::Diffusion;
use super::euler::reads_sigma_min;
use super::multistep::{FinalSigma, Walk, lambda, order_of, runs_on_a_flow};
use super::step_table::{Next, NoiseLevel, Prediction, Step, StepTable, StepTableRequest};
use super::{Sampler, SamplerError, SchedulerConfig, schedule};
use crate::protocol::ScheduleChoices;

/// diffusers' `DPMSolverMultistepScheduler`: as the config has it, or in one of the variants that
/// people know by name.
pub(super) struct DpmSolver {
    pub name: &'static str,
    /// `algorithm_type`, whatever the config says.
    pub algorithm: Option<Algorithm>,
    /// `solver_order`, whatever the config says.
    pub order: Option<usize>,
}

/// `algorithm_type`: what is integrated, and whether noise is added on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// `dpmsolver++`: the denoised image.
    Data,
    /// `sde-dpmsolver++`: the denoised image, with fresh noise.
    DataSde,
    /// `dpmsolver`: the noise.
    Noise,
    /// `sde-dpmsolver`: the noise, with fresh noise.
    NoiseSde,
}

/// How the slope between two predictions enters.
#[derive(Clone, Copy, PartialEq)]
enum Correction {
    Midpoint,
    Heun,
}

/// The solver's own fields of the config.
pub(super) struct Solver {
    pub algorithm: Algorithm,
    correction: Correction,
}

impl Sampler for DpmSolver {
    fn name(&self) -> &'static str {
        self.name
    }

    fn schedule_choices(&self, config: &SchedulerConfig) -> ScheduleChoices {
        match runs_on_a_flow(config) {
            Ok(false) => ScheduleChoices {
                timestep_spacing: schedule::all_spacings(),
                sigmas: schedule::all_sigmas(),
                largest_timestep: schedule::largest_timestep(config),
                largest_sigma: None,
            },
            _ => ScheduleChoices::NONE,
        }
    }

    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        let class = SchedulerClass::DpmSolverMultistep;
        let diffusion = Diffusion::read(config, class)?;
        let solver = Solver::read(config, self.algorithm)?;
        let most_orders = match solver.algorithm {
            Algorithm::NoiseSde => 2,
            _ => 3,
        };
        let configured = config.whole("solver_order", 2, 1..=most_orders)?;
        let order = self.order.unwrap_or(configured);
        let to_sigma_min = reads_sigma_min(config)?;
        if solver.algorithm.is_of_noise() && !to_sigma_min {
            let allowed = "sigma_min with `algorithm_type` dpmsolver and sde-dpmsolver";
            return Err(SamplerError::config("final_sigmas_type", "zero", allowed));
        }
        let lower_order_final = config.flag("lower_order_final", true)?;
        let euler_at_final = config.flag("euler_at_final", false)?;
        let count = request.checked_steps(diffusion.num_train_timesteps)?;
        let skipped = request.skipped(count)?;
        let last = match to_sigma_min {
            true => FinalSigma::TableMin,
            false => FinalSigma::Zero,
        };
        let Walk { timesteps, levels } = Walk::new(config, &diffusion, request, class, last)?;
        let count = timesteps.len();
        let lowers = lower_order_final && count < 15;
        let prediction = diffusion.prediction_type;
        let steps = (skipped..count)
            .map(|i| {
                let ends_low = euler_at_final || lowers || !to_sigma_min;
                let order = order_of(order, i, [skipped, count], ends_low, lowers);
                let before = &levels[i + 1 - order..i];
                let pair = [levels[i], levels[i + 1]];
                let kept = solver.algorithm.kept(pair[0]);
                let next = solver.next(before, pair, kept);
                Step {
                    kept: Some(kept),
                    ..Step::new(timesteps[i], prediction, pair, next)
                }
            })
            .collect();
        StepTable::new(steps, 1.0, None, prediction)
    }
}

impl Algorithm {
    fn is_of_noise(self) -> bool {
        matches!(self, Self::Noise | Self::NoiseSde)
    }

    fn kept(self, level: NoiseLevel) -> Prediction {
        match self.is_of_noise() {
            true => Prediction::noise(level),
            false => Prediction::DATA,
        }
    }
}

impl Solver {
    /// Reads the config's fields; `algorithm` goes before `algorithm_type`.
    pub fn read(
        config: &SchedulerConfig,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, SamplerError> {
        let configured = config.choice(
            "algorithm_type",
            "dpmsolver++",
            &[
                ("dpmsolver++", Algorithm::Data),
                ("sde-dpmsolver++", Algorithm::DataSde),
                ("dpmsolver", Algorithm::Noise),
                ("sde-dpmsolver", Algorithm::NoiseSde),
                // Another solver's, which diffusers reads as its own default.
                ("deis", Algorithm::Data),
            ],
        )?;
        Ok(Self {
            algorithm: algorithm.unwrap_or(configured),
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
        })
    }

    /// From a level to the next, of one order more than there are levels `before`, oldest first.
    pub fn next(
        &self,
        before: &[NoiseLevel],
        [level, next]: [NoiseLevel; 2],
        kept: Prediction,
    ) -> Next {
        let h = lambda(next) - lambda(level);
        // e^(−h), without a detour through infinity at the last step.
        let decay = (next.sigma * level.alpha) / (next.alpha * level.sigma);
        let is_third_order = before.len() == 2;
        let halves = self.correction == Correction::Midpoint && !is_third_order;
        // Of the sample, the prediction, its first and its second difference, and fresh noise.
        let (sample, of_value, of_slope, of_curve, noise) = match self.algorithm {
            Algorithm::Data => {
                let rise = 1.0 - decay;
                (
                    next.sigma / level.sigma,
                    next.alpha * rise,
                    next.alpha * if halves { 0.5 * rise } else { 1.0 - rise / h },
                    -next.alpha * ((h - rise) / (h * h) - 0.5),
                    0.0,
                )
            }
            Algorithm::DataSde => {
                let (rise, h) = (1.0 - decay * decay, 2.0 * h);
                (
                    next.sigma / level.sigma * decay,
                    next.alpha * rise,
                    next.alpha * if halves { 0.5 * rise } else { 1.0 - rise / h },
                    // diffusers' sign of the half; k-diffusion's `sample_dpmpp_3m_sde` adds it.
                    next.alpha * ((rise - h) / (h * h) - 0.5),
                    next.sigma * rise.max(0.0).sqrt(),
                )
            }
            Algorithm::Noise | Algorithm::NoiseSde => {
                let twice = if self.algorithm == Algorithm::NoiseSde {
                    2.0
                } else {
                    1.0
                };
                let rise = 1.0 / decay - 1.0;
                (
                    next.alpha / level.alpha,
                    -twice * next.sigma * rise,
                    -twice * next.sigma * if halves { 0.5 * rise } else { rise / h - 1.0 },
                    -next.sigma * ((rise - h) / (h * h) - 0.5),
                    match self.algorithm {
                        Algorithm::NoiseSde => {
                            next.sigma * (1.0 / (decay * decay) - 1.0).max(0.0).sqrt()
                        }
                        _ => 0.0,
                    },
                )
            }
        };
        let mut own = of_value;
        let mut factors = Next {
            sample,
            noise,
            ..Next::default()
        };
        if let Some(&nearest) = before.last() {
            let r0 = (lambda(level) - lambda(nearest)) / h;
            // D1 = (m0 − m1)/r0, and with a third level what its slope adds.
            let mut first = of_slope / r0;
            if is_third_order {
                let r1 = (lambda(nearest) - lambda(before[0])) / h;
                let second = (of_slope * r0 + of_curve) / (r0 + r1);
                first += second / r0;
                factors.history[0] -= second / r1;
                factors.history[1] += second / r1;
            }
            own += first;
            factors.history[0] -= first;
        }
        factors.with_prediction(own, kept)
    }
}
