//! `--embedding FILE[:WORD]`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::model::EmbeddingChoice;

/// A textual inversion as it is typed: a file, and perhaps what it is called in prompts.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingFlag {
    /// The safetensors file.
    pub file: PathBuf,
    /// Its word; the file's own when left out.
    pub word: Option<String>,
}

/// What is typed names no file or no word.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{0}` is no embedding: write FILE or FILE:WORD, such as style.safetensors:inky")]
pub struct EmbeddingFlagError(String);

impl FromStr for EmbeddingFlag {
    type Err = EmbeddingFlagError;

    /// The word follows the colon after `.safetensors`; other colons belong to the path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ENDING: &str = ".safetensors:";
        let (file, word) = match text.rfind(ENDING) {
            Some(at) => {
                let (file, word) = text.split_at(at + ENDING.len());
                (&file[..file.len() - 1], Some(word.trim().to_owned()))
            }
            None => (text, None),
        };
        if file.trim().is_empty() || word.as_deref() == Some("") {
            return Err(EmbeddingFlagError(text.to_owned()));
        }
        Ok(Self {
            file: file.into(),
            word,
        })
    }
}

impl fmt::Display for EmbeddingFlag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        match &self.word {
            Some(word) => write!(formatter, ":{word}"),
            None => Ok(()),
        }
    }
}

impl Serialize for EmbeddingFlag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<EmbeddingFlag> for EmbeddingChoice {
    fn from(flag: EmbeddingFlag) -> Self {
        Self {
            path: flag.file,
            word: flag.word,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_follows_the_file() {
        for (text, file, word) in [
            ("easy.safetensors", "easy.safetensors", None),
            ("easy.safetensors:<cat>", "easy.safetensors", Some("<cat>")),
            (
                r"C:\words\easy.safetensors",
                r"C:\words\easy.safetensors",
                None,
            ),
            (
                r"C:\words\easy.safetensors:a:b",
                r"C:\words\easy.safetensors",
                Some("a:b"),
            ),
            ("old.pt", "old.pt", None),
        ] {
            let flag: EmbeddingFlag = text.parse().unwrap();
            assert_eq!(
                (flag.file.to_str().unwrap(), flag.word.as_deref()),
                (file, word)
            );
            assert_eq!(flag.to_string().parse(), Ok(flag), "{text}");
        }
        for text in ["", " ", "easy.safetensors:", "easy.safetensors: "] {
            assert!(text.parse::<EmbeddingFlag>().is_err(), "{text}");
        }
    }
}
