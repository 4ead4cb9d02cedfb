//! The writing half of a websocket, in a task of its own: a client that does
//! not read holds up nobody else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{FutureExt, SinkExt};
use metrics::counter;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::allowance::{MessageAllowance, RefusalWindow};
use super::metrics::{REFUSALS, code_name};
use super::options::ServerLimits;
use super::websocket::{Socket, feed_binary};
use crate::protocol::{ErrorCode, ErrorMessage, ServerMessage};
use crate::room::{CloseReason, MemberOutbox, Outgoing};

/// Messages of a room that go out together, where so many wait.
const TOGETHER_MOST: usize = 64;
/// Writes a second of what a room says; of more it is gathered. A call of the system for each message
/// of each of fifty painters took more of the processor than all that the room did
/// (`impasto bench load --case crowd`).
const WRITES_PER_SECOND: u32 = 200;
/// Writes that need not wait for that. In a room that few paint in none waits.
const WRITES_AT_ONCE: u32 = 32;

/// Close codes of RFC 6455 and its registry.
pub mod close {
    /// The work is done.
    pub const NORMAL: u16 = 1000;
    /// The server goes away.
    pub const AWAY: u16 = 1001;
    /// What came is not the websocket protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A text is not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// The client broke a rule.
    pub const POLICY: u16 = 1008;
    /// The message is too big.
    pub const TOO_BIG: u16 = 1009;
    /// Something went wrong on the server.
    pub const INTERNAL: u16 = 1011;
    /// Come back later.
    pub const TRY_AGAIN: u16 = 1013;
}

/// How a socket ends.
#[derive(Debug)]
pub struct Ending {
    /// Sent before the close frame.
    pub last: Option<ServerMessage>,
    /// Close code.
    pub code: u16,
    /// Close reason, at most 123 bytes.
    pub reason: &'static str,
}

impl Ending {
    /// Ends with an error message.
    pub fn refused(error: ErrorMessage, code: u16, reason: &'static str) -> Self {
        Self {
            last: Some(ServerMessage::Error(error)),
            code,
            reason,
        }
    }

    /// Ends without a word.
    pub fn quiet(code: u16, reason: &'static str) -> Self {
        Self {
            last: None,
            code,
            reason,
        }
    }
}

/// Counts refusals on a socket; shared by its two halves.
#[derive(Clone, Debug)]
pub struct Refusals(Arc<Mutex<RefusalWindow>>);

impl Refusals {
    /// None yet.
    pub fn new(limits: &ServerLimits) -> Self {
        let window = RefusalWindow::new(limits.refusals, limits.refusal_window);
        Self(Arc::new(Mutex::new(window)))
    }

    /// Counts one; true when it makes the abuse, which what a lock or a busy device refuses never
    /// does.
    pub fn count(&self, code: ErrorCode) -> bool {
        counter!(REFUSALS, "code" => code_name(code)).increment(1);
        // A hand that was painting when an owner locked the room breaks no rule, nor does one that
        // paints while the device has too much to do.
        if matches!(
            code,
            ErrorCode::RoomLocked | ErrorCode::PromptBlocked | ErrorCode::Busy
        ) {
            return false;
        }
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .refuse(Instant::now())
    }
}

/// Why nothing more can be written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("the client does not read")]
    Stuck,
    #[error("the socket broke: {0}")]
    Socket(#[from] Error),
    #[error("a message is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a message is no text: {0}")]
    Text(#[from] std::str::Utf8Error),
}

/// The writing half of a websocket.
pub struct Writer {
    sink: SplitSink<Socket, Message>,
    limits: ServerLimits,
}

impl Writer {
    /// Writes to `sink`.
    pub fn new(sink: SplitSink<Socket, Message>, limits: ServerLimits) -> Self {
        Self { sink, limits }
    }

    /// Writes the welcome, then what the room and the reading half have for the member, until
    /// one of them ends it or the client cannot be written to.
    pub async fn run(
        mut self,
        welcome: ServerMessage,
        mut outbox: MemberOutbox,
        mut replies: mpsc::Receiver<Utf8Bytes>,
        mut ending: oneshot::Receiver<Ending>,
        refusals: Refusals,
    ) {
        let every = self.limits.ping_interval;
        let mut pings = interval_at(tokio::time::Instant::now() + every, every);
        let greeted = self.message(&welcome).await;
        // It names everybody in the room: nothing to be held for as long as the socket is open.
        drop(welcome);
        if let Err(cause) = greeted {
            tracing::debug!(%cause, "the client did not take its welcome");
            return;
        }
        let mut writes = room_writes(Instant::now());
        let result = loop {
            let from_room = async {
                while let Err(wait) = writes.take(1, Instant::now()) {
                    sleep(wait).await;
                }
                outbox.next().await
            };
            let written = tokio::select! {
                biased;
                ending = &mut ending => {
                    let gone = Ending::quiet(close::NORMAL, "goodbye");
                    return self.finish(replies, ending.unwrap_or(gone)).await;
                }
                Some(reply) = replies.recv() => self.send(Message::Text(reply)).await,
                outgoing = from_room => {
                    match self.together(outgoing, &mut outbox, &refusals).await {
                        Ok(None) => Ok(()),
                        Ok(Some(ending)) => return self.end(ending).await,
                        Err(cause) => Err(cause),
                    }
                }
                _ = pings.tick() => self.send(Message::Ping(Bytes::new())).await,
            };
            if let Err(cause) = written {
                break cause;
            }
        };
        tracing::debug!(cause = %result, "stopped writing");
    }

    /// Writes what the room has, and what else waits there, in one go: a room in which many paint
    /// has more messages than the system should be called for one by one. Answers how the socket is
    /// to end, where it is.
    async fn together(
        &mut self,
        first: Option<Outgoing>,
        outbox: &mut MemberOutbox,
        refusals: &Refusals,
    ) -> Result<Option<Ending>, WriteError> {
        let mut next = first;
        for _ in 0..TOGETHER_MOST {
            match next {
                Some(Outgoing::Text(json)) => self.feed_text(json).await?,
                Some(Outgoing::Refusal(code, json)) => {
                    if refusals.count(code) {
                        return Ok(Some(abuse()));
                    }
                    self.feed_text(json).await?;
                }
                // Nothing newer is fetched before the system has all of it.
                Some(Outgoing::Frame(frame)) => {
                    within(
                        self.limits.write_timeout,
                        feed_binary(&mut self.sink, frame),
                    )
                    .await?;
                    break;
                }
                Some(Outgoing::Goaway(reason)) => return Ok(Some(leaving(reason))),
                None => return Ok(Some(leaving(CloseReason::RoomEnded))),
            }
            match outbox.next().now_or_never() {
                Some(more) => next = more,
                None => break,
            }
        }
        within(self.limits.write_timeout, self.sink.flush()).await?;
        Ok(None)
    }

    /// Answers what was asked before the end, so that the client sees what led to it.
    async fn finish(mut self, mut replies: mpsc::Receiver<Utf8Bytes>, ending: Ending) {
        while let Ok(reply) = replies.try_recv() {
            if let Err(cause) = self.send(Message::Text(reply)).await {
                tracing::debug!(%cause, "the client did not take its answers");
                return;
            }
        }
        self.end(ending).await;
    }

    /// Says the last words and closes; a client that does not take them is left.
    pub async fn end(mut self, ending: Ending) {
        let Ending { last, code, reason } = ending;
        let close = CloseFrame {
            code: code.into(),
            reason: Utf8Bytes::from_static(reason),
        };
        let words = async {
            if let Some(last) = &last {
                self.message(last).await?;
            }
            self.send(Message::Close(Some(close))).await
        };
        if let Err(cause) = words.await {
            tracing::debug!(%cause, "the client did not take the last words");
        }
    }

    async fn message(&mut self, message: &ServerMessage) -> Result<(), WriteError> {
        let json = serde_json::to_string(message)?;
        self.send(Message::Text(json.into())).await
    }

    async fn feed_text(&mut self, json: Bytes) -> Result<(), WriteError> {
        let text = Message::Text(Utf8Bytes::try_from(json)?);
        within(self.limits.write_timeout, self.sink.feed(text)).await
    }

    /// Returns once the operating system has taken the whole message.
    async fn send(&mut self, message: Message) -> Result<(), WriteError> {
        within(self.limits.write_timeout, self.sink.send(message)).await
    }
}

/// How often what a room says may be written.
fn room_writes(now: Instant) -> MessageAllowance {
    MessageAllowance::new(WRITES_AT_ONCE, WRITES_PER_SECOND, now)
}

/// Writes, unless the client does not read.
async fn within(
    limit: Duration,
    write: impl Future<Output = Result<(), Error>>,
) -> Result<(), WriteError> {
    match timeout(limit, write).await {
        Ok(written) => Ok(written?),
        Err(_) => Err(WriteError::Stuck),
    }
}

/// The end of a socket that was refused too often.
pub fn abuse() -> Ending {
    let message = "Too many refused messages; read docs/protocol.md and connect again.";
    let error = ErrorMessage::new(ErrorCode::RateLimited, message);
    Ending::refused(error, close::POLICY, "too many refused messages")
}

fn leaving(closed: CloseReason) -> Ending {
    let (code, reason) = match closed {
        CloseReason::TooSlow => (close::POLICY, "reads too slowly"),
        CloseReason::Replaced => (close::NORMAL, "connected from elsewhere"),
        CloseReason::ShuttingDown => (close::AWAY, "server stops"),
        CloseReason::RoomEnded => (close::TRY_AGAIN, "room ended"),
        CloseReason::Deleted => (close::POLICY, "room deleted"),
        CloseReason::Removed => (close::POLICY, "removed by an owner"),
        CloseReason::RoomFailed => (close::INTERNAL, "room failed"),
        CloseReason::NotKept => (close::INTERNAL, "change not kept"),
    };
    Ending {
        last: Some(closed.to_message()),
        code,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_busy_device_refuses_is_nobodys_abuse() {
        let refusals = Refusals::new(&ServerLimits::default());
        let is_abuse = |code| (0..100).any(|_| refusals.count(code));
        assert!(!is_abuse(ErrorCode::Busy));
        assert!(is_abuse(ErrorCode::InvalidValue));
    }

    #[test]
    fn few_messages_go_out_at_once_and_many_are_gathered() {
        let begun = Instant::now();
        let written_within = |messages_per_second: u32, seconds: u32| {
            let mut allowance = room_writes(begun);
            let (mut free_at, mut writes) = (begun, 0);
            let mut longest = Duration::ZERO;
            for message in 0..messages_per_second * seconds {
                let arrived = begun + message * Duration::from_secs(1) / messages_per_second;
                if arrived < free_at {
                    // It goes out with an earlier one that waits.
                    continue;
                }
                free_at = arrived;
                while let Err(wait) = allowance.take(1, free_at) {
                    free_at += wait.max(Duration::from_nanos(1));
                }
                longest = longest.max(free_at - arrived);
                writes += 1;
            }
            (writes, longest)
        };
        assert_eq!(written_within(100, 10), (1000, Duration::ZERO));
        let (writes, longest) = written_within(5000, 10);
        assert!((1900..2100).contains(&writes), "{writes}");
        assert!(longest <= Duration::from_millis(5), "{longest:?}");
    }

    #[test]
    fn close_reasons_fit_into_a_control_frame() {
        for reason in [
            CloseReason::TooSlow,
            CloseReason::Replaced,
            CloseReason::ShuttingDown,
            CloseReason::RoomEnded,
            CloseReason::Deleted,
            CloseReason::Removed,
            CloseReason::RoomFailed,
            CloseReason::NotKept,
        ] {
            assert!(leaving(reason).reason.len() <= 123);
        }
        assert!(abuse().reason.len() <= 123);
    }
}
