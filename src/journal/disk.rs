//! The journal on disk.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use redb::{Database, StorageBackend, backends::FileBackend};
use uuid::Uuid;

use super::{
    Change, Journal, JournalError, OpenedRoom, Page, Pending, Ready, RoomSummary, Snapshot,
    storage::{Opener, Storage},
    tables,
    writer::Writer,
};

/// The database in the data folder.
const FILE: &str = "journal.redb";

/// How the journal on disk goes about it.
#[derive(Clone, Copy, Debug)]
pub struct DiskOptions {
    /// How long changes are gathered into one transaction.
    pub gather: Duration,
    /// How long changes are refused after the storage failed, before it is tried again.
    pub retry: Duration,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(5),
            retry: Duration::from_secs(1),
        }
    }
}

/// Keeps every room in one database. One thread writes, for all rooms; see [`Journal`].
#[derive(Debug)]
pub struct DiskJournal {
    // Before the storage: it is joined first.
    writer: Writer,
    storage: Arc<Storage>,
}

impl DiskJournal {
    /// Opens the journal in a data folder, or makes both.
    ///
    /// # Errors
    /// [`JournalError::FolderInUse`], [`JournalError::OtherVersion`], [`JournalError::ReadOnly`],
    /// [`JournalError::DiskFull`], [`JournalError::Storage`].
    pub fn open(folder: &Path, options: DiskOptions) -> Result<Self, JournalError> {
        fs::create_dir_all(folder).map_err(|error| JournalError::from(&error))?;
        let file = folder.join(FILE);
        let fresh = !file.exists();
        let name = folder.display().to_string();
        let journal = Self::with_opener(Box::new(move || open_file(&file)), name, options)?;
        if fresh {
            sync_folder(folder)?;
        }
        Ok(journal)
    }

    /// A journal whose database is opened by a function, and again after each failure.
    pub(super) fn with_opener(
        open: Opener,
        folder: String,
        options: DiskOptions,
    ) -> Result<Self, JournalError> {
        let storage = Arc::new(Storage::open(open, folder)?);
        Ok(Self {
            writer: Writer::start(storage.clone(), options.gather, options.retry)?,
            storage,
        })
    }
}

fn open_file(file: &Path) -> io::Result<Box<dyn StorageBackend>> {
    let file = fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(file)?;
    let backend = FileBackend::new(file).map_err(io::Error::other)?;
    Ok(Box::new(backend))
}

/// Makes new names in a folder survive a power cut. Windows has no such call.
pub(super) fn sync_folder(folder: &Path) -> Result<(), JournalError> {
    if cfg!(unix) {
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| JournalError::from(&error))?;
    }
    Ok(())
}

impl Journal for DiskJournal {
    fn submit(&self, room: Uuid, change: Change) -> Pending {
        self.writer.submit(room, change)
    }

    fn ready(&self) -> Ready {
        self.writer.ready()
    }

    fn open_room(&self, room: Uuid) -> Result<OpenedRoom, JournalError> {
        let check = |database: &Database| tables::check(database, room);
        let (summary, cut) = self.storage.read(check)?;
        let Some(cut) = cut else {
            return Ok(OpenedRoom { summary, cut: None });
        };
        tracing::error!(%room, first = cut.first, last = cut.last, "a torn log was cut");
        let last = cut.first - 1;
        self.submit(room, Change::Cut { last }).wait()?;
        let (summary, _) = self.storage.read(check)?;
        Ok(OpenedRoom {
            summary,
            cut: Some(cut),
        })
    }

    fn read(&self, room: Uuid, from: u64, max_bytes: usize) -> Result<Page, JournalError> {
        self.storage
            .read(|database| tables::read(database, room, from, max_bytes))
    }

    fn read_snapshot(&self, room: Uuid) -> Result<Option<Snapshot>, JournalError> {
        self.storage
            .read(|database| tables::snapshot(database, room))
    }

    fn snapshots(&self, room: Uuid) -> Result<Vec<Snapshot>, JournalError> {
        self.storage
            .read(|database| tables::snapshots(database, room).map(|(good, _)| good))
    }

    fn room(&self, room: Uuid) -> Result<RoomSummary, JournalError> {
        self.storage.read(|database| tables::room(database, room))
    }

    fn rooms(&self) -> Result<Vec<RoomSummary>, JournalError> {
        self.storage.read(tables::rooms)
    }
}
