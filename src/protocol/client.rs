//! Messages from client to server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use super::{LayerChange, Placement, Presence, RenderRequest, Role, SettingsPatch, StrokeChunk};

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
    /// A change of the layers.
    Layer(LayerChange),
    /// Render now.
    Render(RenderRequest),
    /// Flatten the result into the sketch.
    Apply {},
    /// An uploaded image becomes the base, or is laid on a layer.
    Place(Placement),
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
    /// Says something to everybody in the room.
    Chat {
        /// What; 500 characters at most.
        text: String,
    },
    /// An owner gives a member another role.
    Role {
        /// Who.
        #[ts(type = "string")]
        #[schemars(with = "String")]
        client: Uuid,
        /// What the member may do from now on.
        role: Role,
    },
    /// An owner sends a member away, who cannot come back until an owner lets it in.
    Remove {
        /// Who.
        #[ts(type = "string")]
        #[schemars(with = "String")]
        client: Uuid,
    },
    /// An owner lets somebody come back who was removed.
    Admit {
        /// Who.
        #[ts(type = "string")]
        #[schemars(with = "String")]
        client: Uuid,
    },
    /// An owner locks the room, or unlocks it: in a locked room only owners change anything.
    Lock {
        /// Whether it is locked from now on.
        locked: bool,
    },
    /// Asks for a `pong`.
    Ping {
        /// Sent back as it is.
        t: f64,
    },
}
