//! The task that keeps a room's records, in their order.

use std::{mem, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle, JoinSet, spawn_blocking},
    time::Instant,
};
use uuid::Uuid;

use super::{
    Record, RecordedPicture, Recording, RoomStore, StoreError, recording::keep_picture,
    snapshot::encode_snapshot,
};
use crate::{
    canvas::Pixels,
    journal::{Journal, JournalError, since_1970_ms},
    picture_file::Origin,
    room::document::DocumentSnapshot,
};

/// Records and snapshots that wait at most.
const WAITING_MOST: usize = 256;
/// Below so many free places the room takes no further message: one may make several records.
const PLACES_LEAST: usize = 16;
/// Records that are committed together at most.
const BATCH_MOST: usize = 64;
/// A snapshot is due after so many records, so many bytes of them, or so long.
const SNAPSHOT_RECORDS: u64 = 1000;
const SNAPSHOT_BYTES: usize = 8 << 20;
const SNAPSHOT_AFTER: Duration = Duration::from_secs(60);

/// What a recorder is given.
#[derive(Debug)]
pub(in crate::room) enum Entry {
    /// To be appended.
    Record(Box<Record>),
    /// The document after everything that was given before.
    Snapshot(Box<DocumentSnapshot>),
    /// The result after the op `seq`, for the recording.
    Result {
        seq: u64,
        origin: Origin,
        pixels: Pixels,
    },
}

/// How far a recorder is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// `seq` of the last op that is on disk.
    seq: u64,
    /// A snapshot should be given.
    snapshot_due: bool,
    /// Something could not be kept; nothing after it is.
    failed: bool,
    /// Results for the recording that are done with.
    results: u64,
    /// When the next one is due.
    result_due: Option<Instant>,
}

/// The room's end of its recorder. Dropping it ends the task after what was given is kept.
#[derive(Debug)]
pub(in crate::room) struct Recorder {
    entries: mpsc::Sender<Entry>,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<()>,
    /// The last op in the newest result that was given for the recording.
    recorded: u64,
    /// How many were given.
    results: u64,
}

impl Recorder {
    /// Starts the task of a room whose next record has this `seq` in the journal, whose last op is
    /// `last_op`, and of which `recording` is recorded.
    pub(in crate::room) fn start(
        store: RoomStore,
        room: Uuid,
        next_record: u64,
        last_op: u64,
        recording: Recording,
    ) -> Self {
        let recorded = recording.newest().map_or(0, |picture| picture.seq);
        let (entries, receiver) = mpsc::channel(WAITING_MOST);
        let first = Progress {
            seq: last_op,
            ..Progress::default()
        };
        let (sender, progress) = watch::channel(first);
        let keeper = Keeper {
            store,
            room,
            next_record,
            progress: sender,
            snapshots: JoinSet::new(),
            results: JoinSet::new(),
            recording,
            since_snapshot: Since::new(),
        };
        Self {
            entries,
            progress,
            task: tokio::spawn(keeper.run(receiver)),
            recorded,
            results: 0,
        }
    }

    /// Gives an entry; `false` when there is no place for it, or the task has failed.
    pub(in crate::room) fn give(&self, entry: Entry) -> bool {
        self.entries.try_send(entry).is_ok()
    }

    /// Whether the result after the op `seq` should be given for the recording: one at a time, none
    /// twice, and no sooner than its interval after the last one, except when the room ends.
    pub(in crate::room) fn wants_result(&self, seq: u64, room_ends: bool) -> bool {
        let progress = self.progress.borrow();
        let is_due = progress.result_due.is_none_or(|due| Instant::now() >= due);
        seq > self.recorded
            && progress.results == self.results
            && (is_due || room_ends)
            && self.has_places()
    }

    /// Gives the result after the op `seq` for the recording.
    pub(in crate::room) fn give_result(
        &mut self,
        seq: u64,
        origin: Origin,
        pixels: Pixels,
    ) -> bool {
        self.recorded = seq;
        self.results += 1;
        self.give(Entry::Result {
            seq,
            origin,
            pixels,
        })
    }

    /// True while there are places enough for what one message makes.
    pub(in crate::room) fn has_places(&self) -> bool {
        self.entries.capacity() >= PLACES_LEAST
    }

    /// Waits until more is on disk, a snapshot is due, or the task has failed.
    pub(in crate::room) async fn advance(&mut self) {
        if self.progress.changed().await.is_err() {
            // It ended: `has_failed` says so, and nothing more will come.
            std::future::pending::<()>().await;
        }
    }

    /// `seq` of the last op that is on disk.
    pub(in crate::room) fn kept(&self) -> u64 {
        self.progress.borrow().seq
    }

    /// True when something could not be kept.
    pub(in crate::room) fn has_failed(&self) -> bool {
        self.progress.borrow().failed
    }

    /// True when the document should be given.
    pub(in crate::room) fn is_snapshot_due(&self) -> bool {
        self.progress.borrow().snapshot_due
    }

    /// Waits until all that was given is kept, or could not be. Answers `seq` of the last op that is.
    pub(in crate::room) async fn finish(self) -> u64 {
        let Self {
            entries,
            progress,
            task,
            ..
        } = self;
        drop(entries);
        if let Err(error) = task.await {
            tracing::error!(%error, "the task that keeps a room ended early");
        }
        progress.borrow().seq
    }
}

/// What was kept since the last snapshot.
struct Since {
    records: u64,
    bytes: usize,
    at: Instant,
}

impl Since {
    fn new() -> Self {
        Self {
            records: 0,
            bytes: 0,
            at: Instant::now(),
        }
    }

    fn is_enough(&self) -> bool {
        self.records >= SNAPSHOT_RECORDS
            || self.bytes >= SNAPSHOT_BYTES
            || (self.records > 0 && self.at.elapsed() >= SNAPSHOT_AFTER)
    }
}

struct Keeper {
    store: RoomStore,
    room: Uuid,
    next_record: u64,
    progress: watch::Sender<Progress>,
    /// At most one: writing it waits for no record, and no record waits for it.
    snapshots: JoinSet<Result<(), StoreError>>,
    /// At most one picture on its way into the recording, for the same reason.
    results: JoinSet<Result<RecordedPicture, StoreError>>,
    recording: Recording,
    since_snapshot: Since,
}

impl Keeper {
    async fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        if let Err(error) = self.keep(&mut entries).await {
            tracing::error!(%error, room = %self.room, "a room's changes could not be kept");
            self.progress.send_modify(|progress| progress.failed = true);
            return;
        }
        while let Some(written) = self.snapshots.join_next().await {
            log_snapshot(self.room, written);
        }
    }

    /// Keeps what is given until nothing more comes.
    async fn keep(&mut self, entries: &mut mpsc::Receiver<Entry>) -> Result<(), StoreError> {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = entries.recv_many(&mut batch, BATCH_MOST) => {
                    if count == 0 {
                        return self.finish_results().await;
                    }
                    self.keep_all(mem::take(&mut batch)).await?;
                }
                Some(kept) = self.results.join_next() => self.record(kept).await?,
            }
            self.reap_snapshots();
        }
    }

    async fn keep_all(&mut self, batch: Vec<Entry>) -> Result<(), StoreError> {
        let mut records = Vec::new();
        for entry in batch {
            match entry {
                Entry::Record(record) => records.push(*record),
                Entry::Snapshot(document) => {
                    self.append(mem::take(&mut records)).await?;
                    // A record behind the snapshot would have the room replayed to be looked at.
                    self.finish_results().await?;
                    self.write_snapshot(document);
                }
                Entry::Result {
                    seq,
                    origin,
                    pixels,
                } => self.keep_result(seq, origin, pixels),
            }
        }
        self.append(records).await
    }

    /// Makes a small picture of a result, beside everything else.
    fn keep_result(&mut self, seq: u64, origin: Origin, pixels: Pixels) {
        let blobs = self.store.blobs.clone();
        let at_ms = since_1970_ms();
        self.results.spawn(async move {
            let keeping = spawn_blocking(move || keep_picture(blobs.as_ref(), &pixels)).await;
            let (blob, bytes) = keeping.map_err(|_| StoreError::Interrupted)??;
            Ok(RecordedPicture {
                seq,
                at_ms,
                blob: blob.to_string(),
                bytes,
                origin,
            })
        });
    }

    /// Records the pictures that are on their way.
    async fn finish_results(&mut self) -> Result<(), StoreError> {
        while let Some(kept) = self.results.join_next().await {
            self.record(kept).await?;
        }
        Ok(())
    }

    /// A picture is on disk, or could not be: the room goes on without it then.
    async fn record(
        &mut self,
        kept: Result<Result<RecordedPicture, StoreError>, JoinError>,
    ) -> Result<(), StoreError> {
        match kept {
            Ok(Ok(picture)) => {
                let newest = self.recording.newest();
                // A change of what is not seen makes no other picture.
                if newest.is_none_or(|newest| newest.blob != picture.blob) {
                    self.append(vec![Record::Recorded(picture.clone())]).await?;
                    self.recording.add(picture);
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, room = %self.room, "a picture was not recorded");
            }
            Err(error) => {
                tracing::error!(%error, room = %self.room, "a task that records ended early");
            }
        }
        let due = Instant::now() + Duration::from_millis(self.recording.interval_ms());
        self.progress.send_modify(|progress| {
            progress.results += 1;
            progress.result_due = Some(due);
        });
        Ok(())
    }

    async fn append(&mut self, records: Vec<Record>) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let last_op = records.iter().rev().find_map(|record| match record {
            Record::Op(op) => Some(op.seq),
            Record::Picture(_) | Record::Recorded(_) => None,
        });
        let has_pictures = records
            .iter()
            .any(|record| matches!(record, Record::Picture(_)));
        let bytes = match has_pictures {
            false => encode_all(&records)?,
            true => spawn_blocking(move || encode_all(&records))
                .await
                .map_err(|_| StoreError::Interrupted)??,
        };
        let (count, length) = (
            bytes.len() as u64,
            bytes.iter().map(Vec::len).sum::<usize>(),
        );
        self.submit(bytes).await?;
        self.next_record += count;
        self.since_snapshot.records += count;
        self.since_snapshot.bytes += length;
        let is_due = self.since_snapshot.is_enough() && self.snapshots.is_empty();
        self.progress.send_modify(|progress| {
            progress.seq = last_op.unwrap_or(progress.seq);
            progress.snapshot_due = is_due;
        });
        Ok(())
    }

    async fn submit(&self, records: Vec<Vec<u8>>) -> Result<(), JournalError> {
        let journal = &self.store.journal;
        loop {
            journal.ready().await;
            let appended = journal.append(self.room, self.next_record, records.clone());
            match appended.await {
                // Another room took the place.
                Err(JournalError::QueueFull) => {}
                done => return done,
            }
        }
    }

    fn write_snapshot(&mut self, document: Box<DocumentSnapshot>) {
        self.since_snapshot = Since::new();
        self.progress
            .send_modify(|progress| progress.snapshot_due = false);
        if !self.snapshots.is_empty() {
            return;
        }
        let (store, room, seq) = (self.store.clone(), self.room, self.next_record - 1);
        let recording = self.recording.clone();
        self.snapshots.spawn(async move {
            let blobs = store.blobs.clone();
            let encode = move || encode_snapshot(&document, &recording, blobs.as_ref());
            let bytes = spawn_blocking(encode)
                .await
                .map_err(|_| StoreError::Interrupted)??;
            keep_snapshot(store.journal, room, seq, bytes).await
        });
    }

    fn reap_snapshots(&mut self) {
        while let Some(written) = self.snapshots.try_join_next() {
            log_snapshot(self.room, written);
        }
    }
}

async fn keep_snapshot(
    journal: Arc<dyn Journal>,
    room: Uuid,
    seq: u64,
    bytes: Vec<u8>,
) -> Result<(), StoreError> {
    journal.ready().await;
    journal.write_snapshot(room, seq, bytes).await?;
    journal.trim(room).await?;
    Ok(())
}

fn encode_all(records: &[Record]) -> Result<Vec<Vec<u8>>, StoreError> {
    records.iter().map(Record::encode).collect()
}

/// Without a snapshot nothing is lost: the records are there, and another one is due later.
fn log_snapshot(room: Uuid, written: Result<Result<(), StoreError>, JoinError>) {
    match written {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, %room, "a snapshot was not kept"),
        Err(error) => tracing::error!(%error, %room, "the task that keeps a snapshot ended early"),
    }
}
