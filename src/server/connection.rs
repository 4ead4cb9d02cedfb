//! One websocket: hello, then messages to the room, within limits.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use metrics::counter;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{timeout, timeout_at};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use uuid::Uuid;

use super::access::Grant;
use super::access_error::AccessError;
use super::agreement::Bearer;
use super::allowance::{CHAT_COST, MessageAllowance, message_cost};
use super::error::{ApiError, sentence};
use super::identity::{member_id, shown_text};
use super::metrics::{REFUSALS, code_name};
use super::reader::{Incoming, LINGER, Reader};
use super::serving::Client;
use super::state::AppState;
use super::websocket::Socket;
use super::writer::{Ending, Refusals, Writer, abuse, close};
use crate::protocol::{
    ClientMessage, ErrorCode, ErrorMessage, Hello, LayerChange, ServerMessage,
    decode_client_message,
};
use crate::room::{JoinRequest, Joined, RoomCommand, RoomHandle};

/// Answers of the reading half that may wait; past that a client that does not
/// read them gets none.
const REPLIES: usize = 64;
/// When a client may come back to a server that stops.
const COME_BACK_MS: u64 = 2000;
/// Messages larger than this are not searched for the id of their stroke.
const SEARCHED_BYTES: usize = 16 * 1024;

/// Serves one websocket until it ends.
pub async fn run(socket: Socket, state: AppState, room: String, client: Client) {
    let (sink, stream) = socket.split();
    let limits = state.options().limits.clone();
    let writer = Writer::new(sink, limits.clone());
    let mut reader = Reader::new(stream, limits.message_bytes);
    let greeted = tokio::select! {
        greeted = greet(&mut reader, &state, &room, &client) => greeted,
        () = client.place.cut().cancelled() => {
            let message = "Others waited for this place before hello was said; connect again.";
            let error = ErrorMessage::new(ErrorCode::Unavailable, message);
            Err(Ending::refused(error, close::TRY_AGAIN, "made place for others"))
        }
    };
    match greeted {
        Ok(guest) => {
            client.place.works();
            tracing::debug!(room, client = %guest.joined.member.client, "a member joined");
            serve_member(&mut reader, writer, &state, &room, guest).await;
            tracing::debug!(room, "a member left");
        }
        Err(ending) => {
            if let Some(ServerMessage::Error(error)) = &ending.last {
                counter!(REFUSALS, "code" => code_name(error.code)).increment(1);
            }
            tracing::debug!(room, ?ending, "a socket was not let in");
            writer.end(ending).await;
        }
    }
    reader.linger().await;
}

/// Somebody who was let in.
struct Guest {
    handle: RoomHandle,
    joined: Joined,
    grant: Grant,
}

/// Waits for a hello that the room accepts.
async fn greet(
    reader: &mut Reader,
    state: &AppState,
    room: &str,
    client: &Client,
) -> Result<Guest, Ending> {
    let deadline = tokio::time::Instant::now() + state.options().limits.hello_timeout;
    let incoming = tokio::select! {
        () = state.draining().cancelled() => return Err(goaway()),
        incoming = timeout_at(deadline, reader.first()) => incoming,
    };
    let text = match incoming {
        Ok(Incoming::Text(text)) => text,
        Ok(Incoming::TooLarge) => return Err(too_large(reader.most_bytes)),
        Ok(Incoming::Closed) => return Err(Ending::quiet(close::NORMAL, "goodbye")),
        Ok(Incoming::Broken(code)) => return Err(broken(code)),
        Ok(Incoming::Binary | Incoming::Alive) | Err(_) => return Err(hello_expected()),
    };
    let hello = match decode_client_message(&text) {
        Ok(ClientMessage::Hello(hello)) => hello,
        Ok(_) => return Err(hello_expected()),
        Err(error) => return Err(Ending::refused(error, close::POLICY, "not a hello")),
    };
    enter(state, room, hello, client).await
}

async fn enter(
    state: &AppState,
    room: &str,
    mut hello: Hello,
    client: &Client,
) -> Result<Guest, Ending> {
    // From here on nobody has to do with the client's secret.
    hello.client = member_id(room, hello.client);
    hello.name = hello.name.as_deref().map(shown_text);
    let refuse = |refused: ApiError| {
        let error = refused.to_message();
        let code = match error.code {
            ErrorCode::RoomFull | ErrorCode::Unavailable | ErrorCode::RateLimited => {
                close::TRY_AGAIN
            }
            ErrorCode::Internal => close::INTERNAL,
            _ => close::POLICY,
        };
        Ending::refused(error, code, "not let in")
    };
    let bearer = Bearer::Joining(hello.client);
    let is_removed = |member: &Uuid| state.is_removed(room, member);
    let token = hello.token.as_deref();
    let granted = state.access().grant(room, token, bearer, &is_removed);
    let (grant, is_new) =
        granted.map_err(|refused| refuse(state.refused_token(client.address, refused)))?;
    if is_new {
        state.save_access().await.map_err(refuse)?;
    }
    let role = grant.role;
    let request = JoinRequest {
        hello,
        role,
        is_operator: grant.is_operator,
    };
    let joined = state.join(room, request, &grant, client.address).await;
    let (handle, joined) = joined.map_err(refuse)?;
    Ok(Guest {
        handle,
        joined,
        grant,
    })
}

/// Waits until an invite opens nothing any more.
async fn invite_ends(state: &AppState, room: &str, grant: &Grant) -> AccessError {
    let Some(invite) = grant.invite else {
        return std::future::pending().await;
    };
    let expires = async {
        match grant.remaining {
            Some(remaining) => tokio::time::sleep(remaining).await,
            None => std::future::pending().await,
        }
    };
    let mut revocations = state.access().revocations();
    let revoked = async {
        while !state.access().is_revoked(room, invite) {
            if revocations.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    };
    tokio::select! {
        () = revoked => AccessError::Revoked,
        () = expires => AccessError::Expired,
    }
}

/// Reads and writes side by side until one of them ends.
async fn serve_member(
    reader: &mut Reader,
    writer: Writer,
    state: &AppState,
    room: &str,
    guest: Guest,
) {
    let Guest {
        handle,
        joined,
        grant,
    } = guest;
    let Joined {
        welcome,
        member,
        outbox,
    } = joined;
    let invite_ends = invite_ends(state, room, &grant);
    tokio::pin!(invite_ends);
    let welcome = ServerMessage::Welcome(Box::new(welcome));
    let limits = &state.options().limits;
    let (replies, replies_out) = mpsc::channel(REPLIES);
    let (end, ended) = oneshot::channel();
    let refusals = Refusals::new(limits);
    let mut writing =
        state
            .sockets()
            .spawn(writer.run(welcome, outbox, replies_out, ended, refusals.clone()));
    let mut messages = MessageReader {
        allowance: MessageAllowance::new(
            limits.message_burst,
            limits.messages_per_second,
            Instant::now(),
        ),
        refusals,
        replies,
        state: state.clone(),
    };
    let ending = loop {
        let incoming = tokio::select! {
            // The writer ends first when the client does not read, or the room lets it go.
            _ = &mut writing => break None,
            () = state.draining().cancelled() => break Some(goaway()),
            over = invite_ends.as_mut() => break Some(not_invited(over)),
            incoming = timeout(limits.idle_timeout, reader.next()) => incoming,
        };
        let Ok(incoming) = incoming else {
            break Some(Ending::quiet(close::AWAY, "no sign of life"));
        };
        let received = match incoming {
            Incoming::Closed => break Some(Ending::quiet(close::NORMAL, "goodbye")),
            Incoming::TooLarge => break Some(too_large(limits.message_bytes)),
            Incoming::Broken(code) => break Some(broken(code)),
            incoming => messages.read(incoming),
        };
        match received {
            Received::Nothing => {}
            Received::Abuse => break Some(abuse()),
            Received::Command(command) => {
                // The room's end reaches the client through its outbox.
                if let Err(cause) = handle.send(member, *command).await {
                    tracing::debug!(%cause, "a command found no room");
                }
            }
        }
    };
    // Before the room hears of it: the writer must not take the end of its outbox for the reason.
    // It is gone when nobody takes the ending, and so is the client.
    let is_told = ending.is_some_and(|ending| end.send(ending).is_ok());
    handle.leave(member).await;
    if is_told
        && timeout(limits.write_timeout + LINGER, &mut writing)
            .await
            .is_err()
    {
        writing.abort();
    }
}

/// Holds what a client sends to the limits.
struct MessageReader {
    allowance: MessageAllowance,
    refusals: Refusals,
    replies: mpsc::Sender<Utf8Bytes>,
    state: AppState,
}

/// What is to be done with something that arrived.
enum Received {
    Nothing,
    Command(Box<RoomCommand>),
    Abuse,
}

/// What people call a layer is shown to others, as their own names are.
fn with_shown_names(mut message: ClientMessage) -> ClientMessage {
    let name = match &mut message {
        ClientMessage::Layer(LayerChange::Add(wanted)) => wanted.name.as_mut(),
        ClientMessage::Layer(LayerChange::Set(patch)) => patch.name.as_mut(),
        _ => None,
    };
    if let Some(name) = name {
        *name = shown_text(name);
    }
    message
}

impl MessageReader {
    fn read(&mut self, incoming: Incoming) -> Received {
        let text = match incoming {
            Incoming::Text(text) => text,
            Incoming::Binary => {
                return self.refuse(ErrorMessage::new(
                    ErrorCode::MalformedMessage,
                    "Clients send text frames only; send JSON, and upload images over HTTP.",
                ));
            }
            // A flood of pings costs as much as one of messages.
            Incoming::Alive | Incoming::TooLarge | Incoming::Closed | Incoming::Broken(_) => {
                return match self.allowance.take(1, Instant::now()) {
                    Ok(()) => Received::Nothing,
                    Err(wait) => self.refuse(too_fast("", wait)),
                };
            }
        };
        let cost = message_cost(text.len());
        if let Err(wait) = self.allowance.take(cost, Instant::now()) {
            return self.refuse(too_fast(&text, wait));
        }
        let decoded = decode_client_message(&text).and_then(|message| {
            let blocked = &self.state.options().blocked_words;
            blocked.check_message(&message).map(|()| message)
        });
        match decoded {
            Ok(ClientMessage::Ping { t }) => {
                self.reply(&ServerMessage::Pong { t });
                Received::Nothing
            }
            Ok(ClientMessage::Chat { text: said }) => self.read_chat(&text, &said),
            Ok(message) => match RoomCommand::from_message(with_shown_names(message)) {
                Some(command) => Received::Command(Box::new(command)),
                None => self.refuse(ErrorMessage::new(
                    ErrorCode::HelloExpected,
                    "Say hello once; open another socket to join as somebody else.",
                )),
            },
            Err(error) => self.refuse(error),
        }
    }

    /// Whoever chats without end leaves others nothing to read: a line costs as much as many messages.
    fn read_chat(&mut self, text: &str, said: &str) -> Received {
        match self.allowance.take(CHAT_COST, Instant::now()) {
            Ok(()) => Received::Command(Box::new(RoomCommand::Chat(shown_text(said)))),
            Err(wait) => self.refuse(too_fast(text, wait)),
        }
    }

    fn refuse(&mut self, error: ErrorMessage) -> Received {
        if self.refusals.count(error.code) {
            return Received::Abuse;
        }
        self.reply(&ServerMessage::Error(error));
        Received::Nothing
    }

    /// A client that lets its answers pile up does without the next one.
    fn reply(&self, message: &ServerMessage) {
        match serde_json::to_string(message) {
            Ok(json) => {
                if self.replies.try_send(json.into()).is_err() {
                    tracing::trace!("an answer was dropped: the client does not read");
                }
            }
            Err(cause) => tracing::error!(%cause, "an answer is no JSON"),
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

/// The client does not speak websocket.
fn broken(code: u16) -> Ending {
    let reason = match code {
        close::NOT_UTF8 => "a text that is not UTF-8",
        _ => "not the websocket protocol",
    };
    Ending::quiet(code, reason)
}

/// The member's invite opens nothing any more.
fn not_invited(over: AccessError) -> Ending {
    let error = ErrorMessage::new(over.code(), sentence(&over.to_string()));
    Ending::refused(error, close::POLICY, "the invite ended")
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
