//! The open database, which is opened again when it has failed.

use std::{
    fmt, io,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use redb::{Database, DatabaseError, StorageBackend};

use super::{JournalError, backend::Backend, tables};

/// Pages of the database that are kept in memory, in bytes.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Opens what the database is in: the file, or a backend of a test.
pub(super) type Opener = Box<dyn Fn() -> io::Result<Box<dyn StorageBackend>> + Send + Sync>;

struct State {
    database: Result<Database, JournalError>,
    /// Why the database cannot be written. It may still be read then.
    broken: Option<JournalError>,
}

/// redb refuses everything after an I/O error, reads too, until the database is opened again.
pub(super) struct Storage {
    state: RwLock<State>,
    open: Opener,
    /// How error messages name the folder.
    folder: String,
}

impl fmt::Debug for Storage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Storage").finish_non_exhaustive()
    }
}

impl Storage {
    /// # Errors
    /// Those of `DiskJournal::open`.
    pub(super) fn open(open: Opener, folder: String) -> Result<Self, JournalError> {
        let database = open_database(&open, &folder, false)?;
        let state = State {
            database: Ok(database),
            broken: None,
        };
        Ok(Self {
            state: RwLock::new(state),
            open,
            folder,
        })
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads; where the storage fails, once again from a database that was opened again.
    pub(super) fn read<T>(
        &self,
        work: impl Fn(&Database) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        match self.read_once(&work) {
            Err(error) if error.is_storage() => {
                self.reopen();
                self.read_once(&work)
            }
            result => result,
        }
    }

    fn read_once<T>(
        &self,
        work: impl Fn(&Database) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        match &self.state().database {
            Ok(database) => work(database),
            Err(error) => Err(error.clone()),
        }
    }

    /// Writes. After a failure the database is opened again, so that it can be read; when that
    /// has failed, it is tried again at the next write.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        if self.state().broken.is_some() {
            self.reopen();
        }
        let result = {
            let state = self.state();
            match (&state.broken, &state.database) {
                (Some(error), _) | (None, Err(error)) => return Err(error.clone()),
                (None, Ok(database)) => work(database),
            }
        };
        if result.is_err() {
            self.reopen();
        }
        result
    }

    fn reopen(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // The old one must be closed before its lock can be had again.
        state.database = Err(JournalError::Closed);
        state.database = open_database(&self.open, &self.folder, false);
        state.broken = state.database.as_ref().err().cloned();
        if state.broken.is_some() {
            state.database = open_database(&self.open, &self.folder, true);
        }
    }
}

fn open_database(open: &Opener, folder: &str, frozen: bool) -> Result<Database, JournalError> {
    let opened = open().and_then(|backend| {
        if frozen {
            Backend::frozen(backend)
        } else {
            Ok(Backend::direct(backend))
        }
    });
    let backend = opened.map_err(|error| JournalError::from(&error))?;
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(backend)
        .map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                JournalError::FolderInUse(folder.to_owned())
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
