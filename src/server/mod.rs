//! axum routes, the websocket connection, limits, metrics, shutdown.
//!
//! A [`Server`] listens before there is a model: `/healthz` answers at once,
//! `/readyz` and all rooms once its [`Switch`] is opened with a
//! [`RoomRegistry`](crate::room::RoomRegistry). Draining the switch says
//! goodbye to every member and ends [`Server::run`].

mod access;
mod access_error;
mod access_files;
mod agreement;
mod allowance;
mod assets;
mod asyncapi;
mod authorise;
mod blocked_words;
mod budget;
mod calls;
mod connection;
mod connections;
mod deleted_rooms;
mod descriptors;
mod error;
mod export_request;
mod exports;
mod generate;
#[cfg(test)]
mod generated;
mod identity;
mod image_request;
mod images;
mod invite_calls;
mod invites;
mod links;
mod lora_control;
mod loras;
pub mod metrics;
mod openapi;
mod options;
mod origin;
mod pace;
mod picture_calls;
mod pictures;
mod rates;
mod reader;
mod recordings;
mod room_calls;
mod room_copies;
mod routes;
mod schedule_request;
mod serving;
mod shutdown;
mod state;
mod thumbnails;
mod upload_request;
mod websocket;
mod writer;

pub use access::Invites;
pub use access_error::AccessError;
pub use blocked_words::{BlockedWords, BlockedWordsError};
pub use descriptors::allow as allow_open_files;
pub use error::{ApiError, HttpErrorCode, HttpOnlyCode, ServerError};
pub use lora_control::LoraControl;
pub use options::{DEFAULT_ROOM_MEMORY, ServerLimits, ServerOptions};
pub use rates::Rate;
pub use shutdown::{end_within, stop_signal};
pub use state::Switch;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

use access::Access;
use connections::ConnectionLimits;
use origin::OriginRules;
use state::AppState;

/// Files that the server may have open beside connections: the model, latents, logs, and the few
/// connections over the limit.
const RESERVED_FILES: usize = 96;
/// Connections that are accepted in any case.
const LEAST_CONNECTIONS: usize = 16;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// Bytes of frames that the operating system may hold for a slow client: more
/// would be old pictures on their way when a newer one is there.
const SEND_BUFFER: u32 = 256 * 1024;
/// How often histograms are folded, so that they do not grow between scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// A server that listens, and serves once [`Server::run`] is called.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    state: AppState,
}

impl Server {
    /// Listens on the address of the options.
    ///
    /// # Errors
    /// When the address is in use or not of this machine, or an option makes no sense.
    pub async fn bind(options: ServerOptions) -> Result<Self, ServerError> {
        let address = options.listen;
        let loopback = address.ip().is_loopback();
        let origins =
            OriginRules::new(loopback, &options.allowed_origins).map_err(ServerError::Options)?;
        let listener = listen(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ServerError::AddressInUse { address },
            _ => ServerError::Listen { address, source },
        })?;
        let address = listener
            .local_addr()
            .map_err(|source| ServerError::Listen { address, source })?;
        let access = match &options.data {
            Some(folder) => Access::in_folder(options.auth, folder).map_err(ServerError::Data)?,
            None => Access::new(options.auth),
        };
        metrics::recorder();
        let connections = connection_limits(&options);
        Ok(Self {
            listener,
            address,
            state: AppState::new(options, origins, access, connections),
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What opens and drains it.
    pub fn switch(&self) -> Switch {
        Switch::new(self.state.clone())
    }

    /// Serves until the switch is drained and all connections have ended, or
    /// the drain timeout is over.
    ///
    /// # Errors
    /// When the listener breaks, or [`Switch::fail`] was called.
    pub async fn run(self) -> Result<(), ServerError> {
        let Self {
            listener, state, ..
        } = self;
        let draining = state.draining().clone();
        let limit = state.options().limits.drain_timeout;
        let kept_up = state.clone();
        let upkeep = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP_EVERY);
            loop {
                ticks.tick().await;
                metrics::recorder().run_upkeep();
                kept_up.upkeep();
            }
        });
        let router = routes::router(state.clone());
        let serving = tokio::spawn(serving::serve(listener, router, state.clone()));
        let abort = serving.abort_handle();
        let ended = async {
            let served = serving.await;
            state.sockets().close();
            state.sockets().wait().await;
            if let Some(rooms) = state.rooms_if_open() {
                rooms.shut_down().await;
            }
            served
        };
        let deadline = async {
            draining.cancelled().await;
            tokio::time::sleep(limit).await;
        };
        let result = tokio::select! {
            served = ended => {
                served.map_err(|cause| ServerError::Serve(io::Error::other(cause)))
            }
            () = deadline => {
                tracing::warn!("some connections did not end in time and are cut");
                Ok(())
            }
        };
        abort.abort();
        upkeep.abort();
        match state.is_broken() {
            true => Err(ServerError::DeviceStopped),
            false => result,
        }
    }
}

/// As many connections as the options say and the process may have.
fn connection_limits(options: &ServerOptions) -> ConnectionLimits {
    let limits = &options.limits;
    let wanted = limits.connections + RESERVED_FILES;
    let files = descriptors::allow(wanted).unwrap_or(wanted);
    let most = limits
        .connections
        .min(files.saturating_sub(RESERVED_FILES))
        .max(LEAST_CONNECTIONS);
    if most < limits.connections {
        tracing::warn!(
            most,
            files,
            "fewer connections: raise the limit of open files"
        );
    }
    ConnectionLimits {
        most,
        per_address: limits.connections_per_address.max(1),
        // Some must be left for those at work.
        waiting: limits.waiting_connections.min(most / 2).max(1),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A port is free again at once after a restart; Windows takes this option for sharing a port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
