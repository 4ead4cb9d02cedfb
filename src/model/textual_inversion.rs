//! Words that were taught to a text encoder (Gal et al., "An Image is Worth One Word", 2022), from
//! the files that diffusers and AUTOMATIC1111's web UI write.

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};

use super::{ModelError, SafetensorsFile};

/// Vectors of one word are at most so many: more do not fit into a prompt.
const MOST_VECTORS: usize = 75;

/// A textual inversion to add to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingChoice {
    /// The safetensors file.
    pub path: PathBuf,
    /// What it is called in prompts: the file's own word where it names one, else the file's name
    /// without `.safetensors`.
    pub word: Option<String>,
}

/// A word and its vectors for each text encoder of a model.
#[derive(Debug, Clone)]
pub struct TextualInversion {
    /// The file.
    pub path: PathBuf,
    /// As it is written in prompts.
    pub word: String,
    /// `[vectors, width]` for the first text encoder and, of SDXL's, the second; f32 on the CPU.
    pub vectors: Vec<Tensor>,
}

impl TextualInversion {
    /// Reads the file of a choice: one tensor that is named as the word is (diffusers), `emb_params`
    /// (the web UI), or `clip_l` and `clip_g` (SDXL's two).
    ///
    /// # Errors
    /// `Embedding` for a file of another kind; `Missing` or `Damaged`.
    pub fn open(choice: &EmbeddingChoice) -> Result<Self, ModelError> {
        let path = &choice.path;
        let ending = path.extension().and_then(|ending| ending.to_str());
        if matches!(ending, Some("pt" | "bin" | "ckpt")) {
            let reason = "is a pickle, which can run any program when it is read: get it as \
                          .safetensors, or save it so with diffusers' `save_file`";
            return Err(refuse(path, reason));
        }
        let file = SafetensorsFile::open(path)?;
        let mut names = file.names();
        names.sort();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (tensors, own_word): (&[&str], _) = match names.as_slice() {
            ["clip_g", "clip_l"] => (&["clip_l", "clip_g"], None),
            ["emb_params" | "clip_l" | "clip_g"] => (&names, None),
            [word] => (&names, Some((*word).to_owned())),
            _ => {
                let reason = "is no textual inversion: that has one tensor, or `clip_l` and \
                              `clip_g`; a LoRA is given with --lora";
                return Err(refuse(path, reason));
            }
        };
        let vectors = tensors
            .iter()
            .map(|name| rows_of(&file, name))
            .collect::<Result<Vec<_>, _>>()?;
        let file_name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let word = choice.word.clone().or(own_word).or(file_name);
        let word = word.unwrap_or_default().trim().to_owned();
        if word.is_empty() {
            let reason = "has no word for prompts: give one with FILE:WORD";
            return Err(refuse(path, reason));
        }
        Ok(Self {
            path: path.clone(),
            word,
            vectors,
        })
    }

    /// The vectors for one of a model's text encoders, `[vectors, width]`.
    ///
    /// # Errors
    /// `Embedding` when they are of another model family.
    pub(super) fn for_encoder(
        &self,
        index: usize,
        encoders: usize,
        width: usize,
    ) -> Result<&Tensor, ModelError> {
        let own: Vec<usize> = self.vectors.iter().map(width_of).collect();
        match self.vectors.get(index) {
            Some(vectors) if own.len() == encoders && own[index] == width => Ok(vectors),
            _ => {
                let reason = format!(
                    "has {} ({}), but the model's text encoder {} has vectors of {width}: it was \
                     made for another family of models",
                    match own.len() {
                        1 => "vectors for one text encoder",
                        _ => "vectors for two text encoders",
                    },
                    own.iter()
                        .map(usize::to_string)
                        .collect::<Vec<_>>()
                        .join(" and "),
                    index + 1,
                );
                Err(refuse(&self.path, reason))
            }
        }
    }
}

fn width_of(vectors: &Tensor) -> usize {
    vectors.dims().last().copied().unwrap_or(0)
}

/// A tensor of one vector or of several, as rows.
fn rows_of(file: &SafetensorsFile, name: &str) -> Result<Tensor, ModelError> {
    let tensor = file.read(name)?;
    let rows = match tensor.dims() {
        [_] => tensor.unsqueeze(0),
        _ => Ok(tensor.clone()),
    };
    match rows.and_then(|rows| rows.to_dtype(DType::F32)) {
        Ok(rows) if rows.rank() == 2 && (1..=MOST_VECTORS).contains(&rows.dims()[0]) => Ok(rows),
        _ => {
            let shape = tensor.dims();
            let reason = format!(
                "has `{name}` of shape {shape:?}: a textual inversion has 1 to {MOST_VECTORS} \
                 vectors"
            );
            Err(refuse(file.path(), reason))
        }
    }
}

pub(super) fn refuse(path: &Path, reason: impl Into<String>) -> ModelError {
    ModelError::Embedding {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use candle_core::Device;

    use super::*;

    fn saved(name: &str, tensors: &[(&str, &[usize])]) -> (tempfile::TempDir, EmbeddingChoice) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let tensors: HashMap<&str, Tensor> = tensors
            .iter()
            .map(|(name, shape)| {
                (
                    *name,
                    Tensor::ones(*shape, DType::F32, &Device::Cpu).unwrap(),
                )
            })
            .collect();
        candle_core::safetensors::save(&tensors, &path).unwrap();
        (folder, EmbeddingChoice { path, word: None })
    }

    #[test]
    fn the_word_is_the_callers_the_files_or_the_files_name() {
        let (_folder, mut choice) = saved("EasyNegative.safetensors", &[("emb_params", &[3, 8])]);
        assert_eq!(
            TextualInversion::open(&choice).unwrap().word,
            "EasyNegative"
        );
        choice.word = Some("ugly".to_owned());
        let read = TextualInversion::open(&choice).unwrap();
        assert_eq!(
            (read.word.as_str(), read.vectors[0].dims()),
            ("ugly", &[3, 8][..])
        );
        let (_folder, choice) = saved("learned_embeds.safetensors", &[("<cat-toy>", &[8])]);
        let read = TextualInversion::open(&choice).unwrap();
        assert_eq!(
            (read.word.as_str(), read.vectors[0].dims()),
            ("<cat-toy>", &[1, 8][..])
        );
    }

    #[test]
    fn the_two_of_sdxl_come_in_the_models_order() {
        let (_folder, choice) = saved(
            "style.safetensors",
            &[("clip_g", &[2, 12]), ("clip_l", &[2, 8])],
        );
        let read = TextualInversion::open(&choice).unwrap();
        assert_eq!(read.vectors[0].dims(), [2, 8]);
        assert_eq!(read.for_encoder(1, 2, 12).unwrap().dims(), [2, 12]);
        for (index, encoders, width) in [(0, 1, 8), (1, 2, 8), (0, 2, 12)] {
            let refused = read
                .for_encoder(index, encoders, width)
                .unwrap_err()
                .to_string();
            assert!(refused.contains("another family"), "{refused}");
        }
    }

    #[test]
    fn other_files_are_refused_by_name() {
        for (name, tensors, reason) in [
            ("old.pt", &[("x", &[1, 8][..])][..], "pickle"),
            (
                "lora.safetensors",
                &[("a", &[1, 8]), ("b", &[1, 8])],
                "--lora",
            ),
            ("big.safetensors", &[("emb_params", &[76, 8])], "[76, 8]"),
            (
                "flat.safetensors",
                &[("emb_params", &[1, 1, 8])],
                "[1, 1, 8]",
            ),
        ] {
            let (_folder, choice) = saved(name, tensors);
            let refused = TextualInversion::open(&choice).unwrap_err().to_string();
            assert!(
                refused.contains(reason) && refused.contains(name),
                "{refused}"
            );
        }
        let nowhere = EmbeddingChoice {
            path: "nowhere.safetensors".into(),
            word: None,
        };
        assert!(matches!(
            TextualInversion::open(&nowhere),
            Err(ModelError::Missing { .. })
        ));
    }
}
