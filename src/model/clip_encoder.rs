//! The transformer inside both of CLIP's towers (`transformers.models.clip.CLIPEncoder`).

use candle_core::{Result, Tensor};

use super::layers::{layer_norm, linear};
use super::{ConfigFile, ModelError, Weights};
use crate::kernels::{LayerNorm, Linear, attention, gelu, quick_gelu};

/// The size of an encoder.
#[derive(Debug, Clone, Copy)]
pub(super) struct EncoderShape {
    /// `hidden_size`.
    pub width: usize,
    /// `intermediate_size`.
    pub inner: usize,
    /// `num_hidden_layers`.
    pub layers: usize,
    /// `num_attention_heads`.
    pub heads: usize,
    /// True for the exact GELU, false for CLIP's quick one.
    pub exact_gelu: bool,
    /// `layer_norm_eps`.
    pub eps: f64,
}

impl EncoderShape {
    /// Refuses heads that do not share the width evenly.
    pub fn check(&self, file: &ConfigFile) -> std::result::Result<(), ModelError> {
        if self.heads == 0 || !self.width.is_multiple_of(self.heads) {
            let reason = format!("does not divide hidden_size, {}", self.width);
            return Err(file.refuse("num_attention_heads", reason));
        }
        Ok(())
    }
}

/// Reads `hidden_act`: true for the exact GELU, false for CLIP's quick one.
pub(super) fn read_exact_gelu(file: &ConfigFile) -> std::result::Result<bool, ModelError> {
    let act: String = file.or("hidden_act", "quick_gelu".to_owned())?;
    match act.as_str() {
        "quick_gelu" => Ok(false),
        "gelu" => Ok(true),
        other => Err(file.refuse(
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
    shape: EncoderShape,
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
    pub fn load(weights: &Weights, shape: EncoderShape) -> std::result::Result<Self, ModelError> {
        let layers = weights.scope("layers");
        Ok(Self {
            layers: (0..shape.layers)
                .map(|number| Layer::load(&layers.scope(number), &shape))
                .collect::<std::result::Result<_, _>>()?,
            shape,
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
            let last = layer.forward(&states.last, &self.shape, mask)?;
            states.penultimate = std::mem::replace(&mut states.last, last);
        }
        Ok(states)
    }
}

impl Layer {
    fn load(weights: &Weights, shape: &EncoderShape) -> std::result::Result<Self, ModelError> {
        let (width, inner) = (shape.width, shape.inner);
        let dense = |name: &str, input, output| linear(&weights.scope(name), input, output, true);
        let norm = |name: &str| layer_norm(&weights.scope(name), width, shape.eps);
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
        shape: &EncoderShape,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let normed = self.layer_norm1.forward(tokens)?;
        let mixed = attention(
            &self.q_proj.forward(&normed)?,
            &self.k_proj.forward(&normed)?,
            &self.v_proj.forward(&normed)?,
            shape.heads,
            1.0 / ((shape.width / shape.heads) as f64).sqrt(),
            mask,
        )?;
        let tokens = self.out_proj.forward_add(&mixed, tokens)?;
        let hidden = self.fc1.forward(&self.layer_norm2.forward(&tokens)?)?;
        let hidden = if shape.exact_gelu {
            gelu(&hidden)?
        } else {
            quick_gelu(&hidden)?
        };
        self.fc2.forward_add(&hidden, &tokens)
    }
}
