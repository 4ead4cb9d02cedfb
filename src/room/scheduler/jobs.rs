//! The jobs that the engine has of a room: renders and inversions.

use std::time::Instant;

use uuid::Uuid;

use crate::{
    canvas::{Mask, PhotoPatch, Window},
    engine::Priority,
    protocol::{Rect, RenderNews, RenderState, RenderWork},
};

/// Why a window is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// A member asked for it, perhaps with a number of steps of its own.
    Request(Option<u32>),
    /// It was painted.
    Live,
    /// The hand rests: once more, with more steps.
    Refine,
}

/// A job that the engine has.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// The room's number for it.
    pub(super) ticket: u64,
    /// `seq` of the last op that it knows.
    pub(super) rev: u64,
    /// What it may change; of an inversion, what it answers for.
    pub(super) rect: Rect,
    /// Steps in all.
    pub(super) steps: u32,
    /// False once it was cancelled: it may still run on the device, and what becomes of it is
    /// news, but its pixels are not used.
    pub(super) is_live: bool,
    pub(super) work: JobWork,
}

/// What a job is.
#[derive(Clone, Debug)]
pub(super) enum JobWork {
    Render(RenderJob),
    Inversion(InversionJob),
}

/// A render that the engine has.
#[derive(Clone, Debug)]
pub(super) struct RenderJob {
    pub(super) author: Uuid,
    pub(super) reason: Reason,
    pub(super) window: Window,
    /// Feathered, of the window's size.
    pub(super) mask: Mask,
    pub(super) is_final: bool,
    /// When the oldest op came in that nobody has seen rendered before it.
    pub(super) arrived: Option<Instant>,
    pub(super) submitted: Instant,
    /// The device has begun it.
    pub(super) has_begun: bool,
    /// The device was at work on nothing else of its author when it was submitted: what it waits, it
    /// waits for others.
    pub(super) is_alone: bool,
}

/// An inversion that the engine has.
#[derive(Clone, Debug)]
pub(super) struct InversionJob {
    pub(super) photo: u64,
    pub(super) patch: PhotoPatch,
    /// As the engine knows it.
    pub(super) priority: Priority,
    /// Steps that are done.
    pub(super) step: u32,
}

/// The jobs that the engine has of a room, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    all: Vec<Job>,
    tickets: u64,
}

impl Job {
    /// News of the job.
    pub(super) fn news(&self, state: RenderState) -> RenderNews {
        RenderNews {
            state,
            work: match self.work {
                JobWork::Render(_) => None,
                JobWork::Inversion(_) => Some(RenderWork::Invert),
            },
            client: match &self.work {
                JobWork::Render(render) => Some(render.author),
                JobWork::Inversion(_) => None,
            },
            rev: self.rev,
            rect: self.rect,
            step: None,
            steps: self.steps,
            psnr_db: None,
            timings_ms: None,
            message: None,
            held_back: false,
        }
    }

    /// The render that it is; none of an inversion.
    pub(super) fn render(&self) -> Option<&RenderJob> {
        match &self.work {
            JobWork::Render(render) => Some(render),
            JobWork::Inversion(_) => None,
        }
    }

    fn inversion(&self) -> Option<&InversionJob> {
        match &self.work {
            JobWork::Inversion(inversion) => Some(inversion),
            JobWork::Render(_) => None,
        }
    }
}

impl Jobs {
    /// A new job, and its ticket.
    pub(super) fn push(&mut self, rev: u64, rect: Rect, steps: u32, work: JobWork) -> u64 {
        self.tickets += 1;
        self.all.push(Job {
            ticket: self.tickets,
            rev,
            rect,
            steps,
            is_live: true,
            work,
        });
        self.tickets
    }

    /// The job of a ticket.
    pub(super) fn get(&self, ticket: u64) -> Option<&Job> {
        self.all.iter().find(|job| job.ticket == ticket)
    }

    /// The inversion of a ticket, to be changed.
    pub(super) fn inversion_mut(&mut self, ticket: u64) -> Option<&mut InversionJob> {
        let mut jobs = self.all.iter_mut();
        match &mut jobs.find(|job| job.ticket == ticket)?.work {
            JobWork::Inversion(inversion) => Some(inversion),
            JobWork::Render(_) => None,
        }
    }

    /// The device begins a render. Answers it.
    pub(super) fn begin_render(&mut self, ticket: u64) -> Option<&RenderJob> {
        let mut jobs = self.all.iter_mut();
        match &mut jobs.find(|job| job.ticket == ticket)?.work {
            JobWork::Render(render) => {
                render.has_begun = true;
                Some(render)
            }
            JobWork::Inversion(_) => None,
        }
    }

    /// Whether the device is at work on a render of an author, one that was cancelled too.
    pub(super) fn has_begun_one_of(&self, author: Uuid) -> bool {
        let mut renders = self.all.iter().filter_map(Job::render);
        renders.any(|render| render.author == author && render.has_begun)
    }

    /// Whether the engine has any render.
    pub(super) fn has_renders(&self) -> bool {
        self.all.iter().any(|job| job.render().is_some())
    }

    /// The job of a ticket has ended.
    pub(super) fn remove(&mut self, ticket: u64) -> Option<Job> {
        let place = self.all.iter().position(|job| job.ticket == ticket)?;
        Some(self.all.remove(place))
    }

    /// A job does not count any more. Answers it where it did before.
    pub(super) fn cancel(&mut self, ticket: u64) -> Option<&Job> {
        let mut jobs = self.all.iter_mut();
        let job = jobs.find(|job| job.ticket == ticket && job.is_live)?;
        job.is_live = false;
        Some(job)
    }

    /// Inversions that meet the condition do not count any more. Answers the tickets of those that
    /// did before, for the engine.
    pub(super) fn cancel_inversions(
        &mut self,
        condition: impl Fn(&InversionJob) -> bool,
    ) -> Vec<u64> {
        let live = self.all.iter_mut().filter(|job| job.is_live);
        live.filter(|job| job.inversion().is_some_and(&condition))
            .map(|job| {
                job.is_live = false;
                job.ticket
            })
            .collect()
    }

    /// All inversions, those that were cancelled too; the oldest first.
    pub(super) fn inversions(&self) -> impl Iterator<Item = (&Job, &InversionJob)> + Clone {
        let jobs = self.all.iter();
        jobs.filter_map(|job| Some((job, job.inversion()?)))
    }
}
