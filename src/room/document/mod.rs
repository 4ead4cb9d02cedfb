//! What a room's ops add up to: canvas, settings and one history.
//!
//! Pure: no clock, no tensors, nothing asynchronous. The same ops and the same rendered results, in
//! the same order, make the same [`Document`], to the byte.

mod apply;
mod changed;
mod export;
mod ground;
mod history;
mod layer_changes;
mod layer_log;
#[cfg(test)]
mod layer_tests;
mod picture_key;
#[cfg(test)]
mod picture_tests;
mod prompts;
mod references;
mod refusal;
mod request;
mod settings;
mod settings_changes;
mod settings_log;
mod snapshot;
mod state;
mod strokes;
mod switches;
#[cfg(test)]
mod tests;
mod unrendered;

pub(super) use apply::{Begun, PaintingStroke};
pub(super) use changed::{Changed, Obsolete, StrokeChange};
pub(super) use picture_key::PictureKey;
pub(super) use prompts::WindowPrompts;
pub(super) use refusal::Refusal;
pub(super) use request::Request;
pub(super) use settings::refine_steps;
pub(super) use snapshot::{DocumentSnapshot, Facts, ShownPicture};
pub(super) use state::Document;
pub(super) use strokes::{Resent, Verdict};

#[cfg(test)]
pub(super) use settings::seed_in_epoch;
