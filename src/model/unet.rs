//! The network that denoises (`diffusers.UNet2DConditionModel`).

use candle_core::{DType, Result, Tensor};

use super::layers::{ConvShape, conv2d, group_norm};
use super::unet_blocks::UpBlock;
use super::unet_encoder::UNetEncoder;
use super::{AddedConditioning, ModelError, UNetConfig, Weights};
use crate::kernels::{Conv2d, GroupNorm, add};

/// Predicts what a scheduler needs (noise, velocity or sample) from noisy latents, the timestep
/// and the prompt.
pub struct UNet2DConditionModel {
    config: UNetConfig,
    encoder: UNetEncoder,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

/// What control networks add inside a UNet, with diffusers' names; each tensor has the batch's rows.
/// The default is nothing.
#[derive(Debug, Clone, Default)]
pub struct AdditionalResiduals {
    /// A T2I-Adapter's features: one for each block on the way down and, where there is one more,
    /// for the bottom.
    pub down_intrablock: Vec<Tensor>,
    /// A ControlNet's, one for each of what the way up takes from the way down; or none.
    pub down_block: Vec<Tensor>,
    /// A ControlNet's, for the bottom.
    pub mid_block: Option<Tensor>,
}

impl UNet2DConditionModel {
    /// The classes that [`UNet2DConditionModel::load`] can read.
    pub const CLASSES: [&'static str; 1] = ["UNet2DConditionModel"];

    /// Builds the network from a checked configuration and its weights.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than the configuration calls for.
    pub fn load(config: &UNetConfig, weights: &Weights) -> std::result::Result<Self, ModelError> {
        let width = config.block_out_channels[0];
        let leave = ConvShape::same(width, config.out_channels, config.conv_out_kernel);
        let (groups, eps) = (config.norm_num_groups, config.norm_eps);
        Ok(Self {
            encoder: UNetEncoder::load(config, weights)?,
            up_blocks: (0..config.block_out_channels.len())
                .map(|number| {
                    UpBlock::load(&weights.scope("up_blocks").scope(number), config, number)
                })
                .collect::<std::result::Result<_, _>>()?,
            conv_norm_out: group_norm(&weights.scope("conv_norm_out"), width, groups, eps)?,
            conv_out: conv2d(&weights.scope("conv_out"), leave)?,
            config: config.clone(),
        })
    }

    /// The configuration that the network was built from.
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }

    /// The number format that the network computes in.
    pub fn dtype(&self) -> DType {
        self.encoder.dtype()
    }

    /// One prediction for each row of a batch, each row at its own timestep.
    ///
    /// `sample` is `[batch, in_channels, height, width]`, `timesteps` `[batch]` (or `[1]` for the
    /// same in all rows; fractions are fine), `encoder_hidden_states` `[batch, tokens, width]`.
    /// `residuals` are what control networks add. Returns `[batch, out_channels, height, width]`. Any
    /// number format goes in; the network computes in its own and answers in the sample's.
    ///
    /// # Errors
    /// When shapes disagree, SDXL's conditioning is absent where the UNet needs it, or residuals have
    /// other shapes than what they are added to.
    pub fn forward(
        &self,
        sample: &Tensor,
        timesteps: &Tensor,
        encoder_hidden_states: &Tensor,
        added: &AddedConditioning,
        residuals: &AdditionalResiduals,
    ) -> Result<Tensor> {
        let batch = sample.dim(0)?;
        let encoder = &self.encoder;
        let conditioning = encoder.conditioning(batch, timesteps, encoder_hidden_states, added)?;
        let (time, context) = (&conditioning.time, conditioning.context());
        let encoded = encoder.forward(sample, None, &conditioning, &residuals.down_intrablock)?;
        let (mut hidden, mut skips) = (encoded.hidden, encoded.skips);
        if !residuals.down_block.is_empty() {
            if residuals.down_block.len() != skips.len() {
                candle_core::bail!(
                    "a ControlNet gives {} residuals to a UNet that takes {}",
                    residuals.down_block.len(),
                    skips.len()
                );
            }
            for (skip, residual) in skips.iter_mut().zip(&residuals.down_block) {
                *skip = add(skip, residual)?;
            }
        }
        if let Some(residual) = &residuals.mid_block {
            hidden = add(&hidden, residual)?;
        }
        for block in &self.up_blocks {
            hidden = block.forward(hidden, time, context, &mut skips)?;
        }
        let activation = self.config.activation;
        let hidden = activation.after(&self.conv_norm_out, &hidden)?;
        let hidden = self.conv_out.forward(&hidden)?;
        hidden.to_dtype(sample.dtype())
    }
}
