//! The reading half of a websocket.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::websocket::Socket;
use super::writer::close;

/// How long a closing socket is read on, so that the client gets to see why.
pub const LINGER: Duration = Duration::from_secs(1);

/// Something that arrived.
pub enum Incoming {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary one.
    Binary,
    /// A ping or a pong.
    Alive,
    /// A message over the limit.
    TooLarge,
    /// The client has gone.
    Closed,
    /// What came is no websocket message; the code to close with.
    Broken(u16),
}

/// The reading half.
pub struct Reader {
    stream: SplitStream<Socket>,
    /// Bytes of a message, at most.
    pub most_bytes: usize,
}

impl Reader {
    /// Reads from `stream`.
    pub fn new(stream: SplitStream<Socket>, most_bytes: usize) -> Self {
        Self { stream, most_bytes }
    }

    /// The next thing that arrives. Nothing is lost when this is dropped while waiting.
    pub async fn next(&mut self) -> Incoming {
        match self.stream.next().await {
            None | Some(Ok(Message::Close(_))) => Incoming::Closed,
            Some(Ok(Message::Text(text))) if text.len() > self.most_bytes => Incoming::TooLarge,
            Some(Ok(Message::Binary(data))) if data.len() > self.most_bytes => Incoming::TooLarge,
            Some(Ok(Message::Text(text))) => Incoming::Text(text),
            Some(Ok(Message::Binary(_))) => Incoming::Binary,
            // Frames as such are only ever written.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Incoming::Alive,
            Some(Err(cause)) => broken_by(&cause),
        }
    }

    /// The first thing that is not a ping or a pong.
    pub async fn first(&mut self) -> Incoming {
        loop {
            match self.next().await {
                Incoming::Alive => {}
                incoming => return incoming,
            }
        }
    }

    /// Reads on for a moment and throws it away: a socket that is closed with
    /// unread bytes resets, and the client would not see why it was closed.
    pub async fn linger(&mut self) {
        let rest = async { while let Some(Ok(_)) = self.stream.next().await {} };
        if timeout(LINGER, rest).await.is_err() {
            tracing::trace!("the client did not close its side");
        }
    }
}

/// What a failed read means (RFC 6455, section 7.4.1).
fn broken_by(cause: &Error) -> Incoming {
    match cause {
        Error::Capacity(_) => Incoming::TooLarge,
        Error::Utf8(_) => Incoming::Broken(close::NOT_UTF8),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Incoming::Closed,
        Error::Protocol(_) => Incoming::Broken(close::PROTOCOL),
        _ => {
            tracing::debug!(%cause, "stopped reading");
            Incoming::Closed
        }
    }
}
