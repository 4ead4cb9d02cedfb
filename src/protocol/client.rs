//! Messages from client to server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use super::{PlaceMode, RenderWish, SettingsPatch, StrokeChunk, Tool};

/// The first message on a socket, within five seconds of its opening.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(optional_fields)]
pub struct Hello {
    /// Must be [`super::PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The client's secret, kept over reconnects; members know an id that is derived from it.
    #[ts(type = "string")]
    #[schemars(with = "String")]
    pub client: Uuid,
    /// An invite; may be left out where the server runs without auth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The name that other members see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The last `seq` that the client has seen, when it comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number")]
    pub last_seq: Option<u64>,
}

/// Where a member's pointer is.
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
}

/// A text frame from client to server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ClientMessage {
    /// Says who is there.
    Hello(Hello),
    /// Part of a stroke.
    Stroke(StrokeChunk),
    /// A change of settings.
    Settings(SettingsPatch),
    /// Render now.
    Render(RenderWish),
    /// Flatten the result into the sketch.
    Apply {},
    /// The uploaded image becomes the base.
    Place {
        /// The id that the upload answered.
        image: String,
        /// How it is placed.
        mode: PlaceMode,
        /// What it shows, for `invert`; empty when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        prompt: Option<String>,
    },
    /// Stops a running inversion; what is inverted stays.
    Cancel {},
    /// Takes the sender's own last op back.
    Undo {},
    /// Does it again.
    Redo {},
    /// The picture as it was after an earlier op.
    Revert {
        /// `seq` of that op; 0 is the empty room.
        #[ts(type = "number")]
        seq: u64,
    },
    /// The sender's pointer moved.
    Presence(Presence),
    /// Asks for a `pong`.
    Ping {
        /// Sent back as it is.
        t: f64,
    },
}
