//! 2-D convolution.
//!
//! On the CPU a convolution is a matrix product whose right operand, the pixels under each
//! position of the kernel, is never written out: a task copies its rows of the image with their
//! zeros into a buffer ([`stage`]), and every step of the product reads that buffer from another
//! offset ([`plan`]). Only images too narrow for whole vectors have their columns gathered first.
//! The left operand, the weights, is packed once when the layer is made ([`weights`]).

mod finish;
mod plan;
mod run;
mod stage;
#[cfg(test)]
mod tests;
mod weights;

use candle_core::{Result, Tensor};

use self::plan::{Image, Kernel};
use self::run::{Sums, run};
use self::weights::Packed;
use super::storage::{Output, Values, is_cpu_f32};
use super::tile::InstructionSet;
use super::{elementwise, reshape, stock};

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
    weights: Weights,
    kernel: Kernel,
}

enum Weights {
    Packed(Packed),
    Stock {
        weight: Tensor,
        bias: Option<Tensor>,
    },
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
        Self::for_set(InstructionSet::best(), weight, bias, stride, padding)
    }

    fn for_set(
        set: InstructionSet,
        weight: Tensor,
        bias: Option<Tensor>,
        stride: usize,
        padding: Padding,
    ) -> Result<Self> {
        let (channels_out, channels_in, height, width) = weight.dims4()?;
        if stride == 0 || height == 0 || width == 0 {
            candle_core::bail!("a convolution needs a stride and a kernel of at least 1");
        }
        if let Some(bias) = &bias
            && bias.dims1()? != channels_out
        {
            candle_core::bail!(
                "a convolution with {channels_out} output channels has {} biases",
                bias.elem_count()
            );
        }
        let weights = if is_cpu_f32(&weight) {
            Weights::Packed(Packed::new(set, &weight, bias.as_ref())?)
        } else {
            Weights::Stock { weight, bias }
        };
        let kernel = Kernel {
            channels_in,
            channels_out,
            height,
            width,
            stride,
            padding,
        };
        Ok(Self { weights, kernel })
    }

    /// `[batch, in, height, width]` to `[batch, out, height', width']`, where
    /// `height' = (height + padding − kernel height) / stride + 1`.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.forward_fused(input, Fused::default())
    }

    /// [`Conv2d::forward`] with the sums and the activation that follow it done in the same pass.
    pub fn forward_fused(&self, input: &Tensor, fused: Fused) -> Result<Tensor> {
        self.run(input, false, fused)
    }

    /// [`Conv2d::forward_fused`] of `input` with its height and width doubled by repeating pixels.
    pub fn forward_upsampled(&self, input: &Tensor, fused: Fused) -> Result<Tensor> {
        self.run(input, true, fused)
    }

    fn run(&self, input: &Tensor, upsample: bool, fused: Fused) -> Result<Tensor> {
        let (batch, channels, height, width) = input.dims4()?;
        let factor = if upsample { 2 } else { 1 };
        let image = Image {
            batch,
            height,
            width,
            factor,
        };
        let kernel = &self.kernel;
        if channels != kernel.channels_in {
            candle_core::bail!(
                "a convolution over {} channels was given {:?}",
                kernel.channels_in,
                input.shape()
            );
        }
        let Some((out_height, out_width)) = kernel.output_size(&image) else {
            candle_core::bail!(
                "a {}×{} convolution was given an image smaller than itself: {:?}",
                kernel.height,
                kernel.width,
                input.shape()
            );
        };
        let dims = (batch, kernel.channels_out, out_height, out_width);
        if let Some(residual) = fused.residual
            && residual.dims4()? != dims
        {
            candle_core::bail!("a sum of {:?} and {:?}", dims, residual.shape());
        }
        if let Some(bias) = fused.per_channel
            && bias.dims2()? != (batch, kernel.channels_out)
        {
            candle_core::bail!(
                "a sum of {:?} and, for each channel, {:?}",
                dims,
                bias.shape()
            );
        }
        match &self.weights {
            Weights::Packed(packed) => {
                let input = input.contiguous()?;
                let values = Values::of(&input)?;
                let residual = fused.residual.map(Tensor::contiguous).transpose()?;
                let residual = residual.as_ref().map(Values::of).transpose()?;
                let per_channel = fused.per_channel.map(Tensor::contiguous).transpose()?;
                let per_channel = per_channel.as_ref().map(Values::of).transpose()?;
                let mut output = Output::new(batch * kernel.channels_out * out_height * out_width);
                let sums = Sums {
                    per_channel: per_channel.as_deref(),
                    residual: residual.as_deref(),
                    relu: fused.relu,
                };
                run(packed, kernel, &image, &values, &sums, output.parts());
                // SAFETY: `run` writes every pixel of every channel.
                unsafe { output.into_tensor(dims) }
            }
            Weights::Stock { weight, bias } => {
                let upsampled;
                let input = if upsample {
                    upsampled = reshape::upsample_nearest_2x(input)?;
                    &upsampled
                } else {
                    input
                };
                let mut output =
                    stock::conv2d(input, weight, bias.as_ref(), kernel.stride, kernel.padding)?;
                if let Some(bias) = fused.per_channel {
                    output = elementwise::add_per_channel(&output, bias)?;
                }
                if let Some(residual) = fused.residual {
                    output = elementwise::add(&output, residual)?;
                }
                if fused.relu {
                    output.relu()
                } else {
                    Ok(output)
                }
            }
        }
    }
}
