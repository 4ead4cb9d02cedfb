//! Dense layers.

use candle_core::{Result, Tensor};

use super::stock;

/// A dense layer: `x · weightᵀ + bias`.
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// A layer with `weight` `[out, in]` and `bias` `[out]`.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        Ok(Self { weight, bias })
    }

    /// `[…, in]` to `[…, out]`.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        stock::linear(input, &self.weight, self.bias.as_ref())
    }
}
