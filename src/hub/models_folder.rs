//! The folder that holds pulled models, and others that somebody put there.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::plan::INDEX;
use super::record::{Record, was_pulled_into};
use super::{HubError, ModelId};
use crate::model::{Family, ModelError, ModelReport};

/// A folder with a folder per model: `owner/name`, or `name` alone.
#[derive(Debug, Clone)]
pub struct ModelsFolder {
    path: PathBuf,
}

/// Says what a model folder is and what it lacks.
pub type Inspect = fn(&Path) -> Result<ModelReport, ModelError>;

/// A model in the models folder.
#[derive(Debug, Clone, Serialize)]
pub struct ModelOnDisk {
    /// What `--model` takes.
    pub id: String,
    /// Where it is.
    pub folder: PathBuf,
    /// What kind of model it is; none when that cannot be told.
    pub family: Option<Family>,
    /// Bytes of its weights.
    pub bytes: u64,
    /// Whether it can paint.
    pub usable: bool,
    /// The revision that was pulled; none for a model that was not.
    pub revision: Option<String>,
    /// The commit that it was.
    pub commit: Option<String>,
    /// Why it cannot paint.
    pub problem: Option<String>,
}

impl ModelsFolder {
    /// The folder at this path, whether it is there yet or not.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// `impasto/models` where this platform keeps a user's data: `$XDG_DATA_HOME` or
    /// `~/.local/share` on Linux, `~/Library/Application Support` on macOS, `%LOCALAPPDATA%` on
    /// Windows. None for a user without a home.
    pub fn of_this_user() -> Option<Self> {
        let data = dirs::data_local_dir()?;
        Some(Self::at(data.join("impasto").join("models")))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a model of this name is, or would be.
    pub fn folder_of(&self, id: &ModelId) -> PathBuf {
        self.path.join(id.as_str())
    }

    /// The folder of a model of this name, or the single file that lies there under it; none when
    /// there is no such model.
    ///
    /// # Errors
    /// `Unfinished` when its pull did not come to its end.
    pub fn find(&self, id: &ModelId) -> Result<Option<PathBuf>, HubError> {
        let folder = self.folder_of(id);
        match Record::read(&folder) {
            Some(record) if !record.complete => Err(HubError::Unfinished { id: id.to_string() }),
            _ => Ok((folder.is_dir() || is_single_file(&folder)).then_some(folder)),
        }
    }

    /// Every model in the folder by name, single files among them. `inspect` looks into each, without loading its weights.
    ///
    /// # Errors
    /// `Unreadable` when a folder cannot be read; one that is not there holds no models.
    pub fn list(&self, inspect: Inspect) -> Result<Vec<ModelOnDisk>, HubError> {
        let mut models = Vec::new();
        for (name, file) in entries(&self.path)? {
            if is_checkpoint(&file, inspect) {
                models.push(describe(name, file, inspect));
            }
        }
        for (name, folder) in folders(&self.path)? {
            if is_model(&folder) {
                models.push(describe(name, folder, inspect));
                continue;
            }
            for (inner, path) in entries(&folder)? {
                if is_model(&path) || is_checkpoint(&path, inspect) {
                    models.push(describe(format!("{name}/{inner}"), path, inspect));
                }
            }
        }
        models.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(models)
    }
}

fn is_single_file(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    ending.eq_ignore_ascii_case("safetensors") && path.is_file()
}

/// Whether a file is a model, and not a LoRA or a part of one that somebody keeps there too.
fn is_checkpoint(path: &Path, inspect: Inspect) -> bool {
    is_single_file(path) && !matches!(inspect(path), Err(ModelError::NoFolder { .. }))
}

fn is_model(folder: &Path) -> bool {
    folder.join(INDEX).is_file() || was_pulled_into(folder)
}

fn describe(id: String, folder: PathBuf, inspect: Inspect) -> ModelOnDisk {
    let record = Record::read(&folder);
    let finished = record.as_ref().is_none_or(|record| record.complete);
    let report = inspect(&folder);
    let (family, bytes, problem) = match report {
        Ok(report) => (
            report.family,
            report.bytes,
            report.problems.into_iter().next(),
        ),
        Err(error) => (None, 0, Some(error.to_string())),
    };
    let problem = match finished {
        true => problem,
        false => Some(HubError::Unfinished { id: id.clone() }.to_string()),
    };
    let (revision, commit) = record
        .map(|record| (record.revision, record.commit))
        .unzip();
    ModelOnDisk {
        id,
        folder,
        family,
        bytes,
        usable: problem.is_none(),
        revision,
        commit,
        problem,
    }
}

/// The folders in a folder, by name.
fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, HubError> {
    let entries = entries(path)?.into_iter();
    Ok(entries.filter(|(_, path)| path.is_dir()).collect())
}

/// What is in a folder, by name; what is hidden is nobody's model.
fn entries(path: &Path) -> Result<Vec<(String, PathBuf)>, HubError> {
    let refuse = |source| HubError::Unreadable {
        path: path.to_owned(),
        source,
    };
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.push((name, entry.path()));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inspect;

    #[test]
    fn a_folder_that_is_not_there_holds_no_models() {
        let models = ModelsFolder::at("/no/such/folder".into());
        assert!(models.list(inspect).unwrap().is_empty());
        let id = ModelId::parse("a/b").unwrap();
        assert_eq!(models.find(&id).unwrap(), None);
    }

    #[test]
    fn what_lies_there_is_listed_at_both_depths() {
        let place = tempfile::tempdir().unwrap();
        for name in ["own", "owner/name", "owner/.hidden", "owner/empty"] {
            let folder = place.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            if !name.ends_with("empty") {
                fs::write(folder.join(INDEX), "{}").unwrap();
            }
        }
        fs::write(place.path().join("owner/dream.safetensors"), "").unwrap();
        fs::write(place.path().join("notes.txt"), "").unwrap();
        let models = ModelsFolder::at(place.path().to_owned());
        let listed = models.list(inspect).unwrap();
        let ids: Vec<&str> = listed.iter().map(|model| model.id.as_str()).collect();
        assert_eq!(ids, ["own", "owner/dream.safetensors", "owner/name"]);
        assert!(listed.iter().all(|model| !model.usable));
    }
}
