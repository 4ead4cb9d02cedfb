//! From a prompt to what the UNet is conditioned on.
//!
//! A prompt that is longer than the text encoder's window is cut into chunks that fill it, each
//! with a first and a last token of its own; the chunks' embeddings are put one after the other.
//! `BREAK` ends a chunk before it is full.
//! Weights multiply the embeddings of their tokens, after which each chunk is scaled back to the
//! mean that it had, as AUTOMATIC1111's web UI does (`FrozenCLIPEmbedderWithCustomWords`).

use candle_core::{DType, Device, Tensor};

use super::PipelineError;
use super::prompt::parse_prompt;
use crate::model::{ClipTextModel, ClipTokenizer, TextEncoders};

/// An embedded prompt.
#[derive(Clone)]
pub struct TextEmbedding {
    /// `[1, tokens, cross_attention_dim]`; tokens are a multiple of the text encoder's window.
    pub hidden_states: Tensor,
    /// SDXL's pooled embedding, `[1, projection_dim]`: that of the first chunk.
    pub pooled: Option<Tensor>,
}

impl TextEmbedding {
    /// Zeros of the same shape: what SDXL guides away from where there is no negative prompt.
    pub(super) fn zeros_like(&self) -> Result<Self, PipelineError> {
        Ok(Self {
            hidden_states: self.hidden_states.zeros_like()?,
            pooled: self.pooled.as_ref().map(Tensor::zeros_like).transpose()?,
        })
    }

    /// Tokens in all.
    pub(super) fn tokens(&self) -> usize {
        self.hidden_states.dims().get(1).copied().unwrap_or(0)
    }

    /// This embedding with windows of the empty prompt after it, up to so many tokens: the rows of
    /// a batch have one length.
    pub(super) fn padded(&self, tokens: usize, empty: &Self) -> Result<Self, PipelineError> {
        let missing = tokens.saturating_sub(self.tokens()) / empty.tokens().max(1);
        let mut parts = vec![&self.hidden_states];
        parts.extend(std::iter::repeat_n(&empty.hidden_states, missing));
        Ok(Self {
            hidden_states: Tensor::cat(&parts, 1)?,
            pooled: self.pooled.clone(),
        })
    }
}

/// Runs text encoders over a prompt.
pub(super) fn embed_prompt(
    encoders: TextEncoders<'_>,
    device: &Device,
    prompt: &str,
) -> Result<TextEmbedding, PipelineError> {
    let (first_encoder, first_tokenizer) = encoders.first;
    let first = Windows::of(first_tokenizer, prompt)?;
    let Some((second_encoder, second_tokenizer)) = encoders.second else {
        let states = first_encoder.forward(&first.ids(device)?)?;
        return Ok(TextEmbedding {
            hidden_states: first.weighted(&states)?,
            pooled: None,
        });
    };
    let second = Windows::of(second_tokenizer, prompt)?;
    let chunks = first.chunks.len().max(second.chunks.len());
    let run = |encoder: &ClipTextModel, windows: Windows| -> Result<_, PipelineError> {
        let windows = windows.at_least(chunks);
        let output = encoder.forward_all(&windows.ids(device)?)?;
        let states = windows.weighted(&output.penultimate_hidden_state)?;
        let pooled = output.text_embeds.map(|pooled| pooled.narrow(0, 0, 1));
        Ok((states, pooled.transpose()?))
    };
    let (first, first_pooled) = run(first_encoder, first)?;
    let (second, second_pooled) = run(second_encoder, second)?;
    Ok(TextEmbedding {
        hidden_states: Tensor::cat(&[first, second], 2)?,
        pooled: first_pooled.or(second_pooled),
    })
}

/// A prompt's words in windows of one tokenizer.
struct Windows<'a> {
    tokenizer: &'a ClipTokenizer,
    /// At least one.
    chunks: Vec<Chunk>,
}

/// The words of one window, each with its weight.
type Chunk = Vec<(u32, f32)>;

impl<'a> Windows<'a> {
    fn of(tokenizer: &'a ClipTokenizer, prompt: &str) -> Result<Self, PipelineError> {
        let room = tokenizer.max_length().saturating_sub(2).max(1);
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut words = Chunk::new();
        for fragment in parse_prompt(prompt) {
            if fragment.begins_chunk {
                chunks.extend(words.chunks(room).map(<[_]>::to_vec));
                words.clear();
            }
            let weight = fragment.weight as f32;
            let ids = tokenizer.words(&fragment.text)?;
            words.extend(ids.into_iter().map(|id| (id, weight)));
        }
        chunks.extend(words.chunks(room).map(<[_]>::to_vec));
        if chunks.is_empty() {
            chunks.push(Chunk::new());
        }
        Ok(Self { tokenizer, chunks })
    }

    fn at_least(mut self, chunks: usize) -> Self {
        let chunks = chunks.max(self.chunks.len());
        self.chunks.resize(chunks, Chunk::new());
        self
    }

    /// `[chunks, window]`.
    fn ids(&self, device: &Device) -> Result<Tensor, PipelineError> {
        let ids = self.chunks.iter().flat_map(|chunk| {
            let words: Vec<u32> = chunk.iter().map(|(id, _)| *id).collect();
            self.tokenizer.window(&words)
        });
        let ids: Vec<u32> = ids.collect();
        let shape = (self.chunks.len(), self.tokenizer.max_length());
        Ok(Tensor::from_vec(ids, shape, device)?)
    }

    /// `[chunks, window, width]` states to `[1, chunks · window, width]`, weights applied.
    fn weighted(&self, states: &Tensor) -> Result<Tensor, PipelineError> {
        let (chunks, window, width) = states.dims3()?;
        let flat = (1, chunks * window, width);
        if self
            .chunks
            .iter()
            .flatten()
            .all(|(_, weight)| *weight == 1.0)
        {
            return Ok(states.reshape(flat)?);
        }
        let weights = self.chunks.iter().flat_map(|chunk| {
            let words = chunk.iter().map(|(_, weight)| *weight);
            let whole = std::iter::once(1.0).chain(words);
            whole.chain(std::iter::repeat(1.0)).take(window)
        });
        let weights: Vec<f32> = weights.collect();
        let weights = Tensor::from_vec(weights, (chunks, window, 1), states.device())?;
        let plain = states.to_dtype(DType::F32)?;
        let weighted = plain.broadcast_mul(&weights)?;
        let back = (plain.mean_keepdim((1, 2))? / weighted.mean_keepdim((1, 2))?)?;
        let restored = weighted.broadcast_mul(&back)?;
        Ok(restored.to_dtype(states.dtype())?.reshape(flat)?)
    }
}
