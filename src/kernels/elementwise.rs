//! Sums and products that networks need between their layers.

use candle_core::{Result, Tensor};

/// The sum of two tensors of the same shape.
pub fn add(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    left + right
}

/// Adds `bias` `[batch, channels]` to every pixel of `input` `[batch, channels, height, width]`:
/// how a residual block takes its timestep embedding.
pub fn add_per_channel(input: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (batch, channels, _, _) = input.dims4()?;
    input.broadcast_add(&bias.reshape((batch, channels, 1, 1))?)
}

/// Every element times `factor`.
pub fn scale(input: &Tensor, factor: f64) -> Result<Tensor> {
    input * factor
}
