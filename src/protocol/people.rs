//! The people of a room: what is told of them, and what they say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use super::Tool;

/// What a member may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees the picture.
    Viewer,
    /// Paints.
    Editor,
    /// Paints, and decides about the room.
    Owner,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MemberInfo {
    /// The member's id.
    #[ts(type = "string")]
    #[schemars(with = "String")]
    pub client: Uuid,
    /// The name to show.
    pub name: String,
    /// What the member may do.
    pub role: Role,
    /// The member's colour, as a hue of 0 … 359 degrees: everybody sees the same.
    pub hue: u16,
}

/// Where a member's pointer is, and what it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(optional_fields)]
pub struct Presence {
    /// Canvas pixels.
    pub x: f32,
    /// Canvas pixels.
    pub y: f32,
    /// The tool in hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// The part of the plane that the member sees, in whole canvas pixels: `[x, y, width, height]`.
    /// It may reach beyond the canvas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "[number, number, number, number]")]
    pub view: Option<[i32; 4]>,
}

/// Somebody who cannot come back until an owner allows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct RemovedMember {
    /// The id that the member had.
    #[ts(type = "string")]
    #[schemars(with = "String")]
    pub client: Uuid,
    /// The name that it had.
    pub name: String,
}

/// What holds for everybody in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct RoomNews {
    /// True while only owners may change anything.
    pub locked: bool,
    /// Who was removed and cannot come back, the last one last.
    pub removed: Vec<RemovedMember>,
    /// The owner who changed something of it.
    #[ts(type = "string")]
    #[schemars(with = "String")]
    pub by: Uuid,
}

/// Something that was said in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct ChatLine {
    /// 1, 2, 3… since the room came into memory.
    #[ts(type = "number")]
    pub number: u64,
    /// Who said it.
    #[ts(type = "string")]
    #[schemars(with = "String")]
    pub client: Uuid,
    /// The name that the member had then.
    pub name: String,
    /// The member's colour, as in [`MemberInfo::hue`].
    pub hue: u16,
    /// What.
    pub text: String,
    /// How long ago, in milliseconds.
    #[ts(type = "number")]
    pub age_ms: u64,
}

/// News of a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum MemberNews {
    /// Somebody came.
    Joined(MemberInfo),
    /// Somebody went.
    Left {
        /// Who.
        #[ts(type = "string")]
        #[schemars(with = "String")]
        client: Uuid,
        /// The owner who removed the member, where one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional, type = "string")]
        #[schemars(with = "Option<String>")]
        removed_by: Option<Uuid>,
    },
    /// Somebody has another role.
    Role {
        /// Who.
        #[ts(type = "string")]
        #[schemars(with = "String")]
        client: Uuid,
        /// What the member may do from now on.
        role: Role,
        /// The owner who gave it.
        #[ts(type = "string")]
        #[schemars(with = "String")]
        by: Uuid,
    },
    /// Somebody's pointer moved.
    Presence {
        /// Who.
        #[ts(type = "string")]
        #[schemars(with = "String")]
        client: Uuid,
        /// Where.
        #[serde(flatten)]
        presence: Presence,
    },
}
