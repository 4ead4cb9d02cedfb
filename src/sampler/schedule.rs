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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::{StepTable, sampler_by_name, sampler_names, samplers_for, schedules_for};

    const FOLDER: &str = r#""_class_name": "DPMSolverMultistepScheduler",
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
        "skip_prk_steps": true, "timestep_spacing": "leading""#;

    fn config(fields: &str) -> SchedulerConfig {
        SchedulerConfig::from_json(&format!("{{{fields}}}")).unwrap()
    }

    fn table(
        name: &str,
        config: &SchedulerConfig,
        schedule: Schedule,
    ) -> Result<StepTable, String> {
        let request = StepTableRequest {
            schedule,
            ..StepTableRequest::new(6)
        };
        let sampler = sampler_by_name(name).unwrap();
        let table = sampler.step_table(config, &request);
        table.map_err(|error| error.to_string())
    }

    fn spaced(timestep_spacing: TimestepSpacingChoice, sigmas: SigmasChoice) -> Schedule {
        Schedule::Spaced {
            timestep_spacing,
            sigmas,
        }
    }

    fn timesteps(table: &StepTable) -> Vec<f64> {
        table.steps.iter().map(|step| step.timestep).collect()
    }

    #[test]
    fn a_choice_is_what_the_folder_would_say_where_the_sampler_has_it_and_otherwise_refused() {
        let folder = config(FOLDER);
        let offers = schedules_for(&folder);
        for name in samplers_for(&folder) {
            let own = offers.get(name).cloned().unwrap_or_default();
            for spacing in all_spacings() {
                let asked = table(name, &folder, spaced(spacing, SigmasChoice::Default));
                if !own.timestep_spacing.contains(&spacing) {
                    let error = asked.unwrap_err();
                    assert!(error.contains("`timestep_spacing`") && error.contains(name));
                    continue;
                }
                let fields = FOLDER.replace("leading", spacing.name());
                let said = table(name, &config(&fields), Schedule::default());
                assert_eq!(asked, said, "{name} {spacing}");
            }
            for (field, sigmas) in SIGMAS {
                let asked = spaced(TimestepSpacingChoice::Default, sigmas);
                let asked = table(name, &folder, asked);
                if !own.sigmas.contains(&sigmas) {
                    let error = asked.unwrap_err();
                    assert!(error.contains("`sigmas`") && error.contains(name));
                    continue;
                }
                let fields = format!(r#"{FOLDER}, "{field}": true"#);
                let said = table(name, &config(&fields), Schedule::default());
                assert_eq!(asked, said, "{name} {sigmas}");
                assert_ne!(asked, table(name, &folder, Schedule::default()), "{name}");
            }
        }
        for name in ["lcm", "turbo", "flow-euler"] {
            assert!(
                offers.get(name).is_none_or(|own| own.sigmas.is_empty()),
                "{name}"
            );
        }
    }

    #[test]
    fn a_choice_takes_the_place_of_the_folders() {
        let karras = config(&format!(r#"{FOLDER}, "use_karras_sigmas": true"#));
        let lu = config(&format!(r#"{FOLDER}, "use_lu_lambdas": true"#));
        let beta = config(&format!(r#"{FOLDER}, "use_beta_sigmas": true"#));
        let asked = spaced(TimestepSpacingChoice::Default, SigmasChoice::Beta);
        for folder in [&karras, &lu] {
            let name = "dpm-solver++";
            assert_eq!(
                table(name, folder, asked.clone()),
                table(name, &beta, Schedule::default())
            );
        }
        let listed = table("euler", &karras, Schedule::Timesteps(vec![900, 20])).unwrap();
        assert_eq!(timesteps(&listed), [900.0, 20.0]);
    }

    #[test]
    fn a_list_says_every_step_and_a_strength_leaves_its_first_out() {
        let folder = config(FOLDER);
        let list = vec![981, 700, 500, 20];
        let offers = schedules_for(&folder);
        let mut takes = Vec::new();
        for name in samplers_for(&folder) {
            let asked = Schedule::Timesteps(list.clone());
            let Ok(listed) = table(name, &folder, asked.clone()) else {
                continue;
            };
            takes.push(name);
            assert_eq!(offers[name].largest_timestep, Some(999));
            assert_eq!(timesteps(&listed), [981.0, 700.0, 500.0, 20.0], "{name}");
            let half = StepTableRequest {
                schedule: asked,
                strength: 0.5,
                ..StepTableRequest::new(30)
            };
            let half = sampler_by_name(name).unwrap().step_table(&folder, &half);
            assert_eq!(timesteps(&half.unwrap()), [500.0, 20.0], "{name}");
        }
        let solvers = ["dpm-solver++", "dpm-solver++-sde", "dpm-solver++-3m"];
        let mut expected = vec!["lcm", "ddpm", "euler"];
        expected.extend(solvers);
        expected.push("tcd");
        assert_eq!(takes, expected);

        let sigmas = Schedule::Sigmas(vec![14.6, 2.0, 0.0]);
        let listed = table("euler", &folder, sigmas).unwrap();
        let levels: Vec<f64> = listed.steps.iter().map(|step| step.level.sigma).collect();
        assert_eq!(levels, [f64::from(14.6f32), 2.0]);
        assert_eq!(listed.steps[1].next_level.sigma, 0.0);
    }

    #[test]
    fn flows_and_models_of_edm_have_choices_of_their_own() {
        let flow = config(r#""_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0"#);
        let offers = schedules_for(&flow);
        assert_eq!(offers["flow-euler"].sigmas, all_sigmas());
        assert_eq!(offers["unipc"].sigmas, [SigmasChoice::Karras]);
        assert_eq!(offers.len(), 2, "{offers:?}");
        for name in ["flow-euler", "unipc"] {
            let sigmas = Schedule::Sigmas(vec![0.75, 0.5, 0.0]);
            let listed = table(name, &flow, sigmas).unwrap();
            // Shifted: 3·σ/(1 + 2·σ).
            assert!((listed.steps[0].level.sigma - 0.9).abs() < 1e-6, "{name}");
            assert!((listed.steps[1].level.sigma - 0.75).abs() < 1e-6, "{name}");
            assert_eq!(listed.steps[1].next_level.sigma, 0.0, "{name}");
            let beyond = Schedule::Sigmas(vec![1.5, 0.5, 0.0]);
            assert!(
                table(name, &flow, beyond)
                    .unwrap_err()
                    .contains("1 or less")
            );
        }
        let edm = config(r#""_class_name": "EDMEulerScheduler""#);
        let asked = spaced(TimestepSpacingChoice::Default, SigmasChoice::Exponential);
        let said = config(r#""_class_name": "EDMEulerScheduler", "sigma_schedule": "exponential""#);
        for name in ["edm-euler", "edm-dpm-solver++"] {
            assert_eq!(
                table(name, &edm, asked.clone()),
                table(name, &said, Schedule::default())
            );
        }
        for name in sampler_names().filter(|name| *name != "ddim-inverse") {
            let error = table(name, &edm, Schedule::Timesteps(vec![999, 1])).unwrap_err();
            assert!(!error.is_empty(), "{name}");
        }
    }
}
