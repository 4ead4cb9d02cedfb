//! Rooms that last: the log of each room's records, its snapshots and its metadata, behind one
//! trait, and the blobs that records name.
//!
//! The journal knows nothing of ops: a record is bytes. Per room it keeps records of contiguous
//! `seq` (the first is 1), at most two snapshots, and metadata (a title, a size; small).
//!
//! How a room uses it:
//! 1. [`Journal::create`] once, or [`Journal::open_room`] for a room that is there, then
//!    [`Journal::read_snapshot`], then [`Journal::read`] from `snapshot.seq + 1`, page by page.
//! 2. Per batch of ops: blobs first ([`BlobStore::put`] returns when they are on disk), then
//!    [`Journal::append`]; acknowledge when its [`Pending`] is `Ok`. Appends of one room may be in
//!    flight one behind another; they are committed in the order of the calls.
//! 3. Before it takes the next message: [`Journal::ready`], which waits while the queue is full.
//! 4. Now and then [`Journal::write_snapshot`], then [`Journal::trim`].
//! 5. After a storage error it is unknown whether the batch was kept: [`Journal::open_room`] again
//!    says where the log ends.

mod backend;
mod blobs;
mod clock;
mod disk;
mod error;
mod folder_blobs;
mod memory;
mod records;
mod storage;
mod tables;
#[cfg(test)]
mod tests;
mod types;
mod writer;

pub use blobs::{BlobError, BlobHash, BlobStore, MemoryBlobs};
pub use clock::since_1970_ms;
pub use disk::{DiskJournal, DiskOptions};
pub use error::JournalError;
pub use folder_blobs::FolderBlobs;
pub use memory::MemoryJournal;
pub use types::{Change, Cut, OpenedRoom, Page, Pending, Ready, Record, RoomSummary, Snapshot};

use uuid::Uuid;

/// The logs of all rooms.
///
/// Changes ([`submit`](Self::submit) and what is made of it) may be called from any thread, async
/// tasks included: they only enqueue and never block. A [`Pending`] may be awaited or waited for.
/// Reads (`open_room`, `read`, `read_snapshot`, `room`, `rooms`) touch the disk: call them from a thread
/// that may block, such as tokio's `spawn_blocking`. They see what was committed.
pub trait Journal: std::fmt::Debug + Send + Sync {
    /// Enqueues a change of a room. The answer comes when the change is on disk, or never will be.
    /// A refused change changes nothing. A full queue answers [`JournalError::QueueFull`].
    fn submit(&self, room: Uuid, change: Change) -> Pending;

    /// Resolves when the queue has a free place. Await it before taking the next message, so that
    /// a slow disk slows the clients and not the memory.
    fn ready(&self) -> Ready;

    /// Checks a room's log and says where it ends. Call it before the first append and while no
    /// append of this room is in flight. Records at the end that are missing or fail their
    /// checksum are cut, and the answer says so.
    ///
    /// # Errors
    /// [`JournalError::UnknownRoom`]; [`JournalError::Hole`] when a damaged or missing record has
    /// a good one after it: nothing is cut then.
    fn open_room(&self, room: Uuid) -> Result<OpenedRoom, JournalError>;

    /// The records from `from` on, at least one where there is one, about `max_bytes` at most.
    ///
    /// # Errors
    /// [`JournalError::Trimmed`] when `from` is before the first record that is kept;
    /// [`JournalError::Hole`]; [`JournalError::UnknownRoom`].
    fn read(&self, room: Uuid, from: u64, max_bytes: usize) -> Result<Page, JournalError>;

    /// The newest snapshot whose checksum is right; `None` when there never was one.
    ///
    /// # Errors
    /// [`JournalError::SnapshotsDamaged`] when there are snapshots and none is good.
    fn read_snapshot(&self, room: Uuid) -> Result<Option<Snapshot>, JournalError>;

    /// Every snapshot whose checksum is right, the newest first: all that a room may come back from.
    ///
    /// # Errors
    /// [`JournalError::UnknownRoom`] and those of the storage.
    fn snapshots(&self, room: Uuid) -> Result<Vec<Snapshot>, JournalError>;

    /// What the journal knows of one room. Its log is not checked.
    ///
    /// # Errors
    /// [`JournalError::UnknownRoom`] and those of the storage.
    fn room(&self, room: Uuid) -> Result<RoomSummary, JournalError>;

    /// Every room, in no order that means anything.
    ///
    /// # Errors
    /// Only those of the storage.
    fn rooms(&self) -> Result<Vec<RoomSummary>, JournalError>;

    /// Makes an empty room. [`JournalError::RoomExists`] when it is there.
    fn create(&self, room: Uuid, metadata: Vec<u8>) -> Pending {
        self.submit(room, Change::Create { metadata })
    }

    /// Replaces the metadata, as renaming does.
    fn set_metadata(&self, room: Uuid, metadata: Vec<u8>) -> Pending {
        self.submit(room, Change::SetMetadata { metadata })
    }

    /// Appends records whose first has the seq `first`, all or none.
    /// [`JournalError::WrongSeq`] when `first` does not follow the last record.
    fn append(&self, room: Uuid, first: u64, records: Vec<Vec<u8>>) -> Pending {
        self.submit(room, Change::Append { first, records })
    }

    /// Keeps the room's state after the record `seq` (0: before the first). Of the good snapshots
    /// the newest two stay; one of the same `seq` is replaced.
    /// [`JournalError::WrongSnapshot`] when `seq` is past the log or older than the newest one.
    fn write_snapshot(&self, room: Uuid, seq: u64, bytes: Vec<u8>) -> Pending {
        self.submit(room, Change::Snapshot { seq, bytes })
    }

    /// Drops the records that the older of two snapshots holds; nothing where there are fewer.
    fn trim(&self, room: Uuid) -> Pending {
        self.submit(room, Change::Trim)
    }

    /// Drops the room with all that belongs to it. Its blobs go at the next garbage collection.
    fn delete(&self, room: Uuid) -> Pending {
        self.submit(room, Change::Delete)
    }
}
