//! Which schedule each sampler of a scorecard has.

use std::collections::BTreeMap;

use crate::pipeline::{Pipeline, PipelineError};
use crate::protocol::{Schedule, SigmasChoice, TimestepSpacingChoice};
use crate::sampler::sampler_names;

/// The schedules of all samplers: what was asked for and, where nothing was, what the model wants.
pub struct Schedules(BTreeMap<&'static str, Schedule>);

impl Schedules {
    /// Those of a model.
    ///
    /// # Errors
    /// When the model's own sampler cannot have the schedule that its `impasto.json` gives.
    pub fn of(
        pipeline: &Pipeline,
        timestep_spacing: Option<TimestepSpacingChoice>,
        sigmas: Option<SigmasChoice>,
    ) -> Result<Self, PipelineError> {
        let mut all = BTreeMap::new();
        for name in sampler_names() {
            let wanted = pipeline.default_schedule(name)?;
            let schedule = Schedule::Spaced {
                timestep_spacing: timestep_spacing.unwrap_or(wanted.0),
                sigmas: sigmas.unwrap_or(wanted.1),
            };
            all.insert(name, schedule);
        }
        Ok(Self(all))
    }

    /// The same schedule for all samplers.
    #[cfg(test)]
    pub fn all(schedule: &Schedule) -> Self {
        Self(
            sampler_names()
                .map(|name| (name, schedule.clone()))
                .collect(),
        )
    }

    /// The schedule of a sampler.
    pub fn get(&self, sampler: &str) -> Schedule {
        self.0.get(sampler).cloned().unwrap_or_default()
    }
}
