//! What a room needs of the engine: one trait, so that rooms are tested without a model.

use crate::{
    canvas::WindowRules,
    engine::{EngineHandle, InversionRequest, RenderRequest, RoomKey},
    protocol::{ModelInfo, Settings},
};

/// The engine did not take a render or an inversion.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RenderRefused(
    /// One sentence that says what to do.
    pub String,
);

/// Renders windows for rooms. No call may block.
pub trait Renderer: Send + Sync + 'static {
    /// The model.
    fn model_info(&self) -> &ModelInfo;

    /// The settings that a new room begins with.
    fn default_settings(&self) -> &Settings;

    /// How windows are cut for the model.
    fn window_rules(&self) -> WindowRules;

    /// Takes a render; its news comes through `request.events`.
    ///
    /// # Errors
    /// [`RenderRefused`] when the engine is full or gone; then no news comes.
    fn submit(&self, request: RenderRequest) -> Result<(), RenderRefused>;

    /// Takes the inversion of a part of a photo; its news comes through `request.events`.
    ///
    /// # Errors
    /// [`RenderRefused`] when the engine is full or gone; then no news comes.
    fn invert(&self, request: InversionRequest) -> Result<(), RenderRefused>;

    /// A window waits for an inversion that was taken already: it goes before those that none does.
    fn want_inversion(&self, room: RoomKey, ticket: u64);

    /// Stops an inversion, which is told as superseded unless it has ended already.
    fn cancel_inversion(&self, room: RoomKey, ticket: u64);

    /// What is inverted of a photo can go.
    fn forget_photo(&self, room: RoomKey, photo: u64);

    /// The room has ended: its waiting renders and its latents can go.
    fn forget_room(&self, room: RoomKey);
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

    fn submit(&self, request: RenderRequest) -> Result<(), RenderRefused> {
        EngineHandle::submit(self, request).map_err(|error| RenderRefused(error.to_string()))
    }

    fn invert(&self, request: InversionRequest) -> Result<(), RenderRefused> {
        EngineHandle::invert(self, request).map_err(|error| RenderRefused(error.to_string()))
    }

    fn want_inversion(&self, room: RoomKey, ticket: u64) {
        EngineHandle::want_inversion(self, room, ticket);
    }

    fn cancel_inversion(&self, room: RoomKey, ticket: u64) {
        EngineHandle::cancel_inversion(self, room, ticket);
    }

    fn forget_photo(&self, room: RoomKey, photo: u64) {
        EngineHandle::forget_photo(self, room, photo);
    }

    fn forget_room(&self, room: RoomKey) {
        EngineHandle::forget_room(self, room);
    }
}
