//! Inversions in the waiting line: which one takes the next step, and which are to end.

use std::collections::HashMap;
use std::time::Instant;

use super::Admission;
use crate::engine::inversion_line::{Errand, InversionKey, InversionLine};
use crate::engine::request::tell_inversion;
use crate::engine::{EngineError, InversionEvent, InversionRequest, RoomKey};

/// An inversion of which no step has been taken.
pub(in crate::engine) struct WaitingInversion {
    pub request: InversionRequest,
    pub since: Instant,
}

impl WaitingInversion {
    pub(super) fn tell_given_up(&self) {
        let ticket = self.request.ticket;
        tell_inversion(&self.request, InversionEvent::Superseded { ticket });
    }
}

/// Whose turn it is.
pub(in crate::engine) enum InversionTurn {
    /// The first step of an inversion.
    Begin(WaitingInversion),
    /// Another step of one that has begun.
    GoOn(InversionKey),
}

/// The inversions of all rooms, waiting or on the device.
#[derive(Default)]
pub(super) struct Inversions {
    line: InversionLine,
    /// Those in line that have not begun.
    waiting: HashMap<InversionKey, WaitingInversion>,
    /// Those on the device that are in line no more.
    stopped: Vec<InversionKey>,
}

impl Inversions {
    /// True when the device has nothing to do here.
    pub fn is_idle(&self) -> bool {
        self.line.is_empty() && self.stopped.is_empty()
    }

    pub fn take_stopped(&mut self) -> Vec<InversionKey> {
        std::mem::take(&mut self.stopped)
    }

    /// Takes an inversion out of the line. Answers it where it has not begun: its room is told at
    /// once, that of another by the device.
    fn give_up(&mut self, key: InversionKey) -> Option<WaitingInversion> {
        if !self.line.remove(key) {
            return None;
        }
        let waiting = self.waiting.remove(&key);
        if waiting.is_none() {
            self.stopped.push(key);
        }
        waiting
    }

    /// Takes all inversions of a room out of the line; answers those that have not begun.
    pub fn give_up_room(&mut self, room: RoomKey) -> Vec<WaitingInversion> {
        let keys = self.line.of_room(room).into_iter();
        keys.filter_map(|key| self.give_up(key)).collect()
    }

    /// Takes all inversions out of the line; answers those that have not begun.
    pub fn give_up_all(&mut self) -> Vec<WaitingInversion> {
        let keys = self.line.all().into_iter();
        keys.filter_map(|key| self.give_up(key)).collect()
    }
}

impl Admission {
    /// Queues an inversion.
    pub fn invert(&self, request: InversionRequest) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EngineError::Stopped);
        }
        if state.inversions.line.len() >= self.capacity {
            return Err(EngineError::Overloaded);
        }
        let key = request.key();
        let errand = match request.is_wanted {
            true => Errand::Wanted,
            false => Errand::Ahead,
        };
        let since = Instant::now();
        state.inversions.line.push(key, errand);
        let waiting = WaitingInversion { request, since };
        state.inversions.waiting.insert(key, waiting);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// An inversion is waited for now: from its next step on it goes before those that are not.
    pub fn want_inversion(&self, room: RoomKey, ticket: u64) {
        let key = InversionKey { room, ticket };
        self.lock().inversions.line.change(key, Errand::Wanted);
    }

    /// Stops an inversion: one on the device takes no further step.
    pub fn cancel_inversion(&self, room: RoomKey, ticket: u64) {
        let key = InversionKey { room, ticket };
        let waiting = self.lock().inversions.give_up(key);
        waiting.iter().for_each(WaitingInversion::tell_given_up);
        self.changed.notify_one();
    }

    /// Which inversion takes a step now.
    pub fn inversion_turn(&self) -> Option<InversionTurn> {
        let mut state = self.lock();
        let (key, _) = state.inversions.line.first()?;
        Some(match state.inversions.waiting.remove(&key) {
            Some(waiting) => InversionTurn::Begin(waiting),
            None => InversionTurn::GoOn(key),
        })
    }

    /// The noise of an inversion is found.
    pub fn inversion_turned(&self, key: InversionKey) {
        self.lock().inversions.line.turn_back(key);
    }

    /// An inversion on the device has ended.
    pub fn inversion_ended(&self, key: InversionKey) {
        let mut state = self.lock();
        state.inversions.line.remove(key);
        // It may have been stopped during its last step.
        state.inversions.stopped.retain(|stopped| *stopped != key);
    }
}
