//! What flow models are told of a prompt: T5's states, CLIP's pooled embeddings and, for Stable
//! Diffusion 3, CLIP's states before T5's.
//!
//! One window of each encoder is read, as in diffusers' pipelines: what a prompt has beyond it is
//! not seen. Weights count as for other models.

use candle_core::{DType, Device, Tensor};

use super::PipelineError;
use super::prompt::parse_prompt;
use super::windows::{Windows, weighted};
use crate::model::{
    ClipTextModel, ClipTextOutput, ClipTokenizer, T5EncoderModel, T5Tokenizer, TextEncoders,
};

/// FLUX: T5's states `[1, tokens, width]` and CLIP's pooled embedding `[1, width]`.
pub(super) fn flux_embedding(
    encoders: TextEncoders<'_>,
    tokens: usize,
    device: &Device,
    prompt: &str,
) -> Result<[Tensor; 2], PipelineError> {
    let Some(t5) = encoders.t5 else {
        return Err(PipelineError::NoTextEncoder {
            class: "T5EncoderModel",
        });
    };
    let (_, clip) = first_window(encoders.first, device, prompt)?;
    Ok([t5_states(t5, tokens, device, prompt)?, clip.pooler_output])
}

/// Stable Diffusion 3: the states of two CLIP encoders and T5 `[1, windows, width]`, and the pooled
/// embeddings of both CLIP encoders side by side `[1, width]`.
pub(super) fn sd3_embedding(
    encoders: TextEncoders<'_>,
    [tokens, width]: [usize; 2],
    device: &Device,
    prompt: &str,
) -> Result<[Tensor; 2], PipelineError> {
    let class = "CLIPTextModelWithProjection";
    let Some(second) = encoders.second else {
        return Err(PipelineError::NoTextEncoder { class });
    };
    let mut states = Vec::with_capacity(2);
    let mut pooled = Vec::with_capacity(2);
    for encoder in [encoders.first, second] {
        let (window, output) = first_window(encoder, device, prompt)?;
        let own = window.weighted(&output.penultimate_hidden_state)?;
        states.push(own.to_dtype(DType::F32)?);
        let Some(embeds) = output.text_embeds else {
            return Err(PipelineError::NoTextEncoder { class });
        };
        pooled.push(embeds);
    }
    let clip = Tensor::cat(&states, 2)?;
    let missing = width.saturating_sub(clip.dim(2)?);
    let clip = clip.pad_with_zeros(2, 0, missing)?;
    let t5 = match encoders.t5 {
        Some(t5) => t5_states(t5, tokens, device, prompt)?,
        None => Tensor::zeros((1, tokens, width), DType::F32, device)?,
    };
    Ok([Tensor::cat(&[clip, t5], 1)?, Tensor::cat(&pooled, 1)?])
}

/// What a CLIP encoder answers to the first window of a prompt.
fn first_window<'a>(
    (encoder, tokenizer): (&ClipTextModel, &'a ClipTokenizer),
    device: &Device,
    prompt: &str,
) -> Result<(Windows<'a>, ClipTextOutput), PipelineError> {
    let mut window = Windows::of(tokenizer, prompt)?;
    window.chunks.truncate(1);
    let output = encoder.forward_all(&window.ids(device)?)?;
    Ok((window, output))
}

/// What T5 makes of a prompt's first words, `[1, tokens, width]` in f32.
fn t5_states(
    (encoder, tokenizer): (&T5EncoderModel, &T5Tokenizer),
    tokens: usize,
    device: &Device,
    prompt: &str,
) -> Result<Tensor, PipelineError> {
    let (mut words, mut weights) = (Vec::new(), Vec::new());
    for fragment in parse_prompt(prompt) {
        let ids = tokenizer.words(&fragment.text)?;
        weights.resize(words.len() + ids.len(), fragment.weight as f32);
        words.extend(ids);
    }
    weights.truncate(tokens.saturating_sub(1));
    weights.resize(tokens, 1.0);
    let ids = Tensor::from_vec(tokenizer.window(&words, tokens), (1, tokens), device)?;
    let states = encoder.forward(&ids)?.to_dtype(DType::F32)?;
    weighted(&states, weights)
}
