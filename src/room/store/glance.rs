//! What a room looks like, read without bringing it back: it may run or not, and is not changed.

use serde::Deserialize;

use super::{
    Record, Recording, RoomStore, StoreError, StoredRoom,
    opening::read_room,
    pictures::decode_picture,
    snapshot_format::{broken, read_header, reader_of},
};
use crate::{
    canvas::Pixels,
    journal::{BlobHash, BlobStore},
    protocol::{Op, Settings},
};

/// The room's prompt. Blocks on the disk.
///
/// # Errors
/// [`StoreError`].
pub(in crate::room) fn read_prompt(
    store: &RoomStore,
    room: &StoredRoom,
) -> Result<String, StoreError> {
    let (mut prompt, first) = match store.journal.read_snapshot(room.id)? {
        Some(snapshot) => {
            let glance = Glance::at(&snapshot.bytes, store.blobs.as_ref())?;
            (glance.into_prompt(), snapshot.seq + 1)
        }
        None => (room.metadata.settings.prompt.clone(), 1),
    };
    store.each_record(room.id, first, |record| {
        if Record::is_op(record)
            && let Record::Op(op) = Record::decode(record)?
        {
            let newer = match (op.op, op.settings) {
                (Op::Settings(patch), _) => patch.prompt,
                // What an undo brought back.
                (_, settings) => settings.map(|settings| settings.prompt),
            };
            if let Some(newer) = newer {
                prompt = newer;
            }
        }
        Ok(())
    })?;
    Ok(prompt)
}

/// The room's result. It is a file where a snapshot says all; what came after one is replayed, which
/// takes the memory of one document. Blocks on the disk.
///
/// # Errors
/// [`StoreError`].
pub(in crate::room) fn read_picture(
    store: &RoomStore,
    room: &StoredRoom,
) -> Result<Pixels, StoreError> {
    let last = store.journal.room(room.id)?.last_seq;
    match store.journal.read_snapshot(room.id)? {
        Some(snapshot) if snapshot.seq == last => {
            let glance = Glance::at(&snapshot.bytes, store.blobs.as_ref())?;
            Ok(decode_picture(&store.blobs.get(glance.result()?)?)?)
        }
        _ => {
            let (document, ..) = read_room(store, room, 0)?;
            Ok(document.canvas().result().clone())
        }
    }
}

/// The room's recording. Blocks on the disk.
///
/// # Errors
/// [`StoreError`].
pub(in crate::room) fn read_recording(
    store: &RoomStore,
    room: &StoredRoom,
) -> Result<Recording, StoreError> {
    let (mut recording, first) = match store.journal.read_snapshot(room.id)? {
        Some(snapshot) => {
            let glance = Glance::at(&snapshot.bytes, store.blobs.as_ref())?;
            (glance.into_recording(), snapshot.seq + 1)
        }
        None => (Recording::default(), 1),
    };
    store.each_record(room.id, first, |record| {
        if Record::is_recorded(record)
            && let Record::Recorded(picture) = Record::decode(record)?
        {
            recording.add(picture);
        }
        Ok(())
    })?;
    Ok(recording)
}

/// What a glance at a snapshot tells, without its strokes.
#[derive(Deserialize)]
struct Glance {
    facts: GlanceFacts,
    result: String,
    #[serde(default)]
    recording: Recording,
}

#[derive(Deserialize)]
struct GlanceFacts {
    settings: Settings,
}

impl Glance {
    /// Reads as little of a snapshot as there is to read. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`].
    fn at(bytes: &[u8], blobs: &dyn BlobStore) -> Result<Self, StoreError> {
        let mut reader = reader_of(bytes, blobs)?;
        serde_json::from_slice(&read_header(&mut reader)?).map_err(broken)
    }

    /// The room's prompt.
    fn into_prompt(self) -> String {
        self.facts.settings.prompt
    }

    /// The recording up to then.
    fn into_recording(self) -> Recording {
        self.recording
    }

    /// The blob that the result is in.
    ///
    /// # Errors
    /// [`StoreError::Blob`].
    fn result(&self) -> Result<BlobHash, StoreError> {
        Ok(self.result.parse()?)
    }
}
