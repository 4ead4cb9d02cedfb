//! The websocket under a connection: its handshake, how much it buffers, and how large messages are
//! sent.
//!
//! axum's own lacks one thing: tungstenite copies a message whole into a buffer that never shrinks,
//! so each idle socket would hold memory for the largest picture that it was ever sent. Here a
//! picture goes out in fragments (RFC 6455, section 5.4), which every client puts together again.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Bytes that a socket buffers between its messages, for each direction: most are smaller, and
/// every open socket has both.
const BUFFER_BYTES: usize = 4 * 1024;
/// Bytes of a fragment. More would be kept by every socket, fewer cost a system call each.
const FRAGMENT_BYTES: usize = 16 * 1024;
/// Bytes of a message before the connection itself judges its size: what is a little too large is
/// read whole and answered properly.
const OVERSIZE_FACTOR: usize = 4;
/// Bytes that wait for a client. A text goes out whole, and a welcome names everybody in the room.
const WAITING_BYTES: usize = 4 << 20;

/// An open websocket.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A request that asks to become a websocket.
pub struct Upgrade {
    on_upgrade: OnUpgrade,
    answer: Response,
}

impl Upgrade {
    /// Looks at a request.
    ///
    /// # Errors
    /// What it lacks, where it does not ask for a websocket.
    pub fn of(mut request: Request) -> Result<Self, Error> {
        let answer = create_response_with_body(&request, Body::empty)?;
        let on_upgrade = hyper::upgrade::on(&mut request);
        Ok(Self { on_upgrade, answer })
    }

    /// The answer, which names `subprotocol` where there is one, and the socket once that is sent.
    pub fn accept(self, subprotocol: Option<&'static str>) -> (Response, OnUpgrade) {
        let mut answer = self.answer;
        if let Some(subprotocol) = subprotocol {
            let name = HeaderValue::from_static(subprotocol);
            answer
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        (answer, self.on_upgrade)
    }
}

/// The subprotocols that a client offers.
pub fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

/// The socket, once the answer is sent; messages of up to `message_bytes` are read, and a few more
/// that are too large.
///
/// # Errors
/// When the connection breaks before.
pub async fn open(on_upgrade: OnUpgrade, message_bytes: usize) -> hyper::Result<Socket> {
    let most = Some(message_bytes * OVERSIZE_FACTOR);
    let config = WebSocketConfig::default()
        .max_message_size(most)
        .max_frame_size(most)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(WAITING_BYTES);
    let stream = TokioIo::new(on_upgrade.await?);
    Ok(Socket::from_raw_socket(stream, Role::Server, Some(config)).await)
}

/// Sends a binary message, in fragments where it is large. Returns once the operating system has
/// all but the last of them.
///
/// # Errors
/// When the socket breaks.
pub async fn feed_binary(sink: &mut SplitSink<Socket, Message>, data: Bytes) -> Result<(), Error> {
    if data.len() <= FRAGMENT_BYTES {
        return sink.feed(Message::Binary(data)).await;
    }
    let mut rest = data;
    let mut kind = Data::Binary;
    while !rest.is_empty() {
        let fragment = rest.split_to(rest.len().min(FRAGMENT_BYTES));
        let frame = Frame::message(fragment, OpCode::Data(kind), rest.is_empty());
        sink.feed(Message::Frame(frame)).await?;
        kind = Data::Continue;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().uri("/v1/rooms/studio/ws");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn only_what_asks_for_a_websocket_becomes_one() {
        let whole = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let (answer, _) = Upgrade::of(request(&whole))
            .unwrap()
            .accept(Some("paint.v1"));
        assert_eq!(answer.status(), 101);
        // The example of RFC 6455, section 1.3.
        let accept = &answer.headers()["sec-websocket-accept"];
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "paint.v1");
        for missing in 0..whole.len() {
            let mut headers = whole.to_vec();
            headers.remove(missing);
            assert!(Upgrade::of(request(&headers)).is_err(), "{missing}");
        }
    }

    #[test]
    fn subprotocols_are_offered_in_lists_and_lines() {
        let lines = [
            ("sec-websocket-protocol", "chat, paint.v1"),
            ("sec-websocket-protocol", "paint.v2"),
        ];
        let request = request(&lines);
        let offers: Vec<_> = offered(request.headers()).collect();
        assert_eq!(offers, ["chat", "paint.v1", "paint.v2"]);
        assert_eq!(offered(&HeaderMap::new()).count(), 0);
    }
}
