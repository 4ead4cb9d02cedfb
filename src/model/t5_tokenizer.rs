//! Prompts to T5's token ids (`transformers.T5TokenizerFast`, over Hugging Face's tokenizers).

use std::path::{Path, PathBuf};

use tokenizers::Tokenizer;

use super::ModelError;

/// T5's SentencePiece vocabulary with its last and padding tokens.
pub struct T5Tokenizer {
    tokenizer: Tokenizer,
    folder: PathBuf,
    end: u32,
    padding: u32,
}

impl T5Tokenizer {
    /// The classes that [`T5Tokenizer::load`] can read.
    pub const CLASSES: [&'static str; 2] = ["T5Tokenizer", "T5TokenizerFast"];

    /// Reads a `tokenizer` folder with a `tokenizer.json`.
    ///
    /// # Errors
    /// `Missing` where there is no such file, `Tokenizer` where it makes no T5 tokenizer.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("tokenizer.json");
        if !path.is_file() {
            let hint = "spiece.model alone is not read: load the folder with transformers' \
                        T5TokenizerFast and save it again"
                .to_owned();
            return Err(ModelError::Missing { path, hint });
        }
        let refuse = |reason: String| ModelError::Tokenizer {
            path: path.clone(),
            reason,
        };
        let mut tokenizer = Tokenizer::from_file(&path)
            .map_err(|error| refuse(format!("cannot be read: {error}")))?;
        // Length is the caller's business; a file may carry its own.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| refuse(format!("cannot be set up: {error}")))?;
        let id = |name: &str| {
            tokenizer
                .token_to_id(name)
                .ok_or_else(|| refuse(format!("has no token {name:?}: it is no T5 tokenizer")))
        };
        let (end, padding) = (id("</s>")?, id("<pad>")?);
        Ok(Self {
            tokenizer,
            folder: folder.to_owned(),
            end,
            padding,
        })
    }

    /// The ids of the text's words alone, however many.
    ///
    /// # Errors
    /// `Tokenizer` when the text cannot be split.
    pub fn words(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self.tokenizer.encode(text, false);
        let encoding = encoding.map_err(|error| ModelError::Tokenizer {
            path: self.folder.clone(),
            reason: format!("cannot split the prompt: {error}"),
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// So many ids: words (as many as fit), last token, padding.
    pub fn window(&self, words: &[u32], length: usize) -> Vec<u32> {
        let mut ids: Vec<u32> = words.to_vec();
        ids.truncate(length.saturating_sub(1));
        ids.push(self.end);
        ids.resize(length, self.padding);
        ids
    }

    /// The largest id that there can be, plus one.
    pub fn vocab_size(&self) -> usize {
        let vocabulary = self.tokenizer.get_vocab(true);
        vocabulary.values().max().map_or(0, |id| *id as usize + 1)
    }
}
