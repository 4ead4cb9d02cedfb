//! The autoencoder of Stable Diffusion (`diffusers.AutoencoderKL`).

use candle_core::{DType, Result, Tensor};

use super::act_fn::Activation;
use super::latent_scale::LatentScale;
use super::layers::{ConvShape, conv2d, group_norm, linear};
use super::resnet::{Downsample2D, ResnetBlock2D, ResnetShape, Upsample2D};
use super::tiling::Tiling;
use super::{ConfigFile, ModelError, SampleSize, Weights};
use crate::kernels::{
    Conv2d, GroupNorm, Linear, add, attention, image_from_tokens, tokens_from_image,
};

/// Added to every normalisation's variance.
const EPS: f64 = 1e-6;
/// Larger pictures go through in tiles: in f32 a picture of so many pixels takes 512 MiB for each
/// of the widest layers that it is in at once.
const MOST_PIXELS_WHOLE: usize = 1024 * 1024;

/// Residual blocks and one attention layer each way, between images and a normal distribution
/// over latents.
pub struct AutoencoderKl {
    encoder: Encoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
    decoder: Decoder,
    dtype: DType,
    shape: Shape,
    latent_scale: LatentScale,
    /// Side of a tile in latents.
    latent_tile: usize,
}

#[derive(Clone)]
struct Shape {
    channels: Vec<usize>,
    layers: usize,
    groups: usize,
    latent_channels: usize,
    mid_attention: bool,
    activation: Activation,
}

impl Shape {
    fn widest(&self) -> usize {
        self.channels.last().copied().unwrap_or_default()
    }

    fn resnet(&self, input: usize, output: usize) -> ResnetShape {
        ResnetShape {
            input,
            output,
            time_embedding: None,
            groups: self.groups,
            eps: EPS,
            scale_shift: false,
            output_scale_factor: 1.0,
            activation: self.activation,
        }
    }
}

impl AutoencoderKl {
    /// Builds the network from its configuration and weights.
    ///
    /// # Errors
    /// `Config` for what is not supported; a tensor that is missing or has another shape.
    pub fn load(config: &ConfigFile, weights: &Weights) -> std::result::Result<Self, ModelError> {
        config.only("in_channels", 3)?;
        config.only("out_channels", 3)?;
        let channels: Vec<usize> = config.or("block_out_channels", vec![64])?;
        for (field, class) in [
            ("down_block_types", "DownEncoderBlock2D"),
            ("up_block_types", "UpDecoderBlock2D"),
        ] {
            let types: Vec<String> = config.or(field, vec![class.to_owned()])?;
            if types.len() != channels.len() || types.iter().any(|name| name != class) {
                let reason = format!("must list {class} {} times", channels.len());
                return Err(config.refuse(field, reason));
            }
        }
        let shape = Shape {
            layers: config.or("layers_per_block", 1)?,
            groups: config.or("norm_num_groups", 32)?,
            latent_channels: config.or("latent_channels", 4)?,
            mid_attention: config.or("mid_block_add_attention", true)?,
            activation: Activation::read(config, "silu")?,
            channels,
        };
        if shape.channels.is_empty()
            || shape.groups == 0
            || shape.channels.iter().any(|width| width % shape.groups != 0)
        {
            let reason = format!(
                "is {}, which does not divide {:?}",
                shape.groups, shape.channels
            );
            return Err(config.refuse("norm_num_groups", reason));
        }
        let quant = |field: &str, name: &str, width: usize| {
            let wanted = config.or(&format!("use_{field}"), true)?;
            let conv =
                wanted.then(|| conv2d(&weights.scope(name), ConvShape::same(width, width, 1)));
            conv.transpose()
        };
        Ok(Self {
            encoder: Encoder::load(&weights.scope("encoder"), &shape)?,
            quant_conv: quant("quant_conv", "quant_conv", 2 * shape.latent_channels)?,
            post_quant_conv: quant("post_quant_conv", "post_quant_conv", shape.latent_channels)?,
            decoder: Decoder::load(&weights.scope("decoder"), &shape)?,
            dtype: weights.dtype(),
            latent_tile: latent_tile(config, &shape)?,
            latent_scale: LatentScale::read(config, shape.latent_channels)?,
            shape,
        })
    }

    /// Leaves `shift_factor` out.
    pub(super) fn ignore_shift(&mut self) {
        self.latent_scale.ignore_shift();
    }

    /// An image in −1…1 to the mean of its latents' distribution, scaled.
    pub(super) fn encode(&self, image: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = image.dims4()?;
        if height * width > MOST_PIXELS_WHOLE {
            return self.encode_tiled(image);
        }
        self.scaled_mean(&self.moments(&image.to_dtype(self.dtype)?)?, image.dtype())
    }

    /// Scaled latents to an image in −1…1.
    pub(super) fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = latents.dims4()?;
        if height * width * self.scale() * self.scale() > MOST_PIXELS_WHOLE {
            return self.decode_tiled(latents);
        }
        let unscaled = self.unscaled(&latents.to_dtype(self.dtype)?)?;
        self.image(&unscaled)?.to_dtype(latents.dtype())
    }

    /// Like [`super::Autoencoder::encode`], in overlapping tiles whatever the size: diffusers'
    /// `enable_tiling`, with tiles of the configuration's `sample_size`.
    ///
    /// # Errors
    /// When shapes disagree.
    pub fn encode_tiled(&self, image: &Tensor) -> Result<Tensor> {
        let tiling = Tiling {
            input: self.latent_tile * self.scale(),
            output: self.latent_tile,
        };
        let entering = image.to_dtype(self.dtype)?;
        let moments = tiling.run(&entering, |tile| self.moments(tile))?;
        self.scaled_mean(&moments, image.dtype())
    }

    /// Like [`super::Autoencoder::decode`], in overlapping tiles whatever the size.
    ///
    /// # Errors
    /// When shapes disagree.
    pub fn decode_tiled(&self, latents: &Tensor) -> Result<Tensor> {
        let tiling = Tiling {
            input: self.latent_tile,
            output: self.latent_tile * self.scale(),
        };
        let unscaled = self.unscaled(&latents.to_dtype(self.dtype)?)?;
        tiling
            .run(&unscaled, |tile| self.image(tile))?
            .to_dtype(latents.dtype())
    }

    /// Scaled latents as the network itself has them.
    pub(super) fn unscaled(&self, latents: &Tensor) -> Result<Tensor> {
        self.latent_scale.unscaled(latents)
    }

    fn moments(&self, image: &Tensor) -> Result<Tensor> {
        let moments = self.encoder.forward(image)?;
        match &self.quant_conv {
            Some(conv) => conv.forward(&moments),
            None => Ok(moments),
        }
    }

    fn scaled_mean(&self, moments: &Tensor, dtype: DType) -> Result<Tensor> {
        let mean = moments
            .narrow(1, 0, self.shape.latent_channels)?
            .contiguous()?;
        self.latent_scale.scaled(&mean)?.to_dtype(dtype)
    }

    fn image(&self, unscaled: &Tensor) -> Result<Tensor> {
        match &self.post_quant_conv {
            Some(conv) => self.decoder.forward(&conv.forward(unscaled)?),
            None => self.decoder.forward(unscaled),
        }
    }

    pub(super) fn latent_channels(&self) -> usize {
        self.shape.latent_channels
    }

    pub(super) fn scale(&self) -> usize {
        1 << (self.shape.channels.len() - 1)
    }
}

/// The side of a tile in latents: that of the pictures that the network was trained on, down to a
/// multiple of four, so that a quarter of it is whole.
fn latent_tile(config: &ConfigFile, shape: &Shape) -> std::result::Result<usize, ModelError> {
    let side = match config.or("sample_size", SampleSize::Square(32))? {
        SampleSize::Square(side) | SampleSize::Sides(side, _) => side,
    };
    let cells = side >> (shape.channels.len() - 1);
    Ok((cells / 4 * 4).max(4))
}

/// Attention of an image's pixels to each other, with one head, added to the image.
struct MidAttention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    scale: f64,
}

impl MidAttention {
    fn load(weights: &Weights, shape: &Shape) -> std::result::Result<Self, ModelError> {
        let width = shape.widest();
        // Checkpoints from before diffusers 0.18 have the second set of names.
        let dense = |name: &str, old_name: &str| {
            let stored = if weights.scope(name).has("weight") {
                name
            } else {
                old_name
            };
            let stored = if weights.scope(stored).has("weight") {
                stored
            } else {
                name
            };
            linear(&weights.scope(stored), width, width, true)
        };
        Ok(Self {
            group_norm: group_norm(&weights.scope("group_norm"), width, shape.groups, EPS)?,
            to_q: dense("to_q", "query")?,
            to_k: dense("to_k", "key")?,
            to_v: dense("to_v", "value")?,
            to_out: dense("to_out.0", "proj_attn")?,
            scale: 1.0 / (width as f64).sqrt(),
        })
    }

    fn forward(&self, sample: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = sample.dims4()?;
        let tokens = tokens_from_image(&self.group_norm.forward(sample)?)?;
        let mixed = attention(
            &self.to_q.forward(&tokens)?,
            &self.to_k.forward(&tokens)?,
            &self.to_v.forward(&tokens)?,
            1,
            self.scale,
            None,
        )?;
        add(
            &image_from_tokens(&self.to_out.forward(&mixed)?, height, width)?,
            sample,
        )
    }
}

/// `UNetMidBlock2D`.
struct MidBlock {
    first: ResnetBlock2D,
    attention: Option<MidAttention>,
    second: ResnetBlock2D,
}

impl MidBlock {
    fn load(weights: &Weights, shape: &Shape) -> std::result::Result<Self, ModelError> {
        let resnet = shape.resnet(shape.widest(), shape.widest());
        Ok(Self {
            first: ResnetBlock2D::load(&weights.scope("resnets.0"), resnet)?,
            attention: shape
                .mid_attention
                .then(|| MidAttention::load(&weights.scope("attentions.0"), shape))
                .transpose()?,
            second: ResnetBlock2D::load(&weights.scope("resnets.1"), resnet)?,
        })
    }

    fn forward(&self, sample: &Tensor) -> Result<Tensor> {
        let mut hidden = self.first.forward(sample, None)?;
        if let Some(attention) = &self.attention {
            hidden = attention.forward(&hidden)?;
        }
        self.second.forward(&hidden, None)
    }
}

fn resnets(
    weights: &Weights,
    shape: &Shape,
    layers: usize,
    input: usize,
    output: usize,
) -> std::result::Result<Vec<ResnetBlock2D>, ModelError> {
    (0..layers)
        .map(|number| {
            let input = if number == 0 { input } else { output };
            let weights = weights.scope("resnets").scope(number);
            ResnetBlock2D::load(&weights, shape.resnet(input, output))
        })
        .collect()
}

struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<(Vec<ResnetBlock2D>, Option<Downsample2D>)>,
    mid_block: MidBlock,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    fn load(weights: &Weights, shape: &Shape) -> std::result::Result<Self, ModelError> {
        let (narrowest, widest) = (shape.channels[0], shape.widest());
        let mut down_blocks = Vec::new();
        let mut input = narrowest;
        for (level, &output) in shape.channels.iter().enumerate() {
            let weights = weights.scope("down_blocks").scope(level);
            let layers = resnets(&weights, shape, shape.layers, input, output)?;
            let last = level + 1 == shape.channels.len();
            let downsampler = (!last)
                .then(|| Downsample2D::load(&weights.scope("downsamplers.0"), output, 0))
                .transpose()?;
            down_blocks.push((layers, downsampler));
            input = output;
        }
        let leave = ConvShape::same(widest, 2 * shape.latent_channels, 3);
        Ok(Self {
            conv_in: conv2d(&weights.scope("conv_in"), ConvShape::same(3, narrowest, 3))?,
            down_blocks,
            mid_block: MidBlock::load(&weights.scope("mid_block"), shape)?,
            conv_norm_out: group_norm(&weights.scope("conv_norm_out"), widest, shape.groups, EPS)?,
            conv_out: conv2d(&weights.scope("conv_out"), leave)?,
        })
    }

    fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let mut hidden = self.conv_in.forward(image)?;
        for (resnets, downsampler) in &self.down_blocks {
            for resnet in resnets {
                hidden = resnet.forward(&hidden, None)?;
            }
            if let Some(downsampler) = downsampler {
                hidden = downsampler.forward(&hidden)?;
            }
        }
        let hidden = self.mid_block.forward(&hidden)?;
        self.conv_out
            .forward(&self.conv_norm_out.forward_silu(&hidden)?)
    }
}

struct Decoder {
    conv_in: Conv2d,
    mid_block: MidBlock,
    up_blocks: Vec<(Vec<ResnetBlock2D>, Option<Upsample2D>)>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    fn load(weights: &Weights, shape: &Shape) -> std::result::Result<Self, ModelError> {
        let (narrowest, widest) = (shape.channels[0], shape.widest());
        let mut up_blocks = Vec::new();
        let mut input = widest;
        for (number, &output) in shape.channels.iter().rev().enumerate() {
            let weights = weights.scope("up_blocks").scope(number);
            let layers = resnets(&weights, shape, shape.layers + 1, input, output)?;
            let last = number + 1 == shape.channels.len();
            let upsampler = (!last)
                .then(|| Upsample2D::load(&weights.scope("upsamplers.0"), output))
                .transpose()?;
            up_blocks.push((layers, upsampler));
            input = output;
        }
        let enter = ConvShape::same(shape.latent_channels, widest, 3);
        let norm = weights.scope("conv_norm_out");
        Ok(Self {
            conv_in: conv2d(&weights.scope("conv_in"), enter)?,
            mid_block: MidBlock::load(&weights.scope("mid_block"), shape)?,
            up_blocks,
            conv_norm_out: group_norm(&norm, narrowest, shape.groups, EPS)?,
            conv_out: conv2d(&weights.scope("conv_out"), ConvShape::same(narrowest, 3, 3))?,
        })
    }

    fn forward(&self, latents: &Tensor) -> Result<Tensor> {
        let mut hidden = self.mid_block.forward(&self.conv_in.forward(latents)?)?;
        for (resnets, upsampler) in &self.up_blocks {
            for resnet in resnets {
                hidden = resnet.forward(&hidden, None)?;
            }
            if let Some(upsampler) = upsampler {
                hidden = upsampler.forward(&hidden, None)?;
            }
        }
        self.conv_out
            .forward(&self.conv_norm_out.forward_silu(&hidden)?)
    }
}
