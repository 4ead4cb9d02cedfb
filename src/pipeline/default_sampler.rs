//! The sampler that a model paints with when nobody chose one. What `model check` says of a folder
//! and what the engine does with it come from here, so that they agree.

use std::path::Path;

use crate::model::{Defaults, ModelError, ModelReport, SchedulerFile, Supplied, inspect_with};
use crate::protocol::{Schedule, SigmasChoice, TimestepSpacingChoice};
use crate::sampler::{Sampler, SamplerError, SchedulerConfig, StepTableRequest, sampler_by_name};

/// A folder's scheduler, with the settings that its pipeline corrects.
///
/// # Errors
/// When the class is unknown, or a setting cannot be used.
pub(super) fn read_scheduler(file: &SchedulerFile) -> Result<SchedulerConfig, SamplerError> {
    let config = SchedulerConfig::of_class(&file.json, file.class.as_deref())?;
    Ok(config.for_pipeline(&file.pipeline_class))
}

/// The sampler that the model wants or, where it does not say, the one of its scheduler.
///
/// # Errors
/// When no sampler has the name that the model wants, or none does what its scheduler does.
pub(super) fn default_sampler(
    wanted: &Defaults,
    scheduler: &SchedulerConfig,
) -> Result<&'static dyn Sampler, SamplerError> {
    match &wanted.sampler {
        Some(name) => sampler_by_name(name),
        None => sampler_by_name(scheduler.default_sampler()?),
    }
}

/// What of the schedule the model wants with a sampler: what its `impasto.json` says, which is meant
/// for the sampler that it paints with; of others the scheduler's own.
///
/// # Errors
/// When that sampler cannot have what the file says.
pub(super) fn default_schedule(
    wanted: &Defaults,
    sampler: &dyn Sampler,
    scheduler: &SchedulerConfig,
) -> Result<(TimestepSpacingChoice, SigmasChoice), SamplerError> {
    let own = default_sampler(wanted, scheduler);
    if !own.is_ok_and(|own| own.name() == sampler.name()) {
        return Ok(Default::default());
    }
    let (timestep_spacing, sigmas) = (wanted.timestep_spacing, wanted.sigmas);
    let schedule = Schedule::Spaced {
        timestep_spacing,
        sigmas,
    };
    schedule
        .check(sampler.name(), &sampler.schedule_choices(scheduler))
        .map_err(SamplerError::DefaultSchedule)?;
    Ok((timestep_spacing, sigmas))
}

/// Looks into a folder without loading its weights: [`inspect_with`], and whether rooms can paint
/// with its scheduler.
///
/// # Errors
/// Those of [`inspect_with`].
pub fn check_folder(folder: &Path) -> Result<ModelReport, ModelError> {
    check_model(folder, &Supplied::default())
}

/// The same for a folder or a single file, with what is given beside its own files.
///
/// # Errors
/// Those of [`inspect_with`].
pub fn check_model(path: &Path, supplied: &Supplied) -> Result<ModelReport, ModelError> {
    let mut report = inspect_with(path, supplied)?;
    let Some(file) = &report.scheduler else {
        return Ok(report);
    };
    match first_step(file, report.defaults.as_ref()) {
        Ok(None) => {}
        Ok(Some(sampler)) => {
            let class = report.scheduler_class.as_deref();
            let notice = class.and_then(|class| scheduler_notice(class, sampler));
            report.notices.extend(notice);
            report.sampler = Some(sampler.to_owned());
        }
        Err(error) => {
            report.problems.push(error.to_string());
            report.usable = false;
        }
    }
    Ok(report)
}

/// Makes a step as the engine does when it starts: which settings a sampler takes shows only then.
/// The sampler's name; none where it cannot be told what the model wants.
fn first_step(
    file: &SchedulerFile,
    wanted: Option<&Defaults>,
) -> Result<Option<&'static str>, SamplerError> {
    let scheduler = read_scheduler(file)?;
    let Some(wanted) = wanted else {
        return Ok(None);
    };
    let sampler = default_sampler(wanted, &scheduler)?;
    sampler.step_table(&scheduler, &StepTableRequest::new(1))?;
    default_schedule(wanted, sampler, &scheduler)?;
    Ok(Some(sampler.name()))
}

/// What people are told where rooms do not begin with the sampler of the model's own scheduler.
pub fn scheduler_notice(class: &str, default: &str) -> Option<String> {
    match sampler_by_name(class).map(|own| own.name()) {
        Ok(own) if own == default => None,
        Ok(own) => Some(format!(
            "The model's scheduler is {class} (sampler {own}); rooms begin with {default}, as the \
             model's defaults say."
        )),
        Err(_) => Some(format!(
            "The model's scheduler is {class}, which is not supported; rooms begin with {default}, \
             as the model's defaults say."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Family;

    #[test]
    fn a_models_schedule_is_its_own_samplers_and_has_to_be_possible() {
        let config = r#"{"_class_name": "EulerDiscreteScheduler"}"#;
        let scheduler = SchedulerConfig::from_json(config).unwrap();
        let wanted = |sampler: Option<&str>| Defaults {
            sampler: sampler.map(str::to_owned),
            timestep_spacing: TimestepSpacingChoice::Trailing,
            sigmas: SigmasChoice::Karras,
            ..Defaults::of_family(Family::Sd, false)
        };
        let schedule = |wanted: &Defaults, name: &str| {
            let sampler = sampler_by_name(name).unwrap();
            default_schedule(wanted, sampler, &scheduler).map_err(|error| error.to_string())
        };
        let both = (TimestepSpacingChoice::Trailing, SigmasChoice::Karras);
        // The scheduler's own sampler is meant where the file names none.
        for wanted in [wanted(None), wanted(Some("euler"))] {
            assert_eq!(schedule(&wanted, "euler"), Ok(both));
            assert_eq!(schedule(&wanted, "dpm-solver++"), Ok(Default::default()));
        }
        let impossible = wanted(Some("ddim"));
        assert_eq!(schedule(&impossible, "euler"), Ok(Default::default()));
        let refused = schedule(&impossible, "ddim").unwrap_err();
        for part in ["impasto.json", "`sigmas`", "karras", "ddim", "use default"] {
            assert!(refused.contains(part), "{refused}");
        }
    }
}
