//! What a room's records make again.

use std::sync::Arc;

use uuid::Uuid;

use super::harness::*;
use crate::{
    journal::{Journal, MemoryBlobs, MemoryJournal},
    picture_file::encode_upload,
    protocol::*,
    room::{
        RoomStore,
        document::Document,
        members::HouseRules,
        store::{Metadata, Opened, Record, Recording, StoredRoom, encode_snapshot, open_room},
    },
};

/// A store, and a room in it.
fn empty_store() -> (RoomStore, StoredRoom) {
    let journal = Arc::new(MemoryJournal::new());
    let room = StoredRoom {
        id: Uuid::from_u128(5),
        metadata: Metadata {
            name: "studio".to_owned(),
            size: SIZE,
            settings: settings(),
            title: None,
            rules: HouseRules::default(),
        },
    };
    let metadata = room.metadata.encode().unwrap();
    journal.create(room.id, metadata).wait().unwrap();
    (RoomStore::new(journal, Arc::new(MemoryBlobs::new())), room)
}

/// An op whose placed image is the simulation's, by its blob.
fn kept_as(op: &SequencedOp, store: &RoomStore, world: &World) -> SequencedOp {
    let mut op = op.clone();
    if let Op::Place(Placement { image, .. }) = &mut op.op {
        let upload = world.core.images.get(image).unwrap();
        let hash = store.blobs.put(&encode_upload(upload).unwrap()).unwrap();
        *image = hash.to_string();
    }
    op
}

/// The bytes of a world's records.
fn bytes_of(world: &World, store: &RoomStore) -> Vec<Vec<u8>> {
    let records = world.records.iter().map(|record| {
        let record = match record {
            Record::Op(op) => Record::Op(kept_as(op, store, world)),
            Record::Picture(_) | Record::Recorded(_) => record.clone(),
        };
        let bytes = record.encode().unwrap();
        assert_eq!(Record::decode(&bytes).unwrap(), record, "to the bit");
        bytes
    });
    records.collect()
}

fn opened(store: &RoomStore, room: &StoredRoom) -> Opened {
    open_room(store, room, 4096).unwrap()
}

fn assert_same(document: &Document, world: &World) {
    let expected = &world.core.document;
    assert!(
        document.snapshot() == expected.snapshot(),
        "history, settings, strokes, layers and result"
    );
    let (canvas, expected) = (document.canvas(), expected.canvas());
    assert!(canvas.sketch() == expected.sketch(), "the sketch");
    assert!(canvas.footprint() == expected.footprint(), "the mask");
    assert!(canvas.base() == expected.base(), "the base");
}

/// The room that the world's records make is the world's, to the byte: from the records alone, and
/// from a snapshot at any moment with the records after it.
pub(super) fn assert_comes_back(world: &World, seed: u64) {
    let (store, room) = empty_store();
    let records = bytes_of(world, &store);
    let cut = (seed as usize * 37) % (records.len() + 1);
    let (before, after) = records.split_at(cut);
    let append = |first: usize, records: &[Vec<u8>]| {
        if !records.is_empty() {
            let appended = store
                .journal
                .append(room.id, first as u64 + 1, records.to_vec());
            appended.wait().unwrap();
        }
    };
    append(0, before);
    let half = opened(&store, &room);
    assert_eq!(half.next_record, cut as u64 + 1);
    append(cut, after);
    let whole = opened(&store, &room);
    assert_same(&whole.document, world);
    let ops: Vec<SequencedOp> = world
        .ops
        .iter()
        .map(|op| kept_as(op, &store, world))
        .collect();
    assert!(whole.op_log.read_since(0).unwrap() == ops, "every op");

    let recording = Recording::default();
    let document = half.document.snapshot();
    let bytes = encode_snapshot(&document, &recording, store.blobs.as_ref()).unwrap();
    let written = store.journal.write_snapshot(room.id, cut as u64, bytes);
    written.wait().unwrap();
    let resumed = opened(&store, &room);
    assert_same(&resumed.document, world);
    let (seq, last) = (half.document.seq() as usize, resumed.document.seq());
    let missed = resumed.op_log.read_since(seq as u64).unwrap();
    assert!(missed == ops[seq..], "every op after the snapshot");
    assert!(seq == 0 || resumed.op_log.read_since(seq as u64 - 1).is_err());
    assert_eq!(last, world.ops.len() as u64);
}

#[test]
fn a_room_that_comes_back_renders_what_it_still_owes() {
    let mut world = World::new();
    let me = client(1);
    world.join(me, None);
    world.send(me, chunk("a", true, &[[30.0, 30.0, 1.0]], true));
    assert!(!world.core.document.unrendered().is_empty());
    let (store, room) = empty_store();
    let records = bytes_of(&world, &store);
    let next = records.len() as u64 + 1;
    store.journal.append(room.id, 1, records).wait().unwrap();
    let mut world = World::come_back(opened(&store, &room));
    world.join(me, None);
    world.come_to_rest();
    assert!(!world.submitted.is_empty(), "the stroke is rendered");
    assert!(world.core.document.unrendered().is_empty());
    world.pull_all(me);
    world.assert_sees_everything(me);

    let records = bytes_of(&world, &store);
    store.journal.append(room.id, next, records).wait().unwrap();
    let mut world = World::come_back(opened(&store, &room));
    world.join(me, None);
    world.come_to_rest();
    assert!(world.submitted.is_empty(), "nothing is owed any more");
}

#[test]
fn settings_that_another_model_cannot_have_become_its_defaults() {
    let spaced = ScheduleChoices {
        timestep_spacing: vec![TimestepSpacingChoice::Trailing],
        sigmas: vec![SigmasChoice::Karras],
        ..ScheduleChoices::NONE
    };
    let steered = ModelInfo {
        controls: vec![ControlInfo {
            name: "lines".to_owned(),
            class: "T2IAdapter".to_owned(),
        }],
        schedules: [("ddim".to_owned(), spaced)].into(),
        ..model()
    };
    let mut world = World::with_model(options(), steered);
    let me = client(1);
    world.join(me, None);
    let patch = SettingsPatch {
        sampler: Some("ddim".to_owned()),
        timestep_spacing: Some(TimestepSpacingChoice::Trailing),
        sigmas: Some(SigmasChoice::Karras),
        control: Some("lines".to_owned()),
        prompt: Some("a boat".to_owned()),
        ..SettingsPatch::default()
    };
    world.send(me, crate::room::RoomCommand::Settings(patch));
    let (store, room) = empty_store();
    let appended = store.journal.append(room.id, 1, bytes_of(&world, &store));
    appended.wait().unwrap();
    let other = ModelInfo {
        samplers: vec!["lcm".to_owned()],
        ..model()
    };
    let world = World::come_back_to(opened(&store, &room), other);
    let settings = world.core.document.settings();
    assert_eq!(settings.sampler, "lcm");
    assert_eq!(settings.control, "", "there is none any more");
    assert_eq!(settings.timestep_spacing, TimestepSpacingChoice::Default);
    assert_eq!(settings.sigmas, SigmasChoice::Default);
    assert_eq!(settings.prompt, "a boat");
    assert_eq!(world.core.document.seq(), 2, "an op says so");
}

#[test]
fn records_of_another_version_are_refused_and_nothing_changes() {
    let (store, room) = empty_store();
    let appended = store.journal.append(room.id, 1, vec![vec![99, 1, 2]]);
    appended.wait().unwrap();
    let error = open_room(&store, &room, 10).unwrap_err();
    assert!(error.to_string().contains("another version"), "{error}");
    for bytes in [vec![], vec![2], vec![2, 255, 0, 0, 0, 1], vec![1, b'{']] {
        assert!(Record::decode(&bytes).is_err(), "{bytes:?}");
    }
}
