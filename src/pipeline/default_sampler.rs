//! The sampler that a model paints with when nobody chose one. What `model check` says of a folder
//! and what the engine does with it come from here, so that they agree.

use std::path::Path;

use crate::model::{Defaults, ModelError, ModelReport, SchedulerFile, Supplied, inspect_with};
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
