//! What a server is started with.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::blocked_words::BlockedWords;
use super::rates::Rate;

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
    /// Proxies in front of this server: their connections are not counted by address, and the
    /// last address in their `X-Forwarded-For` is the client's.
    pub trusted_proxies: Vec<IpAddr>,
    /// Where invites are kept; without it they end with the process.
    pub data: Option<PathBuf>,
    /// Words that no prompt may have.
    pub blocked_words: BlockedWords,
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
            trusted_proxies: Vec::new(),
            data: None,
            blocked_words: BlockedWords::default(),
            limits: ServerLimits::default(),
        }
    }

    /// Whether only people and programs of this machine reach the server, as far as it knows.
    pub fn is_private(&self) -> bool {
        self.listen.ip().is_loopback()
            && self.public_url.is_none()
            && self.trusted_proxies.is_empty()
    }
}

/// Bytes that the canvases of all rooms may come to, unless something else is asked for: 4 GiB.
pub const DEFAULT_ROOM_MEMORY: u64 = 4 << 30;

/// Rooms, or tokens that are refused, of one address at once.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);

/// What clients are held to.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Bytes of one text message; a larger one closes the socket with 1009.
    pub message_bytes: usize,
    /// Bytes of an uploaded image.
    pub image_bytes: usize,
    /// How long the body of a request may take.
    pub upload_timeout: Duration,
    /// How long an upload may rest.
    pub upload_stall: Duration,
    /// Bytes per second that an upload sends at least, from `upload_stall` on.
    pub upload_rate: u64,
    /// Bytes of uploads that are read or wait to be decoded, half of them for one room.
    pub upload_bytes: u64,
    /// How long an image may wait to be decoded or encoded.
    pub codec_wait: Duration,
    /// Bytes of encoded pictures that are on their way, half of them for one room.
    pub picture_bytes: u64,
    /// Bytes per second that a client takes of a picture at least, over `write_window`.
    pub picture_rate: u64,
    /// How long a client that is written to may take nothing.
    pub write_window: Duration,
    /// How long the head of a request may take, and a connection rest between requests.
    pub header_timeout: Duration,
    /// Connections at once. Fewer where the process may not open so many files.
    pub connections: usize,
    /// Connections of one address at once.
    pub connections_per_address: usize,
    /// Connections at once that have not asked for anything yet.
    pub waiting_connections: usize,
    /// Rooms in memory at once; the operator's are made in any case.
    pub rooms: usize,
    /// Of those, rooms that nobody is in.
    pub empty_rooms: usize,
    /// Bytes that the canvases of all rooms may come to.
    pub room_bytes: u64,
    /// Rooms that an address may make.
    pub room_rate: Rate,
    /// Tokens of an address that are refused one by one, before it has to wait.
    pub failure_rate: Rate,
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
            upload_stall: Duration::from_secs(10),
            upload_rate: 4 * 1024,
            upload_bytes: 256 << 20,
            codec_wait: Duration::from_secs(30),
            picture_bytes: 512 << 20,
            picture_rate: 16 * 1024,
            write_window: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            connections: 4096,
            connections_per_address: 512,
            waiting_connections: 256,
            rooms: 64,
            empty_rooms: 48,
            room_bytes: DEFAULT_ROOM_MEMORY,
            room_rate: Rate {
                burst: BURST,
                every: Duration::from_secs(2),
            },
            failure_rate: Rate {
                burst: BURST,
                every: Duration::from_secs(2),
            },
            hello_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(45),
            message_burst: 600,
            messages_per_second: 120,
            refusals: 20,
            refusal_window: Duration::from_secs(10),
            sockets: 1024,
            drain_timeout: Duration::from_secs(5),
        }
    }
}
