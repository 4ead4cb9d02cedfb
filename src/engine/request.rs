//! What rooms ask of the engine, and what they hear back.

use std::sync::Arc;

use metrics::counter;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::inversion_line::InversionKey;
use crate::canvas::Pixels;
use crate::pipeline::Edit;
use crate::protocol::{Rect, TimingsMs};

/// So many events of each inversion under way must have room in the channel that they go to. Three
/// are never left out: that it began, that its noise is found, and how it ended. Other progress is
/// told only while more than half of the channel is free, so that these always find room.
pub const EVENTS_PER_INVERSION: usize = 8;

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

/// The inversion of a part of a photo that a room asks for.
#[derive(Clone, Debug)]
pub struct InversionRequest {
    /// Which room.
    pub room: RoomKey,
    /// The room's number for the photo.
    pub photo: u64,
    /// The room's own number for this inversion, sent back in every event.
    pub ticket: u64,
    /// What the model sees, in canvas pixels.
    pub rect: Rect,
    /// The part of it that is kept: on the latents' grid.
    pub core: Rect,
    /// The photo inside `rect`.
    pub pixels: Arc<Pixels>,
    /// What the photo shows.
    pub prompt: String,
    /// Steps on the way to the noise, at least 1.
    pub steps: u32,
    /// Runs of the model per step that solve for what the way back needs.
    pub refinements: u32,
    /// True when somebody's brush waits for it: then it goes before all that is done ahead of
    /// need. See also [`EngineHandle::want_inversion`](super::EngineHandle::want_inversion).
    pub is_wanted: bool,
    /// Where the events go. The engine never waits for it: give it room for
    /// [`EVENTS_PER_INVERSION`] of every inversion whose end was not received yet.
    pub events: mpsc::Sender<InversionEvent>,
}

impl InversionRequest {
    pub(super) fn key(&self) -> InversionKey {
        InversionKey {
            room: self.room,
            ticket: self.ticket,
        }
    }
}

/// News of an inversion. Every ticket ends with exactly one of `Done`, `Superseded` and `Failed`.
#[derive(Debug)]
pub enum InversionEvent {
    /// The device began.
    Started {
        /// The room's number.
        ticket: u64,
    },
    /// So many steps are done. With the last of them windows over the part can be edited; the way
    /// back, which tells how good it is, follows. Some may be left out, the last is not.
    Progress {
        /// The room's number.
        ticket: u64,
        /// Steps done.
        step: u32,
    },
    /// The part is inverted, and it is known what comes back from it.
    Done {
        /// The room's number.
        ticket: u64,
        /// What can be shown of it.
        part: InvertedPart,
    },
    /// It was cancelled, or the room was forgotten.
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

/// What can be shown of an inverted part: pictures as large as its core.
#[derive(Debug)]
pub struct InvertedPart {
    /// The noise, as the decoder shows it.
    pub noise: Pixels,
    /// What DDIM makes of the noise again.
    pub reconstruction: Pixels,
    /// How long each stage took, the way back included.
    pub timings: TimingsMs,
}

/// Sends an event to the room of an inversion; a room that is gone hears nothing.
pub(super) fn tell_inversion(request: &InversionRequest, event: InversionEvent) {
    let state = match &event {
        InversionEvent::Progress { step, .. } => {
            let is_half_full = 2 * request.events.capacity() <= request.events.max_capacity();
            if *step < request.steps && is_half_full {
                return;
            }
            None
        }
        InversionEvent::Started { .. } => Some("started"),
        InversionEvent::Done { .. } => Some("done"),
        InversionEvent::Superseded { .. } => Some("superseded"),
        InversionEvent::Failed { .. } => Some("failed"),
    };
    if let Some(state) = state {
        counter!("impasto_inversions_total", "state" => state).increment(1);
    }
    if let Err(mpsc::error::TrySendError::Full(_)) = request.events.try_send(event) {
        tracing::error!(
            room = request.room.0,
            ticket = request.ticket,
            "a room does not take its inversion's events"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(ticket: u64, events: &mpsc::Sender<InversionEvent>) -> InversionRequest {
        let rect = Rect::new(0, 0, 8, 8);
        InversionRequest {
            room: RoomKey(1),
            photo: 1,
            ticket,
            rect,
            core: rect,
            pixels: Arc::new(Pixels::new(8, 8, [0; 3])),
            prompt: String::new(),
            steps: 50,
            refinements: 0,
            is_wanted: false,
            events: events.clone(),
        }
    }

    #[test]
    fn a_room_that_hears_late_misses_progress_but_no_noise_and_no_ending() {
        for inversions in [1, 2, 7, 16] {
            let (events, mut heard) = mpsc::channel(inversions * EVENTS_PER_INVERSION);
            let tickets = 1..=inversions as u64;
            let requests: Vec<_> = tickets.map(|ticket| request(ticket, &events)).collect();
            for request in &requests {
                let ticket = request.ticket;
                tell_inversion(request, InversionEvent::Started { ticket });
            }
            for step in 1..=50 {
                for request in &requests {
                    let ticket = request.ticket;
                    tell_inversion(request, InversionEvent::Progress { ticket, step });
                }
            }
            for request in &requests {
                let ticket = request.ticket;
                tell_inversion(request, InversionEvent::Superseded { ticket });
            }
            let (mut started, mut progress, mut found, mut ended) = (0, 0, 0, 0);
            while let Ok(event) = heard.try_recv() {
                match event {
                    InversionEvent::Started { .. } => started += 1,
                    InversionEvent::Progress { step: 50, .. } => found += 1,
                    InversionEvent::Progress { .. } => progress += 1,
                    _ => ended += 1,
                }
            }
            assert_eq!([started, found, ended], [inversions; 3]);
            assert!(progress > 0 && progress < 49 * inversions, "{progress}");
        }
    }
}
