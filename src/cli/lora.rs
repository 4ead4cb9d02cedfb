//! `--lora FILE[:WEIGHT]`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::model::LoraChoice;

/// A LoRA as it is typed: a file or its folder, and perhaps a weight.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraFlag {
    /// The safetensors file, or the folder that it is in.
    pub file: PathBuf,
    /// How much of it; 1 when left out.
    pub weight: f64,
}

/// What is typed is no LoRA.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LoraFlagError {
    /// There is no file in it.
    #[error("`{0}` names no file: write FILE or FILE:WEIGHT, such as ink.safetensors:0.8")]
    NoFile(String),
    /// What follows the file is no weight.
    #[error("`{0}` is no weight: write FILE:WEIGHT with a number, such as ink.safetensors:0.8")]
    NoWeight(String),
}

impl FromStr for LoraFlag {
    type Err = LoraFlagError;

    /// The weight is the number after the last colon. Other colons belong to the path
    /// (`C:\loras\ink.safetensors`), and so does the last where no number follows it, except
    /// right after `.safetensors`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (file, weight) = match text.rsplit_once(':') {
            None => (text, 1.0),
            Some((file, weight)) => match weight.trim().parse::<f64>() {
                Ok(weight) if weight.is_finite() => (file, weight),
                Ok(_) => return Err(LoraFlagError::NoWeight(weight.to_owned())),
                Err(_) if file.ends_with(".safetensors") => {
                    return Err(LoraFlagError::NoWeight(weight.to_owned()));
                }
                Err(_) => (text, 1.0),
            },
        };
        if file.trim().is_empty() {
            return Err(LoraFlagError::NoFile(text.to_owned()));
        }
        Ok(Self {
            file: file.into(),
            weight,
        })
    }
}

impl fmt::Display for LoraFlag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), self.weight)
    }
}

impl Serialize for LoraFlag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<LoraFlag> for LoraChoice {
    fn from(flag: LoraFlag) -> Self {
        Self::new(flag.file, flag.weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_after_the_last_colon_is_the_weight() {
        for (text, file, weight) in [
            ("ink.safetensors", "ink.safetensors", 1.0),
            ("ink.safetensors:0.8", "ink.safetensors", 0.8),
            ("loras/ink:-2", "loras/ink", -2.0),
            ("ink:0", "ink", 0.0),
            (
                r"C:\loras\ink.safetensors",
                r"C:\loras\ink.safetensors",
                1.0,
            ),
            (
                r"C:\loras\ink.safetensors:.5",
                r"C:\loras\ink.safetensors",
                0.5,
            ),
            ("C:ink.safetensors", "C:ink.safetensors", 1.0),
            ("a:2:0.5", "a:2", 0.5),
        ] {
            let flag: LoraFlag = text.parse().unwrap();
            assert_eq!((flag.file.to_str().unwrap(), flag.weight), (file, weight));
            assert_eq!(flag.to_string().parse(), Ok(flag), "{text}");
        }
    }

    #[test]
    fn no_file_and_no_weight_are_refused() {
        for text in ["", ":1", " :1"] {
            let refused = text.parse::<LoraFlag>();
            assert_eq!(refused, Err(LoraFlagError::NoFile(text.to_owned())));
        }
        for weight in ["", "much", "0,8", "nan", "inf"] {
            let refused = format!("ink.safetensors:{weight}").parse::<LoraFlag>();
            assert_eq!(refused, Err(LoraFlagError::NoWeight(weight.to_owned())));
        }
    }
}
