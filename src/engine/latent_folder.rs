//! The folder for latents that have no place in memory, and those that killed servers left.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const PREFIX: &str = "impasto-latents-";
/// Locked while the folder's process lives.
const LOCK: &str = "lock";
/// How often a folder is made anew that another process took for one that was left.
const TRIES: usize = 4;

/// A folder of this process; dropping it removes it.
pub(super) struct LatentFolder {
    folder: TempDir,
    _lock: File,
    files: u64,
}

impl LatentFolder {
    /// Makes a folder of its own in `parent`.
    pub fn new_in(parent: &Path) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::WouldBlock);
        for _ in 0..TRIES {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            match lock(folder.path()) {
                Ok(lock) => {
                    return Ok(Self {
                        folder,
                        _lock: lock,
                        files: 0,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The place of another file.
    pub fn next_file(&mut self) -> PathBuf {
        self.files += 1;
        self.path().join(format!("{}.safetensors", self.files))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Locks a folder that was just made.
fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join(LOCK);
    let lock = File::create(&path)?;
    lock.try_lock()?;
    // Between the two lines above it may have been removed as one that was left.
    std::fs::metadata(&path)?;
    Ok(lock)
}

/// Removes the folders in `parent` that processes left which were killed.
pub(super) fn sweep_in(parent: &Path) {
    let entries = match std::fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(cause) => {
            tracing::debug!(%cause, "the folder for latents cannot be looked through");
            return;
        }
    };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // Nothing follows links out of the folder.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_ours && is_folder {
            remove_if_left(&entry.path());
        }
    }
}

fn remove_if_left(folder: &Path) {
    let removed = match File::open(folder.join(LOCK)) {
        Ok(lock) => match lock.try_lock() {
            Ok(()) => std::fs::remove_dir_all(folder),
            Err(TryLockError::WouldBlock) => return,
            Err(TryLockError::Error(cause)) => Err(cause),
        },
        // Killed before it was locked: then it is empty.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => std::fs::remove_dir(folder),
        Err(cause) => Err(cause),
    };
    let place = folder.display();
    match removed {
        Ok(()) => tracing::info!(%place, "latents of a server that was killed are removed"),
        Err(cause) => tracing::debug!(%cause, %place, "a folder of latents stays"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_and_what_lives_stays() {
        let parent = tempfile::tempdir().unwrap();
        let mut living = LatentFolder::new_in(parent.path()).unwrap();
        std::fs::write(living.next_file(), "latents").unwrap();
        // A kill frees the lock and removes nothing.
        let killed = LatentFolder::new_in(parent.path()).unwrap().folder.keep();
        std::fs::write(killed.join("1.safetensors"), "latents").unwrap();
        let unlocked = parent.path().join("impasto-latents-early");
        std::fs::create_dir(&unlocked).unwrap();
        let others = parent.path().join("impasto-other");
        std::fs::create_dir(&others).unwrap();

        sweep_in(parent.path());
        assert!(!killed.exists() && !unlocked.exists());
        assert!(living.path().join("1.safetensors").exists() && others.exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }

    #[test]
    fn folders_are_never_taken_for_left_ones_while_they_are_made() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            let swept = scope.spawn(|| (0..200).for_each(|_| sweep_in(parent.path())));
            for _ in 0..50 {
                let made = LatentFolder::new_in(parent.path());
                if let Ok(mut made) = made {
                    std::fs::write(made.next_file(), "latents").unwrap();
                }
            }
            swept.join().unwrap();
        });
    }
}
