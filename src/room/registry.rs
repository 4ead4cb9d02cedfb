//! The rooms of a server: those that run, and those that the journal has.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use dashmap::{DashMap, mapref::entry::Entry};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{
    actor::MAILBOX_MOST,
    attendance::Attendance,
    beginning::Beginning,
    error::RoomError,
    frames::FrameEncoder,
    handle::{HandleParts, JoinRequest, RoomHandle},
    members::Joined,
    options::{RegistryLimits, RoomOptions},
    registry_state::Shared,
    renderer::Renderer,
    store::{RoomStore, StoreError, StoredRoom, sweep_blobs},
};
use crate::engine::RoomKey;
use crate::protocol::CanvasSize;

/// The longest room name, in characters.
const NAME_MOST: usize = 64;
/// How many rooms that do not run are looked at at once.
const LOOKS_AT_ONCE: usize = 4;
/// How often a join tries again when its room ends under it.
const JOIN_TRIES: usize = 3;

/// How much is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistryCounts {
    /// Rooms.
    pub rooms: usize,
    /// Members of all rooms together.
    pub members: usize,
    /// Rooms without members.
    pub empty: usize,
    /// Pixels of all canvases together.
    pub pixels: u64,
    /// Bytes of all layers above the lowest.
    pub layer_bytes: u64,
}

/// Whether a room may have that name: 1 to 64 letters, digits, `-` or `_`.
pub fn is_room_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
    !name.is_empty() && name.chars().count() <= NAME_MOST && name.chars().all(fits)
}

/// The rooms of a server, by name; cheap to clone.
#[derive(Clone)]
pub struct RoomRegistry {
    pub(super) shared: Arc<Shared>,
}

impl RoomRegistry {
    /// No rooms yet, and none that outlives the server. `options` are those of a room that a join
    /// makes; cancelling `shutdown` ends every room.
    pub fn new(
        renderer: Arc<dyn Renderer>,
        options: RoomOptions,
        limits: RegistryLimits,
        shutdown: CancellationToken,
    ) -> Self {
        Self::with_rooms(renderer, options, limits, shutdown, None, DashMap::new())
    }

    /// The rooms of a store: each comes back when somebody joins it. The rest is as in
    /// [`RoomRegistry::new`]. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when the rooms cannot be listed.
    pub fn open(
        renderer: Arc<dyn Renderer>,
        options: RoomOptions,
        limits: RegistryLimits,
        shutdown: CancellationToken,
        store: RoomStore,
    ) -> Result<Self, StoreError> {
        let stored = DashMap::new();
        for summary in store.journal.rooms()? {
            let room = StoredRoom::try_from(summary)?;
            stored.insert(room.metadata.name.clone(), room);
        }
        let store = Some(store);
        Ok(Self::with_rooms(
            renderer, options, limits, shutdown, store, stored,
        ))
    }

    fn with_rooms(
        renderer: Arc<dyn Renderer>,
        options: RoomOptions,
        limits: RegistryLimits,
        shutdown: CancellationToken,
        store: Option<RoomStore>,
        stored: DashMap<String, StoredRoom>,
    ) -> Self {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            shared: Arc::new(Shared {
                rooms: DashMap::new(),
                stored: Arc::new(stored),
                store,
                looks: Arc::new(Semaphore::new(LOOKS_AT_ONCE)),
                picture_places: Arc::new(Semaphore::new(limits.pictures_max)),
                picture_turn: Arc::new(Semaphore::new(1)),
                room_count: AtomicUsize::new(0),
                keys: AtomicU64::new(1),
                departures: Arc::default(),
                renderer,
                options,
                limits,
                encoder: FrameEncoder::new(at_once),
                tasks: TaskTracker::new(),
                shutdown,
            }),
        }
    }

    /// What a room that a join makes begins with.
    pub fn options(&self) -> &RoomOptions {
        &self.shared.options
    }

    /// True when there is a room of that name, whether it runs or not.
    pub fn exists(&self, name: &str) -> bool {
        self.shared.rooms.contains_key(name) || self.shared.stored.contains_key(name)
    }

    /// The room of a name, if it runs.
    pub fn running(&self, name: &str) -> Option<RoomHandle> {
        self.shared.rooms.get(name).map(|room| room.value().clone())
    }

    /// Whether a client was removed from the room of a name, whether that runs or not.
    pub fn is_removed(&self, name: &str, client: &Uuid) -> bool {
        if let Some(room) = self.shared.rooms.get(name) {
            return room.is_removed(client);
        }
        let stored = self.shared.stored.get(name);
        stored.is_some_and(|room| room.metadata.rules.is_removed(client))
    }

    /// The canvas of a room that the journal has, whether it runs or not.
    pub fn stored_size(&self, name: &str) -> Option<CanvasSize> {
        let stored = self.shared.stored.get(name);
        stored.map(|room| room.metadata.size)
    }

    /// The room of a name, begun with `options` where it does not run. One that the journal has
    /// comes back with its own canvas.
    ///
    /// # Errors
    /// [`RoomError::InvalidName`], [`RoomError::TooManyRooms`], [`RoomError::Closed`] while the
    /// server shuts down.
    pub fn run(&self, name: &str, options: RoomOptions) -> Result<RoomHandle, RoomError> {
        self.enter(name, options).map(|(room, _)| room)
    }

    /// The room of a name. One that does not run comes back from the journal.
    ///
    /// # Errors
    /// [`RoomError::Unknown`]; [`RoomError::TooManyRooms`], [`RoomError::Closed`] where it cannot
    /// come back now.
    pub fn get(&self, name: &str) -> Result<RoomHandle, RoomError> {
        if let Some(room) = self.shared.rooms.get(name) {
            return Ok(room.value().clone());
        }
        match self.shared.stored.contains_key(name) {
            true => Ok(self.enter(name, self.shared.options.clone())?.0),
            false => Err(RoomError::Unknown),
        }
    }

    /// Makes a room. It is on disk when this returns, where there is a disk.
    ///
    /// # Errors
    /// [`RoomError::InvalidName`], [`RoomError::NameTaken`], [`RoomError::TooManyRooms`],
    /// [`RoomError::NotOpened`], [`RoomError::Closed`] while the server shuts down.
    pub async fn create(&self, name: &str, options: RoomOptions) -> Result<RoomHandle, RoomError> {
        if self.shared.stored.contains_key(name) {
            return Err(RoomError::NameTaken);
        }
        let (room, is_new) = self.enter(name, options)?;
        if !is_new {
            return Err(RoomError::NameTaken);
        }
        room.ready().await?;
        Ok(room)
    }

    /// Deletes what no room needs any more. Blocks on the disk, for long where there are many rooms.
    pub fn sweep(&self) {
        let Some(store) = &self.shared.store else {
            return;
        };
        match sweep_blobs(store) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "pictures that no room needs were deleted"),
            Err(error) => tracing::warn!(%error, "pictures that no room needs were not deleted"),
        }
    }

    /// Joins the room of a name, made on the first join where that is allowed.
    ///
    /// # Errors
    /// [`RoomError::Unknown`], what [`RoomRegistry::create`] refuses, and what
    /// [`RoomHandle::join`] does.
    pub async fn join(
        &self,
        name: &str,
        request: JoinRequest,
    ) -> Result<(RoomHandle, Joined), RoomError> {
        let mut last = RoomError::Closed;
        for _ in 0..JOIN_TRIES {
            let room = match self.get(name) {
                Ok(room) => room,
                Err(RoomError::Unknown) if self.shared.limits.create_on_join => {
                    self.enter(name, self.shared.options.clone())?.0
                }
                Err(error) => return Err(error),
            };
            match room.join(request.clone()).await {
                // It ended between the look and the join.
                Err(RoomError::Closed) if !self.shared.shutdown.is_cancelled() => {
                    self.shared.remove(name, room.key());
                    last = RoomError::Closed;
                }
                Err(error) => return Err(error),
                Ok(joined) => return Ok((room, joined)),
            }
        }
        Err(last)
    }

    /// How much is going on.
    pub fn counts(&self) -> RegistryCounts {
        let mut counts = RegistryCounts::default();
        for room in &self.shared.rooms {
            counts.rooms += 1;
            counts.members += room.members();
            counts.empty += usize::from(room.members() == 0);
            counts.pixels += u64::from(room.size().width) * u64::from(room.size().height);
            counts.layer_bytes += room.layer_bytes();
        }
        counts
    }

    /// The rooms in memory that may leave it without losing anything: the journal has them, and nobody
    /// is in them. The one that was left longest ago comes first.
    pub fn resting(&self) -> Vec<RoomHandle> {
        let rooms = self.shared.rooms.iter().map(|room| room.value().clone());
        let is_stored = |room: &RoomHandle| self.shared.stored.contains_key(room.name());
        let mut resting: Vec<RoomHandle> = rooms.filter(|room| room.members() == 0).collect();
        resting.retain(is_stored);
        resting.sort_by_key(RoomHandle::emptied);
        resting
    }

    /// Takes a room out of memory that nobody is in, once all of it is on disk; false where that did
    /// not come about in a few seconds, such as when somebody came in. It comes back when it is wanted.
    pub async fn put_to_rest(&self, room: &RoomHandle) -> bool {
        let has_ended = room.put_to_rest().await;
        if has_ended {
            self.shared.remove(room.name(), room.key());
            tracing::info!(room = room.name(), "a room left memory for others");
        }
        has_ended
    }

    /// Ends every room: members get a goaway. Waits until the last task is done.
    pub async fn shut_down(&self) {
        self.shared.shutdown.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn enter(&self, name: &str, options: RoomOptions) -> Result<(RoomHandle, bool), RoomError> {
        if !is_room_name(name) {
            return Err(RoomError::InvalidName);
        }
        if self.shared.shutdown.is_cancelled() {
            return Err(RoomError::Closed);
        }
        match self.shared.rooms.entry(name.to_owned()) {
            Entry::Occupied(room) => Ok((room.get().clone(), false)),
            Entry::Vacant(place) => {
                let most = self.shared.limits.rooms_max;
                let counted = self.shared.room_count.fetch_update(
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                    |count| (count < most).then_some(count + 1),
                );
                counted.map_err(|_| RoomError::TooManyRooms(most))?;
                let room = self.start(name, options);
                place.insert(room.clone());
                Ok((room, true))
            }
        }
    }

    fn start(&self, name: &str, options: RoomOptions) -> RoomHandle {
        let shared = self.shared.clone();
        let stored = shared.stored.get(name).map(|room| room.value().clone());
        let options = match &stored {
            Some(room) => RoomOptions {
                size: room.metadata.size,
                ..options
            },
            None => options,
        };
        let key = RoomKey(shared.keys.fetch_add(1, Ordering::Relaxed));
        let (mailbox, messages) = mpsc::channel(MAILBOX_MOST);
        let attendance = Arc::new(Attendance::new(shared.departures.clone()));
        let (deletion, resting) = (CancellationToken::new(), CancellationToken::new());
        let decided = stored.as_ref().map(|room| room.metadata.rules.clone());
        let (rules, rules_told) = watch::channel(decided.unwrap_or_default());
        let handle = RoomHandle::new(HandleParts {
            name: name.to_owned(),
            key,
            size: options.size,
            attendance: attendance.clone(),
            mailbox,
            deletion: deletion.clone(),
            resting: resting.clone(),
            store: shared.store.clone(),
            rules: rules_told,
        });
        let beginning = Beginning {
            name: name.to_owned(),
            key,
            options,
            stored,
            messages,
            attendance,
            deletion,
            resting,
            rules,
        };
        let tasks = shared.tasks.clone();
        tasks.spawn(beginning.run(shared));
        handle
    }
}
