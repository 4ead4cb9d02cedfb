//! What a server is started with.

use std::net::SocketAddr;
use std::time::Duration;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether nobody enters a room without one of its tokens.
    pub auth: bool,
    /// Origins whose pages may speak to this server besides its own.
    pub allowed_origins: Vec<String>,
    /// The address under which browsers reach this server, where it is not the
    /// one that they send as `Host` (`https://paint.example`).
    pub public_url: Option<String>,
    /// What clients are held to.
    pub limits: ServerLimits,
}

impl ServerOptions {
    /// The defaults on an address: auth on everywhere but on loopback.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            auth: !listen.ip().is_loopback(),
            allowed_origins: Vec::new(),
            public_url: None,
            limits: ServerLimits::default(),
        }
    }
}

/// What clients are held to.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Bytes of one text message; a larger one closes the socket with 1009.
    pub message_bytes: usize,
    /// Bytes of an uploaded image.
    pub image_bytes: usize,
    /// How long an upload may take.
    pub upload_timeout: Duration,
    /// How long a socket may stay without `hello`.
    pub hello_timeout: Duration,
    /// How long one write may wait for a client that does not read.
    pub write_timeout: Duration,
    /// How often a websocket ping goes out.
    pub ping_interval: Duration,
    /// How long a socket may stay without a sign of life.
    pub idle_timeout: Duration,
    /// Messages at once.
    pub message_burst: u32,
    /// Messages per second in the long run.
    pub messages_per_second: u32,
    /// Refusals within `refusal_window` that close a socket with 1008.
    pub refusals: usize,
    /// See `refusals`.
    pub refusal_window: Duration,
    /// Websockets at once, over all rooms.
    pub sockets: usize,
    /// How long a shutdown waits for connections to end.
    pub drain_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            message_bytes: 256 * 1024,
            image_bytes: 16 * 1024 * 1024,
            upload_timeout: Duration::from_secs(60),
            hello_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(45),
            message_burst: 600,
            messages_per_second: 120,
            refusals: 20,
            refusal_window: Duration::from_secs(10),
            sockets: 256,
            drain_timeout: Duration::from_secs(5),
        }
    }
}
