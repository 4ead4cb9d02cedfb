//! Normalisation layers.

use candle_core::{Result, Tensor};

use super::stock;

/// Normalises each group of channels of an image to zero mean and unit variance, then scales and
/// shifts each channel (Wu and He, "Group Normalization", 2018).
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    /// A layer over `groups` equal groups of channels; `weight` and `bias` are `[channels]`, and
    /// `eps` is added to the variance.
    pub fn new(weight: Tensor, bias: Tensor, groups: usize, eps: f64) -> Result<Self> {
        Ok(Self {
            weight,
            bias,
            groups,
            eps,
        })
    }

    /// `[batch, channels, …]` to the same shape.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        stock::group_norm(input, &self.weight, &self.bias, self.groups, self.eps)
    }

    /// [`GroupNorm::forward`] followed by SiLU, in one go.
    pub fn forward_silu(&self, input: &Tensor) -> Result<Tensor> {
        stock::silu(&self.forward(input)?)
    }
}

/// Normalises the last dimension to zero mean and unit variance, then scales and shifts each of
/// its entries (Ba et al., "Layer Normalization", 2016).
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// A layer with `weight` and `bias` `[width]`; `eps` is added to the variance.
    pub fn new(weight: Tensor, bias: Tensor, eps: f64) -> Result<Self> {
        Ok(Self { weight, bias, eps })
    }

    /// `[…, width]` to the same shape.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        stock::layer_norm(input, &self.weight, &self.bias, self.eps)
    }
}
