//! What the journal's metadata says of a room.

use std::mem;

use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StoreError;
use crate::{
    journal::{Journal, RoomSummary},
    protocol::{CanvasSize, Settings},
    room::members::HouseRules,
};

/// What a room is before its first op, what it is called, and what its owners decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::room) struct Metadata {
    /// By which it is joined.
    pub(in crate::room) name: String,
    /// The canvas.
    pub(in crate::room) size: CanvasSize,
    /// The settings that it began with.
    pub(in crate::room) settings: Settings,
    /// What people call it; none before anybody gave it a title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::room) title: Option<String>,
    /// Who may do what, beside what invites say.
    #[serde(default)]
    pub(in crate::room) rules: HouseRules,
}

/// A room that the journal has.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::room) struct StoredRoom {
    /// Its id in the journal.
    pub(in crate::room) id: Uuid,
    /// What it is.
    pub(in crate::room) metadata: Metadata,
}

impl Metadata {
    /// As the journal keeps it.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when it cannot be written as JSON.
    pub(in crate::room) fn encode(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self).map_err(|error| StoreError::Unreadable(error.to_string()))
    }
}

impl TryFrom<RoomSummary> for StoredRoom {
    type Error = StoreError;

    fn try_from(summary: RoomSummary) -> Result<Self, StoreError> {
        let metadata = serde_json::from_slice(&summary.metadata);
        Ok(Self {
            id: summary.room,
            metadata: metadata.map_err(|error| StoreError::Unreadable(error.to_string()))?,
        })
    }
}

/// Changes what is said of the room `name`, in the journal and in memory. True once it is on disk;
/// false where there is no such room.
///
/// # Errors
/// [`StoreError`]: then memory says what it said before.
pub(in crate::room) async fn change_metadata(
    rooms: &DashMap<String, StoredRoom>,
    journal: &dyn Journal,
    name: &str,
    change: impl FnOnce(&mut Metadata) + Send,
) -> Result<bool, StoreError> {
    journal.ready().await;
    let (kept, before, after) = {
        let Some(mut room) = rooms.get_mut(name) else {
            return Ok(false);
        };
        let mut after = room.metadata.clone();
        change(&mut after);
        let bytes = after.encode()?;
        // Under the lock, so that the journal and memory see two changes in one order.
        let kept = journal.set_metadata(room.id, bytes);
        let before = mem::replace(&mut room.metadata, after.clone());
        (kept, before, after)
    };
    match kept.await {
        Ok(()) => Ok(true),
        Err(error) => {
            if let Some(mut room) = rooms.get_mut(name)
                && room.metadata == after
            {
                room.metadata = before;
            }
            Err(error.into())
        }
    }
}
