//! A whole repository, as far as painting needs it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::client::{Hub, RemoteFile, Repository};
use super::fetch::{Fetcher, is_file, part_of, read_small};
use super::plan::{INDEX, Variant, check_names, leads_outside, plan};
use super::record::{Record, lock, parts};
use super::{HubError, ModelId, ModelsFolder, Revision};
use crate::model::{ConfigFile, ModelFolder};

/// Bytes of a `model_index.json` that is one.
const INDEX_MAX: u64 = 1 << 20;

/// What to pull.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// The model.
    pub id: ModelId,
    /// The branch, tag or commit of it.
    pub revision: Revision,
    /// The number format of its weights; None for the files without a variant.
    pub variant: Option<Variant>,
    /// Whether the model's safety checker comes with it.
    pub safety_checker: bool,
    /// Failures in a row, without a byte between them, that are waited out.
    pub retries: u32,
}

/// How a pull goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullEvent<'a> {
    /// What has to be there in the end.
    Planned {
        /// How many files.
        files: usize,
        /// Their bytes in all.
        bytes: u64,
    },
    /// A file is looked at, and fetched where it is missing.
    File {
        /// Its name in the repository.
        name: &'a str,
    },
    /// So many bytes of all files are there.
    Position {
        /// Bytes; less than before when a damaged part was thrown away.
        bytes: u64,
    },
}

/// A model that was pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// The model.
    pub id: String,
    /// The commit that was pulled.
    pub commit: String,
    /// Where it is.
    pub folder: PathBuf,
    /// How many files it has.
    pub files: usize,
    /// Their bytes in all.
    pub bytes: u64,
    /// How many of the files were not there yet, or were others.
    pub fetched: usize,
}

/// Pulls what painting needs of a diffusers repository. Files that are there already, from this
/// or another revision, are kept when their hashes are right; files of an earlier pull that this
/// revision does not have are removed.
///
/// # Errors
/// [`HubError`], in one sentence. What came before the error is kept for the next pull.
pub fn pull(
    hub: &Hub,
    models: &ModelsFolder,
    request: &PullRequest,
    on_event: &mut dyn FnMut(PullEvent),
) -> Result<Pulled, HubError> {
    let repository = hub.repository(&request.id, &request.revision)?;
    check_names(&repository)?;
    let folder = models.folder_of(&request.id);
    let (index, index_text) = read_index(hub, &repository, &folder)?;
    let names = plan(
        &repository,
        &pipeline(&repository, &index_text)?,
        request.variant,
        request.safety_checker,
    )?;
    let files = describe(hub, &repository, &names)?;

    let lock = lock(&folder)?;
    let parts = parts(&folder);
    if !is_file(&folder.join(INDEX), index.size, &index.checksum)? {
        let waiting = part_of(&parts, &index.checksum);
        fs::write(&waiting, &index_text).map_err(HubError::disk(&waiting))?;
    }
    let earlier = Record::read(&folder).map_or_else(BTreeSet::new, |record| record.files);
    let mut record = Record {
        id: request.id.to_string(),
        revision: request.revision.to_string(),
        commit: repository.commit.to_string(),
        complete: false,
        files: names.iter().cloned().chain(earlier).collect(),
    };
    record.write(&folder)?;

    let bytes = files.iter().map(|file| file.size).sum();
    on_event(PullEvent::Planned {
        files: files.len(),
        bytes,
    });
    let fetcher = Fetcher {
        hub,
        repository: &repository,
        parts: &parts,
        retries: request.retries,
    };
    let mut before = 0;
    let mut fetched = 0;
    for file in &files {
        on_event(PullEvent::File { name: &file.name });
        let place = folder.join(&file.name);
        if !is_file(&place, file.size, &file.checksum)? {
            let part = fetcher.fetch(file, &mut |position| {
                on_event(PullEvent::Position {
                    bytes: before + position,
                });
            })?;
            put(&part, &place)?;
            fetched += 1;
        }
        before += file.size;
        on_event(PullEvent::Position { bytes: before });
    }

    let planned: BTreeSet<String> = names.into_iter().collect();
    let stale = record.files.difference(&planned);
    for stale in stale.filter(|name| !leads_outside(name)) {
        remove(&folder.join(stale))?;
    }
    record.files = planned;
    record.complete = true;
    record.write(&folder)?;
    fs::remove_dir_all(&parts).map_err(HubError::disk(&parts))?;
    drop(lock);
    Ok(Pulled {
        id: request.id.to_string(),
        commit: repository.commit.to_string(),
        folder,
        files: files.len(),
        bytes,
        fetched,
    })
}

/// The repository's index and its text: the one in the folder where that is the same.
fn read_index(
    hub: &Hub,
    repository: &Repository,
    folder: &Path,
) -> Result<(RemoteFile, Vec<u8>), HubError> {
    let file = describe(hub, repository, &[INDEX.to_owned()])?.remove(0);
    if file.size > INDEX_MAX {
        return Err(HubError::WrongSize {
            file: file.name,
            expected: INDEX_MAX,
            found: file.size,
        });
    }
    let place = folder.join(INDEX);
    if is_file(&place, file.size, &file.checksum)? {
        let text = fs::read(&place).map_err(HubError::disk(&place))?;
        return Ok((file, text));
    }
    let text = read_small(hub, repository, &file)?;
    Ok((file, text))
}

/// The pipeline that the index describes, before any of it is there.
fn pipeline(repository: &Repository, index_text: &[u8]) -> Result<ModelFolder, HubError> {
    let folder = Path::new(repository.id.as_str());
    ConfigFile::parse(&folder.join(INDEX), &String::from_utf8_lossy(index_text))
        .and_then(|index| ModelFolder::from_index(folder, index))
        .map_err(|source| HubError::Unsupported {
            id: repository.id.to_string(),
            source: Box::new(source),
        })
}

/// The files of these names, with sizes and hashes.
fn describe(
    hub: &Hub,
    repository: &Repository,
    names: &[String],
) -> Result<Vec<RemoteFile>, HubError> {
    let describe = |name: &String| {
        let listed = repository.files.iter().find(|file| file.name == *name);
        let listed = listed.ok_or_else(|| repository.lacks(name))?;
        hub.describe(repository, listed)
    };
    names.iter().map(describe).collect()
}

/// Gives a whole file its name, in one step.
fn put(part: &Path, place: &Path) -> Result<(), HubError> {
    let folder = place.parent().unwrap_or(place);
    fs::create_dir_all(folder)
        .and_then(|()| fs::rename(part, place))
        .map_err(HubError::disk(place))
}

fn remove(file: &Path) -> Result<(), HubError> {
    match fs::remove_file(file) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(HubError::disk(file)(source))
        }
        _ => Ok(()),
    }
}
