//! The parts of a diffusers pipeline that painting uses.

use super::{
    Autoencoder, ClipTextModel, ClipTokenizer, ModelError, ModelFolder, UNet2DConditionModel,
};

/// A part of a pipeline: a folder inside the model folder.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The folder's name, which is the component's in `model_index.json`.
    pub name: &'static str,
    /// What kind of files it holds.
    pub kind: PartKind,
    /// The classes that can be loaded; empty where the class is not the folder's business.
    classes: &'static [&'static str],
    /// Whether there is no painting without it.
    needed: bool,
}

/// What a part's folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// `config.json` and safetensors.
    Network,
    /// `tokenizer.json`, or `vocab.json` and `merges.txt`.
    Tokenizer,
    /// `scheduler_config.json`.
    Scheduler,
}

/// The files of a tokenizer, as far as they are there.
pub const TOKENIZER_FILES: [&str; 6] = [
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// Every part that painting needs or can use.
pub const PARTS: [Part; 7] = [
    part(
        "unet",
        PartKind::Network,
        &UNet2DConditionModel::CLASSES,
        true,
    ),
    part("vae", PartKind::Network, &Autoencoder::CLASSES, true),
    part(
        "text_encoder",
        PartKind::Network,
        &ClipTextModel::CLASSES,
        true,
    ),
    part(
        "tokenizer",
        PartKind::Tokenizer,
        &ClipTokenizer::CLASSES,
        true,
    ),
    part(
        "text_encoder_2",
        PartKind::Network,
        &ClipTextModel::CLASSES,
        false,
    ),
    part(
        "tokenizer_2",
        PartKind::Tokenizer,
        &ClipTokenizer::CLASSES,
        false,
    ),
    part("scheduler", PartKind::Scheduler, &[], true),
];

const fn part(
    name: &'static str,
    kind: PartKind,
    classes: &'static [&'static str],
    needed: bool,
) -> Part {
    Part {
        name,
        kind,
        classes,
        needed,
    }
}

impl ModelFolder {
    /// The parts of this pipeline that painting uses, as far as the index tells.
    ///
    /// # Errors
    /// `Config` when a needed part is absent, `UnknownClass` when one is of a class that cannot
    /// be loaded.
    pub fn parts(&self) -> Result<Vec<Part>, ModelError> {
        let mut parts = Vec::new();
        for part in PARTS {
            if !part.needed && !self.classes().contains_key(part.name) {
                continue;
            }
            if !part.classes.is_empty() {
                self.class(part.name, part.classes)?;
            }
            parts.push(part);
        }
        Ok(parts)
    }
}
