//! Residual blocks and the layers that change the image's size (`diffusers.models.resnet`,
//! `downsampling`, `upsampling`).

use candle_core::{D, Result, Tensor};

use super::act_fn::Activation;
use super::layers::{ConvShape, conv2d, group_norm, linear};
use super::{ModelError, Weights};
use crate::kernels::{Conv2d, Fused, GroupNorm, Linear, Padding, scale};

/// The shape of a [`ResnetBlock2D`].
#[derive(Debug, Clone, Copy)]
pub struct ResnetShape {
    /// Channels in.
    pub input: usize,
    /// Channels out.
    pub output: usize,
    /// Width of the timestep embedding; none in autoencoders.
    pub time_embedding: Option<usize>,
    /// Groups of the normalisations.
    pub groups: usize,
    /// Added to the normalisations' variance.
    pub eps: f64,
    /// True when the timestep embedding scales and shifts (`resnet_time_scale_shift:
    /// "scale_shift"`) instead of being added.
    pub scale_shift: bool,
    /// What the sum of both branches is divided by.
    pub output_scale_factor: f64,
    /// After each normalisation.
    pub activation: Activation,
}

/// Two convolutions with normalisation and an activation before each, added to the input.
pub struct ResnetBlock2D {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    scale_shift: bool,
    output_scale_factor: f64,
    activation: Activation,
}

impl ResnetBlock2D {
    /// Reads the block in the module `weights`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(weights: &Weights, shape: ResnetShape) -> std::result::Result<Self, ModelError> {
        let ResnetShape {
            input,
            output,
            groups,
            eps,
            ..
        } = shape;
        let time_output = if shape.scale_shift {
            2 * output
        } else {
            output
        };
        Ok(Self {
            norm1: group_norm(&weights.scope("norm1"), input, groups, eps)?,
            conv1: conv2d(&weights.scope("conv1"), ConvShape::same(input, output, 3))?,
            time_emb_proj: shape
                .time_embedding
                .map(|width| linear(&weights.scope("time_emb_proj"), width, time_output, true))
                .transpose()?,
            norm2: group_norm(&weights.scope("norm2"), output, groups, eps)?,
            conv2: conv2d(&weights.scope("conv2"), ConvShape::same(output, output, 3))?,
            conv_shortcut: (input != output)
                .then(|| {
                    let shape = ConvShape::same(input, output, 1);
                    conv2d(&weights.scope("conv_shortcut"), shape)
                })
                .transpose()?,
            scale_shift: shape.scale_shift,
            output_scale_factor: shape.output_scale_factor,
            activation: shape.activation,
        })
    }

    /// `sample` is `[batch, input, height, width]`. `time_embedding` is `[batch, width]` with
    /// the activation already applied: it is the same for every block of a network.
    ///
    /// # Errors
    /// When shapes disagree.
    pub fn forward(&self, sample: &Tensor, time_embedding: Option<&Tensor>) -> Result<Tensor> {
        let time = match (&self.time_emb_proj, time_embedding) {
            (Some(projection), Some(embedding)) => Some(projection.forward(embedding)?),
            _ => None,
        };
        let hidden = self.activation.after(&self.norm1, sample)?;
        let hidden = match &time {
            Some(time) if self.scale_shift => {
                let hidden = self.norm2.forward(&self.conv1.forward(&hidden)?)?;
                let time = time.unsqueeze(D::Minus1)?.unsqueeze(D::Minus1)?;
                let channels = time.dim(1)? / 2;
                let factor = (time.narrow(1, 0, channels)? + 1.0)?;
                let shift = time.narrow(1, channels, channels)?;
                let shifted = hidden.broadcast_mul(&factor)?.broadcast_add(&shift)?;
                self.activation.forward(&shifted)?
            }
            _ => {
                let fused = Fused {
                    per_channel: time.as_ref(),
                    ..Fused::default()
                };
                let hidden = self.conv1.forward_fused(&hidden, fused)?;
                self.activation.after(&self.norm2, &hidden)?
            }
        };
        let shortcut = match &self.conv_shortcut {
            Some(conv) => conv.forward(sample)?,
            None => sample.clone(),
        };
        let fused = Fused {
            residual: Some(&shortcut),
            ..Fused::default()
        };
        let output = self.conv2.forward_fused(&hidden, fused)?;
        if self.output_scale_factor == 1.0 {
            return Ok(output);
        }
        scale(&output, 1.0 / self.output_scale_factor)
    }
}

/// Halves height and width with a strided convolution.
pub struct Downsample2D {
    conv: Conv2d,
}

impl Downsample2D {
    /// Reads the layer in the module `weights`. With `padding` 0 there is one row of zeros below
    /// and one column to the right, as diffusers pads in autoencoders.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(
        weights: &Weights,
        channels: usize,
        padding: usize,
    ) -> std::result::Result<Self, ModelError> {
        let padding = match padding {
            0 => Padding {
                top: 0,
                bottom: 1,
                left: 0,
                right: 1,
            },
            size => Padding::all(size),
        };
        let shape = ConvShape::same(channels, channels, 3)
            .stride(2)
            .padding(padding);
        Ok(Self {
            conv: conv2d(&weights.scope("conv"), shape)?,
        })
    }

    /// `[batch, channels, height, width]` to `[batch, channels, ⌈height/2⌉, ⌈width/2⌉]`.
    ///
    /// # Errors
    /// When shapes disagree.
    pub fn forward(&self, sample: &Tensor) -> Result<Tensor> {
        self.conv.forward(sample)
    }
}

/// Doubles height and width by repeating pixels, then convolves.
pub struct Upsample2D {
    conv: Conv2d,
}

impl Upsample2D {
    /// Reads the layer in the module `weights`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(weights: &Weights, channels: usize) -> std::result::Result<Self, ModelError> {
        let shape = ConvShape::same(channels, channels, 3);
        Ok(Self {
            conv: conv2d(&weights.scope("conv"), shape)?,
        })
    }

    /// `[batch, channels, height, width]` to twice that size, or to `size` (height, width), which
    /// may be one less on a side: the skip connection's, where halving rounded up.
    ///
    /// # Errors
    /// When shapes disagree.
    pub fn forward(&self, sample: &Tensor, size: Option<(usize, usize)>) -> Result<Tensor> {
        let (_, _, height, width) = sample.dims4()?;
        match size {
            Some((rows, columns)) if (rows, columns) != (2 * height, 2 * width) => {
                let enlarged = crate::kernels::upsample_nearest_2x(sample)?;
                let cut = enlarged.narrow(2, 0, rows)?.narrow(3, 0, columns)?;
                self.conv.forward(&cut.contiguous()?)
            }
            _ => self.conv.forward_upsampled(sample, Fused::default()),
        }
    }
}
