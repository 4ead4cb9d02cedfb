//! DEIS (Zhang and Chen, arXiv 2204.13902): the noise, extrapolated as a polynomial in log ρ and
//! integrated exactly.

use super::config::SchedulerClass;
use super::diffusion::Diffusion;
use super::multistep::{FinalSigma, Walk, order_of, runs_on_a_flow};
use super::step_table::{Next, NoiseLevel, Prediction, Step, StepTable, StepTableRequest};
use super::{Sampler, SamplerError, SchedulerConfig, schedule};
use crate::protocol::ScheduleChoices;

/// `deis`: diffusers' `DEISMultistepScheduler`, orders 1 to 3.
pub(super) struct Deis;

impl Sampler for Deis {
    fn name(&self) -> &'static str {
        "deis"
    }

    fn schedule_choices(&self, config: &SchedulerConfig) -> ScheduleChoices {
        match runs_on_a_flow(config) {
            Ok(false) => ScheduleChoices {
                timestep_spacing: schedule::all_spacings(),
                sigmas: schedule::all_sigmas(),
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
        let class = SchedulerClass::Deis;
        let diffusion = Diffusion::read(config, class)?;
        // diffusers reads the types of other solvers as its own.
        let algorithms = [("deis", ()), ("dpmsolver", ()), ("dpmsolver++", ())];
        config.choice("algorithm_type", "deis", &algorithms)?;
        let solvers = ["logrho", "midpoint", "heun", "bh1", "bh2"].map(|name| (name, ()));
        config.choice("solver_type", "logrho", &solvers)?;
        let solver_order = config.whole("solver_order", 2, 1..=3)?;
        let lower_order_final = config.flag("lower_order_final", true)?;
        let count = request.checked_steps(diffusion.num_train_timesteps)?;
        let skipped = request.skipped(count)?;
        let Walk { timesteps, levels } =
            Walk::new(config, &diffusion, request, class, FinalSigma::RunMin)?;
        let count = timesteps.len();
        let lowers = lower_order_final && count < 15;
        let prediction = diffusion.prediction_type;
        let steps = (skipped..count)
            .map(|i| {
                let order = order_of(solver_order, i, [skipped, count], lowers, lowers);
                let kept = Prediction::noise(levels[i]);
                let pair = [levels[i], levels[i + 1]];
                let next = integrated(&levels[i + 1 - order..i], pair, kept);
                Step {
                    kept: Some(kept),
                    ..Step::new(timesteps[i], prediction, pair, next)
                }
            })
            .collect();
        StepTable::new(steps, 1.0, None, prediction)
    }
}

/// `x' = α'·(x/α + ∫ noise dρ)` with `ρ = σ/α`, of one order more than there are levels `before`,
/// oldest first.
fn integrated(before: &[NoiseLevel], [level, next]: [NoiseLevel; 2], kept: Prediction) -> Next {
    let rho = |level: &NoiseLevel| level.sigma / level.alpha;
    let (from, to) = (rho(&level), rho(&next));
    let mut factors = Next {
        sample: next.alpha / level.alpha,
        ..Next::default()
    };
    let mut known = vec![from];
    known.extend(before.iter().rev().map(rho));
    // Of each known value the integral of its Lagrange polynomial, which is 1 there and 0 at the
    // others.
    let weight = |index: usize| {
        let others: Vec<f64> = known
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, rho)| rho.ln())
            .collect();
        let own = known[index].ln();
        let integral = |rho: f64| match others[..] {
            [] => rho,
            [c] => rho * (rho.ln() - c - 1.0) / (own - c),
            [c, d, ..] => {
                let log = rho.ln();
                let value = log * log - (c + d + 2.0) * log + c * d + c + d + 2.0;
                rho * value / ((own - c) * (own - d))
            }
        };
        next.alpha * (integral(to) - integral(from))
    };
    for (index, factor) in factors.history.iter_mut().enumerate() {
        if index + 1 < known.len() {
            *factor = weight(index + 1);
        }
    }
    let own = weight(0);
    factors.with_prediction(own, kept)
}
