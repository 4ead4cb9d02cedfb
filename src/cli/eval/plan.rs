//! What is painted: which samplers, at which numbers of steps.

use std::collections::BTreeSet;

use super::EvalArgs;
use super::report::Refusal;
use super::schedules::Schedules;
use crate::sampler::{
    SamplerError, SchedulerConfig, StepTableRequest, sampler_by_name, sampler_names, samplers_for,
};

/// The sampler that turns pictures into noise. Its row is a round trip.
pub const INVERSE: &str = "ddim-inverse";
/// The sampler that brings its noise back, and paints what it is given.
pub const BACK: &str = "ddim";

/// Samplers and steps that this model's scheduler can do, and those that it cannot.
pub struct Plan {
    /// Ascending numbers of steps, each with its samplers.
    pub columns: Vec<(u32, Vec<&'static str>)>,
    /// What was asked for and cannot be done.
    pub refused: Vec<Refusal>,
}

impl Plan {
    /// Asks the samplers for their step tables: those that were asked for, or all that the model has.
    ///
    /// # Errors
    /// When a sampler is unknown, or nothing is left to paint.
    pub fn new(
        args: &EvalArgs,
        scheduler: &SchedulerConfig,
        schedules: &Schedules,
    ) -> Result<Self, SamplerError> {
        let mut steps = args.steps.clone();
        steps.sort_unstable();
        steps.dedup();
        let mut plan = Self {
            columns: Vec::new(),
            refused: Vec::new(),
        };
        let own: Vec<&str> = samplers_for(scheduler).chain([INVERSE]).collect();
        let mut last_error = None;
        for steps in steps {
            let mut possible = Vec::new();
            for name in sampler_names().filter(|name| match args.samplers.is_empty() {
                true => own.contains(name),
                false => args.samplers.iter().any(|asked| asked == name),
            }) {
                let request = StepTableRequest {
                    schedule: schedules.get(name),
                    ..StepTableRequest::new(steps)
                };
                match sampler_by_name(name)?.step_table(scheduler, &request) {
                    Ok(_) => possible.push(name),
                    Err(error) => {
                        plan.refused.push(Refusal {
                            sampler: name,
                            steps,
                            reason: error.to_string(),
                        });
                        last_error = Some(error);
                    }
                }
            }
            if !possible.is_empty() {
                plan.columns.push((steps, possible));
            }
        }
        match last_error {
            Some(error) if plan.columns.is_empty() => Err(error),
            _ => Ok(plan),
        }
    }

    /// All samplers that paint.
    pub fn samplers(&self) -> BTreeSet<&'static str> {
        let columns = self.columns.iter();
        columns
            .flat_map(|(_, names)| names.iter().copied())
            .collect()
    }

    /// The largest number of steps.
    pub fn most_steps(&self) -> u32 {
        self.columns.last().map_or(1, |(steps, _)| *steps)
    }

    /// Whether pictures are inverted.
    pub fn inverts(&self) -> bool {
        self.columns
            .iter()
            .any(|(_, samplers)| samplers.contains(&INVERSE))
    }

    /// Steps of the network for each prompt and seed, for the progress bar.
    pub fn steps_for_each(&self) -> u64 {
        let columns: u64 = self
            .columns
            .iter()
            .flat_map(|(steps, samplers)| samplers.iter().map(|name| (*steps, *name)))
            .map(|(steps, name)| u64::from(steps) * if name == INVERSE { 2 } else { 1 })
            .sum();
        columns
            + if self.inverts() {
                self.most_steps().into()
            } else {
                0
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Schedule;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        args: EvalArgs,
    }

    fn plan(flags: &[&str]) -> Result<Plan, SamplerError> {
        let usual = ["eval", "--prompts", "p", "--out", "o"];
        let flags = Flags::try_parse_from(usual.iter().chain(flags)).unwrap();
        let scheduler = SchedulerConfig::from_json(
            r#"{"_class_name": "LCMScheduler", "beta_schedule": "scaled_linear"}"#,
        )
        .unwrap();
        let asked = Schedule::Spaced {
            timestep_spacing: flags.args.timestep_spacing.unwrap_or_default(),
            sigmas: flags.args.sigmas.unwrap_or_default(),
        };
        Plan::new(&flags.args, &scheduler, &Schedules::all(&asked))
    }

    #[test]
    fn all_samplers_at_six_numbers_of_steps() {
        let plan = plan(&[]).unwrap();
        let steps: Vec<u32> = plan.columns.iter().map(|(steps, _)| *steps).collect();
        assert_eq!(steps, [1, 2, 4, 8, 25, 50]);
        assert!(plan.columns.iter().all(|(_, names)| names.len() == 15));
        assert!(plan.refused.is_empty() && plan.inverts());
        // Fifteen samplers, one of which goes there and back, and its source.
        assert_eq!(plan.steps_for_each(), 90 * 16 + 50);
    }

    #[test]
    fn what_a_sampler_cannot_do_is_noted_and_the_rest_painted() {
        let plan = plan(&["--samplers", "lcm,ddim", "--steps", "100,2,2"]).unwrap();
        assert_eq!(
            plan.columns,
            [(2, vec!["lcm", "ddim"]), (100, vec!["ddim"])]
        );
        assert_eq!(plan.refused.len(), 1);
        assert_eq!(
            (plan.refused[0].sampler, plan.refused[0].steps),
            ("lcm", 100)
        );
        assert!(!plan.inverts());
    }

    #[test]
    fn samplers_that_cannot_have_the_schedule_are_noted() {
        let flags = [
            "--sigmas",
            "karras",
            "--timestep-spacing",
            "trailing",
            "--steps",
            "4",
        ];
        let plan = plan(&flags).unwrap();
        let solvers = [
            "euler",
            "dpm-solver++",
            "dpm-solver++-sde",
            "dpm-solver++-3m",
            "unipc",
            "deis",
        ];
        assert_eq!(plan.columns, [(4, solvers.to_vec())]);
        let lcm = plan.refused.iter().find(|refused| refused.sampler == "lcm");
        assert!(lcm.unwrap().reason.contains("trailing"));
    }

    #[test]
    fn nothing_to_paint_is_an_error() {
        assert!(plan(&["--samplers", "lcm", "--steps", "100"]).is_err());
    }
}
