//! The configuration of [`super::FluxTransformer2DModel`].

use super::{ConfigFile, ModelError};

/// What `config.json` says, with diffusers' names and defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FluxConfig {
    /// Features of a token: four times the channels of the latents, of which it holds 2 × 2.
    pub in_channels: usize,
    /// Blocks in which image and prompt have weights of their own.
    pub num_layers: usize,
    /// Blocks in which both have the same.
    pub num_single_layers: usize,
    /// Width of a head.
    pub attention_head_dim: usize,
    /// Heads of attention.
    pub num_attention_heads: usize,
    /// Width of the prompt's embeddings.
    pub joint_attention_dim: usize,
    /// Width of the pooled prompt.
    pub pooled_projection_dim: usize,
    /// Whether the guidance scale is an input (FLUX.1 dev).
    pub guidance_embeds: bool,
    /// How many entries of a head are turned by a token's index, row and column.
    pub axes_dims_rope: [usize; 3],
}

impl FluxConfig {
    /// Reads the configuration and refuses what is not supported.
    ///
    /// # Errors
    /// `Config`, with the field's name.
    pub fn read(file: &ConfigFile) -> Result<Self, ModelError> {
        file.only("patch_size", 1)?;
        let config = Self {
            in_channels: file.or("in_channels", 64)?,
            num_layers: file.or("num_layers", 19)?,
            num_single_layers: file.or("num_single_layers", 38)?,
            attention_head_dim: file.or("attention_head_dim", 128)?,
            num_attention_heads: file.or("num_attention_heads", 24)?,
            joint_attention_dim: file.or("joint_attention_dim", 4096)?,
            pooled_projection_dim: file.or("pooled_projection_dim", 768)?,
            guidance_embeds: file.or("guidance_embeds", false)?,
            axes_dims_rope: file.or("axes_dims_rope", [16, 56, 56])?,
        };
        let channels = config.in_channels;
        if channels == 0 || !channels.is_multiple_of(4) {
            let reason = format!("is {channels}: it must be four times the latents' channels");
            return Err(file.refuse("in_channels", reason));
        }
        let output = file.or("out_channels", channels)?;
        if output != channels {
            let reason = format!(
                "is {output}, but `in_channels` {channels}: models that see an image beside the \
                 noise (Fill, Canny, Depth) are not supported; use FLUX.1 schnell or dev"
            );
            return Err(file.refuse("out_channels", reason));
        }
        if config.num_attention_heads == 0 {
            return Err(file.refuse("num_attention_heads", "is 0"));
        }
        let axes = config.axes_dims_rope;
        let turned = axes
            .iter()
            .try_fold(0usize, |sum, dim| sum.checked_add(*dim));
        if turned != Some(config.attention_head_dim) || axes.iter().any(|dim| dim % 2 != 0) {
            let reason = format!(
                "is {axes:?}: these must be even and sum up to `attention_head_dim`, {}",
                config.attention_head_dim
            );
            return Err(file.refuse("axes_dims_rope", reason));
        }
        Ok(config)
    }
}
