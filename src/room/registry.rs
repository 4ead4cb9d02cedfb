//! The rooms of a server.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use dashmap::{DashMap, mapref::entry::Entry};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    actor::{ActorParts, MAILBOX_MOST, RoomActor},
    core::RoomCore,
    error::RoomError,
    frames::FrameEncoder,
    handle::{JoinRequest, RoomHandle},
    members::Joined,
    op_log::OpLog,
    options::{RegistryLimits, RoomOptions},
    renderer::Renderer,
};
use crate::engine::{Command, RoomKey};

/// The longest room name, in characters.
const NAME_MOST: usize = 64;
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
}

/// Whether a room may have that name: 1 to 64 letters, digits, `-` or `_`.
pub fn is_room_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
    !name.is_empty() && name.chars().count() <= NAME_MOST && name.chars().all(fits)
}

/// The rooms of a server, by name; cheap to clone.
#[derive(Clone)]
pub struct RoomRegistry {
    shared: Arc<Shared>,
}

struct Shared {
    rooms: DashMap<String, RoomHandle>,
    room_count: AtomicUsize,
    keys: AtomicU64,
    renderer: Arc<dyn Renderer>,
    options: RoomOptions,
    limits: RegistryLimits,
    encoder: FrameEncoder,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl RoomRegistry {
    /// No rooms yet. `options` are those of a room that a join makes; cancelling `shutdown` ends
    /// every room.
    pub fn new(
        renderer: Arc<dyn Renderer>,
        options: RoomOptions,
        limits: RegistryLimits,
        shutdown: CancellationToken,
    ) -> Self {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            shared: Arc::new(Shared {
                rooms: DashMap::new(),
                room_count: AtomicUsize::new(0),
                keys: AtomicU64::new(1),
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

    /// The room of a name.
    pub fn get(&self, name: &str) -> Option<RoomHandle> {
        self.shared.rooms.get(name).map(|room| room.value().clone())
    }

    /// Makes a room.
    ///
    /// # Errors
    /// [`RoomError::InvalidName`], [`RoomError::NameTaken`], [`RoomError::TooManyRooms`],
    /// [`RoomError::Closed`] while the server shuts down.
    pub fn create(&self, name: &str, options: RoomOptions) -> Result<RoomHandle, RoomError> {
        self.enter(name, options)
            .and_then(|(room, is_new)| match is_new {
                true => Ok(room),
                false => Err(RoomError::NameTaken),
            })
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
                Some(room) => room,
                None if !self.shared.limits.create_on_join => return Err(RoomError::Unknown),
                None => self.enter(name, self.shared.options.clone())?.0,
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
        }
        counts
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
        let key = RoomKey(shared.keys.fetch_add(1, Ordering::Relaxed));
        let (mailbox, messages) = mpsc::channel(MAILBOX_MOST);
        let members = Arc::new(AtomicUsize::new(0));
        let handle = RoomHandle::new(name.to_owned(), key, options.size, members.clone(), mailbox);
        let journal = OpLog::new(options.history_max);
        let core = RoomCore::new(
            name.to_owned(),
            options,
            shared.renderer.model_info().clone(),
            shared.renderer.window_rules(),
            journal,
        );
        let actor = RoomActor::new(ActorParts {
            core,
            key,
            renderer: shared.renderer.clone(),
            encoder: shared.encoder.clone(),
            messages,
            members,
            shutdown: shared.shutdown.clone(),
        });
        let tasks = shared.tasks.clone();
        let place = Place {
            name: name.to_owned(),
            key,
            shared,
        };
        tasks.spawn(async move {
            actor.run().await;
            drop(place);
        });
        handle
    }
}

/// A room's place in the registry, given back when its task ends, in a panic too.
struct Place {
    shared: Arc<Shared>,
    name: String,
    key: RoomKey,
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                room = self.name,
                "a room ended in a panic: its members are told"
            );
            // A room that ends otherwise has done that itself; nobody hears events of it any more.
            let (events, _) = mpsc::channel(1);
            let forget = Command::ForgetRoom;
            if let Err(cause) = self.shared.renderer.send(self.key, forget, &events) {
                tracing::debug!(%cause, "the engine keeps what it has of the room");
            }
        }
        self.shared.remove(&self.name, self.key);
    }
}

impl Shared {
    fn remove(&self, name: &str, key: RoomKey) {
        if self
            .rooms
            .remove_if(name, |_, room| room.key() == key)
            .is_some()
        {
            self.room_count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
