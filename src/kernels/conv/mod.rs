//! 2-D convolution.

use candle_core::{Result, Tensor};

use super::stock;

/// Rows and columns of zeros around an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The same on all four sides.
    pub fn all(size: usize) -> Self {
        Self {
            top: size,
            bottom: size,
            left: size,
            right: size,
        }
    }
}

/// What happens to a convolution's result before it is written, in this order.
#[derive(Clone, Copy, Default)]
pub struct Fused<'a> {
    /// `[batch, out]`, added to every pixel: a residual block's timestep embedding.
    pub per_channel: Option<&'a Tensor>,
    /// Shaped like the result, added to it: a residual block's other branch.
    pub residual: Option<&'a Tensor>,
    /// Negative values become 0, after the sums.
    pub relu: bool,
}

/// A 2-D convolution with fixed weights.
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: usize,
    padding: Padding,
}

impl Conv2d {
    /// A convolution with `weight` `[out, in, kernel height, kernel width]` and `bias` `[out]`,
    /// `padding` zeros on every side, taking every `stride`-th position in both directions.
    pub fn new(
        weight: Tensor,
        bias: Option<Tensor>,
        stride: usize,
        padding: usize,
    ) -> Result<Self> {
        Self::with_padding(weight, bias, stride, Padding::all(padding))
    }

    /// [`Conv2d::new`] with its own padding on each side.
    pub fn with_padding(
        weight: Tensor,
        bias: Option<Tensor>,
        stride: usize,
        padding: Padding,
    ) -> Result<Self> {
        Ok(Self {
            weight,
            bias,
            stride,
            padding,
        })
    }

    /// `[batch, in, height, width]` to `[batch, out, height', width']`.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.forward_fused(input, Fused::default())
    }

    /// [`Conv2d::forward`] with the sums and the activation that follow it done in the same pass.
    pub fn forward_fused(&self, input: &Tensor, fused: Fused) -> Result<Tensor> {
        let mut output = stock::conv2d(
            input,
            &self.weight,
            self.bias.as_ref(),
            self.stride,
            self.padding,
        )?;
        if let Some(bias) = fused.per_channel {
            output = super::add_per_channel(&output, bias)?;
        }
        if let Some(residual) = fused.residual {
            output = super::add(&output, residual)?;
        }
        if fused.relu {
            output.relu()
        } else {
            Ok(output)
        }
    }

    /// [`Conv2d::forward_fused`] of `input` with its height and width doubled by repeating pixels.
    pub fn forward_upsampled(&self, input: &Tensor, fused: Fused) -> Result<Tensor> {
        self.forward_fused(&super::upsample_nearest_2x(input)?, fused)
    }
}
