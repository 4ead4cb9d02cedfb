//! What a room's task is sent.

use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::{
    command::RoomCommand,
    error::RoomError,
    export::{ExportLayers, RoomExport},
    members::{Arrival, Joined, MemberId},
};
use crate::{
    canvas::{Pixels, Upload},
    picture_file::FilePixels,
    protocol::PictureLayer,
};

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
    /// Answered with what is painted on a layer.
    PaintLayer {
        layer: u64,
        reply: oneshot::Sender<Option<FilePixels>>,
    },
    Export {
        layers: ExportLayers,
        reply: oneshot::Sender<RoomExport>,
    },
    /// Answered with the room's prompt.
    Prompt {
        reply: oneshot::Sender<String>,
    },
    StoreImage {
        id: String,
        image: Upload,
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

/// Tells everybody who waits for a room why it does not come back.
pub(super) async fn refuse_all(mut messages: mpsc::Receiver<Message>, why: &str) {
    messages.close();
    while let Some(message) = messages.recv().await {
        let refused = || RoomError::NotOpened(why.to_owned());
        let is_told = match message {
            Message::Join { reply, .. } => reply.send(Err(refused())).is_ok(),
            Message::Ready { reply } | Message::StoreImage { reply, .. } => {
                reply.send(Err(refused())).is_ok()
            }
            // Their answers end with the room.
            Message::Leave(_)
            | Message::Command { .. }
            | Message::Image { .. }
            | Message::PaintLayer { .. }
            | Message::Export { .. }
            | Message::Prompt { .. }
            | Message::HasImage { .. } => true,
        };
        if !is_told {
            tracing::trace!("nobody waits for the room any more");
        }
    }
}
