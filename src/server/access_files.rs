//! The files in the data folder that say who may enter which room.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::invites::InviteKey;

/// What a file of JSON holds; the default where there is no such file.
///
/// # Errors
/// When it cannot be read, or holds something else.
pub fn read_json<T: DeserializeOwned + Default>(file: &Path) -> io::Result<T> {
    match std::fs::read(file) {
        Ok(json) => serde_json::from_slice(&json).map_err(|cause| {
            let place = file.display();
            io::Error::other(format!("{place} is damaged ({cause}): move it away"))
        }),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        Err(cause) => Err(cause),
    }
}

/// Writes a file that is there as it was or as it is to be, whatever happens.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut whole = tempfile::NamedTempFile::new_in(folder)?;
    whole.write_all(bytes)?;
    whole.as_file().sync_all()?;
    whole.persist(file)?;
    Ok(())
}

/// The key in a file, made when there is none; nobody but the server's user can read it.
///
/// # Errors
/// When it cannot be read or made.
pub fn key_of(file: &Path) -> io::Result<InviteKey> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Ok(mut opened) => {
            let key = InviteKey::random();
            opened.write_all(key.as_bytes())?;
            opened.sync_all()?;
            Ok(key)
        }
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
            let mut bytes = [0; InviteKey::BYTES];
            let mut opened = File::open(file)?;
            opened.read_exact(&mut bytes).map_err(|cause| {
                let place = file.display();
                io::Error::other(format!(
                    "{place} is damaged ({cause}): remove it, and links made so far end"
                ))
            })?;
            Ok(InviteKey::from_bytes(bytes))
        }
        Err(cause) => Err(cause),
    }
}
