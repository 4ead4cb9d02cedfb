//! A simulated engine that inverts: the real line, but no model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    canvas::{Pixels, WindowRules, photo_tiles},
    engine::{Errand, InversionEvent, InversionKey, InversionLine, InvertedPart, RoomKey},
    protocol::{Rect, TimingsMs},
    room::core::InversionWish,
};

struct Run {
    wish: InversionWish,
    /// None before it has begun.
    step: Option<u32>,
}

/// What the engine has of a room's inversions.
#[derive(Default)]
pub(super) struct Inverter {
    line: InversionLine,
    runs: BTreeMap<u64, Run>,
    /// Cancelled while they were under way.
    stopped: Vec<u64>,
    /// Told and not heard.
    events: VecDeque<InversionEvent>,
    /// What is inverted.
    kept: BTreeSet<(u64, [u32; 4])>,
    /// Tickets whose end was told.
    pub(super) ended: Vec<u64>,
}

fn key(ticket: u64) -> InversionKey {
    let room = RoomKey(1);
    InversionKey { room, ticket }
}

impl Inverter {
    pub(super) fn take(&mut self, wish: InversionWish) {
        assert_eq!(wish.pixels.bounds().area(), wish.tile.rect.area());
        let errand = match wish.is_wanted {
            true => Errand::Wanted,
            false => Errand::Ahead,
        };
        self.line.push(key(wish.ticket), errand);
        self.runs.insert(wish.ticket, Run { wish, step: None });
    }

    pub(super) fn want(&mut self, ticket: u64) {
        self.line.change(key(ticket), Errand::Wanted);
    }

    pub(super) fn cancel(&mut self, ticket: u64) {
        if !self.line.remove(key(ticket)) {
            return;
        }
        match self.runs[&ticket].step {
            Some(_) => self.stopped.push(ticket),
            None => self.end(ticket, InversionEvent::Superseded { ticket }),
        }
    }

    pub(super) fn forget_photo(&mut self, photo: u64) {
        self.kept.retain(|(of, _)| *of != photo);
    }

    /// The oldest event that nobody has heard.
    pub(super) fn next_event(&mut self) -> Option<InversionEvent> {
        self.events.pop_front()
    }

    /// True when nothing is under way and all was heard.
    pub(super) fn is_idle(&self) -> bool {
        self.runs.is_empty() && self.events.is_empty()
    }

    /// What the next step is good for; none while something is to be stopped first, or to be
    /// heard.
    pub(super) fn next_errand(&self) -> Option<Errand> {
        let is_clear = self.stopped.is_empty() && self.events.is_empty();
        let (_, errand) = self.line.first()?;
        is_clear.then_some(errand)
    }

    /// Whether all of a photo that lies under a window is inverted.
    pub(super) fn covers(
        &self,
        photo: u64,
        window: &Rect,
        canvas: &Rect,
        rules: &WindowRules,
    ) -> bool {
        photo_tiles(canvas, rules).into_iter().all(|tile| {
            let apart = tile.core.intersect(window).is_empty();
            apart || self.kept.contains(&(photo, tile.core.into()))
        })
    }

    /// Ends what was stopped, or else takes the step whose turn it is.
    pub(super) fn step(&mut self, steps: u32, fails: bool) {
        if !self.stopped.is_empty() {
            for ticket in std::mem::take(&mut self.stopped) {
                self.end(ticket, InversionEvent::Superseded { ticket });
            }
            return;
        }
        let Some((InversionKey { ticket, .. }, _)) = self.line.first() else {
            return;
        };
        let run = self.runs.get_mut(&ticket).unwrap();
        if fails {
            let message = "out of memory".to_owned();
            return self.end(ticket, InversionEvent::Failed { ticket, message });
        }
        match run.step {
            None => {
                run.step = Some(0);
                self.events.push_back(InversionEvent::Started { ticket });
            }
            Some(step) if step < steps => {
                let step = step + 1;
                run.step = Some(step);
                if step == steps {
                    let (photo, core) = (run.wish.photo, run.wish.tile.core);
                    self.kept.insert((photo, core.into()));
                    self.line.turn_back(key(ticket));
                }
                self.events
                    .push_back(InversionEvent::Progress { ticket, step });
            }
            Some(_) => {
                let part = part_of(&run.wish);
                self.end(ticket, InversionEvent::Done { ticket, part });
            }
        }
    }

    fn end(&mut self, ticket: u64, event: InversionEvent) {
        self.line.remove(key(ticket));
        self.runs.remove(&ticket);
        self.ended.push(ticket);
        self.events.push_back(event);
    }
}

fn part_of(wish: &InversionWish) -> InvertedPart {
    let (core, rect) = (wish.tile.core, wish.tile.rect);
    let local = Rect::new(core.x - rect.x, core.y - rect.y, core.width, core.height);
    InvertedPart {
        noise: Pixels::new(core.width, core.height, [1; 3]),
        reconstruction: wish.pixels.crop(&local),
        timings: TimingsMs::new(),
    }
}
