//! How a room lasts: what of it goes into the journal, and how it comes back.
//!
//! A room's journal holds its ops and what renders left in the result, in the order in which they
//! changed the document, so that replaying them runs no model. Snapshots hold the whole document;
//! their pictures, and the placed images, are blobs.

mod copying;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod glance;
mod metadata;
mod opening;
mod pictures;
mod record;
mod recorder;
mod recording;
mod snapshot;
mod snapshot_format;
mod sweeper;

pub(super) use copying::copy_room;
pub use error::StoreError;
pub(super) use glance::{read_picture, read_prompt, read_recording};
pub(super) use metadata::{Metadata, StoredRoom, change_metadata};
pub(super) use opening::{Opened, open_room};
use pictures::decode_kept_upload;
pub(super) use record::Record;
pub(super) use recorder::{Entry, Recorder};
pub use recording::{RECORDED_SIDE_MOST, RecordedPicture};
pub(super) use recording::{Recording, recorded_now};
pub(super) use sweeper::sweep_blobs;
#[cfg(test)]
pub(super) use {snapshot::encode_snapshot, sweeper::needed_blobs};

use std::{path::Path, sync::Arc};

use uuid::Uuid;

use crate::{
    canvas::Upload,
    journal::{BlobHash, BlobStore, DiskJournal, DiskOptions, FolderBlobs, Journal},
};

/// The folder of blobs in a data folder.
const BLOBS: &str = "blobs";
/// About how many bytes of records are read at once.
const PAGE_BYTES: usize = 1 << 20;

/// Where the rooms of a server are kept; cheap to clone.
#[derive(Clone, Debug)]
pub struct RoomStore {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) blobs: Arc<dyn BlobStore>,
}

impl RoomStore {
    /// Rooms in a journal and blobs of the caller's.
    pub fn new(journal: Arc<dyn Journal>, blobs: Arc<dyn BlobStore>) -> Self {
        Self { journal, blobs }
    }

    /// Rooms in a data folder, which is made when it is not there. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`]: another server holds the folder, it cannot be written, or it is of another
    /// version.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let journal = DiskJournal::open(folder, DiskOptions::default())?;
        let blobs = FolderBlobs::open(&folder.join(BLOBS))?;
        Ok(Self::new(Arc::new(journal), Arc::new(blobs)))
    }

    /// Does something with each record of a room, from the one with the `seq` `first` on, in their
    /// order. Blocks on the disk.
    fn each_record(
        &self,
        room: Uuid,
        first: u64,
        mut work: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut from = Some(first);
        while let Some(seq) = from {
            let page = self.journal.read(room, seq, PAGE_BYTES)?;
            page.records
                .iter()
                .try_for_each(|record| work(&record.bytes))?;
            from = page.next;
        }
        Ok(())
    }

    /// The upload that a blob is. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when it is missing, damaged or no picture.
    pub(super) fn upload(&self, hash: BlobHash) -> Result<Upload, StoreError> {
        Ok(decode_kept_upload(&self.blobs.get(hash)?)?)
    }
}
