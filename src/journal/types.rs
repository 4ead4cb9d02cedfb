//! What goes into a journal and comes out of it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::JournalError;

/// A record as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the room's log, from 1.
    pub seq: u64,
    /// What was appended.
    pub bytes: Vec<u8>,
}

/// Some records in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Contiguous records.
    pub records: Vec<Record>,
    /// Where to read on; `None` at the log's end.
    pub next: Option<u64>,
}

/// A room's state after the record `seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last record that is in it.
    pub seq: u64,
    /// What was written.
    pub bytes: Vec<u8>,
    /// The seq of a newer snapshot that failed its checksum.
    pub damaged: Option<u64>,
}

/// What the journal knows of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSummary {
    /// Its id.
    pub room: Uuid,
    /// As it was given.
    pub metadata: Vec<u8>,
    /// The first record that is kept, or would come next.
    pub first_seq: u64,
    /// The last record, 0 before the first.
    pub last_seq: u64,
    /// When it was made or last got a record, in milliseconds since 1970.
    pub touched_ms: u64,
}

/// The torn end of a log that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The first seq that was lost.
    pub first: u64,
    /// The last seq that was lost.
    pub last: u64,
}

/// A room whose log was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedRoom {
    /// The room after the cut.
    pub summary: RoomSummary,
    /// What was cut, if anything was.
    pub cut: Option<Cut>,
}

/// A change of one room. [`super::Journal`] has a method for each that says what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Makes the room.
    Create {
        /// Opaque and small.
        metadata: Vec<u8>,
    },
    /// Replaces the metadata.
    SetMetadata {
        /// Opaque and small.
        metadata: Vec<u8>,
    },
    /// Appends records.
    Append {
        /// The seq of the first of them.
        first: u64,
        /// At least one.
        records: Vec<Vec<u8>>,
    },
    /// Writes a snapshot.
    Snapshot {
        /// The last record that is in it.
        seq: u64,
        /// The state.
        bytes: Vec<u8>,
    },
    /// Drops records below the older snapshot.
    Trim,
    /// Ends the log at a record; what follows is dropped. `open_room` does it for a torn tail.
    Cut {
        /// The last record that stays.
        last: u64,
    },
    /// Drops the room.
    Delete,
}

impl Change {
    /// Bytes that it holds in the queue.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Create { metadata } | Self::SetMetadata { metadata } => metadata.len(),
            Self::Append { records, .. } => records.iter().map(|bytes| bytes.len() + 24).sum(),
            Self::Snapshot { bytes, .. } => bytes.len(),
            Self::Trim | Self::Cut { .. } | Self::Delete => 0,
        }
    }
}

/// The answer to a change, when it comes: await it, or [`wait`](Self::wait) on a plain thread.
/// Dropping it changes nothing: the change is made all the same.
#[derive(Debug)]
#[must_use = "a change is kept only when its answer is Ok"]
pub struct Pending(oneshot::Receiver<Result<(), JournalError>>);

impl Pending {
    pub(super) fn new() -> (oneshot::Sender<Result<(), JournalError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    pub(super) fn done(result: Result<(), JournalError>) -> Self {
        let (sender, pending) = Self::new();
        // The receiver is in `pending`.
        let _ = sender.send(result);
        pending
    }

    /// Blocks until the answer comes. Panics inside an async task, as tokio's `blocking_recv`
    /// does.
    ///
    /// # Errors
    /// The journal's.
    pub fn wait(self) -> Result<(), JournalError> {
        self.0.blocking_recv().unwrap_or(Err(JournalError::Closed))
    }
}

impl Future for Pending {
    type Output = Result<(), JournalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(JournalError::Closed)))
    }
}

/// Resolves when there is room in the queue.
pub type Ready = Pin<Box<dyn Future<Output = ()> + Send>>;
