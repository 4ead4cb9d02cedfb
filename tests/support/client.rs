//! A client that speaks the protocol in plain JSON.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use impasto::protocol::{FrameHeader, Layer, Rect, decode_frame};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};
use uuid::Uuid;

/// Far longer than anything here takes: a test that hangs should say so.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something that the server sent.
#[derive(Debug)]
pub enum Event {
    Json(Value),
    Frame(FrameHeader, Bytes),
    /// The close code; 1005 for a close without one, 1006 for a socket that broke.
    Closed(u16),
}

/// A client.
pub struct TestClient {
    /// What it says in hello, and nobody else hears.
    pub secret: Uuid,
    /// The id that the server gave it in welcome; nil before.
    pub id: Uuid,
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl TestClient {
    /// Opens a websocket to a room.
    pub async fn connect(address: SocketAddr, room: &str) -> Self {
        let url = format!("ws://{address}/v1/rooms/{room}/ws");
        let mut request = url.into_client_request().unwrap();
        let subprotocol = "impasto.v1".parse().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", subprotocol);
        let (socket, response) = connect_async(request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "impasto.v1");
        Self {
            secret: Uuid::new_v4(),
            id: Uuid::nil(),
            socket,
        }
    }

    /// Opens a websocket whose client takes a few kilobytes before it has read them.
    pub async fn connect_narrow(address: SocketAddr, room: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2048).unwrap();
        let stream = MaybeTlsStream::Plain(socket.connect(address).await.unwrap());
        let url = format!("ws://{address}/v1/rooms/{room}/ws");
        let (socket, _) = client_async(url, stream).await.unwrap();
        Self {
            secret: Uuid::new_v4(),
            id: Uuid::nil(),
            socket,
        }
    }

    /// Says hello, with `fields` laid over the usual ones.
    pub async fn hello(&mut self, fields: Value) {
        let mut hello = json!({"type": "hello", "protocol": 1, "client": self.secret});
        for (name, value) in fields.as_object().unwrap() {
            hello[name] = value.clone();
        }
        self.send(hello).await;
    }

    /// Sends JSON.
    pub async fn send(&mut self, message: Value) {
        self.send_text(message.to_string()).await;
    }

    /// Sends any text.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// The next thing that the server sends.
    pub async fn next(&mut self) -> Event {
        timeout(PATIENCE, self.next_event())
            .await
            .expect("nothing came")
    }

    async fn next_event(&mut self) -> Event {
        loop {
            let message = self.socket.next().await;
            return match message {
                None | Some(Err(_)) => Event::Closed(1006),
                Some(Ok(Message::Close(None))) => Event::Closed(1005),
                Some(Ok(Message::Close(Some(frame)))) => Event::Closed(frame.code.into()),
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["type"] == "welcome" {
                        self.id = message["client"].as_str().unwrap().parse().unwrap();
                    }
                    Event::Json(message)
                }
                Some(Ok(Message::Binary(frame))) => {
                    let (header, image) = decode_frame(&frame).unwrap();
                    Event::Frame(header, image)
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            };
        }
    }

    /// The next JSON message of a type; everything before it is dropped.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            match self.next().await {
                Event::Json(message) if message["type"] == kind => return message,
                Event::Closed(code) => panic!("closed with {code} while waiting for {kind}"),
                _ => {}
            }
        }
    }

    /// The next error's code.
    pub async fn refusal(&mut self) -> String {
        self.until("error").await["code"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Everything up to the close, and its code.
    pub async fn until_closed(&mut self) -> (Vec<Value>, u16) {
        let mut messages = Vec::new();
        loop {
            match self.next().await {
                Event::Json(message) => messages.push(message),
                Event::Frame(..) => {}
                Event::Closed(code) => return (messages, code),
            }
        }
    }

    /// Reads until a frame of the result that a render made covers the point at
    /// that revision or a later one; answers everything on the way.
    pub async fn until_frame(&mut self, rev: u64, x: u32, y: u32) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await;
            let found = match &event {
                Event::Closed(code) => panic!("closed with {code} while waiting for a frame"),
                Event::Json(_) => false,
                Event::Frame(header, _) => {
                    header.layer == Layer::Result
                        && header.rev >= rev
                        && header.step > 0
                        && header.rect.contains(&Rect::new(x, y, 1, 1))
                }
            };
            events.push(event);
            if found {
                return events;
            }
        }
    }

    /// Proves that the server still answers this client.
    pub async fn is_served(&mut self) {
        self.send(json!({"type": "ping", "t": 7.5})).await;
        assert_eq!(self.until("pong").await["t"], 7.5);
    }
}

/// The ops among what was heard.
pub fn ops(events: &[Event]) -> Vec<Value> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Json(message) if message["type"] == "op" => Some(message.clone()),
            _ => None,
        })
        .collect()
}

/// A stroke in one message.
pub fn stroke(id: &str, x: f64, y: f64) -> Value {
    json!({
        "type": "stroke", "id": id, "tool": "brush", "size": 24, "hardness": 1, "opacity": 1,
        "color": "#ff0000", "points": [[x, y, 1], [x + 4.0, y, 1]], "done": true
    })
}
