//! A member of a room, as any other client would be one.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use uuid::Uuid;

use super::http::{self, Answer, Posted};
use crate::cli::Failure;
use crate::protocol::{
    ClientMessage, FrameHeader, Hello, ModelInfo, PROTOCOL_VERSION, SUBPROTOCOL, ServerMessage,
    Welcome, decode_frame,
};

/// How long the server may take to answer `hello`.
const WELCOME_WITHIN: Duration = Duration::from_secs(10);

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

/// Makes a room with a square canvas of `side` pixels.
///
/// # Errors
/// When the server does not make one.
pub async fn make_room(authority: &str, side: u32) -> Result<FreshRoom, Failure> {
    let posted = Posted {
        token: None,
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

/// What a member hears.
#[derive(Debug)]
pub enum Heard {
    /// A text frame.
    Message(ServerMessage),
    /// A binary frame: its header, and its encoded image.
    Frame(FrameHeader, Bytes),
}

/// A member of a room.
pub struct BenchClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl BenchClient {
    /// Opens a websocket to the room and says hello.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join(authority: &str, room: &FreshRoom) -> Result<(Self, Welcome), Failure> {
        let url = format!("ws://{authority}/v1/rooms/{}/ws", room.room);
        let mut request = url.into_client_request().map_err(Failure::broken)?;
        let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
        request
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        let (socket, _) = connect_async_with_config(request, None, true)
            .await
            .map_err(|cause| Failure::broken(format!("the server opens no websocket: {cause}")))?;
        let mut client = Self { socket };
        client
            .send(&ClientMessage::Hello(Hello {
                protocol: PROTOCOL_VERSION,
                client: Uuid::new_v4(),
                token: Some(room.invites.owner.clone()),
                name: Some("bench".to_owned()),
                last_seq: None,
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
            let message = match self.socket.next().await {
                Some(Ok(message)) => message,
                Some(Err(cause)) => {
                    return Err(Failure::broken(format!("the websocket broke: {cause}")));
                }
                None => return Err(Failure::broken("the server closed the socket")),
            };
            match message {
                Message::Text(text) => {
                    if let Ok(message) = serde_json::from_str(&text) {
                        return Ok(Heard::Message(message));
                    }
                }
                Message::Binary(frame) => {
                    let (header, image) = decode_frame(&frame).map_err(Failure::broken)?;
                    return Ok(Heard::Frame(header, image));
                }
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
