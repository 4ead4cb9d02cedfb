//! The waiting line: latest wins per member, fair shares between rooms.

mod inversions;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::counter;
use uuid::Uuid;

use inversions::Inversions;

use super::inversion_line::InversionKey;
use super::loras::LoraSwitch;
use super::{EngineError, RenderEvent, RenderRequest, RoomKey};

pub(super) use inversions::{InversionTurn, WaitingInversion};

/// A request with the time at which it came.
pub(super) struct Waiting {
    pub request: RenderRequest,
    pub since: Instant,
}

/// What the worker keeps of a running render, shared with the waiting line so
/// that a newer request can stop it.
#[derive(Clone)]
pub(super) struct Running {
    pub room: RoomKey,
    pub member: Uuid,
    pub superseded: Arc<AtomicBool>,
}

/// What there is to do next.
pub(super) struct Admitted {
    /// LoRAs to switch to before anything else; no render is under way then.
    pub switch: Option<LoraSwitch>,
    /// Renders to begin.
    pub begin: Vec<(Waiting, Running)>,
    /// Inversions under way that are to end here.
    pub stopped: Vec<InversionKey>,
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
    inversions: Inversions,
    switch: Option<LoraSwitch>,
    last_served: Option<RoomKey>,
    closed: bool,
}

/// The waiting line between rooms and the device thread.
pub(super) struct Admission {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

impl Admission {
    pub fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            capacity,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn submit(&self, request: RenderRequest) -> Result<(), EngineError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed {
            return Err(EngineError::Stopped);
        }
        let key = (request.room, request.member);
        if request.supersede {
            let running = state
                .running
                .iter()
                .filter(|run| (run.room, run.member) == key);
            running.for_each(|run| run.superseded.store(true, Ordering::Relaxed));
        }
        let since = Instant::now();
        let same = |waiting: &Waiting| (waiting.request.room, waiting.request.member) == key;
        match state.waiting.iter().position(same) {
            Some(index) => {
                let newest = Waiting { request, since };
                let replaced = std::mem::replace(&mut state.waiting[index], newest).request;
                tell(
                    &replaced,
                    RenderEvent::Superseded {
                        ticket: replaced.ticket,
                    },
                );
            }
            None if state.waiting.len() >= self.capacity => return Err(EngineError::Overloaded),
            None => state.waiting.push_back(Waiting { request, since }),
        }
        drop(guard);
        self.changed.notify_one();
        Ok(())
    }

    pub fn forget_room(&self, room: RoomKey) {
        let mut state = self.lock();
        let (gone, kept) = std::mem::take(&mut state.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|waiting| waiting.request.room == room);
        state.waiting = kept;
        for run in state.running.iter().filter(|run| run.room == room) {
            run.superseded.store(true, Ordering::Relaxed);
        }
        let unwanted = state.inversions.give_up_room(room);
        state.forgotten.push(room);
        drop(state);
        unwanted.iter().for_each(WaitingInversion::tell_given_up);
        for Waiting { request, .. } in gone {
            tell(
                &request,
                RenderEvent::Superseded {
                    ticket: request.ticket,
                },
            );
        }
        self.changed.notify_one();
    }

    /// A photo's latents can go.
    pub fn forget_photo(&self, room: RoomKey, photo: u64) {
        self.lock().forgotten_photos.push((room, photo));
        self.changed.notify_one();
    }

    /// Queues a switch of LoRAs: no further render begins until those under way have ended and
    /// it is done.
    pub fn switch_loras(&self, switch: LoraSwitch) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EngineError::Stopped);
        }
        if state.switch.is_some() {
            return Err(EngineError::Switching);
        }
        state.switch = Some(switch);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        // Whoever waits for it hears that by the end of its channel.
        state.switch = None;
        let unwanted = state.inversions.give_up_all();
        drop(state);
        unwanted.iter().for_each(WaitingInversion::tell_given_up);
        self.changed.notify_one();
    }

    /// The next renders to begin, at most `free` of them, and what is to end, or `None` once the
    /// engine is closed. Waits when there is nothing to do. While a switch of LoRAs waits for
    /// running renders to end, none begins.
    pub fn next(&self, free: usize) -> Option<Admitted> {
        let mut state = self.lock();
        while !state.closed
            && state.running.is_empty()
            && state.waiting.is_empty()
            && state.forgotten.is_empty()
            && state.forgotten_photos.is_empty()
            && state.inversions.is_idle()
            && state.switch.is_none()
        {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return None;
        }
        let quiet = state.running.is_empty();
        let switch = state.switch.take_if(|_| quiet);
        let mut begin = Vec::new();
        while state.switch.is_none()
            && begin.len() < free
            && let Some(waiting) = state.take_fair()
        {
            let running = Running {
                room: waiting.request.room,
                member: waiting.request.member,
                superseded: Arc::default(),
            };
            state.running.push(running.clone());
            begin.push((waiting, running));
        }
        Some(Admitted {
            switch,
            begin,
            stopped: state.inversions.take_stopped(),
            forgotten: std::mem::take(&mut state.forgotten),
            forgotten_photos: std::mem::take(&mut state.forgotten_photos),
        })
    }

    /// A running render ended.
    pub fn ended(&self, running: &Running) {
        self.lock()
            .running
            .retain(|run| !Arc::ptr_eq(&run.superseded, &running.superseded));
    }
}

impl State {
    /// The oldest request that may run: its member has none running, and its
    /// room is not the one served last unless only that room waits.
    fn take_fair(&mut self) -> Option<Waiting> {
        self.waiting
            .retain(|waiting| !waiting.request.events.is_closed());
        let may_run = |waiting: &Waiting| {
            let key = (waiting.request.room, waiting.request.member);
            !self.running.iter().any(|run| (run.room, run.member) == key)
        };
        let other_room =
            |waiting: &Waiting| may_run(waiting) && Some(waiting.request.room) != self.last_served;
        let index = self
            .waiting
            .iter()
            .position(other_room)
            .or_else(|| self.waiting.iter().position(may_run))?;
        let waiting = self.waiting.remove(index)?;
        self.last_served = Some(waiting.request.room);
        Some(waiting)
    }
}

/// Sends an event to the room of a request; a room that is gone hears nothing.
pub(super) fn tell(request: &RenderRequest, event: RenderEvent) {
    use tokio::sync::mpsc::error::TrySendError;
    let state = match event {
        RenderEvent::Started { .. } => "started",
        RenderEvent::Done { .. } => "done",
        RenderEvent::Superseded { .. } => "superseded",
        RenderEvent::Failed { .. } => "failed",
    };
    counter!("impasto_renders_total", "state" => state).increment(1);
    if let Err(TrySendError::Full(_)) = request.events.try_send(event) {
        tracing::error!(
            room = request.room.0,
            ticket = request.ticket,
            "a room does not take its render events"
        );
    }
}

#[cfg(test)]
mod tests;
