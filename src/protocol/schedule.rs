//! The denoising schedule: which timesteps and sigmas the steps of a picture have.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Where the timesteps of a run lie among those of training: diffusers' `timestep_spacing`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(rename_all = "lowercase")]
pub enum TimestepSpacingChoice {
    /// As the model's scheduler says.
    #[default]
    Default,
    /// From the first training timestep on, at even distances.
    Leading,
    /// Evenly from the first training timestep to the last.
    Linspace,
    /// From the last training timestep back, at even distances.
    Trailing,
}

/// How the sigmas of a run are spaced: diffusers' `use_karras_sigmas`, `use_exponential_sigmas` and
/// `use_beta_sigmas`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(rename_all = "lowercase")]
pub enum SigmasChoice {
    /// As the model's scheduler says.
    #[default]
    Default,
    /// Even in `σ^(1/7)` (Karras et al., arXiv 2206.00364).
    Karras,
    /// Even in log σ.
    Exponential,
    /// At the quantiles of a beta distribution (arXiv 2407.12173).
    Beta,
}

/// What a schedule cannot be, and what it can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` cannot be {value}; use {allowed}")]
pub struct ScheduleRefusal {
    /// The field, as on the wire.
    pub field: &'static str,
    /// What it was.
    pub value: String,
    /// What it may be.
    pub allowed: String,
}

impl TimestepSpacingChoice {
    /// The field on the wire.
    pub const FIELD: &'static str = "timestep_spacing";
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Default, Self::Leading, Self::Linspace, Self::Trailing];

    /// The name on the wire and on the command line; but for `default` diffusers' own.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Leading => "leading",
            Self::Linspace => "linspace",
            Self::Trailing => "trailing",
        }
    }
}

impl SigmasChoice {
    /// The field on the wire.
    pub const FIELD: &'static str = "sigmas";
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Default, Self::Karras, Self::Exponential, Self::Beta];

    /// The name on the wire and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Karras => "karras",
            Self::Exponential => "exponential",
            Self::Beta => "beta",
        }
    }
}

/// What both choices have in common: names on the command line, and whether one is to be had.
macro_rules! named_choice {
    ($choice:ty) => {
        impl $choice {
            /// Refuses a choice that is not among `possible`; the default always is.
            fn check(self, sampler: &str, possible: &[Self]) -> Result<(), ScheduleRefusal> {
                if self == Self::Default || possible.contains(&self) {
                    return Ok(());
                }
                let mut names = vec![Self::Default.name()];
                names.extend(possible.iter().map(|choice| choice.name()));
                Err(ScheduleRefusal {
                    field: Self::FIELD,
                    value: format!("{self} with the sampler {sampler}"),
                    allowed: format!("{} with it, or another sampler", names.join(", ")),
                })
            }
        }

        impl Display for $choice {
            fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.name())
            }
        }

        impl FromStr for $choice {
            type Err = ScheduleRefusal;

            fn from_str(name: &str) -> Result<Self, ScheduleRefusal> {
                let found = Self::ALL.into_iter().find(|choice| choice.name() == name);
                found.ok_or_else(|| ScheduleRefusal {
                    field: Self::FIELD,
                    value: name.to_owned(),
                    allowed: Self::ALL.map(Self::name).join(", "),
                })
            }
        }
    };
}

named_choice!(TimestepSpacingChoice);
named_choice!(SigmasChoice);

/// What of the schedule can be chosen with a sampler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct ScheduleChoices {
    /// Spacings of timesteps, beside `default`.
    pub timestep_spacing: Vec<TimestepSpacingChoice>,
    /// Spacings of sigmas, beside `default`.
    pub sigmas: Vec<SigmasChoice>,
    /// The largest that a list of `timesteps` may begin with; left out where the sampler takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub largest_timestep: Option<u32>,
    /// The largest that a list of `sigmas` may begin with; left out where the sampler takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub largest_sigma: Option<f64>,
}

impl ScheduleChoices {
    /// Nothing: the sampler has a schedule of its own.
    pub const NONE: Self = Self {
        timestep_spacing: Vec::new(),
        sigmas: Vec::new(),
        largest_timestep: None,
        largest_sigma: None,
    };

    /// What of two choices the sampler can have; the scheduler's own for the rest.
    pub fn possible(
        &self,
        timestep_spacing: TimestepSpacingChoice,
        sigmas: SigmasChoice,
    ) -> Schedule {
        let spacing = Some(timestep_spacing).filter(|own| self.timestep_spacing.contains(own));
        let sigmas = Some(sigmas).filter(|own| self.sigmas.contains(own));
        Schedule::Spaced {
            timestep_spacing: spacing.unwrap_or_default(),
            sigmas: sigmas.unwrap_or_default(),
        }
    }
}

/// The schedule that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// As many steps as are asked for, spaced.
    Spaced {
        /// Where their timesteps lie.
        timestep_spacing: TimestepSpacingChoice,
        /// How their sigmas are spaced.
        sigmas: SigmasChoice,
    },
    /// A descending timestep for each step: `set_timesteps(timesteps=…)` of diffusers.
    Timesteps(Vec<u32>),
    /// A descending sigma for each step, and 0, where the last one leads:
    /// `set_timesteps(sigmas=…)` of diffusers. Flow models' schedulers shift them; in diffusers their
    /// lists lack the 0.
    Sigmas(Vec<f64>),
}

impl Default for Schedule {
    /// The scheduler's own.
    fn default() -> Self {
        Self::Spaced {
            timestep_spacing: TimestepSpacingChoice::Default,
            sigmas: SigmasChoice::Default,
        }
    }
}

impl Schedule {
    /// How its sigmas are spaced; of a list nobody spaces them.
    pub fn sigmas(&self) -> SigmasChoice {
        match self {
            Self::Spaced { sigmas, .. } => *sigmas,
            Self::Timesteps(_) | Self::Sigmas(_) => SigmasChoice::Default,
        }
    }

    /// How many steps a list has; none where steps are spaced.
    pub fn listed_steps(&self) -> Option<u32> {
        let count = match self {
            Self::Spaced { .. } => return None,
            Self::Timesteps(timesteps) => timesteps.len(),
            Self::Sigmas(sigmas) => sigmas.len().saturating_sub(1),
        };
        Some(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Checks that a sampler with these choices can have it.
    ///
    /// # Errors
    /// What of it the sampler cannot have, and what it can.
    pub fn check(&self, sampler: &str, choices: &ScheduleChoices) -> Result<(), ScheduleRefusal> {
        match self {
            Self::Spaced {
                timestep_spacing,
                sigmas,
            } => {
                timestep_spacing.check(sampler, &choices.timestep_spacing)?;
                sigmas.check(sampler, &choices.sigmas)
            }
            Self::Timesteps(list) => {
                let most = choices
                    .largest_timestep
                    .ok_or_else(|| no_list("timesteps", sampler))?;
                let allowed = format!("whole numbers that descend from {most} or less");
                let begins = list.first().is_some_and(|first| *first <= most);
                check_list("timesteps", begins && descends(list), allowed)
            }
            Self::Sigmas(list) => {
                let most = choices
                    .largest_sigma
                    .ok_or_else(|| no_list(SigmasChoice::FIELD, sampler))?;
                let allowed = format!("numbers that descend from {most} or less, the last being 0");
                let begins = list.first().is_some_and(|first| *first <= most);
                let ends = list.len() > 1 && list.last() == Some(&0.0);
                check_list(
                    SigmasChoice::FIELD,
                    begins && ends && descends(list),
                    allowed,
                )
            }
        }
    }
}

/// A NaN is below nothing.
fn descends<T: PartialOrd>(list: &[T]) -> bool {
    list.windows(2).all(|pair| pair[1] < pair[0])
}

fn no_list(field: &'static str, sampler: &str) -> ScheduleRefusal {
    ScheduleRefusal {
        field,
        value: format!("a list with the sampler {sampler}"),
        allowed: "`steps` with it, or another sampler".to_owned(),
    }
}

fn check_list(field: &'static str, fits: bool, allowed: String) -> Result<(), ScheduleRefusal> {
    match fits {
        true => Ok(()),
        false => Err(ScheduleRefusal {
            field,
            value: "this list".to_owned(),
            allowed,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaced(timestep_spacing: &str, sigmas: &str) -> Schedule {
        Schedule::Spaced {
            timestep_spacing: timestep_spacing.parse().unwrap(),
            sigmas: sigmas.parse().unwrap(),
        }
    }

    fn choices() -> ScheduleChoices {
        ScheduleChoices {
            timestep_spacing: vec![TimestepSpacingChoice::Trailing],
            sigmas: vec![SigmasChoice::Karras],
            largest_timestep: Some(999),
            largest_sigma: Some(20.0),
        }
    }

    #[test]
    fn names_are_read_as_they_are_written_and_on_the_wire() {
        for choice in TimestepSpacingChoice::ALL {
            assert_eq!(choice.name().parse(), Ok(choice));
            assert_eq!(serde_json::to_value(choice).unwrap(), choice.name());
        }
        for choice in SigmasChoice::ALL {
            assert_eq!(choice.name().parse(), Ok(choice));
            assert_eq!(serde_json::to_value(choice).unwrap(), choice.name());
        }
        let error = "cosine".parse::<SigmasChoice>().unwrap_err().to_string();
        for part in ["`sigmas`", "cosine", "default, karras, exponential, beta"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_default_is_possible_with_every_sampler() {
        let default = Schedule::default();
        assert_eq!(default, spaced("default", "default"));
        default.check("lcm", &ScheduleChoices::NONE).unwrap();
        assert_eq!(default.listed_steps(), None);
    }

    #[test]
    fn what_a_sampler_cannot_have_is_refused_by_name_with_what_it_can() {
        for possible in [
            spaced("trailing", "karras"),
            Schedule::Timesteps(vec![999, 500, 0]),
            Schedule::Timesteps(vec![7]),
            Schedule::Sigmas(vec![14.6, 0.5, 0.0]),
        ] {
            possible.check("euler", &choices()).unwrap();
        }
        for (schedule, parts) in [
            (
                spaced("leading", "karras"),
                [
                    "`timestep_spacing`",
                    "leading with the sampler euler",
                    "default, trailing",
                ],
            ),
            (
                spaced("trailing", "beta"),
                ["`sigmas`", "beta with the sampler euler", "default, karras"],
            ),
            (
                Schedule::Timesteps(vec![]),
                ["`timesteps`", "this list", "999 or less"],
            ),
            (
                Schedule::Timesteps(vec![1000, 1]),
                ["`timesteps`", "this list", "999 or less"],
            ),
            (
                Schedule::Timesteps(vec![500, 500]),
                ["`timesteps`", "this list", "descend"],
            ),
            (
                Schedule::Sigmas(vec![14.6, 0.5]),
                ["`sigmas`", "this list", "the last being 0"],
            ),
            (
                Schedule::Sigmas(vec![0.0]),
                ["`sigmas`", "this list", "the last being 0"],
            ),
            (
                Schedule::Sigmas(vec![14.6, f64::NAN, 0.0]),
                ["`sigmas`", "this list", "descend"],
            ),
            (
                Schedule::Sigmas(vec![21.0, 0.0]),
                ["`sigmas`", "this list", "20 or less"],
            ),
        ] {
            let error = schedule.check("euler", &choices()).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "{schedule:?}: {error}");
            }
        }
        for list in [
            Schedule::Timesteps(vec![999]),
            Schedule::Sigmas(vec![1.0, 0.0]),
        ] {
            let error = list.check("lcm", &ScheduleChoices::NONE).unwrap_err();
            assert!(error.to_string().contains("`steps`"), "{error}");
        }
    }

    #[test]
    fn a_sampler_takes_what_it_can_of_two_choices() {
        let [trailing, leading] = [
            TimestepSpacingChoice::Trailing,
            TimestepSpacingChoice::Leading,
        ];
        let own = choices();
        assert_eq!(
            own.possible(trailing, SigmasChoice::Beta),
            spaced("trailing", "default")
        );
        assert_eq!(
            own.possible(leading, SigmasChoice::Karras),
            spaced("default", "karras")
        );
        let none = ScheduleChoices::NONE.possible(trailing, SigmasChoice::Karras);
        assert_eq!(none, Schedule::default());
    }

    #[test]
    fn a_list_says_how_many_steps_run() {
        assert_eq!(Schedule::Timesteps(vec![9, 4]).listed_steps(), Some(2));
        assert_eq!(
            Schedule::Sigmas(vec![9.0, 4.0, 0.0]).listed_steps(),
            Some(2)
        );
    }
}
