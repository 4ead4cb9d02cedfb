//! What to render next for one author: decisions only, no pixels.
//!
//! At most one render of an author counts at a time; one that was cancelled may still be running
//! on the device.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::jobs::{Job, Jobs, Reason, RenderJob};
use crate::{
    canvas::{CellSet, Window, WindowRules, squared_distance, windows_for},
    protocol::{CanvasSize, Rect},
};

/// The side of the cells in which dirty pixels are counted.
const CELL: u32 = 16;
/// A render of a stroke that is younger than this when the hand lifts has cost little yet: it is
/// cancelled for one that shows the whole stroke. Older ones finish, so that quick strokes one
/// after another cannot starve the picture.
const YOUNG: Duration = Duration::from_millis(150);
/// A render without news for so long is taken for lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// How windows are cut now, and which.
#[derive(Clone, Debug)]
pub(super) struct Cutting {
    /// Of what is being painted.
    pub(super) painted: WindowRules,
    /// Of what somebody asks for.
    pub(super) asked_for: WindowRules,
    /// Of what refines.
    pub(super) refined: WindowRules,
    /// Whether strokes are rendered while they are painted.
    pub(super) live: bool,
    /// Whether that waits until the hand lifts.
    pub(super) after_strokes: bool,
    /// How long a hand must rest before the picture is refined.
    pub(super) rest: Duration,
}

/// Where the renders of an author stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The next window can go out.
    Ready,
    /// The engine has the render of this ticket, which counts.
    Running(u64),
    /// The next window waits until the photo under it is inverted.
    WaitingForPhoto,
    /// The device had no place for the next window: it is offered again at this time.
    PutOff(Instant),
    /// After a failure: wait for the author's next op.
    Stalled,
}

/// A window that is to be rendered, and why.
#[derive(Debug)]
pub(super) struct NextWindow {
    pub(super) reason: Reason,
    pub(super) window: Window,
    /// What was dirty, of a window that is rendered while the hand moves.
    pub(super) dirty: Option<CellSet>,
}

/// The renders of one author: what is dirty, and what the engine has.
#[derive(Debug)]
pub(super) struct RenderQueue {
    live: CellSet,
    requested: CellSet,
    requested_steps: Option<u32>,
    unrefined: CellSet,
    focus: (f32, f32),
    /// The author's strokes that are being painted.
    open: BTreeSet<u64>,
    last_op: Instant,
    arrived: Option<Instant>,
    pub(super) state: State,
    /// The author knows that the device has no place.
    is_told: bool,
}

impl RenderQueue {
    pub(super) fn new(size: CanvasSize, now: Instant) -> Self {
        let cells = CellSet::new(size, CELL);
        Self {
            live: cells.clone(),
            requested: cells.clone(),
            requested_steps: None,
            unrefined: cells,
            focus: (size.width as f32 / 2.0, size.height as f32 / 2.0),
            open: BTreeSet::new(),
            last_op: now,
            arrived: None,
            state: State::Ready,
            is_told: false,
        }
    }

    /// The author did something: the hand does not rest, and failures are forgiven.
    pub(super) fn touch(&mut self, jobs: &mut Jobs, now: Instant) -> Option<u64> {
        self.last_op = now;
        match self.state {
            State::WaitingForPhoto | State::Stalled => self.state = State::Ready,
            State::Running(ticket) => {
                let lost = jobs.get(ticket).and_then(Job::render);
                if lost.is_some_and(|render| now > render.submitted + PATIENCE) {
                    return self.cancel(jobs);
                }
            }
            State::Ready | State::PutOff(_) => {}
        }
        None
    }

    /// A stroke goes on, or the hand has lifted.
    pub(super) fn paint(&mut self, stroke: u64, done: bool) {
        match done {
            true => self.open.remove(&stroke),
            false => self.open.insert(stroke),
        };
    }

    /// No stroke is being painted any more.
    pub(super) fn lift_hand(&mut self) {
        self.open.clear();
    }

    /// Renders begin near this canvas point.
    pub(super) fn look_at(&mut self, x: f32, y: f32) {
        self.focus = (x, y);
    }

    /// Pixels under the mask changed.
    pub(super) fn dirty(&mut self, rect: &Rect) {
        self.live.insert_rect(rect);
    }

    /// From now on the time until pixels are seen is measured, unless it is already.
    pub(super) fn start_watch(&mut self, now: Instant) {
        self.arrived.get_or_insert(now);
    }

    /// The author asks for these rectangles.
    pub(super) fn request(&mut self, rects: &[Rect], steps: Option<u32>) {
        for rect in rects {
            self.requested.insert_rect(rect);
        }
        self.requested_steps = steps;
    }

    /// Nothing is to be rendered any more.
    pub(super) fn forget_dirty(&mut self) {
        self.live.clear();
        self.unrefined.clear();
        self.requested.clear();
        self.arrived = None;
        if self.state == State::WaitingForPhoto {
            self.state = State::Ready;
        }
    }

    /// Somebody else renders what was only painted and not asked for.
    pub(super) fn hand_over_painted(&mut self) {
        self.live.clear();
        self.unrefined.clear();
    }

    /// True when nothing counts that the engine has of this queue, and nothing is left to ask for.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_running()
            && self.live.is_empty()
            && self.requested.is_empty()
            && self.unrefined.is_empty()
    }

    /// True while the engine has a render that counts.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// True when no better picture will come of this queue without another op.
    pub(super) fn is_at_rest(&self, live: bool) -> bool {
        let painted = live && !(self.live.is_empty() && self.unrefined.is_empty());
        let pending = self.state != State::Stalled && (painted || !self.requested.is_empty());
        self.open.is_empty() && !self.is_running() && !pending
    }

    /// When [`Self::next_window`] may have more to say although nothing has happened.
    pub(super) fn refines_at(&self, live: bool, rest: Duration) -> Option<Instant> {
        let waits = live
            && self.state == State::Ready
            && self.open.is_empty()
            && !self.unrefined.is_empty();
        waits.then(|| self.last_op + rest)
    }

    /// Cancels the render that counts: its pixels are dirty again. Answers its ticket, for the
    /// engine.
    pub(super) fn cancel(&mut self, jobs: &mut Jobs) -> Option<u64> {
        let State::Running(ticket) = self.state else {
            return None;
        };
        self.state = State::Ready;
        let render = jobs.cancel(ticket).and_then(Job::render)?;
        self.put_back(render.reason, &render.window.core);
        self.arrived = self.arrived.or(render.arrived);
        Some(ticket)
    }

    /// A chunk of a stroke came, the last one when `lifted`: cancels a render that only refines
    /// what is seen already, and one that is [`YOUNG`] when the hand lifts. Answers its ticket.
    pub(super) fn preempt(&mut self, jobs: &mut Jobs, lifted: bool, now: Instant) -> Option<u64> {
        let State::Running(ticket) = self.state else {
            return None;
        };
        let render = jobs.get(ticket).and_then(Job::render)?;
        let gives_way = match render.reason {
            Reason::Refine => true,
            Reason::Live => lifted && now < render.submitted + YOUNG,
            Reason::Request(_) => false,
        };
        gives_way.then(|| self.cancel(jobs)).flatten()
    }

    /// The engine has the render of this ticket now.
    pub(super) fn started(&mut self, ticket: u64) {
        self.state = State::Running(ticket);
    }

    /// The render that counts has ended well.
    pub(super) fn finished(&mut self) {
        self.state = State::Ready;
    }

    /// The render that counts has failed: its window waits for the author's next op.
    pub(super) fn stall(&mut self, render: &RenderJob) {
        self.put_back(render.reason, &render.window.core);
        self.state = State::Stalled;
    }

    /// The device had no place for a render. True where the author was not told of it yet.
    pub(super) fn put_off(&mut self, render: &RenderJob, until: Instant) -> bool {
        self.put_back(render.reason, &render.window.core);
        self.arrived = self.arrived.or(render.arrived);
        self.state = State::PutOff(until);
        !std::mem::replace(&mut self.is_told, true)
    }

    /// When what the device had no place for is offered again.
    pub(super) fn retries_at(&self) -> Option<Instant> {
        match self.state {
            State::PutOff(until) => Some(until),
            _ => None,
        }
    }

    /// The device has begun with a render.
    pub(super) fn begun(&mut self) {
        self.is_told = false;
    }

    /// A window that was taken to be rendered has to wait for the photo under it.
    pub(super) fn wait_for_photo(&mut self, reason: Reason, core: &Rect) {
        self.put_back(reason, core);
        self.state = State::WaitingForPhoto;
    }

    /// A window that waits for a photo is looked at again.
    pub(super) fn photo_changed(&mut self) {
        if self.state == State::WaitingForPhoto {
            self.state = State::Ready;
        }
    }

    /// A window that waits for a photo waits for the author's next op instead.
    pub(super) fn photo_failed(&mut self) {
        if self.state == State::WaitingForPhoto {
            self.state = State::Stalled;
        }
    }

    /// A part of a window has to be rendered again.
    pub(super) fn put_back(&mut self, reason: Reason, part: &Rect) {
        match reason {
            Reason::Request(steps) => {
                self.requested.insert_rect(part);
                self.requested_steps = self.requested_steps.or(steps);
            }
            Reason::Live => self.live.insert_rect(part),
            Reason::Refine => self.unrefined.insert_rect(part),
        }
    }

    /// The next window and why, taken out of what is dirty.
    pub(super) fn next_window(
        &mut self,
        size: CanvasSize,
        cutting: &Cutting,
        now: Instant,
    ) -> Option<NextWindow> {
        if self.retries_at().is_some_and(|when| when <= now) {
            self.state = State::Ready;
        }
        if self.state != State::Ready {
            return None;
        }
        let live = cutting.live;
        let refining = self
            .refines_at(live, cutting.rest)
            .is_some_and(|when| when <= now);
        let shows_painting = live && (!cutting.after_strokes || self.open.is_empty());
        let (reason, cells) = if !self.requested.is_empty() {
            (Reason::Request(self.requested_steps), &mut self.requested)
        } else if shows_painting && !self.live.is_empty() {
            (Reason::Live, &mut self.live)
        } else if refining {
            (Reason::Refine, &mut self.unrefined)
        } else {
            return None;
        };
        let rules = match reason {
            Reason::Refine => &cutting.refined,
            Reason::Live => &cutting.painted,
            Reason::Request(_) => &cutting.asked_for,
        };
        let canvas = Rect::new(0, 0, size.width, size.height);
        let region = cells.region_nearest(self.focus)?;
        let window = windows_for(&region, &canvas, rules)
            .into_iter()
            .filter(|window| cells.any_centred_in(&window.core))
            .min_by(|a, b| {
                let near = |window: &Window| squared_distance(&window.core, self.focus);
                near(a).total_cmp(&near(b))
            });
        let Some(window) = window else {
            // No window answers for the region: it cannot be rendered, now or later.
            cells.remove_centred_in(&region);
            return None;
        };
        let dirty = (reason == Reason::Live).then(|| cells.clone());
        cells.remove_centred_in(&window.core);
        if reason != Reason::Live {
            self.live.remove_centred_in(&window.core);
            self.unrefined.remove_centred_in(&window.core);
        }
        if self.requested.is_empty() {
            self.requested_steps = None;
        }
        Some(NextWindow {
            reason,
            window,
            dirty,
        })
    }

    /// A live render went out: where it shows is to be refined later.
    pub(super) fn refine_later(&mut self, shown: &Rect) {
        self.unrefined.insert_rect(shown);
    }

    /// Hands the time of the oldest unseen op to a render.
    pub(super) fn take_arrival(&mut self) -> Option<Instant> {
        self.arrived.take()
    }

    /// Takes over what another queue still had to render.
    pub(super) fn inherit(&mut self, other: &RenderQueue) {
        let everywhere = Rect::new(0, 0, u32::MAX, u32::MAX);
        self.live.insert_from(&other.live, &everywhere);
        self.requested.insert_from(&other.requested, &everywhere);
        self.unrefined.insert_from(&other.unrefined, &everywhere);
        self.requested_steps = self.requested_steps.or(other.requested_steps);
    }
}
