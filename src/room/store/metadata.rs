//! What the journal's metadata says of a room.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StoreError;
use crate::{
    journal::RoomSummary,
    protocol::{CanvasSize, Settings},
};

/// What a room is before its first op, and what it is called.
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
