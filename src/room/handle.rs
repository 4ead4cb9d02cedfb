//! How the server speaks to a room.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{
    command::RoomCommand,
    error::RoomError,
    members::{Arrival, Joined, MemberId},
    message::Message,
};
use crate::{
    canvas::{Pixels, fit_to},
    engine::RoomKey,
    protocol::{CanvasSize, Hello, PROTOCOL_VERSION, PictureLayer, Role},
};

/// Who wants in.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The first message of the socket; its token has been checked.
    pub hello: Hello,
    /// What the token allows.
    pub role: Role,
}

/// A room, as seen from outside; cheap to clone.
#[derive(Clone, Debug)]
pub struct RoomHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    key: RoomKey,
    size: CanvasSize,
    members: Arc<AtomicUsize>,
    mailbox: mpsc::Sender<Message>,
}

impl RoomHandle {
    pub(super) fn new(
        name: String,
        key: RoomKey,
        size: CanvasSize,
        members: Arc<AtomicUsize>,
        mailbox: mpsc::Sender<Message>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                name,
                key,
                size,
                members,
                mailbox,
            }),
        }
    }

    /// The room's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The room, as the engine knows it.
    pub fn key(&self) -> RoomKey {
        self.shared.key
    }

    /// The canvas, in pixels.
    pub fn size(&self) -> CanvasSize {
        self.shared.size
    }

    /// How many members are in the room now.
    pub fn members(&self) -> usize {
        self.shared.members.load(Ordering::Relaxed)
    }

    /// Joins. A client that is in the room already is replaced by this connection.
    ///
    /// # Errors
    /// [`RoomError::UnsupportedProtocol`], [`RoomError::Full`], [`RoomError::Closed`].
    pub async fn join(&self, request: JoinRequest) -> Result<Joined, RoomError> {
        let JoinRequest { hello, role } = request;
        if hello.protocol != PROTOCOL_VERSION {
            return Err(RoomError::UnsupportedProtocol(hello.protocol));
        }
        let arrival = Arrival {
            client: hello.client,
            name: hello.name,
            role,
            last_seq: hello.last_seq,
        };
        let (reply, answer) = oneshot::channel();
        self.post(Message::Join { arrival, reply }).await?;
        answer.await.map_err(|_| RoomError::Closed)?
    }

    /// Hands a member's command to the room; waits while the room is busy. Refusals come through
    /// the outbox.
    ///
    /// # Errors
    /// [`RoomError::Closed`].
    pub async fn send(&self, member: MemberId, command: RoomCommand) -> Result<(), RoomError> {
        let arrived = tokio::time::Instant::now().into_std();
        self.post(Message::Command {
            member,
            command,
            arrived,
        })
        .await
    }

    /// Leaves, as dropping the outbox does. A room that has ended is left already.
    pub async fn leave(&self, member: MemberId) {
        if self.post(Message::Leave(member)).await.is_err() {
            tracing::debug!("left a room that had ended");
        }
    }

    /// A copy of a picture of the room; none of an inverted photo where nothing is inverted.
    ///
    /// # Errors
    /// [`RoomError::Closed`].
    pub async fn image(&self, layer: PictureLayer) -> Result<Option<Pixels>, RoomError> {
        let (reply, answer) = oneshot::channel();
        self.post(Message::Image { layer, reply }).await?;
        answer.await.map_err(|_| RoomError::Closed)
    }

    /// Keeps an uploaded image, fitted to the canvas, and answers the id to place it by.
    ///
    /// # Errors
    /// [`RoomError::ImageTooLarge`], [`RoomError::Closed`].
    pub async fn store_image(&self, image: Pixels) -> Result<String, RoomError> {
        let size = self.shared.size;
        let fitted = tokio::task::spawn_blocking(move || fit_to(&image, size))
            .await
            .map_err(|_| RoomError::Closed)?;
        let id = Uuid::new_v4().to_string();
        let (reply, answer) = oneshot::channel();
        self.post(Message::StoreImage {
            id: id.clone(),
            image: fitted,
            reply,
        })
        .await?;
        answer.await.map_err(|_| RoomError::Closed)??;
        Ok(id)
    }

    async fn post(&self, message: Message) -> Result<(), RoomError> {
        self.shared
            .mailbox
            .send(message)
            .await
            .map_err(|_| RoomError::Closed)
    }
}
