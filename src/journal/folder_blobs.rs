//! Blobs as files: `ab/abcd…`, one folder for each first byte of the hash.

use std::{
    collections::HashSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::{BlobError, BlobHash, BlobStore, JournalError, disk::sync_folder};

/// Blobs in a folder. A file has its name only when all of its bytes are on disk.
#[derive(Debug)]
pub struct FolderBlobs {
    folder: PathBuf,
    /// A blob that is put again must not be deleted as an old one at that moment.
    renewal: Mutex<()>,
}

fn storage(error: &io::Error) -> BlobError {
    BlobError::Storage(JournalError::from(error))
}

impl FolderBlobs {
    /// The blobs in a folder, which is made when it is not there.
    ///
    /// # Errors
    /// [`BlobError::Storage`].
    pub fn open(folder: &Path) -> Result<Self, BlobError> {
        fs::create_dir_all(folder).map_err(|error| storage(&error))?;
        if let Some(parent) = folder.parent().filter(|parent| parent.is_dir()) {
            sync_folder(parent)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            renewal: Mutex::new(()),
        })
    }

    fn path(&self, hash: BlobHash) -> PathBuf {
        let name = hash.to_string();
        self.folder.join(&name[..2]).join(&name)
    }

    fn renewing(&self) -> MutexGuard<'_, ()> {
        self.renewal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a good blob young again; `false` when there is none.
    fn renew(&self, hash: BlobHash) -> Result<bool, BlobError> {
        let _renewing = self.renewing();
        match self.get(hash) {
            Ok(_) => {}
            Err(BlobError::Missing(_) | BlobError::Damaged(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
        let path = self.path(hash);
        let file = fs::File::options().append(true).open(&path);
        file.and_then(|file| {
            file.set_modified(SystemTime::now())?;
            // The one who wrote it may have died before it was synced.
            file.sync_all()
        })
        .map_err(|error| storage(&error))?;
        if let Some(shard) = path.parent() {
            sync_folder(shard)?;
        }
        Ok(true)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), BlobError> {
        let shard = path.parent().unwrap_or(&self.folder);
        if !shard.is_dir() {
            fs::create_dir_all(shard).map_err(|error| storage(&error))?;
            sync_folder(&self.folder)?;
        }
        let written = tempfile::NamedTempFile::new_in(shard).and_then(|mut file| {
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)
        });
        written.map_err(|error| storage(&error))?;
        Ok(sync_folder(shard)?)
    }

    fn delete_if_old(&self, path: &Path, min_age: Duration) -> io::Result<bool> {
        let _renewing = self.renewing();
        let modified = fs::metadata(path)?.modified()?;
        // A time in the future, after the clock was set back, counts as young.
        let old = modified.elapsed().is_ok_and(|age| age > min_age);
        if old {
            fs::remove_file(path)?;
        }
        Ok(old)
    }
}

impl BlobStore for FolderBlobs {
    fn put(&self, bytes: &[u8]) -> Result<BlobHash, BlobError> {
        let hash = BlobHash::of(bytes);
        if !self.renew(hash)? {
            self.write(&self.path(hash), bytes)?;
        }
        Ok(hash)
    }

    fn get(&self, hash: BlobHash) -> Result<Vec<u8>, BlobError> {
        let bytes = match fs::read(self.path(hash)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BlobError::Missing(hash));
            }
            Err(error) => return Err(storage(&error)),
        };
        if BlobHash::of(&bytes) != hash {
            return Err(BlobError::Damaged(hash));
        }
        Ok(bytes)
    }

    fn contains(&self, hash: BlobHash) -> Result<bool, BlobError> {
        self.path(hash)
            .try_exists()
            .map_err(|error| storage(&error))
    }

    fn collect_garbage(
        &self,
        live: &HashSet<BlobHash>,
        min_age: Duration,
    ) -> Result<usize, BlobError> {
        let mut deleted = 0;
        let entries = |folder: &Path| -> Result<Vec<fs::DirEntry>, BlobError> {
            let entries = fs::read_dir(folder).and_then(Iterator::collect);
            entries.map_err(|error: io::Error| storage(&error))
        };
        for shard in entries(&self.folder)? {
            if !shard.path().is_dir() {
                continue;
            }
            for file in entries(&shard.path())? {
                // A name that is no hash is a temporary file of a process that died.
                let name = file.file_name();
                let hash = name.to_str().and_then(|name| name.parse().ok());
                if hash.is_some_and(|hash| live.contains(&hash)) {
                    continue;
                }
                let old = self.delete_if_old(&file.path(), min_age);
                let old = match old {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                    old => old.map_err(|error| storage(&error))?,
                };
                deleted += usize::from(old && hash.is_some());
            }
        }
        Ok(deleted)
    }
}
