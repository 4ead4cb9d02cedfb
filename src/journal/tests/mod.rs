//! One contract for every journal, and faults for the one on disk.

mod blob_contract;
mod contract;
mod damage;
mod faults;
mod faulty_backend;
mod kill;

use std::time::Duration;

use redb::{Database, StorageBackend};

use super::{DiskJournal, DiskOptions, JournalError, tables};

/// Tests wait for nothing that they need not.
fn options() -> DiskOptions {
    DiskOptions {
        gather: Duration::ZERO,
        retry: Duration::ZERO,
    }
}

/// A journal on a backend of the test's own.
fn journal_on<B: StorageBackend>(
    backend: impl Fn() -> B + Send + Sync + 'static,
) -> Result<DiskJournal, JournalError> {
    let open = move || {
        let database = Database::builder()
            .set_cache_size(1024 * 1024)
            .create_with_backend(backend())?;
        tables::prepare(&database)?;
        Ok(database)
    };
    DiskJournal::with_opener(Box::new(open), options())
}
