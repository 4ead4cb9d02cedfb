//! What rooms ask of the engine, and what they hear back.

use tokio::sync::mpsc;
use uuid::Uuid;

use crate::canvas::Pixels;
use crate::pipeline::Edit;
use crate::protocol::TimingsMs;

/// A room, as the engine knows it: a number that is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomKey(pub u64);

/// A render that a room asks for.
#[derive(Debug)]
pub struct RenderRequest {
    /// Which room.
    pub room: RoomKey,
    /// Whose stroke it follows: one render runs and one waits per member.
    pub member: Uuid,
    /// The room's own number for this render, sent back in every event.
    pub ticket: u64,
    /// What to render.
    pub edit: Edit,
    /// True stops a running render of this member at its next step; false lets it finish.
    pub supersede: bool,
    /// Where the events go. The engine never waits for it: give it room for
    /// three events per request under way.
    pub events: mpsc::Sender<RenderEvent>,
}

/// News of a render. Every ticket ends with exactly one of `Done`,
/// `Superseded` and `Failed`.
#[derive(Debug)]
pub enum RenderEvent {
    /// The device began.
    Started {
        /// The room's number.
        ticket: u64,
    },
    /// The picture is there.
    Done {
        /// The room's number.
        ticket: u64,
        /// The window as the model sees it; the room blends it in under the mask.
        pixels: Pixels,
        /// How long each stage took.
        timings: TimingsMs,
    },
    /// A newer render took its place, or the room was forgotten.
    Superseded {
        /// The room's number.
        ticket: u64,
    },
    /// It failed.
    Failed {
        /// The room's number.
        ticket: u64,
        /// One sentence for a person.
        message: String,
    },
}
