//! The queue of inversions: which one takes the next step, and which are to end.

use std::collections::HashMap;
use std::time::Instant;

use crate::engine::error::EngineError;
use crate::engine::keys::{JobKey, RoomKey};
use crate::engine::priority_queue::{Priority, PriorityQueue};
use crate::engine::request::{InversionWork, Job};

/// An inversion of which no step has been taken.
pub(in crate::engine) struct WaitingInversion {
    pub job: Job<InversionWork>,
    pub since: Instant,
}

/// Whose turn it is.
pub(in crate::engine) enum InversionTurn {
    /// The first step of an inversion.
    Begin(WaitingInversion),
    /// Another step of one that has begun.
    GoOn(JobKey),
}

/// The inversions of all rooms, waiting or on the device.
#[derive(Default)]
pub(super) struct InversionQueue {
    queue: PriorityQueue,
    /// Those in the queue that have not begun.
    waiting: HashMap<JobKey, WaitingInversion>,
    /// Those on the device that are not in the queue any more.
    stopped: Vec<JobKey>,
}

impl InversionQueue {
    /// True when the device has nothing to do here.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.stopped.is_empty()
    }

    pub fn take_stopped(&mut self) -> Vec<JobKey> {
        std::mem::take(&mut self.stopped)
    }

    /// Takes an inversion out of the queue. Answers it where it has not begun: its room is told at
    /// once, that of another by the device.
    pub fn stop(&mut self, key: JobKey) -> Option<WaitingInversion> {
        if !self.queue.remove(key) {
            return None;
        }
        let waiting = self.waiting.remove(&key);
        if waiting.is_none() {
            self.stopped.push(key);
        }
        waiting
    }

    /// Takes all inversions of a room out of the queue; answers those that have not begun.
    pub fn stop_room(&mut self, room: RoomKey) -> Vec<WaitingInversion> {
        let keys = self.queue.of_room(room).into_iter();
        keys.filter_map(|key| self.stop(key)).collect()
    }

    /// Takes all inversions out of the queue; answers those that have not begun.
    pub fn stop_all(&mut self) -> Vec<WaitingInversion> {
        let keys = self.queue.all().into_iter();
        keys.filter_map(|key| self.stop(key)).collect()
    }

    /// Queues an inversion, unless so many wait already.
    pub fn push(&mut self, job: Job<InversionWork>, most: usize) -> Result<(), EngineError> {
        if self.queue.len() >= most {
            return Err(EngineError::Overloaded);
        }
        let (key, since) = (job.key, Instant::now());
        self.queue.push(key, job.work.priority);
        self.waiting.insert(key, WaitingInversion { job, since });
        Ok(())
    }

    /// An inversion is waited for now: from its next step on it goes before those that are not.
    pub fn prioritise(&mut self, key: JobKey) {
        self.queue.change(key, Priority::Interactive);
    }

    /// Which inversion takes a step now.
    pub fn turn(&mut self) -> Option<InversionTurn> {
        let (key, _) = self.queue.first()?;
        Some(match self.waiting.remove(&key) {
            Some(waiting) => InversionTurn::Begin(waiting),
            None => InversionTurn::GoOn(key),
        })
    }

    /// The noise of an inversion is found.
    pub fn found(&mut self, key: JobKey) {
        self.queue.verify_later(key);
    }

    /// An inversion on the device has ended.
    pub fn ended(&mut self, key: JobKey) {
        self.queue.remove(key);
        // It may have been stopped during its last step.
        self.stopped.retain(|stopped| *stopped != key);
    }
}
