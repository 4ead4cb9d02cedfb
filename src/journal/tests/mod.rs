//! One contract for every journal, and faults for the one on disk.

mod blob_contract;
mod contract;
mod damage;
mod faults;
mod faulty_backend;
mod kill;
mod overlay;

use std::time::Duration;

use redb::StorageBackend;

use super::{DiskJournal, DiskOptions, JournalError};

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
    let open = move || -> std::io::Result<Box<dyn StorageBackend>> { Ok(Box::new(backend())) };
    DiskJournal::with_opener(Box::new(open), String::new(), options())
}
