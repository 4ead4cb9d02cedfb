//! Which text encoders a family has, and how its denoiser is told a prompt.

use super::{DenoiserConfig, ModelFolder};

/// How a denoiser is told a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptReading {
    /// The states of one CLIP encoder or, with SDXL's pooled embedding, of two side by side.
    Clip,
    /// FLUX: the states of T5 for so many tokens, and CLIP's pooled embedding.
    Flux {
        /// T5's tokens.
        tokens: usize,
    },
    /// Stable Diffusion 3: the states of two CLIP encoders side by side, with zeros up to a width,
    /// then those of T5, or zeros where the folder has no T5; and the pooled embeddings of both.
    Sd3 {
        /// T5's tokens.
        tokens: usize,
        /// Of all states.
        width: usize,
    },
}

impl PromptReading {
    /// How a denoiser of this configuration is told a prompt: as many tokens of T5 as diffusers'
    /// pipelines take, and FLUX.1 schnell's model card.
    pub(super) fn of(denoiser: &DenoiserConfig) -> Self {
        match denoiser {
            DenoiserConfig::UNet(_) => Self::Clip,
            DenoiserConfig::Flux(config) => Self::Flux {
                tokens: if config.guidance_embeds { 512 } else { 256 },
            },
            DenoiserConfig::Sd3(config) => Self::Sd3 {
                tokens: 256,
                width: config.joint_attention_dim,
            },
        }
    }
}

/// The folders of a text encoder and its tokenizer.
pub(super) type TextFolders = [&'static str; 2];

/// The text encoders that a model reads prompts with.
pub(super) struct TextParts {
    pub clip: TextFolders,
    pub second_clip: Option<TextFolders>,
    pub t5: Option<TextFolders>,
}

const FIRST: TextFolders = ["text_encoder", "tokenizer"];
const SECOND: TextFolders = ["text_encoder_2", "tokenizer_2"];
const THIRD: TextFolders = ["text_encoder_3", "tokenizer_3"];

impl TextParts {
    /// Those of a denoiser of this class, as far as the folder's index has them.
    pub fn of(folder: &ModelFolder, denoiser: &str) -> Self {
        let has = |folders: TextFolders| folder.classes().contains_key(folders[0]);
        let (second_clip, t5) = match denoiser {
            "FluxTransformer2DModel" => (None, Some(SECOND)),
            // It paints without T5, too.
            "SD3Transformer2DModel" => (Some(SECOND), has(THIRD).then_some(THIRD)),
            _ => (has(SECOND).then_some(SECOND), None),
        };
        Self {
            clip: FIRST,
            second_clip,
            t5,
        }
    }
}
