//! One file: what is there is kept, what is missing is fetched, and the whole is checked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ureq::http::StatusCode;

use super::checksum::Hasher;
use super::client::{Hub, RemoteFile, Repository};
use super::{Checksum, HubError};

/// The wait before the first retry; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait before a retry is the first one doubled so often.
const DOUBLINGS: u32 = 6;
/// Bytes that are read at once.
const BLOCK: usize = 256 << 10;

/// Fetches the files of a repository.
pub(super) struct Fetcher<'a> {
    pub hub: &'a Hub,
    pub repository: &'a Repository,
    /// Where files wait until they are whole, each under its hash: what changed on the hub is
    /// never joined to what came before.
    pub parts: &'a Path,
    /// Failures in a row, without a byte between them, that are waited out.
    pub retries: u32,
}

impl Fetcher<'_> {
    /// The path of a part that is whole, checked and on the disk. Tells how much of the file
    /// there is.
    pub fn fetch(
        &self,
        file: &RemoteFile,
        on_position: &mut dyn FnMut(u64),
    ) -> Result<PathBuf, HubError> {
        let part = part_of(self.parts, &file.checksum);
        let length = || fs::metadata(&part).map_or(0, |metadata| metadata.len());
        let mut failures = 0;
        loop {
            let before = length();
            let error = match self.attempt(file, &part, on_position) {
                Ok(()) => return Ok(part),
                Err(error) => error,
            };
            if length() > before {
                failures = 0;
            }
            if failures >= self.retries || !error.is_passing() {
                return Err(error);
            }
            thread::sleep(FIRST_WAIT * 2_u32.pow(failures.min(DOUBLINGS)));
            failures += 1;
        }
    }

    fn attempt(
        &self,
        file: &RemoteFile,
        path: &Path,
        on_position: &mut dyn FnMut(u64),
    ) -> Result<(), HubError> {
        let disk = HubError::disk(path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut part = Part {
            file: options.open(path).map_err(&disk)?,
            hasher: Hasher::new(&file.checksum, file.size),
            done: 0,
        };
        if part.file.metadata().map_err(&disk)?.len() > file.size {
            part.file.set_len(0).map_err(&disk)?;
        }
        part.done = io::copy(&mut part.file, &mut part.hasher).map_err(&disk)?;
        on_position(part.done);
        let mut resumed = part.done > 0;
        if part.done < file.size {
            let answer = self.receive(file, path, &mut part, on_position);
            if let Err(HubError::WrongSize { .. }) = answer {
                fs::remove_file(path).map_err(&disk)?;
            }
            resumed &= answer? == Answer::Rest;
        }
        part.file.sync_all().map_err(&disk)?;
        let found = part.hasher.finish();
        if found == file.checksum {
            return Ok(());
        }
        fs::remove_file(path).map_err(&disk)?;
        if resumed {
            // What was kept may be what a power cut left: a second try starts from nothing.
            return self.attempt(file, path, on_position);
        }
        Err(HubError::WrongHash {
            file: file.name.clone(),
            expected: file.checksum.to_string(),
            found: found.to_string(),
        })
    }

    /// Appends what is missing of a file.
    fn receive(
        &self,
        file: &RemoteFile,
        path: &Path,
        part: &mut Part,
        on_position: &mut dyn FnMut(u64),
    ) -> Result<Answer, HubError> {
        let disk = HubError::disk(path);
        let wrong_size = |found| HubError::WrongSize {
            file: file.name.clone(),
            expected: file.size,
            found,
        };
        let mut answer = self.hub.open(self.repository, file, part.done)?;
        let kind = if answer.status() == StatusCode::PARTIAL_CONTENT {
            Answer::Rest
        } else {
            part.file.set_len(0).map_err(&disk)?;
            part.file.rewind().map_err(&disk)?;
            part.hasher = Hasher::new(&file.checksum, file.size);
            part.done = 0;
            Answer::Whole
        };
        let whole = answer
            .body()
            .content_length()
            .map(|length| part.done.saturating_add(length));
        if let Some(whole) = whole.filter(|whole| *whole != file.size) {
            return Err(wrong_size(whole));
        }
        let interrupted = |done, cause: String| HubError::Interrupted {
            file: file.name.clone(),
            done,
            size: file.size,
            cause,
        };
        let mut body = answer.body_mut().as_reader();
        let mut block = vec![0; BLOCK];
        loop {
            let count = body
                .read(&mut block)
                .map_err(|cause| interrupted(part.done, cause.to_string()))?;
            if count == 0 {
                break;
            }
            let done = part.done + count as u64;
            if done > file.size {
                return Err(wrong_size(done));
            }
            let bytes = block.get(..count).unwrap_or_default();
            part.file.write_all(bytes).map_err(&disk)?;
            part.hasher.write_all(bytes).map_err(&disk)?;
            part.done = done;
            on_position(done);
        }
        if part.done < file.size {
            let cause = "the connection was closed".to_owned();
            return Err(interrupted(part.done, cause));
        }
        Ok(kind)
    }
}

/// What a hub answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Whole,
    Rest,
}

struct Part {
    file: File,
    /// Has hashed what is in the file.
    hasher: Hasher,
    /// Bytes in the file.
    done: u64,
}

/// Where a file with this hash waits until it is whole.
pub(super) fn part_of(parts: &Path, checksum: &Checksum) -> PathBuf {
    parts.join(format!("{checksum}.part"))
}

/// The bytes of a small file.
pub(super) fn read_small(
    hub: &Hub,
    repository: &Repository,
    file: &RemoteFile,
) -> Result<Vec<u8>, HubError> {
    let mut answer = hub.open(repository, file, 0)?;
    let mut bytes = Vec::new();
    let body = answer.body_mut().as_reader();
    let count = body.take(file.size + 1).read_to_end(&mut bytes);
    let done = bytes.len() as u64;
    if let Err(cause) = count {
        return Err(HubError::Interrupted {
            file: file.name.clone(),
            done: 0,
            size: file.size,
            cause: cause.to_string(),
        });
    }
    if done != file.size {
        return Err(HubError::WrongSize {
            file: file.name.clone(),
            expected: file.size,
            found: done,
        });
    }
    let found = Hasher::of(&file.checksum, &bytes);
    if found == file.checksum {
        return Ok(bytes);
    }
    Err(HubError::WrongHash {
        file: file.name.clone(),
        expected: file.checksum.to_string(),
        found: found.to_string(),
    })
}

/// Whether the file at `path` has this size and hash.
pub(super) fn is_file(path: &Path, size: u64, checksum: &Checksum) -> Result<bool, HubError> {
    let same_size = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == size);
    if !same_size {
        return Ok(false);
    }
    let mut hasher = Hasher::new(checksum, size);
    File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut hasher))
        .map_err(HubError::disk(path))?;
    Ok(hasher.finish() == *checksum)
}
