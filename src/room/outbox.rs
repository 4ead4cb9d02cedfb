//! What waits to be written to one member's socket: bounded, the newest frames only.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    frames::{FrameEncoder, MemberFrame},
    handle::MemberId,
    mail::Mail,
};
use crate::protocol::ServerMessage;

/// The most text messages that wait for one member.
pub(super) const TEXTS_MOST: usize = 1024;

/// Why a room is done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// The client stopped reading, or reads too slowly; close with 1008.
    TooSlow,
    /// The same client came in by another connection.
    Replaced,
    /// The server shuts down.
    ShuttingDown,
    /// The room has ended.
    RoomEnded,
    /// The room broke.
    RoomFailed,
}

impl Farewell {
    /// The `goaway` to send before the close.
    pub fn to_message(self) -> ServerMessage {
        let (reason, retry_after_ms) = match self {
            Self::TooSlow => (
                "The client reads too slowly; come back with last_seq.",
                1000,
            ),
            Self::Replaced => ("The same client is connected from elsewhere.", 5000),
            Self::ShuttingDown => ("The server is restarting; come back with last_seq.", 2000),
            Self::RoomEnded => ("The room has ended; join again.", 1000),
            Self::RoomFailed => ("Something went wrong in the room; join again.", 1000),
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
    /// A binary frame.
    Frame(Bytes),
    /// The last: send [`Farewell::to_message`] and close.
    Goaway(Farewell),
}

enum Pulled {
    Frame(Bytes),
    Unencodable,
    Nothing,
}

type Pull = Pin<Box<dyn Future<Output = Pulled> + Send>>;

/// The reading end for the connection task. Dropping it leaves the room.
pub struct MemberOutbox {
    texts: mpsc::Receiver<Bytes>,
    door: Arc<Door>,
    mailbox: mpsc::Sender<Mail>,
    member: MemberId,
    encoder: FrameEncoder,
    pull: Option<Pull>,
    ended: bool,
}

/// What actor and connection share beside the texts.
#[derive(Debug, Default)]
pub(super) struct Door {
    frames_ready: Notify,
    farewell: OnceLock<Farewell>,
    closed: CancellationToken,
}

/// The writing end, kept by the actor.
#[derive(Debug)]
pub(super) struct Inlet {
    pub(super) member: MemberId,
    texts: mpsc::Sender<Bytes>,
    door: Arc<Door>,
}

/// Both ends for a new connection.
pub(super) fn outbox(
    member: MemberId,
    mailbox: mpsc::Sender<Mail>,
    encoder: FrameEncoder,
) -> (Inlet, MemberOutbox) {
    let (sender, texts) = mpsc::channel(TEXTS_MOST);
    let door = Arc::new(Door::default());
    let inlet = Inlet {
        member,
        texts: sender,
        door: door.clone(),
    };
    (
        inlet,
        MemberOutbox {
            texts,
            door,
            mailbox,
            member,
            encoder,
            pull: None,
            ended: false,
        },
    )
}

impl Inlet {
    /// Queues a text; false when the member has let too many wait, or is gone.
    pub(super) fn send(&self, text: Bytes) -> bool {
        self.texts.try_send(text).is_ok()
    }

    /// Queues a text that may be lost: only while half of the queue is free.
    pub(super) fn whisper(&self, text: Bytes) {
        if self.texts.capacity() > TEXTS_MOST / 2 && self.texts.try_send(text).is_err() {
            tracing::trace!("a member is gone; its next message will tell");
        }
    }

    /// Says that frames can be fetched.
    pub(super) fn frames_ready(&self) {
        self.door.frames_ready.notify_one();
    }

    /// The room is done with this connection.
    pub(super) fn close(&self, farewell: Farewell) {
        self.door.farewell.get_or_init(|| farewell);
        self.door.closed.cancel();
    }
}

impl MemberOutbox {
    /// What to write next, in order; `None` after the goaway. May be dropped while it waits:
    /// nothing is lost.
    pub async fn next(&mut self) -> Option<Outgoing> {
        if self.ended {
            return None;
        }
        loop {
            tokio::select! {
                biased;
                () = self.door.closed.cancelled() => return Some(self.end()),
                text = self.texts.recv() => return Some(match text {
                    Some(text) => Outgoing::Text(text),
                    None => self.end(),
                }),
                pulled = pulled(&mut self.pull) => {
                    self.pull = None;
                    match pulled {
                        Pulled::Frame(frame) => {
                            self.door.frames_ready.notify_one();
                            return Some(Outgoing::Frame(frame));
                        }
                        Pulled::Unencodable => self.door.frames_ready.notify_one(),
                        Pulled::Nothing => {}
                    }
                }
                () = self.door.frames_ready.notified(), if self.pull.is_none() => {
                    let (mailbox, encoder) = (self.mailbox.clone(), self.encoder.clone());
                    self.pull = Some(Box::pin(pull(mailbox, self.member, encoder)));
                }
            }
        }
    }

    fn end(&mut self) -> Outgoing {
        self.ended = true;
        Outgoing::Goaway(
            self.door
                .farewell
                .get()
                .copied()
                // A room that ends says so; one that breaks cannot.
                .unwrap_or(Farewell::RoomFailed),
        )
    }
}

impl Drop for MemberOutbox {
    fn drop(&mut self) {
        // A full mailbox is no harm: the actor finds the texts closed with its next message.
        if self.mailbox.try_send(Mail::Leave(self.member)).is_err() {
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

async fn pull(mailbox: mpsc::Sender<Mail>, member: MemberId, encoder: FrameEncoder) -> Pulled {
    let (reply, answer) = oneshot::channel();
    if mailbox.send(Mail::Pull { member, reply }).await.is_err() {
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
