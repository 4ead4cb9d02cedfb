//! Rooms that a store keeps, by their tasks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    harness::*,
    tasks::{Quick, blank, hello, watch},
};
use crate::{
    canvas::{LayerPixels, Pixels, fit_to, pixel_rms, size_within},
    journal::{
        Change, Journal, JournalError, MemoryBlobs, MemoryJournal, OpenedRoom, Page, Pending,
        Ready, RoomSummary, Snapshot,
    },
    protocol::*,
    room::{
        store::{StoredRoom, needed_blobs, read_recording},
        *,
    },
};

fn store() -> RoomStore {
    RoomStore::new(Arc::new(MemoryJournal::new()), Arc::new(MemoryBlobs::new()))
}

/// A server's rooms, as after a start.
fn start(store: &RoomStore) -> RoomRegistry {
    start_with(store, |_, _| {})
}

fn start_with(
    store: &RoomStore,
    change: impl FnOnce(&mut RoomOptions, &mut RegistryLimits),
) -> RoomRegistry {
    start_on(store, model(), change)
}

fn start_on(
    store: &RoomStore,
    model: ModelInfo,
    change: impl FnOnce(&mut RoomOptions, &mut RegistryLimits),
) -> RoomRegistry {
    let renderer = Arc::new(Quick {
        model,
        settings: settings(),
    });
    let mut options = RoomOptions {
        rest: Duration::from_millis(5),
        ..options()
    };
    let mut limits = RegistryLimits::default();
    change(&mut options, &mut limits);
    let shutdown = CancellationToken::new();
    RoomRegistry::open(renderer, options, limits, shutdown, store.clone()).unwrap()
}

async fn paint(room: &RoomHandle, joined: &mut Joined, id: &str) {
    paint_at(room, joined, id, 30.0).await;
}

async fn paint_at(room: &RoomHandle, joined: &mut Joined, id: &str, y: f32) {
    let stroke = chunk(id, true, &[[30.0, y, 1.0], [90.0, y + 30.0, 1.0]], true);
    room.send(joined.member, stroke).await.unwrap();
    // Acknowledged, and refined.
    let (mut acknowledged, mut settled) = (false, false);
    watch(&mut joined.outbox, &mut blank(), |message, _| {
        acknowledged |= matches!(message, ServerMessage::Ack { .. });
        settled |= matches!(message, ServerMessage::Render(news)
            if news.state == RenderState::Done && news.steps == 4);
        acknowledged && settled
    })
    .await;
}

#[tokio::test]
async fn a_room_is_the_same_after_the_server_was_stopped() {
    let store = store();
    let registry = start(&store);
    let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
    assert!(joined.welcome.kept);
    let upload = Pixels::new(300, 200, [10, 200, 30]);
    let image = room.store_image(upload).await.unwrap();
    let place = RoomCommand::Place(Placement {
        image: image.clone(),
        mode: PlaceMode::Plain,
        prompt: None,
        ..Placement::default()
    });
    room.send(joined.member, place.clone()).await.unwrap();
    paint(&room, &mut joined, "a").await;
    let result = room.image(PictureLayer::Result).await.unwrap();
    let sketch = room.image(PictureLayer::Sketch).await.unwrap();
    registry.shut_down().await;

    let registry = start(&store);
    assert!(registry.exists("studio"));
    assert_eq!(
        registry.counts().rooms,
        0,
        "it comes back when it is wanted"
    );
    let taken = registry.create("studio", registry.options().clone()).await;
    assert!(matches!(taken, Err(RoomError::NameTaken)));
    let room = registry.get("studio").unwrap();
    assert!(room.image(PictureLayer::Result).await.unwrap() == result);
    assert!(room.image(PictureLayer::Sketch).await.unwrap() == sketch);
    let mut again = hello(1);
    again.hello.last_seq = Some(1);
    let (room, mut joined) = registry.join("studio", again).await.unwrap();
    assert_eq!(joined.welcome.seq, 2);
    let mut missed = Vec::new();
    watch(&mut joined.outbox, &mut blank(), |message, _| {
        if let ServerMessage::Op(op) = message {
            missed.push(op.seq);
        }
        !missed.is_empty()
    })
    .await;
    assert_eq!(missed, [2], "what came after the client's last");
    // What was uploaded before can be placed still, and undo knows what was done before.
    room.send(joined.member, place).await.unwrap();
    for _ in 0..3 {
        room.send(joined.member, RoomCommand::Undo).await.unwrap();
    }
    let mut last = 0;
    watch(&mut joined.outbox, &mut blank(), |message, _| {
        if let ServerMessage::Ack { seq, .. } = message {
            last = *seq;
        }
        last == 6
    })
    .await;
    let white = Pixels::new(SIZE.width, SIZE.height, [255; 3]);
    assert!(room.image(PictureLayer::Sketch).await.unwrap() == Some(white));
    registry.shut_down().await;
}

#[tokio::test]
async fn an_idle_room_leaves_memory_and_comes_back() {
    let store = store();
    let registry = start_with(&store, |options, limits| {
        options.idle_after = Duration::from_millis(10);
        limits.rooms_max = 1;
    });
    let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
    paint(&room, &mut joined, "a").await;
    let result = room.image(PictureLayer::Result).await.unwrap();
    drop(joined);
    while registry.counts().rooms > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let id = store.journal.rooms().unwrap()[0].room;
    assert!(store.journal.read_snapshot(id).unwrap().is_some());
    let (room, joined) = registry.join("studio", hello(2)).await.unwrap();
    assert_eq!(joined.welcome.seq, 1);
    assert!(room.image(PictureLayer::Result).await.unwrap() == result);
    registry.shut_down().await;
}

/// Leaves a room and waits until it knows.
async fn leave(room: &RoomHandle, joined: Joined) {
    drop(joined);
    while room.members() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn rooms_that_nobody_is_in_can_leave_memory_and_the_one_left_first_is_named_first() {
    let registry = start(&store());
    let mut rooms = Vec::new();
    for name in ["one", "two", "three"] {
        let (room, mut joined) = registry.join(name, hello(1)).await.unwrap();
        paint(&room, &mut joined, "a").await;
        rooms.push((room, joined));
    }
    let (three, joined_three) = rooms.pop().unwrap();
    let (two, joined_two) = rooms.pop().unwrap();
    let (one, joined_one) = rooms.pop().unwrap();
    let result = two.image(PictureLayer::Result).await.unwrap();
    assert!(registry.resting().is_empty(), "somebody is everywhere");
    leave(&two, joined_two).await;
    leave(&one, joined_one).await;
    let resting = registry.resting();
    let names: Vec<&str> = resting.iter().map(RoomHandle::name).collect();
    assert_eq!(names, ["two", "one"]);

    assert!(registry.put_to_rest(&two).await);
    assert!(registry.running("two").is_none() && registry.exists("two"));
    assert_eq!(registry.counts().rooms, 2);
    let (room, joined) = registry.join("two", hello(2)).await.unwrap();
    assert_eq!(joined.welcome.seq, 1);
    assert!(room.image(PictureLayer::Result).await.unwrap() == result);

    // Who is in a room stays, and the room goes once they have left.
    let asked = tokio::time::timeout(Duration::from_millis(50), registry.put_to_rest(&three));
    assert!(asked.await.is_err(), "it waits for them");
    assert_eq!(
        registry.running("three").map(|room| room.members()),
        Some(1)
    );
    drop(joined_three);
    while registry.running("three").is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    registry.shut_down().await;
}

#[tokio::test]
async fn what_is_kept_nowhere_does_not_leave_memory() {
    let renderer = Arc::new(Quick {
        model: model(),
        settings: settings(),
    });
    let limits = RegistryLimits::default();
    let registry = RoomRegistry::new(renderer, options(), limits, CancellationToken::new());
    let (room, joined) = registry.join("studio", hello(1)).await.unwrap();
    leave(&room, joined).await;
    assert!(registry.resting().is_empty());
    registry.shut_down().await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_acknowledged_and_ends_the_room() {
    let store = store();
    let registry = start(&store);
    let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
    paint(&room, &mut joined, "a").await;
    let room_id = StoredRoom::try_from(store.journal.rooms().unwrap().remove(0))
        .unwrap()
        .id;
    // Behind its back the journal loses the room.
    store.journal.delete(room_id).await.unwrap();
    let stroke = chunk("b", true, &[[50.0, 50.0, 1.0]], true);
    room.send(joined.member, stroke).await.unwrap();
    let mut last = None;
    while let Some(outgoing) = joined.outbox.next().await {
        if let Outgoing::Text(text) = &outgoing {
            let message: ServerMessage = serde_json::from_slice(text).unwrap();
            let is_of_the_stroke = match &message {
                ServerMessage::Ack { seq, .. } => *seq >= 2,
                ServerMessage::Op(op) => op.seq >= 2,
                _ => false,
            };
            assert!(!is_of_the_stroke, "{message:?}");
        }
        last = Some(outgoing);
    }
    assert_eq!(last, Some(Outgoing::Goaway(CloseReason::NotKept)));
    let gone = registry.join("studio", hello(1)).await.err();
    let gone = gone.map(|error| error.to_string()).unwrap_or_default();
    assert!(gone.contains("cannot be opened"), "{gone}");
}

#[tokio::test]
async fn a_picture_on_a_layer_comes_back_with_its_transparency() {
    let store = store();
    let registry = start(&store);
    let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
    let mut sticker = LayerPixels::empty(SIZE);
    for (at, alpha) in sticker
        .alpha
        .iter_mut()
        .enumerate()
        .filter(|(at, _)| at % 3 > 0)
    {
        *alpha = (at % 251) as u8;
        sticker.color.data_mut()[at * 3] = 200;
    }
    let image = room.store_image(sticker).await.unwrap();
    let place = RoomCommand::Place(Placement {
        image: image.clone(),
        layer: Some(LOWEST_LAYER),
        ..Placement::default()
    });
    room.send(joined.member, place.clone()).await.unwrap();
    paint(&room, &mut joined, "a").await;
    let sketch = room.image(PictureLayer::Sketch).await.unwrap();
    registry.shut_down().await;

    let registry = start(&store);
    let (room, joined) = registry.join("studio", hello(1)).await.unwrap();
    assert!(room.image(PictureLayer::Sketch).await.unwrap() == sketch);
    assert!(
        needed_blobs(&store)
            .unwrap()
            .contains(&image.parse().unwrap())
    );
    // The upload is there to be laid once more, and covers what was painted over it.
    room.send(joined.member, place).await.unwrap();
    assert!(room.image(PictureLayer::Sketch).await.unwrap() != sketch);
}

/// From the journal alone, and again from a snapshot.
#[tokio::test]
async fn a_reference_comes_back_with_the_settings_that_name_it() {
    let store = store();
    let seeing = ModelInfo {
        ip_adapters: vec![ControlInfo {
            name: "ip".to_owned(),
            class: "IPAdapter".to_owned(),
        }],
        ..model()
    };
    let start = || start_on(&store, seeing.clone(), |_, _| {});
    let registry = start();
    let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
    let picture = Pixels::new(900, 700, [10, 200, 30]);
    let image = room.store_reference(picture).await.unwrap();
    let named = SettingsPatch {
        reference: Some(image.clone()),
        ..SettingsPatch::default()
    };
    let named = RoomCommand::Settings(named);
    room.send(joined.member, named).await.unwrap();
    paint(&room, &mut joined, "a").await;
    registry.shut_down().await;
    for _ in 0..2 {
        let registry = start();
        let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
        assert_eq!(joined.welcome.settings.reference, image);
        let needed = needed_blobs(&store).unwrap();
        assert!(needed.contains(&image.parse().unwrap()));
        for blob in needed {
            assert!(store.blobs.contains(blob).unwrap());
        }
        let id = Uuid::new_v4().to_string();
        paint(&room, &mut joined, &id).await;
        registry.shut_down().await;
    }
}

#[tokio::test]
async fn pictures_that_no_room_names_are_found() {
    let store = store();
    let registry = start_with(&store, |options, _| {
        options.idle_after = Duration::from_millis(10);
    });
    let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
    let unplaced = Pixels::new(SIZE.width, SIZE.height, [1, 2, 3]);
    let unplaced = room.store_image(unplaced).await.unwrap();
    paint(&room, &mut joined, "a").await;
    drop(joined);
    while registry.counts().rooms > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Nothing is old enough to go.
    registry.sweep();
    assert!(store.blobs.contains(unplaced.parse().unwrap()).unwrap());
    let needed = needed_blobs(&store).unwrap();
    assert!(!needed.is_empty());
    assert!(!needed.contains(&unplaced.parse().unwrap()));
    for blob in needed {
        assert!(store.blobs.contains(blob).unwrap());
    }
}

#[tokio::test]
async fn what_owners_decided_outlives_the_server_and_no_copy_has_it() {
    let store = store();
    let registry = start(&store);
    let mut owner = hello(1);
    owner.role = Role::Owner;
    let (room, mut joined) = registry.join("studio", owner.clone()).await.unwrap();
    let mut others = Vec::new();
    for number in [2, 3] {
        others.push(registry.join("studio", hello(number)).await.unwrap().1);
    }
    let [made_owner, sent_away] = [client(2), client(3)];
    for command in [
        RoomCommand::Role {
            client: made_owner,
            role: Role::Owner,
        },
        RoomCommand::Remove { client: sent_away },
        RoomCommand::Lock { locked: true },
    ] {
        room.send(joined.member, command).await.unwrap();
    }
    watch(
        &mut joined.outbox,
        &mut blank(),
        |message, _| matches!(message, ServerMessage::Room(news) if news.locked),
    )
    .await;
    registry
        .rename("studio", Some("Boats".to_owned()))
        .await
        .unwrap();
    registry.copy("studio", "copy", None).await.unwrap();
    registry.shut_down().await;

    let registry = start(&store);
    let (_, back) = registry.join("studio", hello(2)).await.unwrap();
    assert_eq!(back.welcome.role, Role::Owner, "its invite is an editor's");
    assert!(back.welcome.locked);
    assert_eq!(back.welcome.removed[0].client, sent_away);
    let facts = registry.facts("studio").await.unwrap().unwrap();
    assert_eq!(facts.title.as_deref(), Some("Boats"));
    let refused = registry.join("studio", hello(3)).await;
    assert!(matches!(refused, Err(RoomError::Removed)));
    let (_, copied) = registry.join("copy", hello(2)).await.unwrap();
    assert_eq!(copied.welcome.role, Role::Editor);
    assert!(!copied.welcome.locked && copied.welcome.removed.is_empty());
    registry.shut_down().await;
}

/// What is recorded on disk of the only room.
fn recorded(store: &RoomStore) -> Vec<RecordedPicture> {
    let room = StoredRoom::try_from(store.journal.rooms().unwrap().remove(0)).unwrap();
    read_recording(store, &room).unwrap().into_pictures()
}

fn seqs(pictures: &[RecordedPicture]) -> Vec<u64> {
    pictures.iter().map(|picture| picture.seq).collect()
}

#[tokio::test]
async fn a_recording_shows_the_room_over_time_and_lasts_as_long_as_it() {
    let store = store();
    let registry = start_with(&store, |options, _| {
        options.idle_after = Duration::from_millis(10);
    });
    let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
    let before = registry.recording("studio").await.unwrap();
    assert_eq!(seqs(before.pictures()), [0], "the paper as it is now");
    paint(&room, &mut joined, "a").await;
    while recorded(&store).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(seqs(&recorded(&store)), [1]);
    let first = registry.recording("studio").await.unwrap();
    assert_eq!(seqs(first.pictures()), [1], "no picture is there twice");
    // Too soon for another one on disk; what is shown now is the last in any case.
    paint_at(&room, &mut joined, "b", 70.0).await;
    let both = registry.recording("studio").await.unwrap();
    assert_eq!(seqs(both.pictures()), [1, 2]);
    assert_eq!(both.file(0).unwrap(), first.file(0).unwrap());
    let result = room.image(PictureLayer::Result).await.unwrap().unwrap();
    drop(joined);
    while registry.counts().rooms > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The room's end records what was not yet.
    let pictures = recorded(&store);
    assert_eq!(seqs(&pictures), [1, 2]);
    assert!(pictures[0].at_ms <= pictures[1].at_ms);
    let blobs = needed_blobs(&store).unwrap();
    for picture in &pictures {
        assert!(blobs.contains(&picture.blob.parse().unwrap()));
    }
    registry.shut_down().await;

    let registry = start(&store);
    registry.copy("studio", "copy", None).await.unwrap();
    for name in ["studio", "copy"] {
        let recording = registry.recording(name).await.unwrap();
        assert_eq!(recording.pictures(), pictures, "{name}");
        let last = recording.pixels(1).unwrap();
        let expected = fit_to(&result, size_within(SIZE, 512));
        let apart = pixel_rms(last.data(), expected.data()).unwrap();
        assert!(apart < 0.03, "{apart}");
        let first = recording.pixels(0).unwrap();
        assert!(pixel_rms(first.data(), expected.data()).unwrap() > apart);
    }
    assert_eq!(registry.counts().rooms, 0, "none was brought back for it");
    let nowhere = registry.recording("nowhere").await;
    assert!(matches!(nowhere, Err(RoomError::Unknown)));
    registry.delete("studio").await.unwrap();
    assert!(matches!(
        registry.recording("studio").await,
        Err(RoomError::Unknown)
    ));
    registry.recording("copy").await.unwrap().file(1).unwrap();
    registry.delete("copy").await.unwrap();
    assert!(needed_blobs(&store).unwrap().is_empty());
    registry.shut_down().await;
}

/// A journal whose disk is full while it is told to be.
#[derive(Debug, Default)]
struct FullDisk {
    journal: MemoryJournal,
    is_full: AtomicBool,
}

impl Journal for FullDisk {
    fn submit(&self, room: Uuid, change: Change) -> Pending {
        let change = match (self.is_full.load(Ordering::Relaxed), change) {
            // What a journal refuses changes nothing, as what it has no room for.
            (true, Change::Append { records, .. }) => Change::Append {
                first: u64::MAX,
                records,
            },
            (_, change) => change,
        };
        self.journal.submit(room, change)
    }

    fn ready(&self) -> Ready {
        self.journal.ready()
    }

    fn open_room(&self, room: Uuid) -> Result<OpenedRoom, JournalError> {
        match self.is_full.load(Ordering::Relaxed) {
            true => Err(JournalError::DiskFull),
            false => self.journal.open_room(room),
        }
    }

    fn read(&self, room: Uuid, from: u64, max_bytes: usize) -> Result<Page, JournalError> {
        self.journal.read(room, from, max_bytes)
    }

    fn read_snapshot(&self, room: Uuid) -> Result<Option<Snapshot>, JournalError> {
        self.journal.read_snapshot(room)
    }

    fn snapshots(&self, room: Uuid) -> Result<Vec<Snapshot>, JournalError> {
        self.journal.snapshots(room)
    }

    fn room(&self, room: Uuid) -> Result<RoomSummary, JournalError> {
        self.journal.room(room)
    }

    fn rooms(&self) -> Result<Vec<RoomSummary>, JournalError> {
        self.journal.rooms()
    }
}

#[tokio::test]
async fn a_full_disk_ends_the_room_says_so_and_loses_nothing() {
    let disk = Arc::new(FullDisk::default());
    let store = RoomStore::new(disk.clone(), Arc::new(MemoryBlobs::new()));
    let registry = start(&store);
    let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
    paint(&room, &mut joined, "a").await;
    disk.is_full.store(true, Ordering::Relaxed);
    let stroke = chunk("b", true, &[[50.0, 150.0, 1.0]], true);
    room.send(joined.member, stroke.clone()).await.unwrap();
    let mut last = None;
    while let Some(outgoing) = joined.outbox.next().await {
        last = Some(outgoing);
    }
    assert_eq!(last, Some(Outgoing::Goaway(CloseReason::NotKept)));
    let refused = registry.join("studio", hello(1)).await.err();
    let refused = refused.map(|error| error.to_string()).unwrap_or_default();
    assert!(
        refused.contains("disk of the data folder is full"),
        "{refused}"
    );
    assert!(refused.contains("free some space"), "{refused}");

    // With room again the member comes back to what was acknowledged, and sends the rest again.
    disk.is_full.store(false, Ordering::Relaxed);
    let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
    assert_eq!(joined.welcome.seq, 1);
    room.send(joined.member, stroke).await.unwrap();
    let mut acknowledged = 0;
    watch(&mut joined.outbox, &mut blank(), |message, _| {
        if let ServerMessage::Ack { seq, .. } = message {
            acknowledged = *seq;
        }
        acknowledged > 0
    })
    .await;
    assert_eq!(acknowledged, 2);
    registry.shut_down().await;
}
