//! A simulated engine that inverts: the real queue, but no model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    canvas::{Pixels, WindowRules, photo_patches},
    engine::{Event, InversionWork, InvertedPatch, JobKey, Priority, PriorityQueue, RoomKey},
    protocol::{Rect, TimingsMs},
};

struct Run {
    work: InversionWork,
    /// None before it has begun.
    step: Option<u32>,
}

/// What the engine has of a room's inversions.
#[derive(Default)]
pub(super) struct Inverter {
    queue: PriorityQueue,
    runs: BTreeMap<u64, Run>,
    /// Cancelled while they were under way.
    stopped: Vec<u64>,
    /// Sent and not received.
    events: VecDeque<Event>,
    /// What is inverted.
    kept: BTreeSet<(u64, [u32; 4])>,
    /// Tickets whose end was sent.
    pub(super) ended: Vec<u64>,
}

fn key(ticket: u64) -> JobKey {
    let room = RoomKey(1);
    JobKey { room, ticket }
}

impl Inverter {
    pub(super) fn take(&mut self, ticket: u64, work: InversionWork) {
        assert_eq!(work.pixels.bounds().area(), work.rect.area());
        self.queue.push(key(ticket), work.priority);
        self.runs.insert(ticket, Run { work, step: None });
    }

    pub(super) fn prioritise(&mut self, ticket: u64) {
        self.queue.change(key(ticket), Priority::Interactive);
    }

    pub(super) fn cancel(&mut self, ticket: u64) {
        if !self.queue.remove(key(ticket)) {
            return;
        }
        match self.runs[&ticket].step {
            Some(_) => self.stopped.push(ticket),
            None => self.end(ticket, Event::Superseded { ticket }),
        }
    }

    pub(super) fn forget_photo(&mut self, photo: u64) {
        self.kept.retain(|(of, _)| *of != photo);
    }

    /// The oldest event that nobody has received.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// True when nothing is under way and all events were received.
    pub(super) fn is_idle(&self) -> bool {
        self.runs.is_empty() && self.events.is_empty()
    }

    /// What the next step is good for; none while something is to be stopped first, or to
    /// be received.
    pub(super) fn next_priority(&self) -> Option<Priority> {
        let is_clear = self.stopped.is_empty() && self.events.is_empty();
        let (_, priority) = self.queue.first()?;
        is_clear.then_some(priority)
    }

    /// Whether all of a photo that lies under a window is inverted.
    pub(super) fn covers(
        &self,
        photo: u64,
        window: &Rect,
        canvas: &Rect,
        rules: &WindowRules,
    ) -> bool {
        photo_patches(canvas, rules).into_iter().all(|patch| {
            let apart = patch.core.intersect(window).is_empty();
            apart || self.kept.contains(&(photo, patch.core.into()))
        })
    }

    /// Ends what was stopped, or else takes the step whose turn it is.
    pub(super) fn step(&mut self, steps: u32, fails: bool) {
        if !self.stopped.is_empty() {
            for ticket in std::mem::take(&mut self.stopped) {
                self.end(ticket, Event::Superseded { ticket });
            }
            return;
        }
        let Some((JobKey { ticket, .. }, _)) = self.queue.first() else {
            return;
        };
        let run = self.runs.get_mut(&ticket).unwrap();
        if fails {
            let message = "out of memory".to_owned();
            return self.end(ticket, Event::Failed { ticket, message });
        }
        match run.step {
            None => {
                run.step = Some(0);
                self.events.push_back(Event::Started { ticket });
            }
            Some(step) if step < steps => {
                let step = step + 1;
                run.step = Some(step);
                if step == steps {
                    let (photo, core) = (run.work.photo, run.work.core);
                    self.kept.insert((photo, core.into()));
                    self.queue.verify_later(key(ticket));
                }
                self.events.push_back(Event::Progress { ticket, step });
            }
            Some(_) => {
                let patch = patch_of(&run.work);
                self.end(ticket, Event::Inverted { ticket, patch });
            }
        }
    }

    fn end(&mut self, ticket: u64, event: Event) {
        self.queue.remove(key(ticket));
        self.runs.remove(&ticket);
        self.ended.push(ticket);
        self.events.push_back(event);
    }
}

fn patch_of(work: &InversionWork) -> InvertedPatch {
    let (core, rect) = (work.core, work.rect);
    let local = Rect::new(core.x - rect.x, core.y - rect.y, core.width, core.height);
    InvertedPatch {
        noise: Pixels::new(core.width, core.height, [1; 3]),
        reconstruction: work.pixels.crop(&local),
        timings: TimingsMs::new(),
    }
}
