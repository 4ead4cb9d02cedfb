//! What waits to be written to one member's socket: bounded, the newest frames only.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{pointers::Pointers, roster::MemberId};
use crate::{
    protocol::{ErrorCode, ServerMessage, Welcome},
    room::error::RoomError,
    room::frames::{FrameEncoder, MemberFrame},
};

/// The most text messages that wait for one member.
const TEXTS_MOST: usize = 1024;

/// What an outbox asks of its room.
#[derive(Debug)]
pub(in crate::room) struct OutboxRequest {
    /// Whose outbox it is.
    pub(in crate::room) member: MemberId,
    /// Where the next frame goes; none where the outbox was dropped, and the member is gone.
    pub(in crate::room) frame: Option<oneshot::Sender<Option<MemberFrame>>>,
}

/// The answer to a join.
pub struct Joined {
    /// To be sent first.
    pub welcome: Welcome,
    /// Names the connection in [`RoomHandle::send`] and [`RoomHandle::leave`].
    ///
    /// [`RoomHandle::send`]: crate::room::RoomHandle::send
    /// [`RoomHandle::leave`]: crate::room::RoomHandle::leave
    pub member: MemberId,
    /// Everything else to be sent; dropping it leaves the room.
    pub outbox: MemberOutbox,
}

/// Why a room is done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client stopped reading, or reads too slowly; close with 1008.
    TooSlow,
    /// The same client came in by another connection.
    Replaced,
    /// The server shuts down.
    ShuttingDown,
    /// The room has ended.
    RoomEnded,
    /// The room was deleted: nobody should come back.
    Deleted,
    /// An owner removed the member; close with 1008.
    Removed,
    /// The room broke.
    RoomFailed,
    /// The server could not keep the room's last change.
    NotKept,
}

impl CloseReason {
    /// What to send before the close: a `goaway`, or an error to whom nothing is left to come back
    /// to.
    pub fn to_message(self) -> ServerMessage {
        let (reason, retry_after_ms) = match self {
            Self::Deleted => return ServerMessage::Error(RoomError::Deleted.to_message()),
            Self::Removed => return ServerMessage::Error(RoomError::Removed.to_message()),
            Self::TooSlow => (
                "The client reads too slowly; come back with last_seq.",
                1000,
            ),
            Self::Replaced => ("The same client is connected from elsewhere.", 5000),
            Self::ShuttingDown => ("The server is restarting; come back with last_seq.", 2000),
            Self::RoomEnded => ("The room has ended; join again.", 1000),
            Self::RoomFailed => ("Something went wrong in the room; join again.", 1000),
            Self::NotKept => (
                "The server could not keep the last change; come back and paint it again.",
                1000,
            ),
        };
        ServerMessage::Goaway {
            reason: reason.to_owned(),
            retry_after_ms,
        }
    }
}

/// One thing to write to the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// The JSON of a [`ServerMessage`]; valid UTF-8.
    Text(Bytes),
    /// The JSON of an error message, and its code.
    Refusal(ErrorCode, Bytes),
    /// A binary frame.
    Frame(Bytes),
    /// The last: send [`CloseReason::to_message`] and close.
    Goaway(CloseReason),
}

enum Pulled {
    Frame(Bytes),
    Unencodable,
    Nothing,
}

type Pull = Pin<Box<dyn Future<Output = Pulled> + Send>>;

/// The reading end for the connection task. Dropping it leaves the room.
pub struct MemberOutbox {
    texts: mpsc::Receiver<Outgoing>,
    state: Arc<OutboxState>,
    requests: mpsc::Sender<OutboxRequest>,
    member: MemberId,
    encoder: FrameEncoder,
    pull: Option<Pull>,
    /// A pointer was the last that was written: a frame that is there goes before the next one.
    frames_first: bool,
    ended: bool,
}

/// What actor and connection share beside the texts.
#[derive(Debug, Default)]
struct OutboxState {
    frames_ready: Notify,
    pointers: Pointers,
    reason: OnceLock<CloseReason>,
    closed: CancellationToken,
}

/// The writing end, kept by the actor.
#[derive(Debug)]
pub(in crate::room) struct OutboxSender {
    pub(in crate::room) member: MemberId,
    texts: mpsc::Sender<Outgoing>,
    state: Arc<OutboxState>,
}

/// Both ends for a new connection.
pub(in crate::room) fn outbox(
    member: MemberId,
    requests: mpsc::Sender<OutboxRequest>,
    encoder: FrameEncoder,
) -> (OutboxSender, MemberOutbox) {
    let (texts_sender, texts) = mpsc::channel(TEXTS_MOST);
    let state = Arc::new(OutboxState::default());
    let sender = OutboxSender {
        member,
        texts: texts_sender,
        state: state.clone(),
    };
    (
        sender,
        MemberOutbox {
            texts,
            state,
            requests,
            member,
            encoder,
            pull: None,
            frames_first: false,
            ended: false,
        },
    )
}

impl OutboxSender {
    /// Queues a text; false when the member has let too many wait, or is gone.
    pub(in crate::room) fn send(&self, text: Outgoing) -> bool {
        self.texts.try_send(text).is_ok()
    }

    /// Somebody's pointer moved: the message takes the place of an older one that waits.
    pub(in crate::room) fn point(&self, whose: Uuid, text: Bytes) {
        self.state.pointers.put(whose, text);
    }

    /// Somebody has gone, and its pointer with it.
    pub(in crate::room) fn forget_pointer(&self, whose: &Uuid) {
        self.state.pointers.forget(whose);
    }

    /// Says that frames can be fetched.
    pub(in crate::room) fn frames_ready(&self) {
        self.state.frames_ready.notify_one();
    }

    /// The room is done with this connection.
    pub(in crate::room) fn close(&self, reason: CloseReason) {
        self.state.reason.get_or_init(|| reason);
        self.state.closed.cancel();
    }
}

impl MemberOutbox {
    /// What to write next; `None` after the goaway. Texts go first. Pointers do not wait for frames,
    /// and however many move, every second message is a frame where there is one. May be dropped
    /// while it waits: nothing is lost.
    pub async fn next(&mut self) -> Option<Outgoing> {
        if self.ended {
            return None;
        }
        loop {
            tokio::select! {
                biased;
                () = self.state.closed.cancelled() => return Some(self.end()),
                text = self.texts.recv() => return Some(match text {
                    Some(text) => text,
                    None => self.end(),
                }),
                () = self.state.pointers.ready(), if !self.frames_first => {
                    if let Some(pointer) = self.next_pointer() {
                        return Some(pointer);
                    }
                }
                pulled = pulled(&mut self.pull) => {
                    self.pull = None;
                    self.frames_first = false;
                    match pulled {
                        Pulled::Frame(frame) => {
                            self.state.frames_ready.notify_one();
                            return Some(Outgoing::Frame(frame));
                        }
                        Pulled::Unencodable => self.state.frames_ready.notify_one(),
                        Pulled::Nothing => {}
                    }
                }
                () = self.state.frames_ready.notified(), if self.pull.is_none() => {
                    let (requests, encoder) = (self.requests.clone(), self.encoder.clone());
                    self.pull = Some(Box::pin(pull(requests, self.member, encoder)));
                }
                () = self.state.pointers.ready(), if self.frames_first => {
                    if let Some(pointer) = self.next_pointer() {
                        return Some(pointer);
                    }
                }
            }
        }
    }

    fn next_pointer(&mut self) -> Option<Outgoing> {
        let text = self.state.pointers.take()?;
        self.frames_first = true;
        Some(Outgoing::Text(text))
    }

    fn end(&mut self) -> Outgoing {
        self.ended = true;
        Outgoing::Goaway(
            self.state
                .reason
                .get()
                .copied()
                // A room that ends says so; one that breaks cannot.
                .unwrap_or(CloseReason::RoomFailed),
        )
    }
}

impl Drop for MemberOutbox {
    fn drop(&mut self) {
        let leave = OutboxRequest {
            member: self.member,
            frame: None,
        };
        // A full channel is no harm: the actor finds the texts closed with its next message.
        if self.requests.try_send(leave).is_err() {
            tracing::debug!("a connection ended while its room was busy");
        }
    }
}

/// Waits for a pull that is under way; forever when there is none.
async fn pulled(pull: &mut Option<Pull>) -> Pulled {
    match pull {
        Some(pull) => pull.await,
        None => std::future::pending().await,
    }
}

async fn pull(
    requests: mpsc::Sender<OutboxRequest>,
    member: MemberId,
    encoder: FrameEncoder,
) -> Pulled {
    let (reply, answer) = oneshot::channel();
    let request = OutboxRequest {
        member,
        frame: Some(reply),
    };
    if requests.send(request).await.is_err() {
        return Pulled::Nothing;
    }
    let frame: Option<MemberFrame> = answer.await.unwrap_or_default();
    match frame {
        None => Pulled::Nothing,
        Some(frame) => match frame.into_bytes(&encoder).await {
            Some(bytes) => Pulled::Frame(bytes),
            None => Pulled::Unencodable,
        },
    }
}
