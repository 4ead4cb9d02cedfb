//! From a prompt to what the UNet is conditioned on.
//!
//! A prompt that is longer than the text encoder's window is cut into chunks that fill it, each
//! with a first and a last token of its own; the chunks' embeddings are put one after the other.
//! `BREAK` ends a chunk before it is full.
//! Weights multiply the embeddings of their tokens, after which each chunk is scaled back to the
//! mean that it had, as AUTOMATIC1111's web UI does (`FrozenCLIPEmbedderWithCustomWords`). Flow
//! models read one window, as in diffusers.

use candle_core::{Device, Tensor};

use super::PipelineError;
use super::flow_text::{flux_embedding, sd3_embedding};
use super::windows::Windows;
use crate::model::{ClipTextModel, PromptReading, TextEncoders};

/// An embedded prompt.
#[derive(Clone)]
pub struct TextEmbedding {
    /// `[1, tokens, width]`; of a UNet's prompt, tokens are a multiple of the text encoder's window.
    pub hidden_states: Tensor,
    /// The pooled embedding of SDXL and flow models, `[1, width]`: that of the first chunk.
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
    let of_flow = match encoders.reading {
        PromptReading::Clip => None,
        PromptReading::Flux { tokens } => Some(flux_embedding(encoders, tokens, device, prompt)?),
        PromptReading::Sd3 { tokens, width } => {
            Some(sd3_embedding(encoders, [tokens, width], device, prompt)?)
        }
    };
    if let Some([hidden_states, pooled]) = of_flow {
        return Ok(TextEmbedding {
            hidden_states,
            pooled: Some(pooled),
        });
    }
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
