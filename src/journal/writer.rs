//! The thread that writes: it gathers the changes of all rooms into transactions.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use redb::Database;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

use super::{Change, JournalError, Pending, Ready, clock::since_1970_ms, storage::Storage, tables};

/// Changes that wait for the disk at most.
const QUEUE_MAX: u32 = 4096;
/// Bytes that each place in the queue stands for: larger changes take several.
const PLACE_BYTES: usize = 16 * 1024;
/// Changes in one transaction at most.
const BATCH_MAX: usize = 1024;

struct Command {
    room: Uuid,
    change: Change,
    answer: oneshot::Sender<Result<(), JournalError>>,
    _places: OwnedSemaphorePermit,
}

/// The queue to the writer's thread. Dropping it commits what was accepted and joins the thread.
#[derive(Debug)]
pub(super) struct Writer {
    places: Arc<Semaphore>,
    queue: Option<mpsc::SyncSender<Command>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It gathers changes for `gather` before it commits them, and after a
    /// failure refuses changes for `retry`.
    pub(super) fn start(
        storage: Arc<Storage>,
        gather: Duration,
        retry: Duration,
    ) -> Result<Self, JournalError> {
        let (queue, commands) = mpsc::sync_channel(QUEUE_MAX as usize);
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || run(&storage, &commands, gather, retry))
            .map_err(|error| JournalError::from(&error))?;
        Ok(Self {
            places: Arc::new(Semaphore::new(QUEUE_MAX as usize)),
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    pub(super) fn submit(&self, room: Uuid, change: Change) -> Pending {
        let bytes = change.len();
        let max = QUEUE_MAX as usize * PLACE_BYTES;
        if bytes > max {
            return Pending::done(Err(JournalError::TooLarge { bytes, max }));
        }
        let places = u32::try_from(bytes.div_ceil(PLACE_BYTES).max(1)).unwrap_or(QUEUE_MAX);
        let Ok(places) = self.places.clone().try_acquire_many_owned(places) else {
            return Pending::done(Err(JournalError::QueueFull));
        };
        let Some(queue) = &self.queue else {
            return Pending::done(Err(JournalError::Closed));
        };
        let (answer, pending) = Pending::new();
        let command = Command {
            room,
            change,
            answer,
            _places: places,
        };
        match queue.try_send(command) {
            Ok(()) => pending,
            Err(mpsc::TrySendError::Full(_)) => Pending::done(Err(JournalError::QueueFull)),
            Err(mpsc::TrySendError::Disconnected(_)) => Pending::done(Err(JournalError::Closed)),
        }
    }

    pub(super) fn ready(&self) -> Ready {
        let places = self.places.clone();
        Box::pin(async move {
            // Taken and given back: it is the wait that counts. The semaphore is never closed.
            drop(places.acquire_owned().await);
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread panicked");
        }
    }
}

fn run(storage: &Storage, commands: &mpsc::Receiver<Command>, gather: Duration, retry: Duration) {
    let mut failed: Option<(Instant, JournalError)> = None;
    while let Ok(command) = commands.recv() {
        let mut batch = vec![command];
        let end = Instant::now() + gather;
        while batch.len() < BATCH_MAX {
            let left = end.saturating_duration_since(Instant::now());
            match commands.recv_timeout(left) {
                Ok(command) => batch.push(command),
                Err(_) => break,
            }
        }
        let result = match &failed {
            Some((at, error)) if at.elapsed() < retry => Err(error.clone()),
            _ => commit(storage, &batch),
        };
        match result {
            Ok(answers) => {
                if failed.take().is_some() {
                    tracing::info!("the journal keeps changes again");
                }
                for (command, answer) in batch.into_iter().zip(answers) {
                    // Who does not wait for the answer does not want it.
                    let _ = command.answer.send(answer);
                }
            }
            Err(error) => {
                if failed.is_none() {
                    tracing::error!(%error, "the journal cannot keep changes");
                }
                if failed.as_ref().is_none_or(|(at, _)| at.elapsed() >= retry) {
                    failed = Some((Instant::now(), error.clone()));
                }
                for command in batch {
                    let _ = command.answer.send(Err(error.clone()));
                }
            }
        }
    }
}

fn commit(
    storage: &Storage,
    batch: &[Command],
) -> Result<Vec<Result<(), JournalError>>, JournalError> {
    let now_ms = since_1970_ms();
    let changes = batch.iter().map(|command| (command.room, &command.change));
    let write = |database: &Database| tables::commit(database, changes, now_ms);
    storage.write(write)
}
