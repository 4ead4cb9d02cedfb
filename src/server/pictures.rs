//! Pictures of rooms as files: one encoding for all who ask while it waits for its turn, and a limit
//! for the bytes that are on their way to clients that read slowly.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::budget::{ByteBudget, Held};
use super::error::ApiError;
use super::export_request::ExportRequest;
use crate::engine::RoomKey;
use crate::protocol::PictureLayer;

/// A file that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// A layer as PNG, and nothing but its pixels.
    Layer(PictureLayer),
    /// What is painted on a layer, as PNG with transparency.
    PaintLayer(u64),
    /// The same, small.
    LayerThumbnail(u64),
    /// A file to take away.
    Export(ExportRequest),
}

/// A file of a room.
pub type Key = (RoomKey, Asked);
/// The making of a picture.
pub type Job = BoxFuture<'static, Result<Bytes, ApiError>>;

/// Pictures that are being made, and the bytes of those that were.
pub struct Pictures {
    /// Jobs whose copy of the room's picture is not taken yet: whoever asks now gets it as it is
    /// after the question. A job that nobody waits for any more is gone.
    waiting: Mutex<HashMap<Key, WeakShared<Job>>>,
    budget: ByteBudget,
}

impl Pictures {
    /// None yet; `budget` is for encoded pictures, from the first to the last byte on their way.
    pub fn new(budget: ByteBudget) -> Self {
        Self {
            waiting: Mutex::default(),
            budget,
        }
    }

    /// The job that waits for its turn, or a new one.
    pub fn join(&self, key: Key, job: impl FnOnce() -> Job) -> Shared<Job> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = waiting.get(&key).and_then(WeakShared::upgrade) {
            return found;
        }
        waiting.retain(|_, job| job.upgrade().is_some());
        let job = job().shared();
        if let Some(weak) = job.downgrade() {
            waiting.insert(key, weak);
        }
        job
    }

    /// A place in the budget for a picture of a room, to be grown.
    pub fn hold(&self, room: RoomKey) -> Held {
        self.budget.hold(room)
    }

    /// The job of a key takes its copy: whoever asks from now on needs another.
    pub fn begins(&self, key: &Key) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(key);
    }
}

/// An encoded picture and its place in the budget, until nobody sends it any more.
pub struct HeldPicture {
    /// The file.
    pub file: Vec<u8>,
    /// Its place in the budget.
    #[expect(dead_code, reason = "it is there to be dropped")]
    pub held: Held,
}

impl AsRef<[u8]> for HeldPicture {
    fn as_ref(&self) -> &[u8] {
        &self.file
    }
}
