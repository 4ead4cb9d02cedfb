//! The op log of a room, behind one trait. The room appends before it
//! acknowledges; a durable journal can stand here without the room knowing.

mod memory;

pub use memory::MemoryJournal;

use crate::protocol::SequencedOp;

/// Why a journal could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Ops that a reader asks for were dropped long ago.
    #[error("the ops before {first} are no longer kept; start from the picture instead")]
    HistoryGone {
        /// `seq` of the oldest op that is kept, or would be next.
        first: u64,
    },
    /// An op does not follow the last one.
    #[error("op {found} does not follow op {last}; append ops in their order")]
    OutOfOrder {
        /// `seq` of the last op in the journal.
        last: u64,
        /// `seq` of the op that was refused.
        found: u64,
    },
    /// The log could not be written or read.
    #[error("the journal could not be reached; check the data folder: {0}")]
    Storage(#[from] std::io::Error),
}

/// An append-only log of ops in their order.
pub trait Journal: Send {
    /// Appends the op whose `seq` is `last_seq() + 1`; when this returns, the op is kept.
    ///
    /// # Errors
    /// [`JournalError::OutOfOrder`] for another `seq`, [`JournalError::Storage`] when it cannot
    /// be kept.
    fn append(&mut self, op: &SequencedOp) -> Result<(), JournalError>;

    /// The ops after `seq`, in order; empty when there are none.
    ///
    /// # Errors
    /// [`JournalError::HistoryGone`] when some of them are no longer kept.
    fn read_since(&self, seq: u64) -> Result<Vec<SequencedOp>, JournalError>;

    /// `seq` of the last op, 0 before the first.
    fn last_seq(&self) -> u64;
}
