//! What a folder says about its scheduler.

use super::family::SchedulerTraits;
use super::{ModelError, ModelFolder};

/// What a folder says about its scheduler, for the samplers' folder to read.
#[derive(Debug, Clone)]
pub struct SchedulerFile {
    /// The text of `scheduler/scheduler_config.json`, or what it would be.
    pub json: String,
    /// The class that `model_index.json` names; it goes before the one in the scheduler's own file.
    pub class: Option<String>,
    /// The pipeline class that `model_index.json` names: some correct the scheduler's settings.
    pub pipeline_class: String,
}

impl SchedulerFile {
    /// Reads the file, and what tells families apart in it.
    ///
    /// # Errors
    /// `Missing`, `Unreadable`, `Json` or `Config`.
    pub(super) fn read(folder: &ModelFolder) -> Result<(Self, SchedulerTraits), ModelError> {
        let (config, json) = folder.scheduler()?;
        let traits = SchedulerTraits::read(&config, folder)?;
        let file = Self {
            json,
            class: folder.classes().get("scheduler").cloned(),
            pipeline_class: folder.pipeline_class().to_owned(),
        };
        Ok((file, traits))
    }
}
