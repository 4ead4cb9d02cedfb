//! A room comes back: the newest snapshot, then the records after it.

use super::{Record, Recording, RoomStore, StoreError, StoredRoom, snapshot::decode_snapshot};
use crate::{
    protocol::SequencedOp,
    room::{document::Document, members::HouseRules, op_log::OpLog},
};

/// A room as it was.
#[derive(Debug)]
pub(in crate::room) struct Opened {
    /// The document.
    pub(in crate::room) document: Document,
    /// The ops after the snapshot, for members who come back.
    pub(in crate::room) op_log: OpLog,
    /// Its pictures over time.
    pub(in crate::room) recording: Recording,
    /// The journal's `seq` of the next record.
    pub(in crate::room) next_record: u64,
    /// What its owners decided.
    pub(in crate::room) rules: HouseRules,
}

/// Opens a room that the journal has. Blocks on the disk.
///
/// # Errors
/// [`StoreError`]; then nothing of the room was changed.
pub(in crate::room) fn open_room(
    store: &RoomStore,
    room: &StoredRoom,
    history_max: usize,
) -> Result<Opened, StoreError> {
    let journal = store.journal.as_ref();
    let name = &room.metadata.name;
    let opened = journal.open_room(room.id)?;
    if let Some(cut) = opened.cut {
        tracing::warn!(
            room = name,
            ?cut,
            "the torn end of a room's log was cut off"
        );
    }
    let (document, op_log, recording) = read_room(store, room, history_max)?;
    Ok(Opened {
        document,
        op_log,
        recording,
        next_record: opened.summary.last_seq + 1,
        rules: room.metadata.rules.clone(),
    })
}

/// A room's document, its newest ops and its recording, without a check of the whole log: nothing of
/// the room is changed, whether it runs or not. Blocks on the disk.
///
/// # Errors
/// [`StoreError`].
pub(super) fn read_room(
    store: &RoomStore,
    room: &StoredRoom,
    history_max: usize,
) -> Result<(Document, OpLog, Recording), StoreError> {
    let (mut document, mut recording, first) = match store.journal.read_snapshot(room.id)? {
        Some(snapshot) => {
            if let Some(damaged) = snapshot.damaged {
                let room = &room.metadata.name;
                tracing::warn!(room, damaged, "an older snapshot is used");
            }
            let (document, recording) = decode_snapshot(&snapshot.bytes, store.blobs.as_ref())?;
            let document = Document::from_snapshot(document)?;
            (document, recording, snapshot.seq + 1)
        }
        None => {
            let metadata = &room.metadata;
            let document = Document::new(metadata.size, metadata.settings.clone());
            (document, Recording::default(), 1)
        }
    };
    let mut op_log = OpLog::after(document.seq(), history_max);
    store.each_record(room.id, first, |record| match Record::decode(record)? {
        Record::Op(op) => replay(&mut document, &mut op_log, store, &op),
        Record::Picture(picture) => {
            document.show_again(&picture);
            Ok(())
        }
        Record::Recorded(picture) => {
            recording.add(picture);
            Ok(())
        }
    })?;
    Ok((document, op_log, recording))
}

fn replay(
    document: &mut Document,
    op_log: &mut OpLog,
    store: &RoomStore,
    op: &SequencedOp,
) -> Result<(), StoreError> {
    let mut failed = None;
    // A placed image is named by its blob.
    let picture = |id: &str| store.upload(id.parse()?);
    let image = |id: &str| {
        let found = picture(id);
        found.map_err(|error| failed = Some(error)).ok()
    };
    let applied = document.apply(op, image);
    if let Some(error) = failed {
        return Err(error);
    }
    applied.map_err(|error| StoreError::Unreadable(error.to_string()))?;
    op_log
        .append(op)
        .map_err(|error| StoreError::Unreadable(error.to_string()))
}
