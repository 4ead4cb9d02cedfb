//! What members ask of a room.

use uuid::Uuid;

use crate::protocol::{
    ClientMessage, LayerChange, Placement, Presence, RenderRequest, Role, SettingsPatch,
    StrokeChunk,
};

/// A message of a member that the room answers.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomCommand {
    /// Part of a stroke.
    Stroke(StrokeChunk),
    /// A change of settings.
    Settings(SettingsPatch),
    /// A change of the layers.
    Layer(LayerChange),
    /// Render now.
    Render(RenderRequest),
    /// Flatten the result into the sketch.
    Apply,
    /// An uploaded image becomes the base, or is laid on a layer; its id is what
    /// [`RoomHandle::store_image`](super::RoomHandle::store_image) answered.
    Place(Placement),
    /// Stop a running inversion.
    CancelInversion,
    /// Undo the member's own last stroke, placement, apply, change of settings or layers, or revert.
    Undo,
    /// Do it again.
    Redo,
    /// The picture as it was after an earlier op.
    Revert {
        /// The op's place in the room's order; 0 for the empty room.
        seq: u64,
    },
    /// The member's pointer moved.
    Presence(Presence),
    /// Say something to everybody.
    Chat(String),
    /// Give a member another role.
    Role {
        /// Who.
        client: Uuid,
        /// What it may do from now on.
        role: Role,
    },
    /// Send a member away, and keep it out.
    Remove {
        /// Who.
        client: Uuid,
    },
    /// Let somebody come back who was removed.
    Admit {
        /// Who.
        client: Uuid,
    },
    /// Let only owners change anything, or others too.
    Lock {
        /// Whether it is locked from now on.
        locked: bool,
    },
}

impl RoomCommand {
    /// The command in a decoded message; none in `hello` and `ping`, which the connection
    /// answers.
    pub fn from_message(message: ClientMessage) -> Option<Self> {
        Some(match message {
            ClientMessage::Hello(_) | ClientMessage::Ping { .. } => return None,
            ClientMessage::Stroke(chunk) => Self::Stroke(chunk),
            ClientMessage::Settings(patch) => Self::Settings(patch),
            ClientMessage::Layer(change) => Self::Layer(change),
            ClientMessage::Render(request) => Self::Render(request),
            ClientMessage::Apply {} => Self::Apply,
            ClientMessage::Place(placement) => Self::Place(placement),
            ClientMessage::Cancel {} => Self::CancelInversion,
            ClientMessage::Undo {} => Self::Undo,
            ClientMessage::Redo {} => Self::Redo,
            ClientMessage::Revert { seq } => Self::Revert { seq },
            ClientMessage::Presence(presence) => Self::Presence(presence),
            ClientMessage::Chat { text } => Self::Chat(text),
            ClientMessage::Role { client, role } => Self::Role { client, role },
            ClientMessage::Remove { client } => Self::Remove { client },
            ClientMessage::Admit { client } => Self::Admit { client },
            ClientMessage::Lock { locked } => Self::Lock { locked },
        })
    }
}
