//! What a room's task is sent.

use std::time::Instant;

use tokio::sync::oneshot;

use super::{Joined, MemberId, RoomCommand, RoomError, frames::MemberFrame, members::Arrival};
use crate::{
    canvas::Pixels,
    protocol::{PictureLayer, ServerMessage},
};

/// What a room is sent.
pub(super) enum Mail {
    Join {
        arrival: Arrival,
        reply: oneshot::Sender<Result<Joined, RoomError>>,
    },
    Leave(MemberId),
    Command {
        member: MemberId,
        command: RoomCommand,
        arrived: Instant,
    },
    Pull {
        member: MemberId,
        reply: oneshot::Sender<Option<MemberFrame>>,
    },
    Image {
        layer: PictureLayer,
        reply: oneshot::Sender<Option<Pixels>>,
    },
    StoreImage {
        id: String,
        image: Pixels,
        reply: oneshot::Sender<Result<(), RoomError>>,
    },
    Tell(ServerMessage),
}
