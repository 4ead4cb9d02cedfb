//! What to render next for one member: decisions only, no pixels.
//!
//! At most one render of a member counts at a time; one that was given up may still be running
//! on the device, and its news is told, but its pixels are not used.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::cells::{CellSet, squared_distance};
use crate::{
    canvas::{Mask, Window, WindowRules, windows_for},
    protocol::{CanvasSize, Rect, RenderWish},
};

/// The side of the cells in which dirty pixels are counted.
const CELL: u32 = 16;
/// A render of a stroke that is younger than this when the hand lifts has cost little yet: it is
/// given up for one that shows the whole stroke. Older ones finish, so that quick strokes one
/// after another cannot starve the picture.
const YOUNG: Duration = Duration::from_millis(150);
/// A render without news for so long is taken for lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why a window is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// A member asked for it, perhaps with a number of steps of its own.
    Wish(Option<u32>),
    /// It was painted.
    Live,
    /// The hand rests: once more, with more steps.
    Settle,
}

/// A render that the engine has.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) ticket: u64,
    pub(super) reason: Reason,
    pub(super) window: Window,
    /// Feathered, of the window's size.
    pub(super) mask: Mask,
    /// `seq` of the last op that it includes.
    pub(super) rev: u64,
    pub(super) steps: u32,
    pub(super) is_final: bool,
    /// When the oldest op came in that nobody has seen rendered before it.
    pub(super) arrived: Option<Instant>,
    pub(super) submitted: Instant,
}

/// What is told of a render that was given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abandoned {
    pub(super) rev: u64,
    pub(super) rect: Rect,
    pub(super) steps: u32,
}

/// The renders of one member: what is dirty, and what the engine has.
#[derive(Debug)]
pub(super) struct RenderPlan {
    live: CellSet,
    wished: CellSet,
    wished_steps: Option<u32>,
    unsettled: CellSet,
    focus: (f32, f32),
    /// True while a stroke of the member is not done.
    pub(super) hand_down: bool,
    last_op: Instant,
    arrived: Option<Instant>,
    /// The render that counts.
    pub(super) flight: Option<Flight>,
    /// Renders that no longer count, by ticket.
    pub(super) abandoned: BTreeMap<u64, Abandoned>,
    /// After a failure: wait for the next op.
    pub(super) stalled: bool,
    /// The next window waits until the photo under it is inverted.
    pub(super) held: bool,
}

impl RenderPlan {
    pub(super) fn new(size: CanvasSize, now: Instant) -> Self {
        let cells = CellSet::new(size, CELL);
        Self {
            live: cells.clone(),
            wished: cells.clone(),
            wished_steps: None,
            unsettled: cells,
            focus: (size.width as f32 / 2.0, size.height as f32 / 2.0),
            hand_down: false,
            last_op: now,
            arrived: None,
            flight: None,
            abandoned: BTreeMap::new(),
            stalled: false,
            held: false,
        }
    }

    /// The member did something: the hand does not rest, and failures are forgiven.
    pub(super) fn heard(&mut self, now: Instant) {
        self.last_op = now;
        self.stalled = false;
        self.held = false;
        if self
            .flight
            .as_ref()
            .is_some_and(|flight| now > flight.submitted + PATIENCE)
        {
            self.abandon();
        }
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

    /// The member wishes these rectangles.
    pub(super) fn wish(&mut self, rects: &[Rect], wish: &RenderWish) {
        for rect in rects {
            self.wished.insert_rect(rect);
        }
        self.wished_steps = wish.steps;
    }

    /// Nothing is to be rendered any more.
    pub(super) fn forget_dirty(&mut self) {
        self.live.clear();
        self.unsettled.clear();
        self.wished.clear();
        self.arrived = None;
        self.held = false;
    }

    /// Somebody else renders what was only painted and not wished.
    pub(super) fn hand_over_painted(&mut self) {
        self.live.clear();
        self.unsettled.clear();
    }

    /// True when the engine has nothing of this plan and nothing is left to ask for.
    pub(super) fn is_idle(&self) -> bool {
        self.flight.is_none()
            && self.abandoned.is_empty()
            && self.live.is_empty()
            && self.wished.is_empty()
            && self.unsettled.is_empty()
    }

    /// True when no better picture will come of this plan without another op.
    pub(super) fn is_at_rest(&self, live: bool) -> bool {
        let painted = live && !(self.live.is_empty() && self.unsettled.is_empty());
        let pending = !self.stalled && (painted || !self.wished.is_empty());
        !self.hand_down && self.flight.is_none() && !pending
    }

    /// When [`Self::next_window`] may have more to say although nothing has happened.
    pub(super) fn settles_at(&self, live: bool, rest: Duration) -> Option<Instant> {
        let waits = live
            && !self.stalled
            && !self.held
            && !self.hand_down
            && self.flight.is_none()
            && !self.unsettled.is_empty();
        waits.then(|| self.last_op + rest)
    }

    /// Gives up the render that counts: its pixels are dirty again.
    pub(super) fn abandon(&mut self) -> bool {
        let Some(flight) = self.flight.take() else {
            return false;
        };
        self.put_back(&flight, &flight.window.core);
        self.arrived = self.arrived.or(flight.arrived);
        self.abandoned.insert(
            flight.ticket,
            Abandoned {
                rev: flight.rev,
                rect: flight.window.rect,
                steps: flight.steps,
            },
        );
        true
    }

    /// A chunk of a stroke came, the last one when `lifted`: gives up a render that only settles
    /// what is seen already, and one that is [`YOUNG`] when the hand lifts. True when it did.
    pub(super) fn give_way(&mut self, lifted: bool, now: Instant) -> bool {
        let gives_way = self
            .flight
            .as_ref()
            .is_some_and(|flight| match flight.reason {
                Reason::Settle => true,
                Reason::Live => lifted && now < flight.submitted + YOUNG,
                Reason::Wish(_) => false,
            });
        gives_way && self.abandon()
    }

    /// A part of a flight's window has to be rendered again.
    pub(super) fn put_back(&mut self, flight: &Flight, part: &Rect) {
        self.put_back_for(flight.reason, part);
    }

    /// A window that was taken to be rendered has to wait for the photo under it.
    pub(super) fn hold(&mut self, reason: Reason, core: &Rect) {
        self.put_back_for(reason, core);
        self.held = true;
    }

    fn put_back_for(&mut self, reason: Reason, part: &Rect) {
        match reason {
            Reason::Wish(steps) => {
                self.wished.insert_rect(part);
                self.wished_steps = self.wished_steps.or(steps);
            }
            Reason::Live => self.live.insert_rect(part),
            Reason::Settle => self.unsettled.insert_rect(part),
        }
    }

    /// The next window and why, taken out of what is dirty.
    pub(super) fn next_window(
        &mut self,
        size: CanvasSize,
        rules: &WindowRules,
        live: bool,
        now: Instant,
        rest: Duration,
    ) -> Option<(Reason, Window)> {
        if self.stalled || self.held {
            return None;
        }
        let settling = self.settles_at(live, rest).is_some_and(|when| when <= now);
        let (reason, cells) = if !self.wished.is_empty() {
            (Reason::Wish(self.wished_steps), &mut self.wished)
        } else if live && !self.live.is_empty() {
            (Reason::Live, &mut self.live)
        } else if settling {
            (Reason::Settle, &mut self.unsettled)
        } else {
            return None;
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
        cells.remove_centred_in(&window.core);
        if reason != Reason::Live {
            self.live.remove_centred_in(&window.core);
            self.unsettled.remove_centred_in(&window.core);
        }
        if self.wished.is_empty() {
            self.wished_steps = None;
        }
        Some((reason, window))
    }

    /// A live render went out: its window is to be settled later.
    pub(super) fn settle_later(&mut self, core: &Rect) {
        self.unsettled.insert_rect(core);
    }

    /// Hands the time of the oldest unseen op to a render.
    pub(super) fn take_arrival(&mut self) -> Option<Instant> {
        self.arrived.take()
    }

    /// Takes over what another plan still had to render.
    pub(super) fn inherit(&mut self, other: &RenderPlan) {
        let everywhere = Rect::new(0, 0, u32::MAX, u32::MAX);
        self.live.insert_from(&other.live, &everywhere);
        self.wished.insert_from(&other.wished, &everywhere);
        self.unsettled.insert_from(&other.unsettled, &everywhere);
        self.wished_steps = self.wished_steps.or(other.wished_steps);
    }
}
