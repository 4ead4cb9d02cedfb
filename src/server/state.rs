//! What all requests share.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::access::{Access, Invites};
use super::error::ApiError;
use super::links;
use super::loras::LoraControl;
use super::options::ServerOptions;
use super::origin::OriginRules;
use crate::protocol::ModelInfo;
use crate::room::{JoinRequest, Joined, RoomError, RoomHandle, RoomRegistry};

/// Images that are decoded or encoded for HTTP at once. Each takes a core and
/// up to some hundred MiB, while strokes are waiting.
const CODEC_JOBS: usize = 1;
/// Uploads that are read or decoded at once: each holds its file meanwhile.
const UPLOADS: usize = 8;
/// Seconds after which a client may ask again while the model is loaded.
const LOADING_RETRY_SECONDS: u32 = 1;
/// Seconds after which a client may come back to a server that stops.
const DRAINING_RETRY_SECONDS: u32 = 5;

/// The room whose owner's link is printed at the start of a server with auth.
const FIRST_ROOM: &str = "studio";

/// What all requests share.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

struct Shared {
    options: ServerOptions,
    origins: OriginRules,
    access: Access,
    open: OnceLock<Open>,
    draining: CancellationToken,
    sockets: TaskTracker,
    free_sockets: Arc<Semaphore>,
    codec_jobs: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
}

/// What there is once the model is loaded.
struct Open {
    rooms: RoomRegistry,
    model: ModelInfo,
    loras: Arc<dyn LoraControl>,
}

impl AppState {
    /// State of a server without a model yet.
    pub fn new(options: ServerOptions, origins: OriginRules) -> Self {
        Self(Arc::new(Shared {
            access: Access::new(options.auth),
            open: OnceLock::new(),
            draining: CancellationToken::new(),
            sockets: TaskTracker::new(),
            free_sockets: Arc::new(Semaphore::new(options.limits.sockets)),
            codec_jobs: Arc::new(Semaphore::new(CODEC_JOBS)),
            uploads: Arc::new(Semaphore::new(UPLOADS)),
            origins,
            options,
        }))
    }

    /// What the server was started with.
    pub fn options(&self) -> &ServerOptions {
        &self.0.options
    }

    /// Which pages may speak to it.
    pub fn origins(&self) -> &OriginRules {
        &self.0.origins
    }

    /// Who may enter which room.
    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// Cancelled when the server begins to stop.
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    /// The websocket tasks.
    pub fn sockets(&self) -> &TaskTracker {
        &self.0.sockets
    }

    /// One permit per websocket.
    pub fn free_sockets(&self) -> Arc<Semaphore> {
        self.0.free_sockets.clone()
    }

    /// One permit per image that is decoded or encoded for HTTP.
    pub fn codec_jobs(&self) -> Arc<Semaphore> {
        self.0.codec_jobs.clone()
    }

    /// One permit per upload.
    pub fn uploads(&self) -> Arc<Semaphore> {
        self.0.uploads.clone()
    }

    /// Websockets that are open now.
    pub fn sockets_open(&self) -> usize {
        self.0
            .options
            .limits
            .sockets
            .saturating_sub(self.0.free_sockets.available_permits())
    }

    /// The rooms, whether or not the server is about to stop.
    pub fn rooms_if_open(&self) -> Option<&RoomRegistry> {
        self.0.open.get().map(|open| &open.rooms)
    }

    /// The rooms.
    ///
    /// # Errors
    /// 503 before the model is loaded and while draining.
    pub fn rooms(&self) -> Result<&RoomRegistry, ApiError> {
        self.open().map(|open| &open.rooms)
    }

    /// The model.
    ///
    /// # Errors
    /// 503 before the model is loaded and while draining.
    pub fn model(&self) -> Result<&ModelInfo, ApiError> {
        self.open().map(|open| &open.model)
    }

    /// What switches LoRAs.
    ///
    /// # Errors
    /// 503 before the model is loaded and while draining.
    pub fn loras(&self) -> Result<&dyn LoraControl, ApiError> {
        self.open().map(|open| open.loras.as_ref())
    }

    fn open(&self) -> Result<&Open, ApiError> {
        if self.0.draining.is_cancelled() {
            let message = "the server is about to stop: come back in a moment";
            return Err(ApiError::unavailable(message, DRAINING_RETRY_SECONDS));
        }
        self.0.open.get().ok_or_else(|| {
            let message = "the model is being loaded: try again in a second";
            ApiError::unavailable(message, LOADING_RETRY_SECONDS)
        })
    }

    /// Makes a room with invites, under a random name when none is given.
    ///
    /// # Errors
    /// When the name or the size cannot be, the name is taken, or there are too many rooms.
    pub async fn make_room(
        &self,
        name: Option<String>,
        width: Option<u32>,
        height: Option<u32>,
    ) -> Result<(String, Invites), ApiError> {
        let rooms = self.rooms()?;
        let default = rooms.options().size;
        let (width, height) = (
            width.unwrap_or(default.width),
            height.unwrap_or(default.height),
        );
        let options = rooms.options().clone().with_size(width, height)?;
        let name = name.unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        if self.0.access.knows(&name) {
            return Err(RoomError::NameTaken.into());
        }
        let size = options.size;
        rooms.create(&name, options).await?;
        let invites = self.0.access.agree(&name, size, |room| rooms.exists(room));
        Ok((name, invites))
    }

    /// A room that exists, or was made with invites and had been dropped since.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn existing_room(&self, name: &str) -> Result<RoomHandle, ApiError> {
        let rooms = self.rooms()?;
        self.revive(rooms, name).await?;
        Ok(rooms.get(name)?)
    }

    /// Joins a room; who may has been decided.
    ///
    /// # Errors
    /// What the room or the registry refuses.
    pub async fn join(
        &self,
        name: &str,
        request: JoinRequest,
    ) -> Result<(RoomHandle, Joined), RoomError> {
        let rooms = self.rooms_if_open().ok_or(RoomError::Closed)?;
        self.revive(rooms, name).await?;
        rooms.join(name, request).await
    }

    /// Makes a room again that was dropped because nobody was in it.
    async fn revive(&self, rooms: &RoomRegistry, name: &str) -> Result<(), RoomError> {
        if rooms.exists(name) {
            return Ok(());
        }
        let Some(size) = self.0.access.canvas(name) else {
            return Ok(());
        };
        let options = rooms.options().clone().with_size(size.width, size.height)?;
        match rooms.create(name, options).await {
            // Somebody else was faster.
            Ok(_) | Err(RoomError::NameTaken) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Opens and drains a server.
#[derive(Clone)]
pub struct Switch(AppState);

impl Switch {
    pub(super) fn new(state: AppState) -> Self {
        Self(state)
    }

    /// The model is loaded and warm: `/readyz` says 200 and rooms can be joined.
    /// The rooms must let a join make one (`create_on_join`): who may join is
    /// decided here. A second call changes nothing.
    pub fn open(&self, rooms: RoomRegistry, model: ModelInfo, loras: Arc<dyn LoraControl>) {
        let open = Open {
            rooms,
            model,
            loras,
        };
        if self.0.0.open.set(open).is_err() {
            tracing::warn!("the server is open already");
        }
    }

    /// `/readyz` says 503, members are told to go, [`super::Server::run`] ends.
    pub fn drain(&self) {
        self.0.0.draining.cancel();
    }

    /// The address to open in a browser, for a server that listens on
    /// `address`. Where rooms need invites, it is that of a first room with its
    /// owner's invite, which is the operator's token from then on.
    ///
    /// # Errors
    /// When that room cannot be made or opened, or the server is not open.
    pub async fn door(&self, address: SocketAddr) -> Result<String, ApiError> {
        let options = self.0.options();
        let base = options
            .public_url
            .clone()
            .unwrap_or_else(|| links::base_of(address));
        if !self.0.access().required() {
            return Ok(base);
        }
        let rooms = self.0.rooms()?;
        if !rooms.exists(FIRST_ROOM) {
            rooms.create(FIRST_ROOM, rooms.options().clone()).await?;
        }
        // Kept from an earlier start, its canvas may have another size.
        let size = rooms.get(FIRST_ROOM)?.size();
        let access = self.0.access();
        let invites = access.agree(FIRST_ROOM, size, |room| rooms.exists(room));
        let room = links::room_url(&base, FIRST_ROOM);
        let door = format!("{room}#token={}", invites.owner);
        self.0.access().appoint_operator(invites.owner);
        Ok(door)
    }
}
