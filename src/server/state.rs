//! What all requests share.

mod entering;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::access::Access;
use super::access_error::AccessError;
use super::budget::ByteBudget;
use super::connections::{ConnectionLimits, Connections};
use super::error::ApiError;
use super::links;
use super::lora_control::LoraControl;
use super::options::ServerOptions;
use super::origin::OriginRules;
use super::pictures::Pictures;
use super::rates::AddressRates;
use crate::protocol::ModelInfo;
use crate::room::RoomRegistry;

/// Images that are decoded or encoded for HTTP at once. Each takes a core and
/// up to some hundred MiB, while strokes are waiting.
const CODEC_JOBS: usize = 1;
/// Files that take seconds to encode, at once, beside those.
const LARGE_EXPORTS: usize = 1;
/// Seconds after which a client may ask again while the model is loaded.
const LOADING_RETRY_SECONDS: u32 = 1;
/// Seconds after which a client may come back to a server that stops.
const DRAINING_RETRY_SECONDS: u32 = 5;

/// The room whose link is printed at the start of a server with auth.
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
    broken: AtomicBool,
    sockets: TaskTracker,
    free_sockets: Arc<Semaphore>,
    codec_jobs: Arc<Semaphore>,
    large_exports: Arc<Semaphore>,
    connections: Connections,
    pictures: Pictures,
    upload_bytes: ByteBudget,
    room_rates: AddressRates,
    failure_rates: AddressRates,
    /// Held from the look at the rooms that there are to the making of one more.
    room_making: Mutex<()>,
}

/// What there is once the model is loaded.
struct Open {
    rooms: RoomRegistry,
    model: ModelInfo,
    loras: Arc<dyn LoraControl>,
}

impl AppState {
    /// State of a server without a model yet, with `connections` at most.
    pub fn new(
        options: ServerOptions,
        origins: OriginRules,
        access: Access,
        connections: ConnectionLimits,
    ) -> Self {
        let limits = &options.limits;
        Self(Arc::new(Shared {
            access,
            open: OnceLock::new(),
            draining: CancellationToken::new(),
            broken: AtomicBool::new(false),
            sockets: TaskTracker::new(),
            free_sockets: Arc::new(Semaphore::new(limits.sockets)),
            codec_jobs: Arc::new(Semaphore::new(CODEC_JOBS)),
            large_exports: Arc::new(Semaphore::new(LARGE_EXPORTS)),
            connections: Connections::new(connections),
            pictures: Pictures::new(ByteBudget::new(
                limits.picture_bytes,
                limits.picture_bytes / 2,
            )),
            upload_bytes: ByteBudget::new(limits.upload_bytes, limits.upload_bytes / 2),
            room_rates: AddressRates::new(limits.room_rate),
            failure_rates: AddressRates::new(limits.failure_rate),
            room_making: Mutex::new(()),
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

    /// One permit per large file that is encoded.
    pub fn large_exports(&self) -> Arc<Semaphore> {
        self.0.large_exports.clone()
    }

    /// All connections.
    pub fn connections(&self) -> &Connections {
        &self.0.connections
    }

    /// Pictures on their way to clients.
    pub fn pictures(&self) -> &Pictures {
        &self.0.pictures
    }

    /// Bytes of uploads that are being read or wait to be decoded.
    pub fn upload_bytes(&self) -> &ByteBudget {
        &self.0.upload_bytes
    }

    /// What is done now and then, so that nothing grows.
    pub fn upkeep(&self) {
        self.0.room_rates.upkeep();
        self.0.failure_rates.upkeep();
    }

    /// What the server needs to go on has broken: it is not ready any more, and ends.
    pub fn fail(&self) {
        self.0.broken.store(true, Ordering::Relaxed);
        self.0.draining.cancel();
    }

    /// Whether [`AppState::fail`] was called.
    pub fn is_broken(&self) -> bool {
        self.0.broken.load(Ordering::Relaxed)
    }

    /// Writes invites to the data folder.
    ///
    /// # Errors
    /// 500 when they cannot be written.
    pub async fn save_access(&self) -> Result<(), ApiError> {
        let state = self.clone();
        let saved = spawn_blocking(move || state.access().save()).await;
        let saved = saved.map_err(|cause| ApiError::internal(&cause))?;
        saved.map_err(|cause| ApiError::internal(&format!("invites are not kept: {cause}")))
    }

    /// Passes on that a token was refused, and says `rate_limited` instead where an address
    /// tries too many.
    pub fn refused_token(&self, address: IpAddr, refused: AccessError) -> ApiError {
        match self.0.failure_rates.count(address) {
            Ok(()) => refused.into(),
            Err(wait) => ApiError::rate_limited(
                "too many tokens from this address were refused: try again later",
                wait,
            ),
        }
    }

    /// Whether owners of a room removed a member, by its public id.
    pub fn is_removed(&self, room: &str, member: &Uuid) -> bool {
        let rooms = self.rooms_if_open();
        rooms.is_some_and(|rooms| rooms.is_removed(room, member))
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
        if self.is_broken() {
            let message = "the device stopped working: the server has to be started again";
            return Err(ApiError::unavailable(message, DRAINING_RETRY_SECONDS));
        }
        if self.0.draining.is_cancelled() {
            let message = "the server is about to stop: come back in a moment";
            return Err(ApiError::unavailable(message, DRAINING_RETRY_SECONDS));
        }
        self.0.open.get().ok_or_else(|| {
            let message = "the model is being loaded: try again in a second";
            ApiError::unavailable(message, LOADING_RETRY_SECONDS)
        })
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

    /// As [`Switch::drain`], and [`super::Server::run`] ends with
    /// [`super::ServerError::DeviceStopped`]: nothing can be painted any more.
    pub fn fail(&self) {
        self.0.fail();
    }

    /// The address to open in a browser, for a server that listens on `address`. Where rooms need
    /// invites, it is that of a first room with the operator's token, which opens every room as
    /// its owner, and makes rooms; that of the start page where the first room was deleted.
    ///
    /// # Errors
    /// When that room cannot be made: the server is not open, or its data folder not writable.
    pub fn url_to_open(&self, address: SocketAddr) -> Result<String, ApiError> {
        let options = self.0.options();
        let base = options
            .public_url
            .clone()
            .unwrap_or_else(|| links::base_of(address));
        let access = self.0.access();
        if !access.required() {
            return Ok(base);
        }
        if access.is_deleted(FIRST_ROOM) {
            return Ok(links::with_token(
                &format!("{base}/"),
                &access.operator_token(),
            ));
        }
        if !access.knows(FIRST_ROOM) && !self.0.rooms()?.exists(FIRST_ROOM) {
            self.0
                .make_room(Some(FIRST_ROOM.to_owned()), None, None, None)?;
            access
                .save()
                .map_err(|cause| ApiError::internal(&format!("invites are not kept: {cause}")))?;
        }
        let room = links::room_url(&base, FIRST_ROOM);
        Ok(links::with_token(&room, &access.operator_token()))
    }
}
