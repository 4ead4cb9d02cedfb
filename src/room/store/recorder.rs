//! The task that keeps a room's records, in their order.

use std::{mem, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet, spawn_blocking},
    time::Instant,
};
use uuid::Uuid;

use super::{Record, RoomStore, StoreError, snapshot::encode_snapshot};
use crate::{
    journal::{Journal, JournalError},
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
}

/// The room's end of its recorder. Dropping it ends the task after what was given is kept.
#[derive(Debug)]
pub(in crate::room) struct Recorder {
    entries: mpsc::Sender<Entry>,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Starts the task of a room whose next record has this `seq` in the journal, and whose last op
    /// is `last_op`.
    pub(in crate::room) fn start(
        store: RoomStore,
        room: Uuid,
        next_record: u64,
        last_op: u64,
    ) -> Self {
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
            since_snapshot: Since::new(),
        };
        Self {
            entries,
            progress,
            task: tokio::spawn(keeper.run(receiver)),
        }
    }

    /// Gives an entry; `false` when there is no place for it, or the task has failed.
    pub(in crate::room) fn give(&self, entry: Entry) -> bool {
        self.entries.try_send(entry).is_ok()
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
    since_snapshot: Since,
}

impl Keeper {
    async fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        let mut batch = Vec::new();
        while entries.recv_many(&mut batch, BATCH_MOST).await > 0 {
            if let Err(error) = self.keep_all(mem::take(&mut batch)).await {
                tracing::error!(%error, room = %self.room, "a room's changes could not be kept");
                self.progress.send_modify(|progress| progress.failed = true);
                return;
            }
            self.reap_snapshots();
        }
        while let Some(written) = self.snapshots.join_next().await {
            log_snapshot(self.room, written);
        }
    }

    async fn keep_all(&mut self, batch: Vec<Entry>) -> Result<(), StoreError> {
        let mut records = Vec::new();
        for entry in batch {
            match entry {
                Entry::Record(record) => records.push(*record),
                Entry::Snapshot(document) => {
                    self.append(mem::take(&mut records)).await?;
                    self.write_snapshot(document);
                }
            }
        }
        self.append(records).await
    }

    async fn append(&mut self, records: Vec<Record>) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let last_op = records.iter().rev().find_map(|record| match record {
            Record::Op(op) => Some(op.seq),
            Record::Picture(_) => None,
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
        self.snapshots.spawn(async move {
            let blobs = store.blobs.clone();
            let bytes = spawn_blocking(move || encode_snapshot(&document, blobs.as_ref()))
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
fn log_snapshot(room: Uuid, written: Result<Result<(), StoreError>, tokio::task::JoinError>) {
    match written {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, %room, "a snapshot was not kept"),
        Err(error) => tracing::error!(%error, %room, "the task that keeps a snapshot ended early"),
    }
}
