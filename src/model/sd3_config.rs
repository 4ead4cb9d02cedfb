//! The configuration of [`super::SD3Transformer2DModel`].

use super::{ConfigFile, ModelError};

/// What `config.json` says, with diffusers' names and defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sd3Config {
    /// Side of the latents that the network was trained on.
    pub sample_size: usize,
    /// Sides of the square of latents that a token holds.
    pub patch_size: usize,
    /// Channels of the latents.
    pub in_channels: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Width of a head.
    pub attention_head_dim: usize,
    /// Heads of attention.
    pub num_attention_heads: usize,
    /// Width of the prompt's embeddings.
    pub joint_attention_dim: usize,
    /// Width of the pooled prompt.
    pub pooled_projection_dim: usize,
    /// Side of the table of positions, in tokens: no image may be larger.
    pub pos_embed_max_size: usize,
    /// Blocks in which the image attends to itself, too (3.5 medium).
    pub dual_attention_layers: Vec<usize>,
    /// Whether queries and keys are normalised (3.5).
    pub qk_norm: bool,
}

impl Sd3Config {
    /// Reads the configuration and refuses what is not supported.
    ///
    /// # Errors
    /// `Config`, with the field's name.
    pub fn read(file: &ConfigFile) -> Result<Self, ModelError> {
        file.only("qk_norm", "rms_norm")?;
        let config = Self {
            sample_size: file.or("sample_size", 128)?,
            patch_size: file.or("patch_size", 2)?,
            in_channels: file.or("in_channels", 16)?,
            num_layers: file.or("num_layers", 18)?,
            attention_head_dim: file.or("attention_head_dim", 64)?,
            num_attention_heads: file.or("num_attention_heads", 18)?,
            joint_attention_dim: file.or("joint_attention_dim", 4096)?,
            pooled_projection_dim: file.or("pooled_projection_dim", 2048)?,
            pos_embed_max_size: file.or("pos_embed_max_size", 96)?,
            dual_attention_layers: file.or("dual_attention_layers", Vec::new())?,
            qk_norm: file.optional::<String>("qk_norm")?.is_some(),
        };
        for (field, value) in [
            ("sample_size", config.sample_size),
            ("patch_size", config.patch_size),
            ("in_channels", config.in_channels),
            ("num_layers", config.num_layers),
            ("attention_head_dim", config.attention_head_dim),
            ("num_attention_heads", config.num_attention_heads),
            ("pos_embed_max_size", config.pos_embed_max_size),
        ] {
            if value == 0 || value > 1 << 16 {
                return Err(file.refuse(field, format!("is {value}")));
            }
        }
        let output = file.or("out_channels", 16)?;
        if output != config.in_channels {
            let reason = format!("is {output}, but `in_channels` {}", config.in_channels);
            return Err(file.refuse("out_channels", reason));
        }
        let width = config.num_attention_heads * config.attention_head_dim;
        let caption = file.or("caption_projection_dim", 1152)?;
        if caption != width {
            let reason = format!("is {caption}, but all heads together are {width} wide");
            return Err(file.refuse("caption_projection_dim", reason));
        }
        Ok(config)
    }
}
