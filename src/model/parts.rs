//! The parts of a diffusers pipeline that painting uses.

use super::{
    Autoencoder, ClipTextModel, ClipTokenizer, DenoiserConfig, ModelError, ModelFolder,
    T5EncoderModel, T5Tokenizer,
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

/// The classes of text encoders, whichever family they serve.
const TEXT_ENCODERS: [&str; 3] = [
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    T5EncoderModel::CLASSES[0],
];
/// The classes of their tokenizers.
const TOKENIZERS: [&str; 4] = [
    ClipTokenizer::CLASSES[0],
    ClipTokenizer::CLASSES[1],
    T5Tokenizer::CLASSES[0],
    T5Tokenizer::CLASSES[1],
];

/// Every part that painting needs or can use. Of `unet` and `transformer` there is one.
pub const PARTS: [Part; 10] = [
    part("unet", PartKind::Network, &DenoiserConfig::UNETS, true),
    part(
        "transformer",
        PartKind::Network,
        &DenoiserConfig::TRANSFORMERS,
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
    part("text_encoder_2", PartKind::Network, &TEXT_ENCODERS, false),
    part("tokenizer_2", PartKind::Tokenizer, &TOKENIZERS, false),
    part(
        "text_encoder_3",
        PartKind::Network,
        &T5EncoderModel::CLASSES,
        false,
    ),
    part(
        "tokenizer_3",
        PartKind::Tokenizer,
        &T5Tokenizer::CLASSES,
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
        let other_denoiser = match self.classes().contains_key("transformer") {
            true => "unet",
            false => "transformer",
        };
        for part in PARTS {
            if part.name == other_denoiser {
                continue;
            }
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
