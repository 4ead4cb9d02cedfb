//! `--control [NAME=]FOLDER_OR_FILE`, and `--ip-adapter`, which is written so, too.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::model::ControlChoice;

/// A control or an IP-Adapter as it is typed: a folder or a file, and perhaps a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlFlag {
    /// What it is called; the folder's or the file's own name, without its ending, when left out.
    pub name: String,
    /// A diffusers folder, or a safetensors file.
    pub path: PathBuf,
}

/// What is typed is no control.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlFlagError {
    /// There is no path in it.
    #[error(
        "`{0}` names no file: write FILE or NAME=FILE, such as lines=t2i-adapter-sketch.safetensors"
    )]
    NoFile(String),
    /// There is no name in it.
    #[error("`{0}` has no name before `=`: write NAME=FILE, such as lines={1}")]
    NoName(String, String),
}

impl FromStr for ControlFlag {
    type Err = ControlFlagError;

    /// The name is what stands before the first `=`; one after a slash belongs to the path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = text.split_once('=');
        let named = named.filter(|(name, _)| !name.contains(['/', '\\']));
        let (name, path) = match named {
            Some((name, path)) => (Some(name.trim()), path),
            None => (None, text),
        };
        if path.trim().is_empty() {
            return Err(ControlFlagError::NoFile(text.to_owned()));
        }
        let path = PathBuf::from(path);
        let name = match name {
            Some("") => {
                let path = path.display().to_string();
                return Err(ControlFlagError::NoName(text.to_owned(), path));
            }
            Some(name) => name.to_owned(),
            None => own_name(&path).ok_or_else(|| ControlFlagError::NoFile(text.to_owned()))?,
        };
        Ok(Self { name, path })
    }
}

fn own_name(path: &Path) -> Option<String> {
    let is_file = path.extension().is_some_and(|it| it == "safetensors");
    let name = if is_file {
        path.file_stem()
    } else {
        path.file_name()
    };
    Some(name?.to_string_lossy().into_owned())
}

impl fmt::Display for ControlFlag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.name, self.path.display())
    }
}

impl Serialize for ControlFlag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<ControlFlag> for ControlChoice {
    fn from(flag: ControlFlag) -> Self {
        Self {
            name: flag.name,
            path: flag.path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_before_the_path_or_is_the_paths_own() {
        for (text, name, path) in [
            ("sketch.safetensors", "sketch", "sketch.safetensors"),
            ("models/t2i-sketch", "t2i-sketch", "models/t2i-sketch"),
            ("v1.1/", "v1.1", "v1.1/"),
            ("lines=a/b.safetensors", "lines", "a/b.safetensors"),
            ("lines=a=b/c", "lines", "a=b/c"),
            ("./a=b/c", "c", "./a=b/c"),
        ] {
            let flag: ControlFlag = text.parse().unwrap();
            assert_eq!(
                (flag.name.as_str(), flag.path.to_str().unwrap()),
                (name, path)
            );
            assert_eq!(flag.to_string().parse(), Ok(flag), "{text}");
        }
        for text in ["", "lines=", "=a", " ", ".."] {
            assert!(text.parse::<ControlFlag>().is_err(), "{text}");
        }
    }
}
