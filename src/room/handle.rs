//! How the server speaks to a room.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    attendance::Attendance,
    command::RoomCommand,
    error::RoomError,
    export::{ExportLayers, RoomExport},
    members::{Arrival, HouseRules, Joined, MemberId},
    message::Message,
    store::{RoomStore, StoreError},
};
use crate::{
    canvas::{Pixels, Upload},
    engine::RoomKey,
    journal::BlobHash,
    picture_file::{FilePixels, encode_upload},
    protocol::{CanvasSize, Hello, PROTOCOL_VERSION, PictureLayer, Role},
};

/// How long a room may take to be written before it leaves memory.
const REST_WITHIN: Duration = Duration::from_secs(5);

/// Who wants in.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The first message of the socket; its token has been checked.
    pub hello: Hello,
    /// What the token allows.
    pub role: Role,
    /// The token is that of whoever runs the server: an owner in any case.
    pub is_operator: bool,
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
    attendance: Arc<Attendance>,
    mailbox: mpsc::Sender<Message>,
    /// Cancelled when the room is deleted.
    deletion: CancellationToken,
    /// Cancelled when the room is to leave memory as soon as nobody is in it.
    resting: CancellationToken,
    store: Option<RoomStore>,
    /// What its owners decided.
    rules: watch::Receiver<HouseRules>,
    /// The title of a room that no journal keeps.
    title: Mutex<Option<String>>,
}

/// What a handle is made of.
pub(super) struct HandleParts {
    pub(super) name: String,
    pub(super) key: RoomKey,
    pub(super) size: CanvasSize,
    pub(super) attendance: Arc<Attendance>,
    pub(super) mailbox: mpsc::Sender<Message>,
    pub(super) deletion: CancellationToken,
    pub(super) resting: CancellationToken,
    pub(super) store: Option<RoomStore>,
    pub(super) rules: watch::Receiver<HouseRules>,
}

impl RoomHandle {
    pub(super) fn new(parts: HandleParts) -> Self {
        Self {
            shared: Arc::new(Shared {
                name: parts.name,
                key: parts.key,
                size: parts.size,
                attendance: parts.attendance,
                mailbox: parts.mailbox,
                deletion: parts.deletion,
                resting: parts.resting,
                store: parts.store,
                rules: parts.rules,
                title: Mutex::default(),
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
        self.shared.attendance.members()
    }

    /// Whether a client was removed.
    pub(super) fn is_removed(&self, client: &Uuid) -> bool {
        self.shared.rules.borrow().is_removed(client)
    }

    /// Bytes that its layers above the lowest hold, beside what counts by its size.
    pub fn layer_bytes(&self) -> u64 {
        self.shared.attendance.layer_bytes()
    }

    /// Its place among the rooms that became empty: the lowest was left first.
    pub(super) fn emptied(&self) -> u64 {
        self.shared.attendance.emptied()
    }

    /// The title of a room that no journal keeps.
    pub(super) fn title(&self) -> Option<String> {
        let title = self.shared.title.lock();
        title.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives a room that no journal keeps another title.
    pub(super) fn set_title(&self, title: Option<String>) {
        let kept = self.shared.title.lock();
        *kept.unwrap_or_else(PoisonError::into_inner) = title;
    }

    /// The room's prompt.
    ///
    /// # Errors
    /// [`RoomError::Closed`], [`RoomError::Deleted`].
    pub(super) async fn prompt(&self) -> Result<String, RoomError> {
        let (reply, answer) = oneshot::channel();
        self.post(Message::Prompt { reply }).await?;
        answer.await.map_err(|_| self.ended())
    }

    /// Ends the room because it is deleted, and waits until nothing of it is written any more.
    pub(super) async fn end_for_deletion(&self) {
        self.shared.deletion.cancel();
        self.shared.mailbox.closed().await;
    }

    /// Asks the room to leave memory, and waits until all of it is on disk and it has ended; false where
    /// that did not come about, such as when somebody came in meanwhile.
    pub(super) async fn put_to_rest(&self) -> bool {
        self.shared.resting.cancel();
        timeout(REST_WITHIN, self.shared.mailbox.closed())
            .await
            .is_ok()
    }

    /// Joins. A client that is in the room already is replaced by this connection.
    ///
    /// # Errors
    /// [`RoomError::UnsupportedProtocol`], [`RoomError::Full`], [`RoomError::Closed`],
    /// [`RoomError::Deleted`], [`RoomError::Removed`].
    pub async fn join(&self, request: JoinRequest) -> Result<Joined, RoomError> {
        let JoinRequest {
            hello,
            role,
            is_operator,
        } = request;
        if hello.protocol != PROTOCOL_VERSION {
            return Err(RoomError::UnsupportedProtocol(hello.protocol));
        }
        let arrival = Arrival {
            client: hello.client,
            name: hello.name,
            role,
            is_operator,
            last_seq: hello.last_seq,
        };
        let (reply, answer) = oneshot::channel();
        self.post(Message::Join { arrival, reply }).await?;
        answer.await.map_err(|_| self.ended())?
    }

    /// Hands a member's command to the room; waits while too many of the member's wait already. Refusals come through
    /// the outbox.
    ///
    /// # Errors
    /// [`RoomError::Closed`].
    pub async fn send(&self, member: MemberId, command: RoomCommand) -> Result<(), RoomError> {
        let arrived = tokio::time::Instant::now().into_std();
        match &command {
            RoomCommand::Place(placement) => self.fetch_image(&placement.image).await?,
            RoomCommand::Settings(patch) => {
                if let Some(id) = patch.reference.as_deref().filter(|id| !id.is_empty()) {
                    self.fetch_image(id).await?;
                }
            }
            _ => {}
        }
        let (taken, answer) = oneshot::channel();
        self.post(Message::Command {
            member,
            command,
            arrived,
            taken,
        })
        .await?;
        answer.await.map_err(|_| self.ended())
    }

    /// Waits until the room serves.
    ///
    /// # Errors
    /// [`RoomError::NotOpened`], [`RoomError::Closed`].
    pub(super) async fn ready(&self) -> Result<(), RoomError> {
        let (reply, answer) = oneshot::channel();
        self.post(Message::Ready { reply }).await?;
        answer.await.map_err(|_| self.ended())?
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
        answer.await.map_err(|_| self.ended())
    }

    /// What is painted on a layer; none where there is no such layer.
    ///
    /// # Errors
    /// [`RoomError::Closed`].
    pub async fn paint_layer(&self, layer: u64) -> Result<Option<FilePixels>, RoomError> {
        let (reply, answer) = oneshot::channel();
        self.post(Message::PaintLayer { layer, reply }).await?;
        answer.await.map_err(|_| self.ended())
    }

    /// Copies of pictures of the room at one moment, with what they were made with.
    ///
    /// # Errors
    /// [`RoomError::Closed`].
    pub async fn export(&self, layers: ExportLayers) -> Result<RoomExport, RoomError> {
        let (reply, answer) = oneshot::channel();
        self.post(Message::Export { layers, reply }).await?;
        answer.await.map_err(|_| self.ended())
    }

    /// Keeps an uploaded image, fitted to the canvas as [`Upload::fitted`] says, and answers the id to
    /// place it by: the SHA-256 of its PNG. Where rooms are kept it is on disk when this returns.
    ///
    /// # Errors
    /// [`RoomError::ImageTooLarge`], [`RoomError::ImageNotKept`] when the disk does not take it,
    /// [`RoomError::Closed`].
    pub async fn store_image(&self, image: impl Into<Upload>) -> Result<String, RoomError> {
        let (image, size) = (image.into(), self.shared.size);
        self.keep_image(move || image.fitted(size)).await
    }

    /// The same for a picture that is to be seen beside the prompt, made as
    /// [`Upload::into_reference`] says.
    ///
    /// # Errors
    /// Those of [`RoomHandle::store_image`].
    pub async fn store_reference(&self, image: impl Into<Upload>) -> Result<String, RoomError> {
        let image = image.into();
        self.keep_image(move || Upload::from(image.into_reference()))
            .await
    }

    async fn keep_image(
        &self,
        fit: impl FnOnce() -> Upload + Send + 'static,
    ) -> Result<String, RoomError> {
        let store = self.shared.store.clone();
        let keeping = move || {
            let fitted = fit();
            let png = encode_upload(&fitted)?;
            let hash = match store {
                Some(store) => store.blobs.put(&png)?,
                None => BlobHash::of(&png),
            };
            Ok::<_, StoreError>((hash.to_string(), fitted))
        };
        let kept = tokio::task::spawn_blocking(keeping).await;
        let (id, image) = kept
            .map_err(|_| RoomError::Closed)?
            .map_err(|error| RoomError::ImageNotKept(error.to_string()))?;
        self.give_image(id.clone(), image).await?;
        Ok(id)
    }

    async fn give_image(&self, id: String, image: Upload) -> Result<(), RoomError> {
        let (reply, answer) = oneshot::channel();
        self.post(Message::StoreImage { id, image, reply }).await?;
        answer.await.map_err(|_| self.ended())?
    }

    /// Gives the room an image that was uploaded before it came back. One that is not on disk is not
    /// given: the room says so then.
    async fn fetch_image(&self, id: &str) -> Result<(), RoomError> {
        let (Some(store), Ok(hash)) = (self.shared.store.clone(), id.parse()) else {
            return Ok(());
        };
        let (reply, answer) = oneshot::channel();
        let id = id.to_owned();
        self.post(Message::HasImage {
            id: id.clone(),
            reply,
        })
        .await?;
        if answer.await.map_err(|_| self.ended())? {
            return Ok(());
        }
        match tokio::task::spawn_blocking(move || store.upload(hash)).await {
            Ok(Ok(image)) => self.give_image(id, image).await,
            Ok(Err(error)) => {
                tracing::debug!(%error, "an image to place is not there");
                Ok(())
            }
            Err(_) => Err(RoomError::Closed),
        }
    }

    async fn post(&self, message: Message) -> Result<(), RoomError> {
        self.shared
            .mailbox
            .send(message)
            .await
            .map_err(|_| self.ended())
    }

    /// Why nobody answers any more.
    fn ended(&self) -> RoomError {
        match self.shared.deletion.is_cancelled() {
            true => RoomError::Deleted,
            false => RoomError::Closed,
        }
    }
}
