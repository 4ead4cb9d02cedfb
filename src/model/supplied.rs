//! What is given beside a model's own files.

use std::path::PathBuf;

use super::EmbeddingChoice;

/// Parts and facts that a model's files lack, or that are to be others than those in them.
#[derive(Debug, Clone, Default)]
pub struct Supplied {
    /// An autoencoder: a `vae` folder, a model folder with one in it, or a safetensors file with
    /// the original names.
    pub vae: Option<PathBuf>,
    /// The tokenizer of a single-file checkpoint whose words are not CLIP's own: a `tokenizer`
    /// folder, or a model folder with one in it.
    pub tokenizer: Option<PathBuf>,
    /// What the UNet of a single-file checkpoint predicts.
    pub prediction: Option<Prediction>,
    /// Textual inversions: words that prompts can have from then on.
    pub embeddings: Vec<EmbeddingChoice>,
}

/// What a UNet predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// The velocity between noise and picture.
    V,
}

impl Prediction {
    /// As `scheduler_config.json` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::V => "v_prediction",
        }
    }
}
