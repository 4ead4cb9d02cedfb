//! Why a room cannot be kept or had back.

use crate::{
    canvas::{CanvasStateError, CodecError},
    journal::{BlobError, JournalError},
};

/// Why a room could not be kept, or does not come back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The journal's.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A picture's.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A record or snapshot that this server does not understand.
    #[error(
        "the room was kept by another version ({0}): open it with the server that wrote it, or restore the data folder from a backup"
    )]
    Unreadable(String),
    /// Pixels that do not fit together.
    #[error("{0}; restore the data folder from a backup")]
    Canvas(#[from] CanvasStateError),
    /// A picture that cannot be read or written.
    #[error("a kept picture cannot be used: {0}")]
    Picture(#[from] CodecError),
    /// The thread that should have read it ended.
    #[error("the room could not be read; join again")]
    Interrupted,
}
