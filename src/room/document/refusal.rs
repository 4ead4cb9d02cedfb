//! Why a room does not do what a member asks.

use std::time::Duration;

use crate::protocol::{ErrorCode, ErrorMessage, MAX_LAYERS, MAX_STROKE_POINTS, ScheduleRefusal};

/// Why nothing comes of a request. The sentences are for a person.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(in crate::room) enum Refusal {
    #[error("No stroke of that id is open; send its brush in the first message.")]
    UnknownStroke,
    #[error("That stroke has ended; begin a new one with its brush.")]
    StrokeEnded,
    #[error("A stroke of that id has been painted; give the next one a new id.")]
    StrokeIdUsed,
    #[error("The stroke has more than {MAX_STROKE_POINTS} points; end it and begin a new one.")]
    StrokeTooLong,
    #[error(
        "These points take too long to paint with so wide a brush; send fewer of them in a message."
    )]
    StrokeTooCostly,
    #[error("The smudge is too long for so wide a brush; lift it and begin another one.")]
    SmudgeTooCostly,
    #[error("Nothing of yours is left to undo.")]
    NothingToUndo,
    #[error("Nothing of yours is left to redo.")]
    NothingToRedo,
    #[error("The picture is already as it was then.")]
    SamePicture,
    #[error("`seq` is that of an op of this room, or 0.")]
    UnknownSeq,
    #[error("That picture is too old to go back to; choose a later one.")]
    TooOld,
    #[error("`steps` is 1 to {0} with this model.")]
    Steps(u32),
    #[error("This model has no sampler of that name; choose one of {0}.")]
    UnknownSampler(String),
    #[error("{0}.")]
    Schedule(#[from] ScheduleRefusal),
    #[error("No control has that name; choose one of {0}, or an empty name for none.")]
    UnknownControl(String),
    #[error(
        "This server has no control: whoever runs it starts it with `--control`. An empty name is none."
    )]
    NoControl,
    #[error("No IP-Adapter has that name; choose one of {0}, or an empty name for none.")]
    UnknownIpAdapter(String),
    #[error(
        "This server sees no reference pictures: whoever runs it starts it with `--ip-adapter`. An empty `reference` is none."
    )]
    NoIpAdapter,
    #[error("No uploaded image has that id; upload it again.")]
    UnknownImage,
    #[error("`rect` lies outside the canvas.")]
    OutsideCanvas,
    #[error("No layer of that id is there any more; choose another one.")]
    UnknownLayer,
    #[error("The layer is locked; unlock it, or choose another one.")]
    LayerLocked,
    #[error("Somebody else has locked that layer; ask them, or an owner of the room.")]
    LockedByAnother,
    #[error("A room has {MAX_LAYERS} layers at most; remove one first.")]
    TooManyLayers,
    #[error("The layers of this room hold as much paint as they may; remove one, or apply.")]
    LayersTooLarge,
    #[error("The lowest layer stays where it is; move or remove another one.")]
    LowestLayer,
    #[error(
        "The lowest layer is opaque: it has the blend mode `normal`, and no transparency to lock."
    )]
    OpaqueLayer,
    #[error("A layer does not lie on itself; name another one in `above`.")]
    AboveItself,
    #[error("`name` has nothing to read in it; write something.")]
    NoLayerName,
    #[error("A viewer cannot change the picture; ask for an invite.")]
    Viewer,
    #[error("The room is locked: only its owners change anything until one of them unlocks it.")]
    Locked,
    #[error("The room is locked: viewers can write again when an owner unlocks it.")]
    SilentViewer,
    #[error("Only an owner of the room may do that; ask one of them.")]
    NotOwner,
    #[error("Nobody of that id is here; choose one of the room's members.")]
    UnknownMember,
    #[error("Nobody changes their own role or removes themselves; ask another owner.")]
    Oneself,
    #[error("Whoever runs the server stays an owner of every room; choose somebody else.")]
    Operator,
    #[error("`text` has nothing to read in it; write something.")]
    NothingSaid,
    #[error("The device has too much to do now; ask again after the time in retry_after_ms.")]
    Busy(Duration),
    #[error("The device has too much to do now; what you painted is kept, and rendered soon.")]
    PutOff(Duration),
}

impl Refusal {
    /// The stable code on the wire.
    pub(in crate::room) fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownStroke | Self::StrokeEnded => ErrorCode::UnknownStroke,
            Self::StrokeTooLong
            | Self::StrokeTooCostly
            | Self::SmudgeTooCostly
            | Self::LayersTooLarge => ErrorCode::TooLarge,
            Self::NothingToUndo | Self::NothingToRedo | Self::SamePicture => {
                ErrorCode::NothingToUndo
            }
            Self::StrokeIdUsed
            | Self::UnknownSeq
            | Self::TooOld
            | Self::Steps(_)
            | Self::Schedule(_)
            | Self::OutsideCanvas
            | Self::UnknownControl(_)
            | Self::NoControl
            | Self::UnknownIpAdapter(_)
            | Self::NoIpAdapter
            | Self::Oneself
            | Self::TooManyLayers
            | Self::LowestLayer
            | Self::OpaqueLayer
            | Self::AboveItself
            | Self::NoLayerName
            | Self::NothingSaid => ErrorCode::InvalidValue,
            Self::UnknownSampler(_) => ErrorCode::UnknownSampler,
            Self::UnknownImage => ErrorCode::UnknownImage,
            Self::UnknownLayer => ErrorCode::UnknownLayer,
            Self::Viewer | Self::NotOwner | Self::Operator => ErrorCode::Forbidden,
            Self::LayerLocked | Self::LockedByAnother => ErrorCode::LayerLocked,
            Self::Locked | Self::SilentViewer => ErrorCode::RoomLocked,
            Self::UnknownMember => ErrorCode::UnknownMember,
            Self::Busy(_) | Self::PutOff(_) => ErrorCode::Busy,
        }
    }

    /// The refusal as the wire says it; `stroke` is the id of the stroke that it is about.
    pub(in crate::room) fn to_message(&self, stroke: Option<String>) -> ErrorMessage {
        let message = ErrorMessage::new(self.code(), self.to_string());
        ErrorMessage {
            id: stroke,
            retry_after_ms: match self {
                Self::Busy(wait) | Self::PutOff(wait) => u64::try_from(wait.as_millis()).ok(),
                _ => None,
            },
            ..message
        }
    }
}
