//! What a command is told of the denoising schedule.

use std::str::FromStr;

use clap::Args;

use super::Failure;
use crate::protocol::{Schedule, SigmasChoice, TimestepSpacingChoice};

/// Flags about the schedule.
#[derive(Clone, Debug, Args)]
pub struct ScheduleArgs {
    /// Where the sampler's timesteps lie: leading, linspace or trailing; default is as the model's
    /// scheduler says
    #[arg(long, value_name = "NAME", default_value_t = TimestepSpacingChoice::Default)]
    pub timestep_spacing: TimestepSpacingChoice,
    /// How the sampler's sigmas are spaced: karras, exponential or beta; or in place of --steps the
    /// sigmas themselves, descending to 0, with commas between: "14.6,3.9,1,0"; default is as the
    /// model's scheduler says
    #[arg(long, value_name = "NAME_OR_LIST", default_value = SigmasChoice::Default.name())]
    pub sigmas: SigmasFlag,
    /// In place of --steps the timesteps themselves, descending, with commas between: "999,599,199"
    #[arg(
        long, value_name = "LIST", value_delimiter = ',',
        conflicts_with_all = ["steps", "sigmas", "timestep_spacing"]
    )]
    pub timesteps: Option<Vec<u32>>,
}

/// How sigmas are spaced, or what they are.
#[derive(Clone, Debug, PartialEq)]
pub enum SigmasFlag {
    /// By its name.
    Choice(SigmasChoice),
    /// One for each step, and 0.
    List(Vec<f64>),
}

impl FromStr for SigmasFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split(',').map(|part| part.trim().parse().ok());
        match numbers.collect::<Option<Vec<f64>>>() {
            Some(list) => Ok(Self::List(list)),
            None => text.parse().map(Self::Choice).map_err(|refused| {
                format!("{refused}, or numbers that descend to 0, with commas between")
            }),
        }
    }
}

impl ScheduleArgs {
    /// The schedule that was asked for, beside a number of steps.
    ///
    /// # Errors
    /// One line, when flags do not go together.
    pub fn schedule(&self, steps: Option<u32>) -> Result<Schedule, Failure> {
        let timestep_spacing = self.timestep_spacing;
        match (&self.timesteps, &self.sigmas) {
            (Some(list), _) => Ok(Schedule::Timesteps(list.clone())),
            (None, SigmasFlag::Choice(sigmas)) => Ok(Schedule::Spaced {
                timestep_spacing,
                sigmas: *sigmas,
            }),
            (None, SigmasFlag::List(list)) => {
                let is_alone =
                    steps.is_none() && timestep_spacing == TimestepSpacingChoice::Default;
                match is_alone {
                    true => Ok(Schedule::Sigmas(list.clone())),
                    false => Err(Failure::usage(
                        "a list of --sigmas says what every step is: leave --steps and \
                         --timestep-spacing out",
                    )),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[arg(long)]
        steps: Option<u32>,
        #[command(flatten)]
        schedule: ScheduleArgs,
    }

    fn schedule(flags: &[&str]) -> Result<Schedule, String> {
        let flags = Flags::try_parse_from(["impasto"].iter().chain(flags));
        let flags = flags.map_err(|error| error.to_string())?;
        let schedule = flags.schedule.schedule(flags.steps);
        schedule.map_err(|failure| failure.to_string())
    }

    #[test]
    fn flags_say_the_schedule() {
        assert_eq!(schedule(&["--steps", "4"]).unwrap(), Schedule::default());
        assert_eq!(
            schedule(&[
                "--steps",
                "4",
                "--timestep-spacing",
                "trailing",
                "--sigmas",
                "beta"
            ]),
            Ok(Schedule::Spaced {
                timestep_spacing: TimestepSpacingChoice::Trailing,
                sigmas: SigmasChoice::Beta,
            })
        );
        assert_eq!(
            schedule(&["--timesteps", "999,599,199"]),
            Ok(Schedule::Timesteps(vec![999, 599, 199]))
        );
        assert_eq!(
            schedule(&["--sigmas", "14.6, 1,0"]),
            Ok(Schedule::Sigmas(vec![14.6, 1.0, 0.0]))
        );
    }

    #[test]
    fn flags_that_do_not_go_together_are_refused() {
        for (flags, word) in [
            (&["--steps", "4", "--timesteps", "999"][..], "--steps"),
            (&["--sigmas", "karras", "--timesteps", "999"], "--sigmas"),
            (&["--steps", "4", "--sigmas", "14.6,0"], "--steps"),
            (
                &["--timestep-spacing", "leading", "--sigmas", "14.6,0"],
                "--timestep-spacing",
            ),
            (&["--sigmas", "cosine"], "karras, exponential, beta"),
            (&["--sigmas", "14.6,much"], "descend to 0"),
            (
                &["--timestep-spacing", "even"],
                "default, leading, linspace, trailing",
            ),
            (&["--timesteps", "999,-1"], "-1"),
        ] {
            let error = schedule(flags).unwrap_err();
            assert!(error.contains(word), "{flags:?}: {error}");
        }
    }
}
