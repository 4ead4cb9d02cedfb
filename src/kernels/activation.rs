//! Activation functions.

use candle_core::{Result, Tensor};

use super::stock;

/// `max(x, 0)`, elementwise.
pub fn relu(input: &Tensor) -> Result<Tensor> {
    input.relu()
}

/// `x · sigmoid(x)`, elementwise.
pub fn silu(input: &Tensor) -> Result<Tensor> {
    stock::silu(input)
}

/// `x · Φ(x)` with the exact normal distribution function (not the tanh approximation),
/// elementwise.
pub fn gelu(input: &Tensor) -> Result<Tensor> {
    stock::gelu(input)
}

/// `x · sigmoid(1.702 x)`, the approximation that CLIP's text towers were trained with.
pub fn quick_gelu(input: &Tensor) -> Result<Tensor> {
    stock::quick_gelu(input)
}

/// The first half of the last dimension times the [`gelu`] of the second half: `[…, 2 n]` to
/// `[…, n]` (Shazeer, "GLU variants improve Transformer", 2020).
pub fn geglu(input: &Tensor) -> Result<Tensor> {
    stock::geglu(input)
}
