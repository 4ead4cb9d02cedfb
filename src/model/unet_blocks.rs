//! The UNet's blocks: down, bottom and up (`diffusers.models.unets.unet_2d_blocks`).

use candle_core::{Result, Tensor};

use super::cross_attentions::{before_down, before_up};
use super::resnet::{Downsample2D, ResnetBlock2D, ResnetShape, Upsample2D};
use super::transformer::{Context, Transformer2DModel, TransformerShape};
use super::{MidBlockType, ModelError, UNetConfig, Weights};
use crate::kernels::add;

/// One residual block and the attention after it, where there is any.
struct Layer {
    resnet: ResnetBlock2D,
    attention: Option<Transformer2DModel>,
}

impl Layer {
    fn forward(&self, sample: &Tensor, time: &Tensor, context: Context) -> Result<Tensor> {
        let sample = self.resnet.forward(sample, Some(time))?;
        match &self.attention {
            Some(attention) => attention.forward(&sample, context),
            None => Ok(sample),
        }
    }
}

/// What a block's layers have in common.
struct BlockShape {
    resnet: ResnetShape,
    transformer: Option<TransformerShape>,
}

impl BlockShape {
    /// The layer of this number in its block, where each layer has so many transformer blocks.
    fn load(
        &self,
        weights: &Weights,
        number: usize,
        input: usize,
        transformer_layers: &[usize],
    ) -> std::result::Result<Layer, ModelError> {
        let resnet = ResnetShape {
            input,
            ..self.resnet
        };
        let attention = self.transformer.map(|shape| {
            let before: usize = transformer_layers[..number].iter().sum();
            let shape = TransformerShape {
                layers: transformer_layers[number],
                cross_attentions_before: shape.cross_attentions_before + before,
                ..shape
            };
            Transformer2DModel::load(&weights.scope("attentions").scope(number), shape)
        });
        Ok(Layer {
            resnet: ResnetBlock2D::load(&weights.scope("resnets").scope(number), resnet)?,
            attention: attention.transpose()?,
        })
    }
}

fn block_shape(
    config: &UNetConfig,
    level: usize,
    attention: bool,
    cross_attentions_before: usize,
) -> BlockShape {
    let channels = config.block_out_channels[level];
    BlockShape {
        resnet: ResnetShape {
            input: channels,
            output: channels,
            time_embedding: Some(config.time_embedding_dim),
            groups: config.norm_num_groups,
            eps: config.norm_eps,
            scale_shift: config.scale_shift,
            output_scale_factor: 1.0,
            activation: config.activation,
        },
        transformer: attention.then(|| TransformerShape {
            channels,
            heads: config.num_attention_heads[level],
            layers: 1,
            cross_attention: config.cross_attention_dim[level],
            groups: config.norm_num_groups,
            only_cross_attention: config.only_cross_attention[level],
            upcast_attention: config.upcast_attention,
            cross_attentions_before,
        }),
    }
}

/// `DownBlock2D` and `CrossAttnDownBlock2D`.
pub(super) struct DownBlock {
    layers: Vec<Layer>,
    downsampler: Option<Downsample2D>,
    /// Where a T2I-Adapter's feature is added: true for the last layer's output, false for the
    /// downsampler's.
    adapts_layers: bool,
}

impl DownBlock {
    /// The block at `level`, 0 for the largest image.
    pub fn load(
        weights: &Weights,
        config: &UNetConfig,
        level: usize,
    ) -> std::result::Result<Self, ModelError> {
        let before = before_down(config, level);
        let shape = block_shape(config, level, config.down_attention[level], before);
        let input = config.block_out_channels[level.saturating_sub(1)];
        let output = config.block_out_channels[level];
        let transformers = &config.down_transformer_layers[level];
        Ok(Self {
            adapts_layers: config.adapts_layers(level),
            layers: (0..transformers.len())
                .map(|number| {
                    let input = if number == 0 { input } else { output };
                    shape.load(weights, number, input, transformers)
                })
                .collect::<std::result::Result<_, _>>()?,
            downsampler: (!config.is_lowest(level))
                .then(|| {
                    let weights = weights.scope("downsamplers.0");
                    Downsample2D::load(&weights, output, config.downsample_padding)
                })
                .transpose()?,
        })
    }

    /// The block's output; what the way up will need is pushed on `skips`. A T2I-Adapter's
    /// `feature` is added to the output and to the last of these.
    pub fn forward(
        &self,
        sample: Tensor,
        time: &Tensor,
        context: Context,
        feature: Option<&Tensor>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let adapted = |sample: Tensor, here: bool| match feature.filter(|_| here) {
            Some(feature) => add(&sample, feature),
            None => Ok(sample),
        };
        let mut sample = sample;
        for (number, layer) in self.layers.iter().enumerate() {
            sample = layer.forward(&sample, time, context)?;
            let is_last = number + 1 == self.layers.len();
            sample = adapted(sample, is_last && self.adapts_layers)?;
            skips.push(sample.clone());
        }
        if let Some(downsampler) = &self.downsampler {
            sample = adapted(downsampler.forward(&sample)?, !self.adapts_layers)?;
            skips.push(sample.clone());
        }
        Ok(sample)
    }
}

/// `UNetMidBlock2DCrossAttn`, or `UNetMidBlock2D` as the UNet has it: one residual block.
pub(super) struct MidBlock {
    first: Layer,
    second: Option<ResnetBlock2D>,
}

impl MidBlock {
    /// The block at the bottom, where there is one.
    pub fn load(
        weights: &Weights,
        config: &UNetConfig,
    ) -> std::result::Result<Option<Self>, ModelError> {
        let attention = match config.mid_block {
            MidBlockType::Absent => return Ok(None),
            MidBlockType::Plain => false,
            MidBlockType::CrossAttention => true,
        };
        let level = config.block_out_channels.len() - 1;
        // The bottom is the last in the order of cross-attentions.
        let before = before_up(config, config.block_out_channels.len());
        let mut shape = block_shape(config, level, attention, before);
        shape.resnet.output_scale_factor = config.mid_block_scale_factor;
        // diffusers does not hand `only_cross_attention` to this block.
        if let Some(transformer) = &mut shape.transformer {
            transformer.only_cross_attention = false;
        }
        let channels = config.block_out_channels[level];
        let second =
            attention.then(|| ResnetBlock2D::load(&weights.scope("resnets.1"), shape.resnet));
        Ok(Some(Self {
            first: shape.load(weights, 0, channels, &[config.mid_transformer_layers])?,
            second: second.transpose()?,
        }))
    }

    /// `sample` to the same shape.
    pub fn forward(&self, sample: &Tensor, time: &Tensor, context: Context) -> Result<Tensor> {
        let sample = self.first.forward(sample, time, context)?;
        match &self.second {
            Some(second) => second.forward(&sample, Some(time)),
            None => Ok(sample),
        }
    }
}

/// `UpBlock2D` and `CrossAttnUpBlock2D`.
pub(super) struct UpBlock {
    layers: Vec<Layer>,
    upsampler: Option<Upsample2D>,
}

impl UpBlock {
    /// The block `number` steps up from the bottom.
    pub fn load(
        weights: &Weights,
        config: &UNetConfig,
        number: usize,
    ) -> std::result::Result<Self, ModelError> {
        let levels = config.block_out_channels.len();
        let level = levels - 1 - number;
        let before = before_up(config, number);
        let shape = block_shape(config, level, config.up_attention[number], before);
        let output = config.block_out_channels[level];
        let below = config.block_out_channels[(level + 1).min(levels - 1)];
        let above = config.block_out_channels[level.saturating_sub(1)];
        let transformers = &config.up_transformer_layers[number];
        Ok(Self {
            layers: (0..transformers.len())
                .map(|index| {
                    let hidden = if index == 0 { below } else { output };
                    let skip = if index + 1 == transformers.len() {
                        above
                    } else {
                        output
                    };
                    shape.load(weights, index, hidden + skip, transformers)
                })
                .collect::<std::result::Result<_, _>>()?,
            upsampler: (level > 0)
                .then(|| Upsample2D::load(&weights.scope("upsamplers.0"), output))
                .transpose()?,
        })
    }

    /// The block's output; takes from `skips` what the way down left there.
    pub fn forward(
        &self,
        sample: Tensor,
        time: &Tensor,
        context: Context,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut sample = sample;
        for layer in &self.layers {
            let Some(skip) = skips.pop() else {
                candle_core::bail!("the UNet's way up has more layers than its way down");
            };
            sample = layer.forward(&Tensor::cat(&[&sample, &skip], 1)?, time, context)?;
        }
        match (&self.upsampler, skips.last()) {
            (Some(upsampler), Some(skip)) => {
                let (_, _, height, width) = skip.dims4()?;
                upsampler.forward(&sample, Some((height, width)))
            }
            (Some(upsampler), None) => upsampler.forward(&sample, None),
            (None, _) => Ok(sample),
        }
    }
}
