//! What a room is made with, and what the registry allows.

use std::time::Duration;

use super::error::RoomError;
use crate::protocol::{CanvasSize, MAX_CANVAS_SIDE, Settings};

/// The most members of a room at once, unless something else is asked for.
pub const MEMBERS_MOST: usize = 64;

/// Canvas sides are multiples of this, in pixels.
const SIDE_STEP: u32 = 64;

/// What a room is made with.
#[derive(Clone, Debug)]
pub struct RoomOptions {
    /// Canvas size; a multiple of 64 on each side, 64 … 4096.
    pub size: CanvasSize,
    /// The settings that the room begins with.
    pub settings: Settings,
    /// The most members at once.
    pub members_max: usize,
    /// The most uploaded images that wait to be placed; the oldest goes when one more comes.
    pub images_max: usize,
    /// The most bytes of those images, decoded.
    pub image_bytes_max: usize,
    /// The most ops that are kept for members who come back.
    pub history_max: usize,
    /// The most bytes of earlier results that are kept for undo, redo and going back.
    pub cached_result_bytes_max: usize,
    /// How long a hand must rest before the picture is refined with more steps.
    pub rest: Duration,
    /// How long a room without members lives on.
    pub idle_after: Duration,
    /// How photos are inverted.
    pub inversion: InversionOptions,
}

/// How photos are inverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InversionOptions {
    /// Steps on the way to the noise, at least 1.
    pub steps: u32,
    /// Runs of the model per step that solve for what the way back needs.
    pub refinements: u32,
}

impl Default for InversionOptions {
    fn default() -> Self {
        Self {
            steps: 25,
            refinements: 1,
        }
    }
}

impl RoomOptions {
    /// A canvas of 512 × 512 that begins with `settings`.
    pub fn new(settings: Settings) -> Self {
        Self {
            size: CanvasSize {
                width: 512,
                height: 512,
            },
            settings,
            members_max: MEMBERS_MOST,
            images_max: 8,
            image_bytes_max: 128 << 20,
            history_max: 4096,
            cached_result_bytes_max: 32 << 20,
            rest: Duration::from_millis(400),
            idle_after: Duration::from_secs(30 * 60),
            inversion: InversionOptions::default(),
        }
    }

    /// These options with another canvas: each side rounded up to a multiple of 64.
    ///
    /// # Errors
    /// [`RoomError::InvalidSize`] for a side of 0 or over 4096.
    pub fn with_size(mut self, width: u32, height: u32) -> Result<Self, RoomError> {
        self.size = canvas_size(width, height)?;
        Ok(self)
    }
}

/// A canvas of these sides, each rounded up to a multiple of 64.
///
/// # Errors
/// [`RoomError::InvalidSize`] for a side of 0 or over 4096.
pub(super) fn canvas_size(width: u32, height: u32) -> Result<CanvasSize, RoomError> {
    let fits = |side: u32| (1..=MAX_CANVAS_SIDE).contains(&side);
    if !fits(width) || !fits(height) {
        return Err(RoomError::InvalidSize { width, height });
    }
    Ok(CanvasSize {
        width: width.next_multiple_of(SIDE_STEP),
        height: height.next_multiple_of(SIDE_STEP),
    })
}

/// What the registry allows.
#[derive(Clone, Copy, Debug)]
pub struct RegistryLimits {
    /// The most rooms at once.
    pub rooms_max: usize,
    /// True where a first join makes the room: a server without auth.
    pub create_on_join: bool,
    /// Pictures without a room that are made, or wait for it, at once.
    pub pictures_max: usize,
}

impl Default for RegistryLimits {
    fn default() -> Self {
        Self {
            rooms_max: 64,
            create_on_join: true,
            pictures_max: 8,
        }
    }
}
