//! What rooms ask of the engine, and what they get back.

use std::sync::Arc;

use metrics::counter;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::keys::JobKey;
use super::priority_queue::Priority;
use crate::canvas::Pixels;
use crate::pipeline::{Edit, PipelineError};
use crate::protocol::{Rect, TimingsMs};

/// So many events of each job under way must have room in the channel that they go to. Three of an
/// inversion are never left out: that it began, that its noise is found, and how it ended; a render
/// has two. Other progress is sent only while more than half of the channel is free, so that these
/// always find room.
pub const EVENTS_PER_JOB: usize = 8;

/// What a room asks of the engine. Jobs are named by tickets, the room's own numbers for them.
#[derive(Debug)]
pub enum Command {
    /// Start a job. A waiting render of the same author is replaced.
    Start(Request),
    /// Somebody's brush waits for an inversion: it goes before all that nobody waits for.
    Prioritise(u64),
    /// Stop a job at its next step. What is inverted of a photo stays.
    Cancel(u64),
    /// Drop what is inverted of a photo, by the room's number for it.
    ForgetPhoto(u64),
    /// The room has ended: drop what waits for it, and its latents.
    ForgetRoom,
}

/// A job that a room asks for.
#[derive(Debug)]
pub struct Request {
    /// The room's own number for it, sent back in every event.
    pub ticket: u64,
    /// What to do.
    pub work: Work,
}

/// What a job is.
#[derive(Debug)]
pub enum Work {
    /// Render a window.
    Render(Box<RenderWork>),
    /// Invert a patch of a photo.
    Inversion(Box<InversionWork>),
}

/// The render of a window.
#[derive(Debug)]
pub struct RenderWork {
    /// Whose stroke it follows: one render runs and one waits for each author of a room.
    pub author: Uuid,
    /// What it shows is seen already and only becomes better: what somebody waits for goes first.
    pub is_refinement: bool,
    /// What to render.
    pub edit: Edit,
}

/// The inversion of a patch of a photo.
#[derive(Clone, Debug)]
pub struct InversionWork {
    /// The room's number for the photo.
    pub photo: u64,
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
    /// How urgent it is at first.
    pub priority: Priority,
}

/// News of a job. Every ticket ends with exactly one of `Rendered` or `Inverted`, `Superseded`,
/// `HeldBack` and `Failed`.
#[derive(Debug)]
pub enum Event {
    /// The device began.
    Started {
        /// The room's number.
        ticket: u64,
    },
    /// So many steps of an inversion are done. With the last of them windows over the patch can be
    /// edited; the way back, which tells how good it is, follows. Some may be left out, the last is
    /// not.
    Progress {
        /// The room's number.
        ticket: u64,
        /// Steps done.
        step: u32,
    },
    /// A render is done.
    Rendered {
        /// The room's number.
        ticket: u64,
        /// The window as the model sees it; the room blends it in under the mask.
        pixels: Pixels,
        /// How long each stage took.
        timings: TimingsMs,
    },
    /// A patch is inverted, and it is known what comes back from it.
    Inverted {
        /// The room's number.
        ticket: u64,
        /// What can be shown of it.
        patch: InvertedPatch,
    },
    /// It was cancelled, a newer render took its place, or the room was forgotten.
    Superseded {
        /// The room's number.
        ticket: u64,
    },
    /// It was rendered, and the safety checker does not let it be shown.
    HeldBack {
        /// The room's number.
        ticket: u64,
        /// One sentence for a person.
        message: String,
    },
    /// It failed.
    Failed {
        /// The room's number.
        ticket: u64,
        /// One sentence for a person.
        message: String,
    },
}

impl Event {
    /// The room's number for the job.
    pub fn ticket(&self) -> u64 {
        match self {
            Self::Started { ticket }
            | Self::Progress { ticket, .. }
            | Self::Rendered { ticket, .. }
            | Self::Inverted { ticket, .. }
            | Self::Superseded { ticket }
            | Self::HeldBack { ticket, .. }
            | Self::Failed { ticket, .. } => *ticket,
        }
    }
}

/// What can be shown of an inverted patch: pictures as large as its core.
#[derive(Debug)]
pub struct InvertedPatch {
    /// The noise, as the decoder shows it.
    pub noise: Pixels,
    /// What DDIM makes of the noise again.
    pub reconstruction: Pixels,
    /// How long each stage took, the way back included.
    pub timings: TimingsMs,
}

/// A job in the engine, and where its events go. The engine never waits for them: the channel must
/// have room for [`EVENTS_PER_JOB`] of every job whose end was not received yet.
#[derive(Clone, Debug)]
pub(super) struct Job<W> {
    pub key: JobKey,
    pub work: W,
    pub events: mpsc::Sender<Event>,
}

/// What the kinds of work differ in, where events are sent.
pub(super) trait Kind {
    /// Counts events by their state.
    const METRIC: &'static str;

    /// The step whose progress is always sent.
    fn last_step(&self) -> Option<u32>;
}

impl Kind for RenderWork {
    const METRIC: &'static str = "impasto_renders_total";

    fn last_step(&self) -> Option<u32> {
        None
    }
}

impl Kind for InversionWork {
    const METRIC: &'static str = "impasto_inversions_total";

    fn last_step(&self) -> Option<u32> {
        Some(self.steps)
    }
}

impl<W: Kind> Job<W> {
    pub fn started(&self) {
        let ticket = self.key.ticket;
        self.send("started", Event::Started { ticket });
    }

    /// Left out while the channel is half full, except the last step's.
    pub fn progress(&self, step: u32) {
        let is_half_full = 2 * self.events.capacity() <= self.events.max_capacity();
        if is_half_full && self.work.last_step().is_some_and(|last| step < last) {
            return;
        }
        let ticket = self.key.ticket;
        self.deliver(Event::Progress { ticket, step });
    }

    pub fn superseded(&self) {
        let ticket = self.key.ticket;
        self.send("superseded", Event::Superseded { ticket });
    }

    /// It came to no picture that may be shown.
    pub fn failed(&self, error: &PipelineError) {
        let ticket = self.key.ticket;
        let message = error.to_string();
        match error {
            PipelineError::HeldBack => self.send("held_back", Event::HeldBack { ticket, message }),
            _ => self.send("failed", Event::Failed { ticket, message }),
        }
    }

    fn send(&self, state: &'static str, event: Event) {
        counter!(W::METRIC, "state" => state).increment(1);
        self.deliver(event);
    }

    /// Hands an event to the room; one that is gone gets nothing.
    fn deliver(&self, event: Event) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(event) {
            tracing::error!(
                room = self.key.room.0,
                ticket = self.key.ticket,
                "a room does not take the events of its job"
            );
        }
    }
}

impl Job<RenderWork> {
    pub fn rendered(&self, pixels: Pixels, timings: TimingsMs) {
        let ticket = self.key.ticket;
        let event = Event::Rendered {
            ticket,
            pixels,
            timings,
        };
        self.send("done", event);
    }
}

impl Job<InversionWork> {
    pub fn inverted(&self, patch: InvertedPatch) {
        let ticket = self.key.ticket;
        self.send("done", Event::Inverted { ticket, patch });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::keys::RoomKey;

    fn job(ticket: u64, events: &mpsc::Sender<Event>) -> Job<InversionWork> {
        let rect = Rect::new(0, 0, 8, 8);
        let room = RoomKey(1);
        Job {
            key: JobKey { room, ticket },
            work: InversionWork {
                photo: 1,
                rect,
                core: rect,
                pixels: Arc::new(Pixels::new(8, 8, [0; 3])),
                prompt: String::new(),
                steps: 50,
                refinements: 0,
                priority: Priority::Prefetch,
            },
            events: events.clone(),
        }
    }

    #[test]
    fn a_room_that_listens_late_misses_progress_but_no_noise_and_no_ending() {
        for inversions in [1, 2, 7, 16] {
            let (events, mut received) = mpsc::channel(inversions * EVENTS_PER_JOB);
            let tickets = 1..=inversions as u64;
            let jobs: Vec<_> = tickets.map(|ticket| job(ticket, &events)).collect();
            jobs.iter().for_each(Job::started);
            for step in 1..=50 {
                jobs.iter().for_each(|job| job.progress(step));
            }
            jobs.iter().for_each(Job::superseded);
            let (mut started, mut progress, mut found, mut ended) = (0, 0, 0, 0);
            while let Ok(event) = received.try_recv() {
                match event {
                    Event::Started { .. } => started += 1,
                    Event::Progress { step: 50, .. } => found += 1,
                    Event::Progress { .. } => progress += 1,
                    _ => ended += 1,
                }
            }
            assert_eq!([started, found, ended], [inversions; 3]);
            assert!(progress > 0 && progress < 49 * inversions, "{progress}");
        }
    }
}
