//! What a room needs of the engine: one trait, so that rooms are tested without a model.

use tokio::sync::mpsc;

use crate::{
    canvas::WindowRules,
    engine::{Command, EngineError, EngineHandle, EnginesHandle, Event, RoomKey},
    protocol::{ModelInfo, Settings},
};

/// The engine did not take a job. Each is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RenderRefused {
    /// As much waits as may: the same job may be taken a little later.
    #[error("{0}")]
    Full(String),
    /// It takes no such job.
    #[error("{0}")]
    Never(String),
}

/// Renders and inverts for rooms. No call may block.
pub trait Renderer: Send + Sync + 'static {
    /// The model.
    fn model_info(&self) -> &ModelInfo;

    /// The settings that a new room begins with.
    fn default_settings(&self) -> &Settings;

    /// How windows are cut for the model.
    fn window_rules(&self) -> WindowRules;

    /// Takes a command of a room; events of a job that it starts come through `events`.
    ///
    /// # Errors
    /// [`RenderRefused`] when it would start a job, and the engine is full or gone; then no event
    /// of it comes.
    fn send(
        &self,
        room: RoomKey,
        command: Command,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), RenderRefused>;
}

impl Renderer for EngineHandle {
    fn model_info(&self) -> &ModelInfo {
        EngineHandle::model_info(self)
    }

    fn default_settings(&self) -> &Settings {
        EngineHandle::default_settings(self)
    }

    fn window_rules(&self) -> WindowRules {
        EngineHandle::window_rules(self)
    }

    fn send(
        &self,
        room: RoomKey,
        command: Command,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), RenderRefused> {
        Ok(EngineHandle::send(self, room, command, events)?)
    }
}

impl Renderer for EnginesHandle {
    fn model_info(&self) -> &ModelInfo {
        EnginesHandle::model_info(self)
    }

    fn default_settings(&self) -> &Settings {
        EnginesHandle::default_settings(self)
    }

    fn window_rules(&self) -> WindowRules {
        EnginesHandle::window_rules(self)
    }

    fn send(
        &self,
        room: RoomKey,
        command: Command,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), RenderRefused> {
        Ok(EnginesHandle::send(self, room, command, events)?)
    }
}

impl From<EngineError> for RenderRefused {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Overloaded => Self::Full(error.to_string()),
            _ => Self::Never(error.to_string()),
        }
    }
}
