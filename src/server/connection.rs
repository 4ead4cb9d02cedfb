//! One websocket: hello, then messages to the room, within limits.

use std::time::{Duration, Instant};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{timeout, timeout_at};

use super::allowance::{MessageAllowance, message_cost};
use super::error::sentence;
use super::state::AppState;
use super::writer::{Ending, Refusals, Writer, abuse, close};
use crate::protocol::{
    ClientMessage, ErrorCode, ErrorMessage, Hello, ServerMessage, decode_client_message,
};
use crate::room::{JoinRequest, Joined, RoomCommand, RoomHandle};

/// Answers of the reading half that may wait; past that a client that does not
/// read them gets none.
const REPLIES: usize = 64;
/// How long a closing socket is read on, so that the client gets to see why.
const LINGER: Duration = Duration::from_secs(1);
/// When a client may come back to a server that stops.
const COME_BACK_MS: u64 = 2000;
/// Messages larger than this are not searched for the id of their stroke.
const SEARCHED_BYTES: usize = 16 * 1024;

/// Serves one websocket until it ends.
pub async fn run(socket: WebSocket, state: AppState, room: String) {
    let (sink, stream) = socket.split();
    let limits = state.options().limits.clone();
    let writer = Writer::new(sink, limits.clone());
    let mut reader = Reader {
        stream,
        most_bytes: limits.message_bytes,
    };
    match greet(&mut reader, &state, &room).await {
        Ok((handle, joined)) => {
            tracing::debug!(room, client = %joined.member.client, "a member joined");
            serve_member(&mut reader, writer, &state, &handle, joined).await;
            tracing::debug!(room, "a member left");
        }
        Err(ending) => {
            tracing::debug!(room, ?ending, "a socket was not let in");
            writer.end(ending).await;
        }
    }
    reader.linger().await;
}

/// Waits for a hello that the room accepts.
async fn greet(
    reader: &mut Reader,
    state: &AppState,
    room: &str,
) -> Result<(RoomHandle, Joined), Ending> {
    let deadline = tokio::time::Instant::now() + state.options().limits.hello_timeout;
    let incoming = tokio::select! {
        () = state.draining().cancelled() => return Err(goaway()),
        incoming = timeout_at(deadline, reader.first()) => incoming,
    };
    let text = match incoming {
        Ok(Incoming::Text(text)) => text,
        Ok(Incoming::TooLarge) => return Err(too_large(reader.most_bytes)),
        Ok(Incoming::Closed) => return Err(Ending::quiet(close::NORMAL, "goodbye")),
        Ok(Incoming::Binary | Incoming::Alive) | Err(_) => return Err(hello_expected()),
    };
    let hello = match decode_client_message(&text) {
        Ok(ClientMessage::Hello(hello)) => hello,
        Ok(_) => return Err(hello_expected()),
        Err(error) => return Err(Ending::refused(error, close::POLICY, "not a hello")),
    };
    enter(state, room, hello).await
}

async fn enter(state: &AppState, room: &str, hello: Hello) -> Result<(RoomHandle, Joined), Ending> {
    let role = state
        .access()
        .role(room, hello.token.as_deref())
        .map_err(|refused| {
            let error = ErrorMessage::new(refused.code(), sentence(&refused.to_string()));
            Ending::refused(error, close::POLICY, "not let in")
        })?;
    let refuse = |refused: crate::room::RoomError| {
        let code = match refused.code() {
            ErrorCode::RoomFull | ErrorCode::Unavailable => close::TRY_AGAIN,
            ErrorCode::Internal => close::INTERNAL,
            _ => close::POLICY,
        };
        Ending::refused(refused.to_message(), code, "not let in")
    };
    state
        .join(room, JoinRequest { hello, role })
        .await
        .map_err(refuse)
}

/// Reads and writes side by side until one of them ends.
async fn serve_member(
    reader: &mut Reader,
    writer: Writer,
    state: &AppState,
    handle: &RoomHandle,
    joined: Joined,
) {
    let Joined {
        welcome,
        member,
        outbox,
    } = joined;
    let welcome = ServerMessage::Welcome(Box::new(welcome));
    let limits = &state.options().limits;
    let (replies, replies_out) = mpsc::channel(REPLIES);
    let (end, ended) = oneshot::channel();
    let refusals = Refusals::new(limits);
    let mut writing =
        state
            .sockets()
            .spawn(writer.run(welcome, outbox, replies_out, ended, refusals.clone()));
    let mut ears = Ears {
        allowance: MessageAllowance::new(
            limits.message_burst,
            limits.messages_per_second,
            Instant::now(),
        ),
        refusals,
        replies,
    };
    let ending = loop {
        let incoming = tokio::select! {
            // The writer ends first when the client does not read, or the room lets it go.
            _ = &mut writing => break None,
            () = state.draining().cancelled() => break Some(goaway()),
            incoming = timeout(limits.idle_timeout, reader.next()) => incoming,
        };
        let Ok(incoming) = incoming else {
            break Some(Ending::quiet(close::AWAY, "no sign of life"));
        };
        let heard = match incoming {
            Incoming::Closed => break Some(Ending::quiet(close::NORMAL, "goodbye")),
            Incoming::TooLarge => break Some(too_large(limits.message_bytes)),
            incoming => ears.hear(incoming),
        };
        match heard {
            Heard::Nothing => {}
            Heard::Abuse => break Some(abuse()),
            Heard::Command(command) => {
                // The room's end reaches the client through its outbox.
                if let Err(cause) = handle.send(member, *command).await {
                    tracing::debug!(%cause, "a command found no room");
                }
            }
        }
    };
    handle.leave(member).await;
    if let Some(ending) = ending {
        // The writer is gone when nobody takes the ending, and so is the client.
        let _ = end.send(ending);
        if timeout(limits.write_timeout + LINGER, &mut writing)
            .await
            .is_err()
        {
            writing.abort();
        }
    }
}

/// Holds what a client sends to the limits.
struct Ears {
    allowance: MessageAllowance,
    refusals: Refusals,
    replies: mpsc::Sender<ServerMessage>,
}

/// What is to be done with something that arrived.
enum Heard {
    Nothing,
    Command(Box<RoomCommand>),
    Abuse,
}

impl Ears {
    fn hear(&mut self, incoming: Incoming) -> Heard {
        let text = match incoming {
            Incoming::Text(text) => text,
            Incoming::Binary => {
                return self.refuse(ErrorMessage::new(
                    ErrorCode::MalformedMessage,
                    "Clients send text frames only; send JSON, and upload images over HTTP.",
                ));
            }
            // A flood of pings costs as much as one of messages.
            Incoming::Alive | Incoming::TooLarge | Incoming::Closed => {
                return match self.allowance.take(1, Instant::now()) {
                    Ok(()) => Heard::Nothing,
                    Err(wait) => self.refuse(too_fast("", wait)),
                };
            }
        };
        let cost = message_cost(text.len());
        if let Err(wait) = self.allowance.take(cost, Instant::now()) {
            return self.refuse(too_fast(&text, wait));
        }
        match decode_client_message(&text) {
            Ok(ClientMessage::Ping { t }) => {
                self.reply(ServerMessage::Pong { t });
                Heard::Nothing
            }
            Ok(message) => match RoomCommand::from_message(message) {
                Some(command) => Heard::Command(Box::new(command)),
                None => self.refuse(ErrorMessage::new(
                    ErrorCode::HelloExpected,
                    "Say hello once; open another socket to join as somebody else.",
                )),
            },
            Err(error) => self.refuse(error),
        }
    }

    fn refuse(&mut self, error: ErrorMessage) -> Heard {
        if self.refusals.count(error.code) {
            return Heard::Abuse;
        }
        self.reply(ServerMessage::Error(error));
        Heard::Nothing
    }

    /// A client that lets its answers pile up does without the next one.
    fn reply(&self, message: ServerMessage) {
        if self.replies.try_send(message).is_err() {
            tracing::trace!("an answer was dropped: the client does not read");
        }
    }
}

fn too_fast(text: &str, wait: Duration) -> ErrorMessage {
    let message = "Too many messages; send this one again after the time in retry_after_ms.";
    let mut error = ErrorMessage::new(ErrorCode::RateLimited, message);
    error.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1));
    if text.len() <= SEARCHED_BYTES
        && let Ok(ClientMessage::Stroke(chunk)) = decode_client_message(text)
    {
        error.id = Some(chunk.id);
    }
    error
}

fn too_large(most_bytes: usize) -> Ending {
    let message = format!("A message may have {most_bytes} bytes at most; send it in parts.");
    let error = ErrorMessage::new(ErrorCode::TooLarge, message);
    Ending::refused(error, close::TOO_BIG, "message too large")
}

fn hello_expected() -> Ending {
    let message = "The first message is hello, within five seconds; connect again and send it.";
    let error = ErrorMessage::new(ErrorCode::HelloExpected, message);
    Ending::refused(error, close::POLICY, "hello expected")
}

fn goaway() -> Ending {
    let reason = "The server is about to stop.".to_owned();
    Ending {
        last: Some(ServerMessage::Goaway {
            reason,
            retry_after_ms: COME_BACK_MS,
        }),
        code: close::AWAY,
        reason: "server stops",
    }
}

/// Something that arrived.
enum Incoming {
    Text(Utf8Bytes),
    Binary,
    /// A ping or a pong.
    Alive,
    TooLarge,
    Closed,
}

/// The reading half.
struct Reader {
    stream: SplitStream<WebSocket>,
    most_bytes: usize,
}

impl Reader {
    /// The next thing that arrives. Nothing is lost when this is dropped while waiting.
    async fn next(&mut self) -> Incoming {
        match self.stream.next().await {
            None | Some(Ok(Message::Close(_))) => Incoming::Closed,
            Some(Ok(Message::Text(text))) if text.len() > self.most_bytes => Incoming::TooLarge,
            Some(Ok(Message::Binary(data))) if data.len() > self.most_bytes => Incoming::TooLarge,
            Some(Ok(Message::Text(text))) => Incoming::Text(text),
            Some(Ok(Message::Binary(_))) => Incoming::Binary,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::Alive,
            Some(Err(cause)) if is_over_the_limit(&cause) => Incoming::TooLarge,
            Some(Err(cause)) => {
                tracing::debug!(%cause, "stopped reading");
                Incoming::Closed
            }
        }
    }

    /// The first thing that is not a ping or a pong.
    async fn first(&mut self) -> Incoming {
        loop {
            match self.next().await {
                Incoming::Alive => {}
                incoming => return incoming,
            }
        }
    }

    /// Reads on for a moment and throws it away: a socket that is closed with
    /// unread bytes resets, and the client would not see why it was closed.
    async fn linger(&mut self) {
        let rest = async { while let Some(Ok(_)) = self.stream.next().await {} };
        if timeout(LINGER, rest).await.is_err() {
            tracing::trace!("the client did not close its side");
        }
    }
}

fn is_over_the_limit(cause: &axum::Error) -> bool {
    use tokio_tungstenite::tungstenite::Error;
    let mut source = std::error::Error::source(cause);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<Error>() {
            return matches!(error, Error::Capacity(_));
        }
        source = error.source();
    }
    false
}
