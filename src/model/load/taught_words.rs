//! Textual inversions: words that the text encoders are taught before they are loaded.

use candle_core::Tensor;

use crate::model::{ClipTextConfig, ClipTokenizer, ModelError, Supplied, TextualInversion};

/// Words are taught to CLIP's encoders of Stable Diffusion only.
pub(super) fn refuse_embeddings(supplied: &Supplied) -> Result<(), ModelError> {
    match supplied.embeddings.first() {
        None => Ok(()),
        Some(choice) => Err(ModelError::Embedding {
            path: choice.path.clone(),
            reason: "is for Stable Diffusion 1, 2 or XL, and this model is none of them: leave it \
                     out"
            .to_owned(),
        }),
    }
}

/// Words that the text encoders are taught beside their own.
pub(super) struct TaughtWords {
    words: Vec<TextualInversion>,
    /// Text encoders of the model.
    encoders: usize,
}

impl TaughtWords {
    /// Reads the embeddings' files, for a model with so many of CLIP's text encoders.
    pub fn open(supplied: &Supplied, encoders: usize) -> Result<Self, ModelError> {
        let embeddings = supplied.embeddings.iter();
        let words = embeddings
            .map(TextualInversion::open)
            .collect::<Result<_, _>>()?;
        Ok(Self { words, encoders })
    }

    /// The vectors of all words for one text encoder, those of one word after those of another;
    /// none where there are no words. Tells the tokenizer of them.
    pub fn add_to(
        &self,
        tokenizer: &mut ClipTokenizer,
        index: usize,
        config: &ClipTextConfig,
    ) -> Result<Option<Tensor>, ModelError> {
        let width = config.encoder.hidden_size;
        let mut rows = Vec::new();
        let mut next = config.vocab_size as u32;
        for word in &self.words {
            let vectors = word.for_encoder(index, self.encoders, width)?;
            let after = next + vectors.dims()[0] as u32;
            tokenizer.add_word(&word.word, (next..after).collect())?;
            next = after;
            rows.push(vectors);
        }
        if rows.is_empty() {
            return Ok(None);
        }
        Tensor::cat(&rows, 0)
            .map(Some)
            .map_err(|source| ModelError::Prepare {
                path: self.words[0].path.clone(),
                tensor: self.words[0].word.clone(),
                source: Box::new(source),
            })
    }
}
