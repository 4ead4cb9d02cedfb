//! What of the schedule a request may choose, and how its choice comes into a scheduler's config: as
//! if the model's folder said so, so that samplers read it in one place.

use serde_json::Value;

use super::{SchedulerConfig, StepTableRequest, sigmas};
use crate::protocol::{Schedule, SigmasChoice, TimestepSpacingChoice};

/// The most that a list of sigmas may begin with in sigma space: more than any schedule ends in,
/// zero terminal SNR's 4096 among them.
pub(super) const LARGEST_SIGMA: f64 = 10_000.0;
/// The same in a flow, where it is nothing but noise.
pub(super) const LARGEST_FLOW_SIGMA: f64 = 1.0;

/// The fields of diffusers that space sigmas, by the choice that each is.
const SIGMAS: [(&str, SigmasChoice); 3] = [
    ("use_karras_sigmas", SigmasChoice::Karras),
    ("use_exponential_sigmas", SigmasChoice::Exponential),
    ("use_beta_sigmas", SigmasChoice::Beta),
];

/// The choices of a sampler that spaces training timesteps.
pub(super) fn all_spacings() -> Vec<TimestepSpacingChoice> {
    let all = TimestepSpacingChoice::ALL.into_iter();
    all.filter(|choice| *choice != TimestepSpacingChoice::Default)
        .collect()
}

/// The choices of a sampler that spaces sigmas.
pub(super) fn all_sigmas() -> Vec<SigmasChoice> {
    SIGMAS.map(|(_, choice)| choice).to_vec()
}

/// The largest timestep of a list: the last that the model was trained on.
pub(super) fn largest_timestep(config: &SchedulerConfig) -> Option<u32> {
    let train = config.num_train_timesteps().ok()?;
    u32::try_from(train - 1).ok()
}

impl SchedulerConfig {
    /// This config as `from_config` reads it with the fields beside it that a schedule chooses. A
    /// list takes the place of sigmas that the config would space: diffusers refuses the two
    /// together.
    pub(super) fn scheduled(&self, schedule: &Schedule) -> Self {
        let mut config = self.clone();
        let sigmas = match schedule {
            Schedule::Spaced {
                timestep_spacing,
                sigmas,
            } => {
                if *timestep_spacing != TimestepSpacingChoice::Default {
                    let name = Value::from(timestep_spacing.name());
                    config.set(TimestepSpacingChoice::FIELD, name);
                }
                match sigmas {
                    SigmasChoice::Default => return config,
                    chosen => Some(*chosen),
                }
            }
            Schedule::Timesteps(_) | Schedule::Sigmas(_) => None,
        };
        match sigmas {
            Some(chosen) if config.class().is_edm() => {
                config.set("sigma_schedule", Value::from(chosen.name()));
            }
            _ => {
                for (field, choice) in SIGMAS {
                    config.set(field, Value::from(sigmas == Some(choice)));
                }
                // `DPMSolverMultistepScheduler` has one more, which nobody chooses.
                config.set("use_lu_lambdas", Value::from(false));
            }
        }
        config
    }
}

impl StepTableRequest {
    /// The timesteps that the schedule lists, where it lists any.
    pub(super) fn listed_timesteps(&self) -> Option<Vec<f64>> {
        match &self.schedule {
            Schedule::Timesteps(list) => Some(list.iter().copied().map(f64::from).collect()),
            Schedule::Spaced { .. } | Schedule::Sigmas(_) => None,
        }
    }

    /// The sigmas of the steps that the schedule lists, where it lists any: all but the 0 at the end.
    pub(super) fn listed_sigmas(&self) -> Option<Vec<f64>> {
        match &self.schedule {
            Schedule::Sigmas(list) => {
                let steps = list.len().saturating_sub(1);
                Some(sigmas::rounded(list.iter().copied().take(steps)))
            }
            Schedule::Spaced { .. } | Schedule::Timesteps(_) => None,
        }
    }
}
