//! The file under the database, or its content with later writes kept in memory.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{BackendError, StorageBackend};

const PAGE: u64 = 4096;

#[derive(Debug, Default)]
struct Overlay {
    pages: HashMap<u64, Vec<u8>>,
    len: u64,
    /// How much of the file still shows: what was cut off once reads as zeros.
    file_len: u64,
}

/// What redb writes to. A frozen one passes no write on: redb writes when it opens and repairs a
/// database, and with it a database can be read where the disk takes no write.
#[derive(Debug)]
pub(super) struct Backend {
    inner: Box<dyn StorageBackend>,
    overlay: Option<Mutex<Overlay>>,
}

impl Backend {
    /// Passes everything on.
    pub(super) fn direct(inner: Box<dyn StorageBackend>) -> Self {
        Self {
            inner,
            overlay: None,
        }
    }

    /// Keeps writes in memory.
    pub(super) fn frozen(inner: Box<dyn StorageBackend>) -> io::Result<Self> {
        let len = inner.len()?;
        let overlay = Overlay {
            pages: HashMap::new(),
            len,
            file_len: len,
        };
        Ok(Self {
            inner,
            overlay: Some(Mutex::new(overlay)),
        })
    }

    fn overlay(&self) -> Option<MutexGuard<'_, Overlay>> {
        let overlay = self.overlay.as_ref()?;
        Some(overlay.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The page of the file, zeros past its end.
    fn page_of_file(&self, page: u64, file_len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; PAGE as usize];
        let left = file_len.saturating_sub(page * PAGE).min(PAGE);
        if left > 0 {
            self.inner.read(page * PAGE, &mut bytes[..left as usize])?;
        }
        Ok(bytes)
    }
}

/// Cuts a range of bytes at the pages: page, place in the page, place in the range, length.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % PAGE) as usize;
        let piece = (PAGE as usize - within).min(len - done);
        let found = (at / PAGE, within, done, piece);
        done += piece;
        (piece > 0).then_some(found)
    })
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        match self.overlay() {
            Some(overlay) => Ok(overlay.len),
            None => self.inner.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let Some(overlay) = self.overlay() else {
            return self.inner.read(offset, out);
        };
        if offset + out.len() as u64 > overlay.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (page, within, done, piece) in pieces(offset, out.len()) {
            let part = &mut out[done..done + piece];
            match overlay.pages.get(&page) {
                Some(bytes) => part.copy_from_slice(&bytes[within..within + piece]),
                None => {
                    let bytes = self.page_of_file(page, overlay.file_len)?;
                    part.copy_from_slice(&bytes[within..within + piece]);
                }
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.overlay() {
            Some(mut overlay) => {
                if len < overlay.len {
                    overlay.file_len = overlay.file_len.min(len);
                    overlay.pages.retain(|page, bytes| {
                        let left = len.saturating_sub(page * PAGE).min(PAGE);
                        bytes[left as usize..].fill(0);
                        left > 0
                    });
                }
                overlay.len = len;
                Ok(())
            }
            None => self.inner.set_len(len),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.overlay {
            Some(_) => Ok(()),
            None => self.inner.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let Some(mut overlay) = self.overlay() else {
            return self.inner.write(offset, data);
        };
        let Overlay {
            pages, file_len, ..
        } = &mut *overlay;
        for (page, within, done, piece) in pieces(offset, data.len()) {
            let bytes = match pages.entry(page) {
                Entry::Occupied(bytes) => bytes.into_mut(),
                Entry::Vacant(place) => place.insert(self.page_of_file(page, *file_len)?),
            };
            bytes[within..within + piece].copy_from_slice(&data[done..done + piece]);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
