//! A prompt's words, with their weights, in windows of CLIP's tokenizer.

use candle_core::{DType, Device, Tensor};

use super::PipelineError;
use super::prompt::parse_prompt;
use crate::model::ClipTokenizer;

/// A prompt's words in windows of one tokenizer.
pub(super) struct Windows<'a> {
    tokenizer: &'a ClipTokenizer,
    /// At least one.
    pub chunks: Vec<Chunk>,
}

/// The words of one window, each with its weight.
pub(super) type Chunk = Vec<(u32, f32)>;

impl<'a> Windows<'a> {
    pub fn of(tokenizer: &'a ClipTokenizer, prompt: &str) -> Result<Self, PipelineError> {
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

    /// With empty windows after it, up to so many.
    pub fn at_least(mut self, chunks: usize) -> Self {
        let chunks = chunks.max(self.chunks.len());
        self.chunks.resize(chunks, Chunk::new());
        self
    }

    /// `[chunks, window]`.
    pub fn ids(&self, device: &Device) -> Result<Tensor, PipelineError> {
        let ids = self.chunks.iter().flat_map(|chunk| {
            let words: Vec<u32> = chunk.iter().map(|(id, _)| *id).collect();
            self.tokenizer.window(&words)
        });
        let ids: Vec<u32> = ids.collect();
        let shape = (self.chunks.len(), self.tokenizer.max_length());
        Ok(Tensor::from_vec(ids, shape, device)?)
    }

    /// `[chunks, window, width]` states to `[1, chunks · window, width]`, weights applied.
    pub fn weighted(&self, states: &Tensor) -> Result<Tensor, PipelineError> {
        let (chunks, window, width) = states.dims3()?;
        let weights = self.chunks.iter().flat_map(|chunk| {
            let words = chunk.iter().map(|(_, weight)| *weight);
            let whole = std::iter::once(1.0).chain(words);
            whole.chain(std::iter::repeat(1.0)).take(window)
        });
        weighted(states, weights.collect())?
            .reshape((1, chunks * window, width))
            .map_err(PipelineError::from)
    }
}

/// States `[rows, tokens, width]` times the weights of their tokens, after which each row is scaled
/// back to the mean that it had.
pub(super) fn weighted(states: &Tensor, weights: Vec<f32>) -> Result<Tensor, PipelineError> {
    if weights.iter().all(|weight| *weight == 1.0) {
        return Ok(states.clone());
    }
    let (rows, tokens, _) = states.dims3()?;
    let weights = Tensor::from_vec(weights, (rows, tokens, 1), states.device())?;
    let plain = states.to_dtype(DType::F32)?;
    let weighted = plain.broadcast_mul(&weights)?;
    let back = (plain.mean_keepdim((1, 2))? / weighted.mean_keepdim((1, 2))?)?;
    Ok(weighted.broadcast_mul(&back)?.to_dtype(states.dtype())?)
}
