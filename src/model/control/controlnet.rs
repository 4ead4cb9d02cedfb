//! A copy of a UNet's first half that sees a control picture and adds to the UNet at every step
//! (`diffusers.ControlNetModel`; Zhang et al., arXiv 2302.05543).

use candle_core::{DType, Result, Tensor};

use crate::kernels::{Conv2d, Wakeful, silu};
use crate::model::config_file::ConfigFile;
use crate::model::error::ModelError;
use crate::model::layers::{ConvShape, conv2d};
use crate::model::unet::AdditionalResiduals;
use crate::model::unet_config::UNetConfig;
use crate::model::unet_encoder::{AddedConditioning, Encoded, UNetEncoder};
use crate::model::weights::Weights;

/// What decides a ControlNet's shape, with diffusers' names.
#[derive(Debug, Clone)]
pub(super) struct ControlNetConfig {
    /// The UNet's half.
    pub half: UNetConfig,
    /// Channels of the control picture: 1 or 3.
    pub conditioning_channels: usize,
    /// Channels on the way from the picture to the latents' size, which is halved between each two.
    pub conditioning_embedding_out_channels: Vec<usize>,
    /// True when blue comes first in the control picture.
    pub is_bgr: bool,
}

impl ControlNetConfig {
    /// Reads a `config.json` and refuses what is not supported.
    ///
    /// # Errors
    /// `Config`, with the field's name.
    pub fn read(file: &ConfigFile) -> std::result::Result<Self, ModelError> {
        file.only("global_pool_conditions", false)?;
        let channels = "conditioning_embedding_out_channels";
        let order = "controlnet_conditioning_channel_order";
        let config = Self {
            half: UNetConfig::read_half(file)?,
            conditioning_channels: file.or("conditioning_channels", 3)?,
            conditioning_embedding_out_channels: file.or(channels, vec![16, 32, 96, 256])?,
            is_bgr: match file.or(order, "rgb".to_owned())?.as_str() {
                "rgb" => false,
                "bgr" => true,
                other => {
                    let reason = format!("is {other:?}: it must be \"rgb\" or \"bgr\"");
                    return Err(file.refuse(order, reason));
                }
            },
        };
        if !matches!(config.conditioning_channels, 1 | 3) {
            let reason = format!(
                "is {}, but a control picture has 1 channel or 3",
                config.conditioning_channels
            );
            return Err(file.refuse("conditioning_channels", reason));
        }
        let embedding = &config.conditioning_embedding_out_channels;
        if embedding.is_empty() || embedding.contains(&0) {
            return Err(file.refuse(channels, "must list positive widths, at least one"));
        }
        Ok(config)
    }

    /// How many times smaller than the control picture the latents are.
    pub fn scale(&self) -> usize {
        1 << (self.conditioning_embedding_out_channels.len() - 1)
    }

    /// The widths of what is added to the UNet's skips, in their order.
    fn residuals(&self) -> Vec<usize> {
        let half = &self.half;
        let mut widths = vec![half.block_out_channels[0]];
        for (level, width) in half.block_out_channels.iter().enumerate() {
            let outputs = half.layers_per_block[level] + usize::from(!half.is_lowest(level));
            widths.extend(std::iter::repeat_n(*width, outputs));
        }
        widths
    }
}

/// Residuals for a UNet, from what the UNet sees and a control picture.
pub struct ControlNetModel {
    config: ControlNetConfig,
    encoder: UNetEncoder,
    /// From the picture to the first convolution's output.
    cond_embedding: Vec<Conv2d>,
    down_blocks: Vec<Conv2d>,
    mid_block: Conv2d,
}

impl ControlNetModel {
    /// Builds the network.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than the configuration calls for.
    pub(super) fn load(
        config: &ControlNetConfig,
        weights: &Weights,
    ) -> std::result::Result<Self, ModelError> {
        let residual = |name: String, width: usize| {
            conv2d(&weights.scope(name), ConvShape::same(width, width, 1))
        };
        let widths = config.residuals();
        let lowest = widths.last().copied().unwrap_or_default();
        Ok(Self {
            encoder: UNetEncoder::load(&config.half, weights)?,
            cond_embedding: embedding(config, &weights.scope("controlnet_cond_embedding"))?,
            down_blocks: widths
                .iter()
                .enumerate()
                .map(|(number, width)| residual(format!("controlnet_down_blocks.{number}"), *width))
                .collect::<std::result::Result<_, _>>()?,
            mid_block: residual("controlnet_mid_block".to_owned(), lowest)?,
            config: config.clone(),
        })
    }

    /// Channels of the control picture: 1 (grey) or 3.
    pub fn conditioning_channels(&self) -> usize {
        self.config.conditioning_channels
    }

    /// Channels of the latents that it sees.
    pub fn in_channels(&self) -> usize {
        self.config.half.in_channels
    }

    /// True when it takes SDXL's pooled text and sizes.
    pub fn takes_text_time(&self) -> bool {
        self.config.half.text_time.is_some()
    }

    /// From a control picture in 0 … 1, `[batch, conditioning_channels, height, width]`, to what
    /// [`ControlNetModel::forward`] takes: the same at every step.
    ///
    /// # Errors
    /// When the picture has other channels.
    pub fn embed(&self, image: &Tensor) -> Result<Tensor> {
        let mut hidden = image.to_dtype(self.dtype())?;
        if self.config.is_bgr && self.config.conditioning_channels == 3 {
            let planes = [2, 1, 0].map(|channel| hidden.narrow(1, channel, 1));
            let planes = planes.into_iter().collect::<Result<Vec<_>>>()?;
            hidden = Tensor::cat(&planes, 1)?;
        }
        let last = self.cond_embedding.len() - 1;
        for (number, conv) in self.cond_embedding.iter().enumerate() {
            hidden = conv.forward(&hidden)?;
            if number < last {
                hidden = silu(&hidden)?;
            }
        }
        Ok(hidden)
    }

    /// What is added to the UNet for each row of a batch, before any scale.
    ///
    /// `sample`, `timesteps` and `encoder_hidden_states` are the UNet's, `added` as far as the
    /// network takes it, `embedded` is [`ControlNetModel::embed`]'s, with the batch's rows.
    ///
    /// # Errors
    /// When shapes disagree, or SDXL's conditioning is absent where the network needs it.
    pub fn forward(
        &self,
        sample: &Tensor,
        timesteps: &Tensor,
        encoder_hidden_states: &Tensor,
        added: &AddedConditioning,
        embedded: &Tensor,
    ) -> Result<AdditionalResiduals> {
        let _wakeful = Wakeful::threads(sample.device());
        let encoder = &self.encoder;
        let batch = sample.dim(0)?;
        let conditioning = encoder.conditioning(batch, timesteps, encoder_hidden_states, added)?;
        let Encoded { hidden, skips } =
            encoder.forward(sample, Some(embedded), &conditioning, &[])?;
        let down_block = skips.iter().zip(&self.down_blocks);
        Ok(AdditionalResiduals {
            down_intrablock: Vec::new(),
            down_block: down_block
                .map(|(skip, conv)| conv.forward(skip))
                .collect::<Result<_>>()?,
            mid_block: Some(self.mid_block.forward(&hidden)?),
        })
    }

    /// The number format that the network computes in.
    fn dtype(&self) -> DType {
        self.encoder.dtype()
    }
}

/// The convolutions from the picture to the latents' size, in order.
fn embedding(
    config: &ControlNetConfig,
    weights: &Weights,
) -> std::result::Result<Vec<Conv2d>, ModelError> {
    let widths = &config.conditioning_embedding_out_channels;
    let blocks = weights.scope("blocks");
    let enter = ConvShape::same(config.conditioning_channels, widths[0], 3);
    let mut convs = vec![conv2d(&weights.scope("conv_in"), enter)?];
    for (number, pair) in widths.windows(2).enumerate() {
        let same = ConvShape::same(pair[0], pair[0], 3);
        let halving = ConvShape::same(pair[0], pair[1], 3).stride(2);
        convs.push(conv2d(&blocks.scope(2 * number), same)?);
        convs.push(conv2d(&blocks.scope(2 * number + 1), halving)?);
    }
    let last = widths.last().copied().unwrap_or_default();
    let leave = ConvShape::same(last, config.half.block_out_channels[0], 3);
    convs.push(conv2d(&weights.scope("conv_out"), leave)?);
    Ok(convs)
}
