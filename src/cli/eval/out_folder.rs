//! The folder that a scorecard is written to.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::Failure;

/// Where the pictures lie in it.
const PICTURES: &str = "pictures";

/// A folder that can be written to.
pub struct OutFolder {
    path: PathBuf,
}

impl OutFolder {
    /// Makes the folder, and tries it before anything is painted.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let folder = Self {
            path: path.to_owned(),
        };
        let pictures = path.join(PICTURES);
        std::fs::create_dir_all(&pictures)
            .and_then(|()| try_writing(&pictures))
            .map_err(|cause| unwritable(path, &cause))?;
        Ok(folder)
    }

    /// Writes a file and says where it is.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let file = self.path.join(name);
        std::fs::write(&file, bytes).map_err(|cause| unwritable(&file, &cause))?;
        Ok(file)
    }

    /// The name of a picture's file, relative to the folder.
    pub fn picture_name(prompt: usize, sampler: &str, steps: u32, seed: u64) -> String {
        format!("{PICTURES}/{:03}-{sampler}-{steps}-{seed}.png", prompt + 1)
    }
}

/// Writes an empty file and takes it away again.
fn try_writing(folder: &Path) -> io::Result<()> {
    let probe = folder.join(".probe");
    std::fs::write(&probe, [])?;
    std::fs::remove_file(probe)
}

fn unwritable(path: &Path, cause: &io::Error) -> Failure {
    Failure::usage(format!(
        "cannot write {} ({cause}): give --out another folder",
        path.display()
    ))
}
