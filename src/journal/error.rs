//! Why the journal says no.

use std::io;

use uuid::Uuid;

/// Why a journal could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// No room has that id.
    #[error("the journal has no room {0}; create it first")]
    UnknownRoom(Uuid),
    /// A room has that id.
    #[error("the journal has a room {0} already; open it or choose another id")]
    RoomExists(Uuid),
    /// A batch does not follow the last record.
    #[error("record {found} of room {room} does not follow; append from {expected}")]
    WrongSeq {
        /// The room.
        room: Uuid,
        /// The seq that would follow.
        expected: u64,
        /// The seq that came.
        found: u64,
    },
    /// A snapshot is past the log's end or older than the newest one.
    #[error(
        "a snapshot of room {room} at {seq} is not between {newest} and {last}; take a new one"
    )]
    WrongSnapshot {
        /// The room.
        room: Uuid,
        /// The seq that came.
        seq: u64,
        /// The seq of the newest snapshot, 0 where there is none.
        newest: u64,
        /// The seq of the last record.
        last: u64,
    },
    /// Records that a reader asks for were trimmed.
    #[error("room {room} has no records before {first}; start from its snapshot")]
    Trimmed {
        /// The room.
        room: Uuid,
        /// The first seq that is kept, or would come next.
        first: u64,
    },
    /// A record is missing or fails its checksum.
    #[error(
        "record {seq} of room {room} is missing or damaged; restore the data folder from a backup"
    )]
    Hole {
        /// The room.
        room: Uuid,
        /// The seq of the first such record.
        seq: u64,
    },
    /// All snapshots of a room fail their checksums.
    #[error("every snapshot of room {0} is damaged; restore the data folder from a backup")]
    SnapshotsDamaged(Uuid),
    /// The queue of changes is full.
    #[error("the journal has too many changes waiting for the disk; try again when it is ready")]
    QueueFull,
    /// A change is larger than the whole queue.
    #[error(
        "a change of {bytes} bytes is more than the {max} bytes that a journal takes; make it smaller"
    )]
    TooLarge {
        /// Bytes of the change.
        bytes: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// The journal has ended.
    #[error("the journal has closed; open it again")]
    Closed,
    /// Another process has the data folder.
    #[error("another server holds the data folder {0}; stop it or choose another folder")]
    FolderInUse(String),
    /// The journal was written by another version.
    #[error(
        "the journal has format version {found} and this server reads {expected}; use the server that wrote it or another folder"
    )]
    OtherVersion {
        /// The version in the file.
        found: u64,
        /// The version that is read.
        expected: u64,
    },
    /// The disk is full.
    #[error("the disk of the data folder is full, so nothing new is kept; free some space")]
    DiskFull,
    /// The folder cannot be written.
    #[error("the data folder cannot be written; give the server the right to write there")]
    ReadOnly,
    /// Another failure of the storage.
    #[error("the journal could not be read or written; check the data folder: {0}")]
    Storage(String),
}

impl JournalError {
    /// The storage failed: it is unknown what the last change did, and the next may fail too.
    pub fn is_storage(&self) -> bool {
        matches!(self, Self::DiskFull | Self::ReadOnly | Self::Storage(_))
    }
}

impl From<&io::Error> for JournalError {
    fn from(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => Self::DiskFull,
            Kind::ReadOnlyFilesystem | Kind::PermissionDenied => Self::ReadOnly,
            _ => Self::Storage(error.to_string()),
        }
    }
}

impl From<redb::Error> for JournalError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => Self::from(&error),
            other => Self::Storage(other.to_string()),
        }
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for JournalError {
            fn from(error: redb::$error) -> Self {
                Self::from(redb::Error::from(error))
            }
        }
    )*};
}

from_redb!(
    StorageError,
    TableError,
    TransactionError,
    CommitError,
    SetDurabilityError,
    DatabaseError
);
