//! The limits that every message is held to, and the stable error codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The longest text message, in bytes.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;
/// The most points in one message of a stroke.
pub const MAX_POINTS: usize = 2000;
/// The most points of one stroke, over all its messages.
pub const MAX_STROKE_POINTS: usize = 200_000;
/// The longest stroke or image id, in characters.
pub const MAX_ID_CHARS: usize = 64;
/// The longest member or sampler name, in characters.
pub const MAX_NAME_CHARS: usize = 64;
/// The longest prompt, in characters.
pub const MAX_PROMPT_CHARS: usize = 1000;
/// The longest thing that is said in the chat at once, in characters.
pub const MAX_CHAT_CHARS: usize = 500;
/// The longest token, in characters.
pub const MAX_TOKEN_CHARS: usize = 1024;
/// The farthest that a coordinate may lie from the origin, in canvas pixels.
pub const MAX_COORDINATE: f32 = 100_000.0;
/// The most that one message of a stroke may cost to paint, in pixels that are looked at: a brush of
/// 1024 pixels across the largest canvas sixty times.
pub const MAX_STROKE_COST: u64 = 1 << 28;
/// The most that a whole smudge may cost, over all its messages: it is mixed anew whenever what lies
/// under it changes.
pub const MAX_SMUDGE_COST: u64 = 2 * MAX_STROKE_COST;
/// What a smudge carries on when its message does not say.
pub const DEFAULT_SMUDGE_STRENGTH: f32 = 0.7;
/// The smallest brush diameter, in canvas pixels.
pub const MIN_BRUSH_SIZE: f32 = 0.5;
/// The least flow of a brush.
pub const MIN_FLOW: f32 = 0.01;
/// The largest brush diameter, in canvas pixels.
pub const MAX_BRUSH_SIZE: f32 = 1024.0;
/// The most layers of a room, the lowest included.
pub const MAX_LAYERS: usize = 64;
/// The highest guidance scale.
pub const MAX_GUIDANCE_SCALE: f64 = 30.0;
/// The most that a control may steer: beyond it pictures fall apart.
pub const MAX_CONTROL_SCALE: f64 = 2.0;
/// The lowest strength.
pub const MIN_STRENGTH: f64 = 0.01;
/// The longest canvas side, in pixels.
pub const MAX_CANVAS_SIDE: u32 = 4096;
/// The largest spread, in canvas pixels.
pub const MAX_SPREAD: u32 = 256;
/// Seeds are below this: the integers that a JSON number holds exactly.
pub const SEED_LIMIT: u64 = 1 << 53;

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
    /// The operator does not allow a word of the prompt.
    PromptBlocked,
    /// No uploaded image has that id.
    UnknownImage,
    /// The role may not do that.
    Forbidden,
    /// The room is locked: only its owners may do that now.
    RoomLocked,
    /// The room has no layer of that id.
    UnknownLayer,
    /// The layer is locked.
    LayerLocked,
    /// Nobody of that id is in the room, or was removed from it.
    UnknownMember,
    /// There is nothing to undo or redo, or a revert would change nothing.
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
    /// The invite's time is over.
    InviteExpired,
    /// The invite was revoked.
    InviteRevoked,
    /// The invite has let in as many clients as it may.
    InviteUsedUp,
    /// The room does not exist.
    UnknownRoom,
    /// The room was deleted.
    RoomDeleted,
    /// An owner removed the client from the room.
    Removed,
    /// The room is full.
    RoomFull,
    /// The image cannot be decoded.
    InvalidImage,
    /// The server is shutting down or overloaded.
    Unavailable,
    /// The device has too much to do; see `retry_after_ms`.
    Busy,
    /// Something went wrong on the server.
    Internal,
}
