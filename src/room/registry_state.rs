//! What the registry and the rooms that it runs share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use dashmap::DashMap;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    frames::FrameEncoder,
    handle::RoomHandle,
    options::{RegistryLimits, RoomOptions},
    renderer::Renderer,
    store::{RoomStore, StoredRoom},
};
use crate::engine::RoomKey;

/// What the registry and the rooms that it runs share.
pub(super) struct Shared {
    /// Those that run.
    pub(super) rooms: DashMap<String, RoomHandle>,
    /// Those that the journal has, by name.
    pub(super) stored: Arc<DashMap<String, StoredRoom>>,
    pub(super) store: Option<RoomStore>,
    /// One permit for each look at the store that needs no room to run.
    pub(super) looks: Arc<Semaphore>,
    /// One permit for each picture without a room that is made or waits for it.
    pub(super) picture_places: Arc<Semaphore>,
    /// The one permit of the picture without a room that is with the engine.
    pub(super) picture_turn: Arc<Semaphore>,
    pub(super) room_count: AtomicUsize,
    pub(super) keys: AtomicU64,
    /// How often a room became empty.
    pub(super) departures: Arc<AtomicU64>,
    pub(super) renderer: Arc<dyn Renderer>,
    pub(super) options: RoomOptions,
    pub(super) limits: RegistryLimits,
    pub(super) encoder: FrameEncoder,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: CancellationToken,
}

impl Shared {
    /// Takes a room out that has ended; one that took its name since stays.
    pub(super) fn remove(&self, name: &str, key: RoomKey) {
        if self
            .rooms
            .remove_if(name, |_, room| room.key() == key)
            .is_some()
        {
            self.room_count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
