//! Why a room says no.

use crate::protocol::{ErrorCode, ErrorMessage};

/// Why a room or the registry refused.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// The client speaks another version of the protocol.
    #[error("this server speaks protocol version 1, not {0}; update the client")]
    UnsupportedProtocol(u32),
    /// The room's member limit is reached.
    #[error("the room is full with {0} members; try again when somebody has left")]
    Full(usize),
    /// The server's room limit is reached.
    #[error("the server keeps {0} rooms already; use one of them or try again later")]
    TooManyRooms(usize),
    /// No room has that name, and joining does not make one.
    #[error("there is no room of that name; create it first")]
    Unknown,
    /// Its owner deleted the room.
    #[error("the room was deleted; open another one")]
    Deleted,
    /// One of its owners removed the client.
    #[error("an owner of this room removed you; ask one of them to let you in again")]
    Removed,
    /// Nothing keeps the server's rooms, so there is nothing to copy, and no recording.
    #[error(
        "this server keeps no rooms, so there is nothing to copy or to play; start it with --data FOLDER"
    )]
    NotKept,
    /// A room of that name exists.
    #[error("there is a room of that name already; choose another name")]
    NameTaken,
    /// The name is empty, too long, or has characters that do not fit into a path.
    #[error("a room's name is 1 to 64 letters, digits, `-` or `_`")]
    InvalidName,
    /// The canvas size is out of range.
    #[error("a canvas is 64 to 4096 pixels on a side, not {width} x {height}")]
    InvalidSize {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The room's uploaded images would take more memory than the limit.
    #[error("the image takes more than the {0} bytes that a room may hold; make it smaller")]
    ImageTooLarge(usize),
    /// The room is kept, and does not come back.
    #[error("the room cannot be opened: {0}")]
    NotOpened(String),
    /// What was to become of the room did not come to the disk.
    #[error("nothing was changed: {0}")]
    NotChanged(String),
    /// An upload did not come to the disk.
    #[error("the image could not be kept: {0}")]
    ImageNotKept(String),
    /// The room has ended, or the server is shutting down.
    #[error("the room has closed; join again")]
    Closed,
}

impl RoomError {
    /// The stable code of this refusal.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::UnsupportedProtocol(_) => ErrorCode::UnsupportedProtocol,
            Self::Full(_) => ErrorCode::RoomFull,
            Self::Unknown => ErrorCode::UnknownRoom,
            Self::Deleted => ErrorCode::RoomDeleted,
            Self::Removed => ErrorCode::Removed,
            Self::NameTaken | Self::InvalidName | Self::InvalidSize { .. } => {
                ErrorCode::InvalidValue
            }
            Self::ImageTooLarge(_) => ErrorCode::TooLarge,
            Self::TooManyRooms(_)
            | Self::NotKept
            | Self::NotOpened(_)
            | Self::NotChanged(_)
            | Self::ImageNotKept(_)
            | Self::Closed => ErrorCode::Unavailable,
        }
    }

    /// The refusal as the wire says it.
    pub fn to_message(&self) -> ErrorMessage {
        let sentence = self.to_string();
        let mut letters = sentence.chars();
        let text = match letters.next() {
            Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
            None => sentence,
        };
        ErrorMessage::new(self.code(), text)
    }
}
