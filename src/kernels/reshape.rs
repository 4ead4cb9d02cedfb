//! Operations that move elements without changing them.

use candle_core::{Result, Tensor};

use super::stock;

/// Doubles height and width of `[batch, channels, height, width]` by repeating pixels.
pub fn upsample_nearest_2x(input: &Tensor) -> Result<Tensor> {
    stock::upsample_nearest_2x(input)
}

/// `[batch, channels, height, width]` to `[batch, height · width, channels]`.
pub fn tokens_from_image(image: &Tensor) -> Result<Tensor> {
    image.flatten_from(2)?.transpose(1, 2)?.contiguous()
}

/// `[batch, height · width, channels]` to `[batch, channels, height, width]`.
pub fn image_from_tokens(tokens: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (batch, _, channels) = tokens.dims3()?;
    tokens
        .transpose(1, 2)?
        .contiguous()?
        .reshape((batch, channels, height, width))
}
