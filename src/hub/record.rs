//! What a pull leaves beside a model's files: where they came from, and whether all have come.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::HubError;

/// The folder inside a model's folder that belongs to pulls.
const FOLDER: &str = ".impasto";

/// What a pull wrote into a model's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The model.
    pub id: String,
    /// The revision that was asked for.
    pub revision: String,
    /// The commit that it was.
    pub commit: String,
    /// Whether all files have come.
    pub complete: bool,
    /// The files of this pull, and of those before it that were not removed yet.
    pub files: BTreeSet<String>,
}

impl Record {
    /// The record in a model's folder. None where nothing was pulled into it, or where the
    /// record cannot be read, which a pull puts right.
    pub fn read(model: &Path) -> Option<Self> {
        let text = fs::read(record_path(model)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes the record into a model's folder, whole or not at all.
    pub fn write(&self, model: &Path) -> Result<(), HubError> {
        let path = record_path(model);
        let fresh = path.with_extension("new");
        let write = || {
            let mut file = File::create(&fresh)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)
        };
        write().map_err(HubError::disk(&path))
    }
}

/// Whether a pull ever began in this folder.
pub(super) fn was_pulled_into(model: &Path) -> bool {
    record_path(model).is_file()
}

/// Makes a model's folder and locks it against other pulls, for as long as the file lives.
pub(super) fn lock(model: &Path) -> Result<File, HubError> {
    let path = model.join(FOLDER).join("lock");
    let disk = HubError::disk(&path);
    fs::create_dir_all(parts(model)).map_err(&disk)?;
    let lock = File::create(&path).map_err(&disk)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(HubError::InUse {
            folder: model.to_owned(),
        }),
        Err(fs::TryLockError::Error(source)) => Err(disk(source)),
    }
}

/// Where a model's files wait until they are whole.
pub(super) fn parts(model: &Path) -> PathBuf {
    model.join(FOLDER).join("parts")
}

fn record_path(model: &Path) -> PathBuf {
    model.join(FOLDER).join("pull.json")
}
