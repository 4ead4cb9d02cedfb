//! The waiting line: latest wins per member, fair shares between rooms.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::counter;
use uuid::Uuid;

use super::inverting::WaitingInversion;
use super::loras::LoraSwitch;
use super::request::tell_inversion;
use super::{EngineError, InversionEvent, InversionRequest, RenderEvent, RenderRequest, RoomKey};

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
    /// An inversion to begin; none while one is under way.
    pub invert: Option<WaitingInversion>,
    /// Rooms whose latents can go.
    pub forgotten: Vec<RoomKey>,
    /// Photos whose latents can go.
    pub forgotten_photos: Vec<(RoomKey, u64)>,
}

/// What is known of the inversion on the device, so that it can be stopped.
struct RunningInversion {
    room: RoomKey,
    ticket: u64,
    cancelled: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    running: Vec<Running>,
    forgotten: Vec<RoomKey>,
    forgotten_photos: Vec<(RoomKey, u64)>,
    inversions: VecDeque<WaitingInversion>,
    inverting: Option<RunningInversion>,
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
        let (unwanted, kept) = std::mem::take(&mut state.inversions)
            .into_iter()
            .partition::<VecDeque<_>, _>(|waiting| waiting.request.room == room);
        state.inversions = kept;
        if let Some(run) = state.inverting.as_ref().filter(|run| run.room == room) {
            run.cancelled.store(true, Ordering::Relaxed);
        }
        state.forgotten.push(room);
        drop(state);
        unwanted.iter().for_each(tell_given_up);
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

    /// Queues an inversion.
    pub fn invert(&self, request: InversionRequest) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EngineError::Stopped);
        }
        if state.inversions.len() >= self.capacity {
            return Err(EngineError::Overloaded);
        }
        state.inversions.push_back(WaitingInversion {
            request,
            since: Instant::now(),
            cancelled: Arc::default(),
        });
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Stops an inversion: a running one ends at its next step.
    pub fn cancel_inversion(&self, room: RoomKey, ticket: u64) {
        let mut state = self.lock();
        let running = state.inverting.as_ref();
        if let Some(run) = running.filter(|run| (run.room, run.ticket) == (room, ticket)) {
            run.cancelled.store(true, Ordering::Relaxed);
            return;
        }
        let is_it = |waiting: &WaitingInversion| {
            (waiting.request.room, waiting.request.ticket) == (room, ticket)
        };
        let place = state.inversions.iter().position(is_it);
        let waiting = place.and_then(|place| state.inversions.remove(place));
        drop(state);
        waiting.iter().for_each(tell_given_up);
    }

    /// The inversion that was under way has ended.
    pub fn inversion_ended(&self) {
        self.lock().inverting = None;
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
        drop(state);
        self.changed.notify_one();
    }

    /// The next renders to begin, at most `free` of them, and the next inversion, or `None` once
    /// the engine is closed. Waits for one when nothing is running. While a switch
    /// of LoRAs waits for running renders to end, none begins.
    pub fn next(&self, free: usize) -> Option<Admitted> {
        let mut state = self.lock();
        while !state.closed
            && state.running.is_empty()
            && state.waiting.is_empty()
            && state.forgotten.is_empty()
            && state.forgotten_photos.is_empty()
            && state.inversions.is_empty()
            && state.inverting.is_none()
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
            invert: state.next_inversion(),
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
    /// The oldest inversion, where none is under way. Rooms ask for one part at a time, so the
    /// oldest is fair.
    fn next_inversion(&mut self) -> Option<WaitingInversion> {
        if self.inverting.is_some() {
            return None;
        }
        let waiting = self.inversions.pop_front()?;
        self.inverting = Some(RunningInversion {
            room: waiting.request.room,
            ticket: waiting.request.ticket,
            cancelled: waiting.cancelled.clone(),
        });
        Some(waiting)
    }

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

fn tell_given_up(waiting: &WaitingInversion) {
    let ticket = waiting.request.ticket;
    tell_inversion(&waiting.request, InversionEvent::Superseded { ticket });
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
