//! What a room's task is sent.

use std::time::Instant;

use tokio::sync::oneshot;

use super::{
    command::RoomCommand,
    error::RoomError,
    members::{Arrival, Joined, MemberId},
};
use crate::{canvas::Pixels, protocol::PictureLayer};

/// What a room is sent.
pub(super) enum Message {
    Join {
        arrival: Arrival,
        reply: oneshot::Sender<Result<Joined, RoomError>>,
    },
    Leave(MemberId),
    Command {
        member: MemberId,
        command: RoomCommand,
        arrived: Instant,
        /// Answered when the next one of the member may come.
        taken: oneshot::Sender<()>,
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
    HasImage {
        id: String,
        reply: oneshot::Sender<bool>,
    },
    /// Answered when the room serves.
    Ready {
        reply: oneshot::Sender<Result<(), RoomError>>,
    },
}
