//! 2-D convolution.
//!
//! On the CPU a convolution is a matrix product whose right operand, the pixels under each
//! position of the kernel, is never written out: a task copies its rows of the image with their
//! zeros into a buffer ([`stage`]), and every step of the product reads that buffer from another
//! offset ([`plan`]). Only images too narrow for whole vectors have their columns gathered first.
//! The left operand, the weights, is packed once when the layer is made ([`weights`]).
//!
//! Where 3×3 kernels meet enough pixels there is a way with a quarter of the products
//! ([`winograd`]), and networks that are nothing but such convolutions can keep an image in the
//! layout that it likes ([`chain`]).

mod blocks;
mod chain;
mod direct;
mod finish;
mod picture;
mod pixels;
mod plan;
mod product;
mod run;
mod stage;
#[cfg(test)]
mod tests;
mod upsample;
mod weights;
mod winograd;

use std::sync::{Arc, OnceLock};

use candle_core::{Device, Result, Tensor};

pub use self::chain::{ConvChain, Link};

use self::blocks::Blocks;
use self::plan::{Image, Kernel};
use self::run::{Sums, run};
use self::upsample::{Phases, run_upsampled};
use self::weights::Packed;
use self::winograd::{Sink, Source, Transformed};
use super::instructions::InstructionSet;
use super::storage::{Output, Parts, Values, is_cpu_f32};
use super::{elementwise, interrupt, profile, reshape, stock};

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

/// A 2-D convolution with fixed weights. Clones share them.
#[derive(Clone)]
pub struct Conv2d {
    weights: Arc<Weights>,
    kernel: Kernel,
}

enum Weights {
    Packed {
        weights: Packed,
        /// Made when the first doubled image arrives.
        phases: OnceLock<Box<Phases>>,
        /// Made when the first image arrives that they are for, as it is and doubled.
        transformed: [OnceLock<Box<Transformed>>; 2],
        /// Made when the first image arrives with channels last.
        direct: OnceLock<Box<Blocks>>,
    },
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
            Weights::Packed {
                weights: Packed::new(set, &weight, bias.as_ref())?,
                phases: OnceLock::new(),
                transformed: [OnceLock::new(), OnceLock::new()],
                direct: OnceLock::new(),
            }
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
        Ok(Self {
            weights: Arc::new(weights),
            kernel,
        })
    }

    /// The weight that the convolution was made with, `[out, in, kernel height, kernel width]`,
    /// bit for bit.
    pub fn weight(&self) -> Result<Tensor> {
        match &*self.weights {
            Weights::Packed { weights, .. } => {
                let Kernel {
                    channels_out,
                    channels_in,
                    height,
                    width,
                    ..
                } = self.kernel;
                let shape = (channels_out, channels_in, height, width);
                Tensor::from_vec(weights.unpacked(), shape, &Device::Cpu)
            }
            Weights::Stock { weight, .. } => Ok(weight.clone()),
        }
    }

    /// A convolution with the same bias, stride and padding, and another weight.
    pub fn with_weight(&self, weight: Tensor) -> Result<Self> {
        let bias = match &*self.weights {
            Weights::Packed { weights, .. } => Some(Tensor::new(weights.bias(), &Device::Cpu)?),
            Weights::Stock { bias, .. } => bias.clone(),
        };
        Self::with_padding(weight, bias, self.kernel.stride, self.kernel.padding)
    }

    /// `[batch, in, height, width]` to `[batch, out, height', width']`, where
    /// `height' = (height + padding − kernel height) / stride + 1`.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.forward_fused(input, Fused::default())
    }

    /// [`Conv2d::forward`] with the sums and the activation that follow it done in the same pass.
    pub fn forward_fused(&self, input: &Tensor, fused: Fused) -> Result<Tensor> {
        interrupt::check()?;
        let dims = self.output_dims(input, 1, &fused)?;
        let _span = profile::span("convolution", || self.kernel.work(input.elem_count(), dims));
        match &*self.weights {
            Weights::Packed {
                weights,
                transformed,
                ..
            } => with_values(input, fused, dims, |image, input, sums, output| {
                if self.kernel.has_fewer_products(weights.set, image, false) {
                    let transformed =
                        transformed[0].get_or_init(|| Box::new(Transformed::new(weights, false)));
                    let image = *image;
                    let source = Source::Planes {
                        image,
                        values: input,
                    };
                    winograd::run(transformed, source, Sink::Planes { sums, output });
                } else {
                    run(weights, &self.kernel, image, input, sums, output);
                }
            }),
            Weights::Stock { weight, bias } => {
                let Kernel {
                    stride, padding, ..
                } = self.kernel;
                let mut output = stock::conv2d(input, weight, bias.as_ref(), stride, padding)?;
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

    /// [`Conv2d::forward_fused`] of `input` with its height and width doubled by repeating pixels,
    /// in fewer products for a 3×3 kernel with stride 1 and one zero on each side.
    pub fn forward_upsampled(&self, input: &Tensor, fused: Fused) -> Result<Tensor> {
        match &*self.weights {
            Weights::Packed {
                weights,
                phases,
                transformed,
                ..
            } if self.kernel.is_three_by_three() => {
                interrupt::check()?;
                let dims = self.output_dims(input, 2, &fused)?;
                let work = || self.kernel.work(input.elem_count(), dims);
                let _span = profile::span("convolution", work);
                with_values(input, fused, dims, |image, input, sums, output| {
                    if self.kernel.has_fewer_products(weights.set, image, true) {
                        let transformed = transformed[1]
                            .get_or_init(|| Box::new(Transformed::new(weights, true)));
                        let image = *image;
                        let source = Source::Planes {
                            image,
                            values: input,
                        };
                        winograd::run(transformed, source, Sink::Planes { sums, output });
                    } else {
                        let phases = phases.get_or_init(|| Box::new(Phases::new(weights)));
                        run_upsampled(phases, &self.kernel, image, input, sums, output);
                    }
                })
            }
            _ => self.forward_fused(&reshape::upsample_nearest_2x(input)?, fused),
        }
    }

    /// The shape of the result for `input` enlarged by `factor`, once everything fits it.
    fn output_dims(&self, input: &Tensor, factor: usize, fused: &Fused) -> Result<[usize; 4]> {
        let (batch, channels, height, width) = input.dims4()?;
        let kernel = &self.kernel;
        if channels != kernel.channels_in {
            candle_core::bail!(
                "a convolution over {} channels was given {:?}",
                kernel.channels_in,
                input.shape()
            );
        }
        let image = Image {
            batch,
            height: height * factor,
            width: width * factor,
        };
        let Some((out_height, out_width)) = kernel.output_size(&image) else {
            candle_core::bail!(
                "a {}×{} convolution was given an image smaller than itself: {:?}",
                kernel.height,
                kernel.width,
                input.shape()
            );
        };
        let dims = [batch, kernel.channels_out, out_height, out_width];
        if let Some(residual) = fused.residual
            && residual.dims() != dims
        {
            candle_core::bail!("a sum of {dims:?} and {:?}", residual.shape());
        }
        if let Some(bias) = fused.per_channel
            && bias.dims() != &dims[..2]
        {
            candle_core::bail!(
                "a sum of {dims:?} and, for each channel, {:?}",
                bias.shape()
            );
        }
        Ok(dims)
    }
}

/// Calls `work` with slices of all operands and room for a result shaped `dims`, all of which it
/// writes.
fn with_values(
    input: &Tensor,
    fused: Fused,
    dims: [usize; 4],
    work: impl FnOnce(&Image, &[f32], &Sums, Parts),
) -> Result<Tensor> {
    let (batch, _, height, width) = input.dims4()?;
    let image = Image {
        batch,
        height,
        width,
    };
    let input = input.contiguous()?;
    let values = Values::of(&input)?;
    let residual = fused.residual.map(Tensor::contiguous).transpose()?;
    let residual = residual.as_ref().map(Values::of).transpose()?;
    let per_channel = fused.per_channel.map(Tensor::contiguous).transpose()?;
    let per_channel = per_channel.as_ref().map(Values::of).transpose()?;
    let sums = Sums {
        per_channel: per_channel.as_deref(),
        residual: residual.as_deref(),
        relu: fused.relu,
    };
    let mut output = Output::new(dims.iter().product());
    work(&image, &values, &sums, output.parts());
    // SAFETY: `work` writes every pixel of every channel.
    unsafe { output.into_tensor(&dims[..]) }
}
