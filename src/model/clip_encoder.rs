//! The transformer inside both of CLIP's towers (`transformers.models.clip.CLIPEncoder`).

use candle_core::{Result, Tensor};

use super::layers::{layer_norm, linear};
use super::{ConfigFile, ModelError, Weights};
use crate::kernels::{LayerNorm, Linear, attention, gelu, quick_gelu};

/// What both towers' configurations say about their transformer, with transformers' names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipEncoderConfig {
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// True for the exact GELU, false for CLIP's quick one.
    pub exact_gelu: bool,
    /// Added to the normalisations' variance.
    pub layer_norm_eps: f64,
}

impl ClipEncoderConfig {
    /// Reads the configuration; what the file leaves out is as in `default`.
    ///
    /// # Errors
    /// `Config`, for heads that do not share the width evenly and for unknown activations.
    pub(super) fn read(file: &ConfigFile, default: Self) -> std::result::Result<Self, ModelError> {
        let config = Self {
            hidden_size: file.or("hidden_size", default.hidden_size)?,
            intermediate_size: file.or("intermediate_size", default.intermediate_size)?,
            num_hidden_layers: file.or("num_hidden_layers", default.num_hidden_layers)?,
            num_attention_heads: file.or("num_attention_heads", default.num_attention_heads)?,
            exact_gelu: read_exact_gelu(file, default.exact_gelu)?,
            layer_norm_eps: file.or("layer_norm_eps", default.layer_norm_eps)?,
        };
        let (width, heads) = (config.hidden_size, config.num_attention_heads);
        if heads == 0 || !width.is_multiple_of(heads) {
            let reason = format!("does not divide hidden_size, {width}");
            return Err(file.refuse("num_attention_heads", reason));
        }
        Ok(config)
    }
}

/// Reads `hidden_act`: true for the exact GELU, false for CLIP's quick one.
fn read_exact_gelu(file: &ConfigFile, default: bool) -> std::result::Result<bool, ModelError> {
    let act: Option<String> = file.optional("hidden_act")?;
    match act.as_deref() {
        None => Ok(default),
        Some("quick_gelu") => Ok(false),
        Some("gelu") => Ok(true),
        Some(other) => Err(file.refuse(
            "hidden_act",
            format!("is {other:?}, which is not supported: use quick_gelu or gelu"),
        )),
    }
}

/// Hidden states `[batch, tokens, hidden_size]`, not normalised.
pub(super) struct EncoderStates {
    /// After the last layer.
    pub last: Tensor,
    /// Before the last layer.
    pub penultimate: Tensor,
}

/// Self-attention and a feed-forward part, layer after layer.
pub(super) struct ClipEncoder {
    layers: Vec<Layer>,
    config: ClipEncoderConfig,
}

struct Layer {
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl ClipEncoder {
    /// Reads the layers in the module `weights`.
    pub fn load(
        weights: &Weights,
        config: ClipEncoderConfig,
    ) -> std::result::Result<Self, ModelError> {
        let layers = weights.scope("layers");
        Ok(Self {
            layers: (0..config.num_hidden_layers)
                .map(|number| Layer::load(&layers.scope(number), &config))
                .collect::<std::result::Result<_, _>>()?,
            config,
        })
    }

    /// `[batch, tokens, hidden_size]` through all layers; `mask` is added to the attention's
    /// scores.
    pub fn forward(&self, embedded: &Tensor, mask: Option<&Tensor>) -> Result<EncoderStates> {
        let mut states = EncoderStates {
            last: embedded.clone(),
            penultimate: embedded.clone(),
        };
        for layer in &self.layers {
            let last = layer.forward(&states.last, &self.config, mask)?;
            states.penultimate = std::mem::replace(&mut states.last, last);
        }
        Ok(states)
    }
}

impl Layer {
    fn load(
        weights: &Weights,
        config: &ClipEncoderConfig,
    ) -> std::result::Result<Self, ModelError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let dense = |name: &str, input, output| linear(&weights.scope(name), input, output, true);
        let norm = |name: &str| layer_norm(&weights.scope(name), width, config.layer_norm_eps);
        Ok(Self {
            layer_norm1: norm("layer_norm1")?,
            q_proj: dense("self_attn.q_proj", width, width)?,
            k_proj: dense("self_attn.k_proj", width, width)?,
            v_proj: dense("self_attn.v_proj", width, width)?,
            out_proj: dense("self_attn.out_proj", width, width)?,
            layer_norm2: norm("layer_norm2")?,
            fc1: dense("mlp.fc1", width, inner)?,
            fc2: dense("mlp.fc2", inner, width)?,
        })
    }

    fn forward(
        &self,
        tokens: &Tensor,
        config: &ClipEncoderConfig,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let normed = self.layer_norm1.forward(tokens)?;
        let mixed = attention(
            &self.q_proj.forward(&normed)?,
            &self.k_proj.forward(&normed)?,
            &self.v_proj.forward(&normed)?,
            config.num_attention_heads,
            1.0 / ((config.hidden_size / config.num_attention_heads) as f64).sqrt(),
            mask,
        )?;
        let tokens = self.out_proj.forward_add(&mixed, tokens)?;
        let hidden = self.fc1.forward(&self.layer_norm2.forward(&tokens)?)?;
        let hidden = if config.exact_gelu {
            gelu(&hidden)?
        } else {
            quick_gelu(&hidden)?
        };
        self.fc2.forward_add(&hidden, &tokens)
    }
}
