//! A member of a room, as any other client would be one.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use uuid::Uuid;

use super::http::{self, Answer, Posted};
use crate::cli::Failure;
use crate::protocol::{
    ClientMessage, FrameHeader, Hello, ModelInfo, PROTOCOL_VERSION, SUBPROTOCOL, ServerMessage,
    Welcome, decode_frame,
};

/// How long the server may take to answer `hello`.
const WELCOME_WITHIN: Duration = Duration::from_secs(10);
/// Bytes that one of many clients reads at once.
const SMALL_BYTES: usize = 4 * 1024;
/// Bytes that the system takes for a client that reads slowly; it doubles them.
const NARROW_BYTES: u32 = 2048;

/// A room that was made for a bench.
#[derive(Debug, Deserialize)]
pub struct FreshRoom {
    /// Its name.
    pub room: String,
    invites: Invites,
}

#[derive(Debug, Deserialize)]
struct Invites {
    owner: String,
}

#[derive(Debug, Deserialize)]
struct KeptImage {
    image: String,
}

/// Makes a room with a square canvas of `side` pixels, with the operator's token where it is known.
///
/// # Errors
/// When the server does not make one.
pub async fn make_room(
    authority: &str,
    token: Option<&str>,
    side: u32,
) -> Result<FreshRoom, Failure> {
    let posted = Posted {
        token: token.map(str::to_owned),
        content_type: "application/json",
        body: format!("{{\"width\":{side},\"height\":{side}}}").into_bytes(),
    };
    let answer = http::post(authority, "/v1/rooms", posted).await;
    read(authority, answer, 201, "room")
}

/// What the server says of its model.
///
/// # Errors
/// When it does not.
pub async fn model_of(authority: &str) -> Result<ModelInfo, Failure> {
    let answer = http::get(authority, "/v1/model").await;
    read(authority, answer, 200, "model")
}

/// Uploads an encoded picture to a room and answers its id there.
///
/// # Errors
/// When the server does not take it.
pub async fn upload(authority: &str, room: &FreshRoom, image: Vec<u8>) -> Result<String, Failure> {
    let posted = Posted {
        token: Some(room.invites.owner.clone()),
        content_type: "application/octet-stream",
        body: image,
    };
    let path = format!("/v1/rooms/{}/images", room.room);
    let answer = http::post(authority, &path, posted).await;
    let kept: KeptImage = read(authority, answer, 201, "image")?;
    Ok(kept.image)
}

fn read<T: DeserializeOwned>(
    authority: &str,
    answer: io::Result<Answer>,
    status: u16,
    what: &str,
) -> Result<T, Failure> {
    let answer = answer
        .map_err(|cause| Failure::broken(format!("no server answers at {authority}: {cause}")))?;
    if answer.status != status {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        return Err(Failure::broken(format!(
            "the server gives no {what} ({}): {text}",
            answer.status
        )));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|cause| Failure::broken(format!("the server's answer is no {what}: {cause}")))
}

/// Something that arrived, as it is.
#[derive(Debug)]
pub enum Arrived {
    /// A text frame.
    Text(Utf8Bytes),
    /// A binary frame.
    Binary(Bytes),
}

/// What a member hears.
#[derive(Debug)]
pub enum Heard {
    /// A text frame.
    Message(ServerMessage),
    /// A binary frame: its header, and its encoded image.
    Frame(FrameHeader, Bytes),
}

/// Who joins, and from where on.
#[derive(Clone, Copy, Debug)]
pub struct Joining {
    /// The client's secret: the same one comes back as the same member.
    pub client: Uuid,
    /// The last op that it knows, where it comes back.
    pub last_seq: Option<u64>,
}

impl Joining {
    /// Somebody who was never there.
    pub fn anew() -> Self {
        Self {
            client: Uuid::new_v4(),
            last_seq: None,
        }
    }
}

/// A member of a room.
pub struct BenchClient {
    socket: WebSocketStream<TcpStream>,
}

impl BenchClient {
    /// Opens a websocket to the room and says hello.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join(authority: &str, room: &FreshRoom) -> Result<(Self, Welcome), Failure> {
        let stream = connect(authority, None).await?;
        let whole = WebSocketConfig::default();
        Self::join_over(stream, whole, authority, room, Joining::anew()).await
    }

    /// One of thousands of clients of one process: buffers are small.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join_many(
        authority: &str,
        room: &FreshRoom,
        joining: Joining,
    ) -> Result<(Self, Welcome), Failure> {
        let stream = connect(authority, None).await?;
        Self::join_over(stream, small_buffers(), authority, room, joining).await
    }

    /// A client whose side of the connection takes few bytes before they are read.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join_narrow(authority: &str, room: &FreshRoom) -> Result<Self, Failure> {
        let stream = connect(authority, Some(NARROW_BYTES)).await?;
        let anew = Joining::anew();
        let joined = Self::join_over(stream, small_buffers(), authority, room, anew).await?;
        Ok(joined.0)
    }

    async fn join_over(
        stream: TcpStream,
        config: WebSocketConfig,
        authority: &str,
        room: &FreshRoom,
        joining: Joining,
    ) -> Result<(Self, Welcome), Failure> {
        let url = format!("ws://{authority}/v1/rooms/{}/ws", room.room);
        let mut request = url.into_client_request().map_err(Failure::broken)?;
        let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
        request
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        let opened = timeout(
            WELCOME_WITHIN,
            client_async_with_config(request, stream, Some(config)),
        );
        let opened = opened.await.map_err(|cause| unopened(&cause))?;
        let (socket, _) = opened.map_err(|cause| unopened(&cause))?;
        let mut client = Self { socket };
        client
            .send(&ClientMessage::Hello(Hello {
                protocol: PROTOCOL_VERSION,
                client: joining.client,
                token: Some(room.invites.owner.clone()),
                name: Some("bench".to_owned()),
                last_seq: joining.last_seq,
            }))
            .await?;
        let welcome = timeout(WELCOME_WITHIN, client.hear())
            .await
            .map_err(|_| Failure::broken("the server does not answer hello"))??;
        match welcome {
            Heard::Message(ServerMessage::Welcome(welcome)) => Ok((client, *welcome)),
            Heard::Message(ServerMessage::Error(error)) => Err(Failure::broken(error.message)),
            other => Err(Failure::broken(format!(
                "the server answers hello with {other:?}"
            ))),
        }
    }

    /// The connection under the websocket, for who reads it in a way of its own.
    pub fn into_stream(self) -> TcpStream {
        self.socket.into_inner()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn send(&mut self, message: &ClientMessage) -> Result<(), Failure> {
        let json = serde_json::to_string(message).map_err(Failure::broken)?;
        self.socket
            .send(Message::Text(Utf8Bytes::from(json)))
            .await
            .map_err(|cause| Failure::broken(format!("the server closed the socket: {cause}")))
    }

    /// Waits for the next message or frame; messages of a type unknown here are skipped.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn hear(&mut self) -> Result<Heard, Failure> {
        loop {
            match self.next().await? {
                Arrived::Text(text) => {
                    if let Ok(message) = serde_json::from_str(&text) {
                        return Ok(Heard::Message(message));
                    }
                }
                Arrived::Binary(frame) => {
                    let (header, image) = decode_frame(&frame).map_err(Failure::broken)?;
                    return Ok(Heard::Frame(header, image));
                }
            }
        }
    }

    /// Waits for the next text or binary frame, and does not look into it.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn next(&mut self) -> Result<Arrived, Failure> {
        loop {
            let message = match self.socket.next().await {
                Some(Ok(message)) => message,
                Some(Err(cause)) => {
                    return Err(Failure::broken(format!("the websocket broke: {cause}")));
                }
                None => return Err(Failure::broken("the server closed the socket")),
            };
            match message {
                Message::Text(text) => return Ok(Arrived::Text(text)),
                Message::Binary(frame) => return Ok(Arrived::Binary(frame)),
                Message::Close(reason) => {
                    let reason = reason.map(|frame| frame.to_string()).unwrap_or_default();
                    return Err(Failure::broken(format!(
                        "the server closed the socket: {reason}"
                    )));
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

fn small_buffers() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(SMALL_BYTES)
        .write_buffer_size(0)
}

fn unopened(cause: &dyn Display) -> Failure {
    Failure::broken(format!("the server opens no websocket: {cause}"))
}

/// Connects to `host:port`; the system takes `receive_bytes` before they are read, where they are
/// given.
async fn connect(authority: &str, receive_bytes: Option<u32>) -> Result<TcpStream, Failure> {
    let addresses = lookup_host(authority)
        .await
        .map_err(|cause| unopened(&cause))?;
    let mut refused = unopened(&"its name has no address");
    for address in addresses {
        match connect_to(address, receive_bytes).await {
            Ok(stream) => return Ok(stream),
            Err(cause) => refused = unopened(&cause),
        }
    }
    Err(refused)
}

async fn connect_to(address: SocketAddr, receive_bytes: Option<u32>) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(bytes) = receive_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
