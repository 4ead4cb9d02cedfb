//! The journal on disk.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use redb::{Database, DatabaseError};
use uuid::Uuid;

use super::{
    Change, Journal, JournalError, OpenedRoom, Page, Pending, Ready, RoomSummary, Snapshot, tables,
    writer::Writer,
};

/// The database in the data folder.
const FILE: &str = "journal.redb";
/// Pages of the database that are kept in memory, in bytes.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

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

type Opener = Box<dyn Fn() -> Result<Database, JournalError> + Send + Sync>;

/// The database, which is opened again when it has failed: redb refuses everything after an
/// I/O error, reads too.
pub(super) struct Storage {
    database: RwLock<Result<Database, JournalError>>,
    open: Opener,
}

impl fmt::Debug for Storage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Storage").finish_non_exhaustive()
    }
}

impl Storage {
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        match &*database {
            Ok(database) => work(database),
            Err(error) => Err(error.clone()),
        }
    }

    /// Closes the database and opens it again, when no reader is inside.
    pub(super) fn reopen(&self) {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // The old one must be closed before its lock can be had again.
        *database = Err(JournalError::Closed);
        *database = (self.open)();
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
        let journal = Self::with_opener(Box::new(move || open_file(&file)), options)?;
        if fresh {
            sync_folder(folder)?;
        }
        Ok(journal)
    }

    /// A journal whose database is opened by a function, and again after each failure.
    pub(super) fn with_opener(open: Opener, options: DiskOptions) -> Result<Self, JournalError> {
        let storage = Arc::new(Storage {
            database: RwLock::new(Ok(open()?)),
            open,
        });
        Ok(Self {
            writer: Writer::start(storage.clone(), options.gather, options.retry)?,
            storage,
        })
    }
}

fn open_file(file: &PathBuf) -> Result<Database, JournalError> {
    let opened = Database::builder().set_cache_size(CACHE_BYTES).create(file);
    let database = opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            let folder = file.parent().unwrap_or(file);
            JournalError::FolderInUse(folder.display().to_string())
        }
        DatabaseError::UpgradeRequired(found) => JournalError::OtherVersion {
            found: u64::from(found),
            expected: tables::FORMAT_VERSION,
        },
        other => JournalError::from(other),
    })?;
    tables::prepare(&database)?;
    Ok(database)
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
        let (summary, cut) = self.storage.with(check)?;
        let Some(cut) = cut else {
            return Ok(OpenedRoom { summary, cut: None });
        };
        tracing::error!(%room, first = cut.first, last = cut.last, "a torn log was cut");
        let last = cut.first - 1;
        self.submit(room, Change::Cut { last }).wait()?;
        let (summary, _) = self.storage.with(check)?;
        Ok(OpenedRoom {
            summary,
            cut: Some(cut),
        })
    }

    fn read(&self, room: Uuid, from: u64, max_bytes: usize) -> Result<Page, JournalError> {
        self.storage
            .with(|database| tables::read(database, room, from, max_bytes))
    }

    fn read_snapshot(&self, room: Uuid) -> Result<Option<Snapshot>, JournalError> {
        self.storage
            .with(|database| tables::snapshot(database, room))
    }

    fn rooms(&self) -> Result<Vec<RoomSummary>, JournalError> {
        self.storage.with(tables::rooms)
    }
}
