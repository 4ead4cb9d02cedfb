//! What a command is told of the denoising schedule.

use std::str::FromStr;

use clap::Args;
use serde::Serialize;

use super::Failure;
use crate::protocol::{Schedule, SigmasChoice, TimestepSpacingChoice};

/// Flags about the schedule.
#[derive(Clone, Debug, Args)]
pub struct ScheduleArgs {
    /// Where the sampler's timesteps lie: leading, linspace or trailing; default is as the model's
    /// scheduler says [default: what the model wants with its own sampler]
    #[arg(long, value_name = "NAME")]
    pub timestep_spacing: Option<TimestepSpacingChoice>,
    /// How the sampler's sigmas are spaced: karras, exponential or beta; or in place of --steps the
    /// sigmas themselves, descending to 0, with commas between: "14.6,3.9,1,0"; default is as the
    /// model's scheduler says [default: what the model wants with its own sampler]
    #[arg(long, value_name = "NAME_OR_LIST")]
    pub sigmas: Option<SigmasFlag>,
    /// In place of --steps the timesteps themselves, descending, with commas between: "999,599,199"
    #[arg(
        long, value_name = "LIST", value_delimiter = ',',
        conflicts_with_all = ["steps", "sigmas", "timestep_spacing"]
    )]
    pub timesteps: Option<Vec<u32>>,
}

/// How sigmas are spaced, or what they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
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
    /// The list that was given in place of a number of steps, where one was.
    ///
    /// # Errors
    /// One line, when flags do not go together.
    pub fn listed(&self, steps: Option<u32>) -> Result<Option<Schedule>, Failure> {
        match (&self.timesteps, &self.sigmas) {
            (Some(list), _) => Ok(Some(Schedule::Timesteps(list.clone()))),
            (None, Some(SigmasFlag::List(list))) => {
                match steps.is_none() && self.timestep_spacing.is_none() {
                    true => Ok(Some(Schedule::Sigmas(list.clone()))),
                    false => Err(Failure::usage(
                        "a list of --sigmas says what every step is: leave --steps and \
                         --timestep-spacing out",
                    )),
                }
            }
            (None, Some(SigmasFlag::Choice(_)) | None) => Ok(None),
        }
    }

    /// How steps are spaced where no list was given; `wanted` is what the model wants with the
    /// sampler, field by field, where nothing was asked for.
    pub fn spaced(&self, wanted: (TimestepSpacingChoice, SigmasChoice)) -> Schedule {
        let sigmas = match &self.sigmas {
            Some(SigmasFlag::Choice(sigmas)) => *sigmas,
            Some(SigmasFlag::List(_)) | None => wanted.1,
        };
        Schedule::Spaced {
            timestep_spacing: self.timestep_spacing.unwrap_or(wanted.0),
            sigmas,
        }
    }

    /// Whether anything but the scheduler's own was asked for.
    pub fn asks(&self) -> bool {
        let default = SigmasFlag::Choice(SigmasChoice::Default);
        self.timesteps.is_some()
            || self.timestep_spacing.unwrap_or_default() != TimestepSpacingChoice::Default
            || self.sigmas.as_ref().is_some_and(|asked| *asked != default)
    }
}

/// What `--json` says of a schedule: its fields as flags and requests call them, and nothing where it
/// is the scheduler's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ScheduleFacts {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestep_spacing: Option<TimestepSpacingChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sigmas: Option<SigmasFlag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timesteps: Option<Vec<u32>>,
}

impl From<&Schedule> for ScheduleFacts {
    fn from(schedule: &Schedule) -> Self {
        match schedule {
            Schedule::Spaced {
                timestep_spacing,
                sigmas,
            } => Self {
                timestep_spacing: Some(*timestep_spacing)
                    .filter(|spacing| *spacing != TimestepSpacingChoice::Default),
                sigmas: Some(*sigmas)
                    .filter(|sigmas| *sigmas != SigmasChoice::Default)
                    .map(SigmasFlag::Choice),
                timesteps: None,
            },
            Schedule::Timesteps(list) => Self {
                timesteps: Some(list.clone()),
                ..Self::default()
            },
            Schedule::Sigmas(list) => Self {
                sigmas: Some(SigmasFlag::List(list.clone())),
                ..Self::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

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
        let listed = flags.schedule.listed(flags.steps);
        let listed = listed.map_err(|failure| failure.to_string())?;
        Ok(listed.unwrap_or_else(|| flags.schedule.spaced(Default::default())))
    }

    #[test]
    fn what_the_model_wants_is_taken_field_by_field_where_nothing_is_asked_for() {
        let wanted = (TimestepSpacingChoice::Trailing, SigmasChoice::Karras);
        let spaced = |flags: &[&str]| {
            let flags = Flags::try_parse_from(["impasto"].iter().chain(flags)).unwrap();
            (flags.schedule.spaced(wanted), flags.schedule.asks())
        };
        let schedule = |timestep_spacing, sigmas| Schedule::Spaced {
            timestep_spacing,
            sigmas,
        };
        assert_eq!(spaced(&[]), (schedule(wanted.0, wanted.1), false));
        assert_eq!(
            spaced(&["--sigmas", "default"]),
            (schedule(wanted.0, SigmasChoice::Default), false)
        );
        assert_eq!(
            spaced(&["--timestep-spacing", "leading"]),
            (schedule(TimestepSpacingChoice::Leading, wanted.1), true)
        );
    }

    #[test]
    fn reports_name_a_schedule_that_is_not_the_default() {
        let told = |flags: &[&str]| {
            let schedule = schedule(flags).unwrap();
            serde_json::to_value(ScheduleFacts::from(&schedule)).unwrap()
        };
        assert_eq!(told(&["--steps", "4"]), json!({}));
        assert_eq!(
            told(&["--timestep-spacing", "trailing", "--sigmas", "beta"]),
            json!({"timestep_spacing": "trailing", "sigmas": "beta"})
        );
        assert_eq!(
            told(&["--timesteps", "999,1"]),
            json!({"timesteps": [999, 1]})
        );
        assert_eq!(
            told(&["--sigmas", "14.5,0"]),
            json!({"sigmas": [14.5, 0.0]})
        );
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
