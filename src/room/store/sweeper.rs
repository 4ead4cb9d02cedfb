//! Blobs that no room needs any more are deleted.

use std::{collections::HashSet, time::Duration};

use super::{Record, RoomStore, StoreError, snapshot::blobs_of_snapshot};
use crate::{journal::BlobHash, protocol::Op};

/// Younger blobs stay: their record may still be on its way, and an upload may not be placed yet.
const MIN_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Deletes what no snapshot and no record names, and answers how many blobs that were. Blocks on
/// the disk, for long where there are many rooms.
///
/// # Errors
/// [`StoreError`] when any room cannot be read: nothing is deleted then.
pub(in crate::room) fn sweep_blobs(store: &RoomStore) -> Result<usize, StoreError> {
    let needed = needed_blobs(store)?;
    Ok(store.blobs.collect_garbage(&needed, MIN_AGE)?)
}

/// Every blob that a room may need to come back.
///
/// # Errors
/// [`StoreError`] when any room cannot be read.
pub(in crate::room) fn needed_blobs(store: &RoomStore) -> Result<HashSet<BlobHash>, StoreError> {
    let mut needed = HashSet::new();
    for room in store.journal.rooms()? {
        for snapshot in store.journal.snapshots(room.room)? {
            needed.extend(blobs_of_snapshot(&snapshot.bytes, store.blobs.as_ref())?);
        }
        store.each_record(room.room, room.first_seq, |record| {
            needed.extend(named_blob(record)?);
            Ok(())
        })?;
    }
    Ok(needed)
}

/// The blob that a record names: of a placed image, a reference, or a recorded picture.
fn named_blob(bytes: &[u8]) -> Result<Option<BlobHash>, StoreError> {
    // What renders left is read by nobody here.
    if !Record::is_op(bytes) && !Record::is_recorded(bytes) {
        return Ok(None);
    }
    match Record::decode(bytes)? {
        Record::Op(op) => match op.op {
            Op::Place(placement) => Ok(Some(placement.image.parse()?)),
            Op::Settings(patch) => {
                let reference = patch.reference.filter(|id| !id.is_empty());
                Ok(reference.map(|id| id.parse()).transpose()?)
            }
            _ => Ok(None),
        },
        Record::Recorded(picture) => Ok(Some(picture.blob.parse()?)),
        Record::Picture(_) => Ok(None),
    }
}
