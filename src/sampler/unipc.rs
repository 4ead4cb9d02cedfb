//! UniPC (Zhao et al., arXiv 2302.04867): a multistep predictor, whose sample is corrected once the
//! model has answered for it.

use super::config::SchedulerClass;
use super::diffusion::Diffusion;
use super::euler::reads_sigma_min;
use super::multistep::{FinalSigma, Walk, lambda, order_of, runs_on_a_flow};
use super::step_table::{HISTORY, Next, NoiseLevel, Step, StepTable, StepTableRequest};
use super::{Sampler, SamplerError, SchedulerConfig, schedule};
use crate::protocol::{ScheduleChoices, SigmasChoice};

/// `unipc`: diffusers' `UniPCMultistepScheduler`, orders 1 to 3, of the denoised image.
pub(super) struct UniPc;

/// `solver_type`: the function B(h).
#[derive(Clone, Copy, PartialEq)]
enum SolverType {
    Bh1,
    Bh2,
}

impl Sampler for UniPc {
    fn name(&self) -> &'static str {
        "unipc"
    }

    fn schedule_choices(&self, config: &SchedulerConfig) -> ScheduleChoices {
        match runs_on_a_flow(config) {
            Ok(false) => ScheduleChoices {
                timestep_spacing: schedule::all_spacings(),
                sigmas: schedule::all_sigmas(),
                ..ScheduleChoices::NONE
            },
            // Of the spaced sigmas diffusers makes those of a flow of Karras' alone.
            Ok(true) => ScheduleChoices {
                sigmas: vec![SigmasChoice::Karras],
                largest_sigma: Some(schedule::LARGEST_FLOW_SIGMA),
                ..ScheduleChoices::NONE
            },
            Err(_) => ScheduleChoices::NONE,
        }
    }

    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        let class = SchedulerClass::UniPc;
        let diffusion = Diffusion::read(config, class)?;
        if !config.flag("predict_x0", true)? {
            return Err(SamplerError::config("predict_x0", "false", "true"));
        }
        let solver_type = config.choice(
            "solver_type",
            "bh2",
            // diffusers reads the types of other solvers as its own.
            &[
                ("bh2", SolverType::Bh2),
                ("bh1", SolverType::Bh1),
                ("midpoint", SolverType::Bh2),
                ("heun", SolverType::Bh2),
                ("logrho", SolverType::Bh2),
            ],
        )?;
        let solver_order = config.whole("solver_order", 2, 1..=3)?;
        let lower_order_final = config.flag("lower_order_final", true)?;
        let uncorrected = config.indices("disable_corrector")?;
        let last = match reads_sigma_min(config)? {
            true => FinalSigma::RunMin,
            false => FinalSigma::Zero,
        };
        let count = request.checked_steps(diffusion.num_train_timesteps)?;
        let skipped = request.skipped(count)?;
        let Walk { timesteps, levels } = Walk::new(config, &diffusion, request, class, last)?;
        let count = timesteps.len();
        let order_at = |i: usize| {
            let order = order_of(solver_order, i, [skipped, count], false, false);
            match lower_order_final {
                true => order.min(count - i),
                false => order,
            }
        };
        let prediction = diffusion.prediction_type;
        let steps = (skipped..count)
            .map(|i| {
                let pair = [levels[i], levels[i + 1]];
                let before = &levels[i + 1 - order_at(i)..i];
                // Nothing but the image is left where the noise ends: diffusers' higher orders have
                // no number there.
                let before = if pair[1].sigma == 0.0 { &[] } else { before };
                let corrects = i > skipped && !uncorrected.contains(&(i - 1));
                let correction = corrects.then(|| {
                    let before = &levels[i - order_at(i - 1)..i - 1];
                    corrected(solver_type, before, [levels[i - 1], levels[i]])
                });
                let next = predicted(solver_type, before, pair);
                Step {
                    correction,
                    ..Step::new(timesteps[i], prediction, pair, next)
                }
            })
            .collect();
        StepTable::new(steps, 1.0, None, prediction)
    }
}

/// `B(h)` and the right-hand side of the order conditions, up to `order` of them.
fn conditions(solver_type: SolverType, h: f64, order: usize) -> (f64, Vec<f64>) {
    let rise = (-h).exp_m1();
    let b = match solver_type {
        SolverType::Bh1 => -h,
        SolverType::Bh2 => rise,
    };
    let mut phi = rise / -h - 1.0;
    let mut factorial = 1.0;
    let mut right = Vec::with_capacity(order);
    for index in 1..=order {
        right.push(phi * factorial / b);
        factorial *= (index + 1) as f64;
        phi = phi / -h - 1.0 / factorial;
    }
    (b, right)
}

/// The distances of earlier levels, newest first, from the level that a step begins with, in steps.
fn distances(before: &[NoiseLevel], level: NoiseLevel, h: f64) -> Vec<f64> {
    let distance = |earlier: &NoiseLevel| (lambda(*earlier) - lambda(level)) / h;
    before.iter().rev().map(distance).collect()
}

/// From a level to the next, of one order more than there are levels `before`, oldest first
/// (`multistep_uni_p_bh_update`).
fn predicted(
    solver_type: SolverType,
    before: &[NoiseLevel],
    [level, next]: [NoiseLevel; 2],
) -> Next {
    let decay = (next.sigma * level.alpha) / (next.alpha * level.sigma);
    let mut factors = Next {
        pred_original_sample: next.alpha * (1.0 - decay),
        sample: next.sigma / level.sigma,
        ..Next::default()
    };
    if before.is_empty() {
        return factors;
    }
    let h = lambda(next) - lambda(level);
    let (b, right) = conditions(solver_type, h, before.len());
    let distances = distances(before, level, h);
    let weights = match before.len() {
        // The paper's shortcut for the second order, which diffusers takes.
        1 => vec![0.5],
        _ => solved(&distances, &right),
    };
    for ((factor, weight), distance) in factors.history.iter_mut().zip(weights).zip(distances) {
        let difference = -next.alpha * b * weight / distance;
        *factor += difference;
        factors.pred_original_sample -= difference;
    }
    factors
}

/// The sample at `level` again, from the one at the level before it and the model's answer, of one
/// order more than there are levels `before` both, oldest first (`multistep_uni_c_bh_update`).
fn corrected(
    solver_type: SolverType,
    before: &[NoiseLevel],
    [previous, level]: [NoiseLevel; 2],
) -> Next {
    let h = lambda(level) - lambda(previous);
    let rise = (-h).exp_m1();
    let order = before.len() + 1;
    let (b, right) = conditions(solver_type, h, order);
    let mut distances = distances(before, previous, h);
    distances.push(1.0);
    let weights = match order {
        1 => vec![0.5],
        _ => solved(&distances, &right),
    };
    let mut factors = Next {
        previous_sample: level.sigma / previous.sigma,
        ..Next::default()
    };
    factors.history[0] = -level.alpha * rise;
    for (index, (weight, distance)) in weights.iter().zip(&distances).enumerate() {
        let difference = -level.alpha * b * weight / distance;
        factors.history[0] -= difference;
        // The last distance is the model's answer for this very sample.
        match factors.history.get_mut(index + 1) {
            Some(factor) if index + 1 < order => *factor += difference,
            _ => factors.pred_original_sample += difference,
        }
    }
    factors
}

/// The weights whose products with the powers of `distances`, from the zeroth on, are `right`.
fn solved(distances: &[f64], right: &[f64]) -> Vec<f64> {
    let size = distances.len().min(HISTORY + 1);
    let mut rows: Vec<Vec<f64>> = (0..size)
        .map(|power| {
            let powers = distances.iter().map(|distance| distance.powi(power as i32));
            powers.chain([right[power]]).collect()
        })
        .collect();
    // Gauss's elimination; a Vandermonde matrix of different distances is never singular.
    for column in 0..size {
        let best = (column..size)
            .max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))
            .unwrap_or(column);
        rows.swap(column, best);
        let pivot = rows[column].clone();
        for (index, row) in rows.iter_mut().enumerate() {
            if index != column {
                let factor = row[column] / pivot[column];
                for (value, above) in row.iter_mut().zip(&pivot) {
                    *value -= factor * above;
                }
            }
        }
    }
    let solution = rows.iter().enumerate();
    solution
        .map(|(index, row)| row[size] / row[index])
        .collect()
}
