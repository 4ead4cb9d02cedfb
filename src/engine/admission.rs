//! The queues between rooms and the device thread: latest wins per author, and rooms share the device
//! by what they cost it.

mod inversion_queue;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use inversion_queue::InversionQueue;

use super::device_shares::{DeviceShares, Paid};
use super::error::EngineError;
use super::keys::{JobKey, RoomKey};
use super::loras::LoraChange;
use super::request::{InversionWork, Job, RenderWork};
use super::watchdog::Pulse;

pub(super) use inversion_queue::{InversionTurn, WaitingInversion};

/// After so long a refinement is waited for too, so that it comes although others paint on.
const REFINED_WITHIN: Duration = Duration::from_secs(2);

/// A render with the time at which it came.
pub(super) struct Waiting {
    pub job: Job<RenderWork>,
    pub since: Instant,
}

impl Waiting {
    /// True where somebody waits for it: all but young refinements.
    pub fn is_waited_for(&self, now: Instant) -> bool {
        !self.job.work.is_refinement || now.saturating_duration_since(self.since) >= REFINED_WITHIN
    }

    /// One of these runs, and one waits.
    fn author(&self) -> (RoomKey, Uuid) {
        (self.job.key.room, self.job.work.author)
    }
}

/// What the worker keeps of a running render, shared with the queue so that it can be cancelled.
#[derive(Clone)]
pub(super) struct Running {
    pub key: JobKey,
    pub author: Uuid,
    pub is_cancelled: Arc<AtomicBool>,
    /// What its room paid for it, until it is known what it costs.
    paid: Paid,
}

/// How many renders may begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// Of those that somebody waits for.
    pub waited_for: usize,
    /// Of all.
    pub any: usize,
}

impl Places {
    /// What is left when so many have begun.
    fn after(self, begun: usize) -> Self {
        Self {
            waited_for: self.waited_for.saturating_sub(begun),
            any: self.any.saturating_sub(begun),
        }
    }
}

/// What there is to do next.
pub(super) struct Admitted {
    /// LoRAs to change to before anything else; no render is under way then.
    pub loras: Option<LoraChange>,
    /// Renders to begin.
    pub begin: Vec<(Waiting, Running)>,
    /// Inversions under way that are to end here.
    pub stopped: Vec<JobKey>,
    /// Rooms whose latents can go.
    pub forgotten: Vec<RoomKey>,
    /// Photos whose latents can go.
    pub forgotten_photos: Vec<(RoomKey, u64)>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    running: Vec<Running>,
    forgotten: Vec<RoomKey>,
    forgotten_photos: Vec<(RoomKey, u64)>,
    inversions: InversionQueue,
    loras: Option<LoraChange>,
    shares: DeviceShares,
    closed: bool,
}

/// The queues between rooms and the device thread.
pub(super) struct Admission {
    state: Mutex<State>,
    changed: Condvar,
    pulse: Pulse,
    capacity: usize,
}

impl Admission {
    pub fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            pulse: Pulse::default(),
            capacity,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a render. A waiting one of the same author is replaced and told so.
    pub fn render(&self, job: Job<RenderWork>) -> Result<(), EngineError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed {
            return Err(EngineError::Stopped);
        }
        let since = Instant::now();
        let newest = Waiting { job, since };
        let author = newest.author();
        let mut waiting = state.waiting.iter();
        match waiting.position(|waiting| waiting.author() == author) {
            Some(place) => {
                let older = std::mem::replace(&mut state.waiting[place], newest);
                older.job.superseded();
            }
            None if state.waiting.len() >= self.capacity => return Err(EngineError::Overloaded),
            None => {
                state.shares.enter(newest.job.key.room);
                state.waiting.push_back(newest);
            }
        }
        drop(guard);
        self.changed.notify_one();
        Ok(())
    }

    /// Queues an inversion.
    pub fn invert(&self, job: Job<InversionWork>) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EngineError::Stopped);
        }
        state.inversions.push(job, self.capacity)?;
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// An inversion is waited for now.
    pub fn prioritise(&self, key: JobKey) {
        self.lock().inversions.prioritise(key);
    }

    /// Stops a job: one on the device takes no further step.
    pub fn cancel(&self, key: JobKey) {
        let mut state = self.lock();
        for run in state.running.iter().filter(|run| run.key == key) {
            run.is_cancelled.store(true, Ordering::Relaxed);
        }
        let mut waiting = state.waiting.iter();
        let place = waiting.position(|waiting| waiting.job.key == key);
        let render = place.and_then(|place| state.waiting.remove(place));
        if render.is_some() {
            state.leave_if_idle(key.room);
        }
        let inversion = state.inversions.stop(key);
        drop(state);
        render.iter().for_each(|waiting| waiting.job.superseded());
        inversion
            .iter()
            .for_each(|waiting| waiting.job.superseded());
        self.changed.notify_one();
    }

    /// A room has ended.
    pub fn forget_room(&self, room: RoomKey) {
        let mut state = self.lock();
        let (gone, kept) = std::mem::take(&mut state.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|waiting| waiting.job.key.room == room);
        state.waiting = kept;
        match room {
            // Its pictures end one by one; what they cost stays theirs.
            RoomKey::NO_ROOM => state.shares.leave(room),
            _ => state.shares.forget(room),
        }
        for run in state.running.iter().filter(|run| run.key.room == room) {
            run.is_cancelled.store(true, Ordering::Relaxed);
        }
        let inversions = state.inversions.stop_room(room);
        state.forgotten.push(room);
        drop(state);
        inversions
            .iter()
            .for_each(|waiting| waiting.job.superseded());
        gone.iter().for_each(|waiting| waiting.job.superseded());
        self.changed.notify_one();
    }

    /// A photo's latents can go.
    pub fn forget_photo(&self, room: RoomKey, photo: u64) {
        self.lock().forgotten_photos.push((room, photo));
        self.changed.notify_one();
    }

    /// Queues a change of LoRAs: no further render begins until those under way have ended and
    /// it is done.
    pub fn change_loras(&self, change: LoraChange) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EngineError::Stopped);
        }
        if state.loras.is_some() {
            return Err(EngineError::Switching);
        }
        state.loras = Some(change);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        // Whoever waits for it learns that by the end of its channel.
        state.loras = None;
        let inversions = state.inversions.stop_all();
        drop(state);
        inversions
            .iter()
            .for_each(|waiting| waiting.job.superseded());
        self.changed.notify_one();
    }

    /// The next renders to begin, as many as there are places, and what is to end, or `None` once
    /// the engine is closed. Waits when there is nothing to do. While a change of LoRAs waits for
    /// running renders to end, none begins.
    pub fn next(&self, places: Places) -> Option<Admitted> {
        let mut state = self.lock();
        while !state.closed
            && state.running.is_empty()
            && state.waiting.is_empty()
            && state.forgotten.is_empty()
            && state.forgotten_photos.is_empty()
            && state.inversions.is_idle()
            && state.loras.is_none()
        {
            self.pulse.waits();
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.pulse.beats();
        if state.closed {
            return None;
        }
        let quiet = state.running.is_empty();
        let loras = state.loras.take_if(|_| quiet);
        let mut begin = Vec::new();
        let now = Instant::now();
        while state.loras.is_none()
            && let Some((waiting, paid)) = state.take_next(places.after(begin.len()), now)
        {
            let running = Running {
                key: waiting.job.key,
                author: waiting.job.work.author,
                is_cancelled: Arc::default(),
                paid,
            };
            state.running.push(running.clone());
            begin.push((waiting, running));
        }
        Some(Admitted {
            loras,
            begin,
            stopped: state.inversions.take_stopped(),
            forgotten: std::mem::take(&mut state.forgotten),
            forgotten_photos: std::mem::take(&mut state.forgotten_photos),
        })
    }

    /// Where the device's loop is.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// A running render ended, after the device spent so much on it; `is_whole` where it was not
    /// stopped early.
    pub fn ended(&self, running: &Running, spent: Duration, is_whole: bool) {
        let mut state = self.lock();
        state
            .running
            .retain(|run| !Arc::ptr_eq(&run.is_cancelled, &running.is_cancelled));
        let room = running.key.room;
        state.shares.ended(room, running.paid, spent, is_whole);
    }

    /// The device spent so much on an inversion of a room.
    pub fn charge(&self, room: RoomKey, spent: Duration) {
        self.lock().shares.charge(room, spent);
    }

    /// Which inversion takes a step now.
    pub fn inversion_turn(&self) -> Option<InversionTurn> {
        self.lock().inversions.turn()
    }

    /// The noise of an inversion is found.
    pub fn inversion_found(&self, key: JobKey) {
        self.lock().inversions.found(key);
    }

    /// An inversion on the device has ended.
    pub fn inversion_ended(&self, key: JobKey) {
        self.lock().inversions.ended(key);
    }
}

impl State {
    /// The oldest render that may run (its author has none running) of the room whose turn it is, and
    /// what that room paid for it. What somebody waits for goes first.
    fn take_next(&mut self, places: Places, now: Instant) -> Option<(Waiting, Paid)> {
        self.drop_abandoned();
        if places.waited_for > 0
            && let Some(taken) = self.take_where(|waiting| waiting.is_waited_for(now))
        {
            return Some(taken);
        }
        match places.any {
            0 => None,
            _ => self.take_where(|_| true),
        }
    }

    fn take_where(&mut self, condition: impl Fn(&Waiting) -> bool) -> Option<(Waiting, Paid)> {
        let Self {
            waiting,
            running,
            shares,
            ..
        } = self;
        let may_run = |waiting: &Waiting| {
            let author = waiting.author();
            let mut running = running.iter();
            !running.any(|run| (run.key.room, run.author) == author)
        };
        let next_of = |room: RoomKey| {
            let mut waiting = waiting.iter();
            waiting.position(|it| it.job.key.room == room && may_run(it) && condition(it))
        };
        let (room, paid) = shares.next(|room| next_of(room).is_some())?;
        let next = next_of(room);
        let taken = next.and_then(|place| waiting.remove(place))?;
        self.leave_if_idle(room);
        Some((taken, paid))
    }

    /// Drops renders whose rooms are gone.
    fn drop_abandoned(&mut self) {
        let is_gone = |waiting: &Waiting| waiting.job.events.is_closed();
        let rooms = self.waiting.iter().filter(|waiting| is_gone(waiting));
        let rooms: Vec<RoomKey> = rooms.map(|waiting| waiting.job.key.room).collect();
        self.waiting.retain(|waiting| !is_gone(waiting));
        rooms.into_iter().for_each(|room| self.leave_if_idle(room));
    }

    /// A room of which no render waits has no turn.
    fn leave_if_idle(&mut self, room: RoomKey) {
        let mut waiting = self.waiting.iter();
        if !waiting.any(|waiting| waiting.job.key.room == room) {
            self.shares.leave(room);
        }
    }
}

#[cfg(test)]
mod tests;
