//! The limits that every message is held to, and the stable error codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Stable codes of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not JSON, or not the shape of a message.
    MalformedMessage,
    /// `type` is none of the protocol's.
    UnknownType,
    /// A number is not finite or out of its range, or a text is too long.
    InvalidValue,
    /// A later chunk of a stroke that never began, or has ended.
    UnknownStroke,
    /// No sampler has that name.
    UnknownSampler,
    /// No uploaded image has that id.
    UnknownImage,
    /// The role may not do that.
    Forbidden,
    /// There is nothing to undo or redo.
    NothingToUndo,
    /// Message or image over the limit.
    TooLarge,
    /// Too many messages in a short time.
    RateLimited,
    /// The socket did not say hello, or said it twice.
    HelloExpected,
    /// The protocol version is not spoken here.
    UnsupportedProtocol,
    /// The token opens no door here.
    InvalidToken,
    /// The room does not exist.
    UnknownRoom,
    /// The room is full.
    RoomFull,
    /// The image cannot be decoded.
    InvalidImage,
    /// The server is shutting down or overloaded.
    Unavailable,
    /// Something went wrong on the server.
    Internal,
}
