//! A UNet's first half: the timestep, the way down and the bottom. ControlNets are such a half, with
//! layers of their own after it.

use candle_core::{DType, Result, Tensor};

use super::embeddings::{TextTimeEmbedding, TimestepEmbedding, Timesteps};
use super::layers::{ConvShape, conv2d};
use super::transformer::Context;
use super::unet_blocks::{DownBlock, MidBlock};
use super::{Activation, ImagePrompt, ModelError, UNetConfig, Weights};
use crate::kernels::{Conv2d, add};

/// What some UNets want beside latents, timestep and prompt. The default is nothing.
#[derive(Debug, Clone, Default)]
pub struct AddedConditioning {
    /// LCM's guidance embedding, `[batch, time_cond_proj_dim]`; left out, the UNet runs without,
    /// as in diffusers.
    pub timestep_cond: Option<Tensor>,
    /// SDXL's pooled text embedding, `[batch, width]`.
    pub text_embeds: Option<Tensor>,
    /// SDXL's original size, crop and target size, `[batch, 6]`.
    pub time_ids: Option<Tensor>,
    /// Which of the prompt's tokens are seen, `[batch, tokens]`: 1 to see a token, 0 to ignore it.
    pub encoder_attention_mask: Option<Tensor>,
    /// Guidance scales, `[batch]`, for a transformer that embeds them.
    pub guidance: Option<Tensor>,
    /// Pictures beside the prompt, for a UNet's cross-attentions: one for each IP-Adapter, or more,
    /// all with the batch's rows.
    pub image_prompts: Vec<ImagePrompt>,
}

/// What all blocks of a network are told: the same for each of them.
pub(super) struct BlockConditioning {
    /// The timestep and everything that is summed with it, `[batch, width]`, the activation applied.
    pub time: Tensor,
    encoder_hidden_states: Tensor,
    bias: Option<Tensor>,
    image_prompts: Vec<ImagePrompt>,
}

impl BlockConditioning {
    /// What attention looks at beside the image.
    pub fn context(&self) -> Context<'_> {
        Context {
            encoder_hidden_states: &self.encoder_hidden_states,
            bias: self.bias.as_ref(),
            image_prompts: &self.image_prompts,
        }
    }
}

/// What the way down and the bottom made of an image.
pub(super) struct Encoded {
    /// What left the bottom.
    pub hidden: Tensor,
    /// What the way up needs, the first convolution's output first.
    pub skips: Vec<Tensor>,
}

/// The timestep's embeddings, the way down and the bottom of a UNet.
pub(super) struct UNetEncoder {
    dtype: DType,
    center_input_sample: bool,
    activation: Activation,
    conv_in: Conv2d,
    time_proj: Timesteps,
    time_embedding: TimestepEmbedding,
    added: Option<AddedEmbedding>,
    pooled_text: Option<TextTimeEmbedding>,
    down_blocks: Vec<DownBlock>,
    mid_block: Option<MidBlock>,
}

struct AddedEmbedding {
    time_proj: Timesteps,
    embedding: TimestepEmbedding,
}

impl UNetEncoder {
    /// Builds the half from a checked configuration and its weights.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than the configuration calls for.
    pub fn load(config: &UNetConfig, weights: &Weights) -> std::result::Result<Self, ModelError> {
        let width = config.block_out_channels[0];
        let timesteps = |channels: usize| {
            let (flip, shift) = (config.flip_sin_to_cos, config.freq_shift);
            weights.prepared(Timesteps::new(channels, flip, shift, weights.device()))
        };
        let time_width = config.time_embedding_dim;
        let added = config
            .text_time
            .map(|shape| -> std::result::Result<_, ModelError> {
                Ok(AddedEmbedding {
                    time_proj: timesteps(shape.addition_time_embed_dim)?,
                    embedding: TimestepEmbedding::load(
                        &weights.scope("add_embedding"),
                        shape.projection_class_embeddings_input_dim,
                        time_width,
                        None,
                        Activation::Silu,
                    )?,
                })
            });
        let pooled_text = config.text_pooling_heads.map(|heads| {
            let weights = weights.scope("add_embedding");
            let width = config.cross_attention_dim[0];
            TextTimeEmbedding::load(&weights, width, time_width, heads)
        });
        let enter = ConvShape::same(config.in_channels, width, config.conv_in_kernel);
        Ok(Self {
            dtype: weights.dtype(),
            center_input_sample: config.center_input_sample,
            activation: config.activation,
            conv_in: conv2d(&weights.scope("conv_in"), enter)?,
            time_proj: timesteps(width)?,
            time_embedding: TimestepEmbedding::load(
                &weights.scope("time_embedding"),
                width,
                time_width,
                config.time_cond_proj_dim,
                config.activation,
            )?,
            added: added.transpose()?,
            pooled_text: pooled_text.transpose()?,
            down_blocks: (0..config.block_out_channels.len())
                .map(|level| {
                    DownBlock::load(&weights.scope("down_blocks").scope(level), config, level)
                })
                .collect::<std::result::Result<_, _>>()?,
            mid_block: MidBlock::load(&weights.scope("mid_block"), config)?,
        })
    }

    /// The number format that the network computes in.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// What the blocks are told of a batch of so many rows. `timesteps` is `[batch]`, or `[1]` for
    /// the same in all rows; `encoder_hidden_states` `[batch, tokens, width]`.
    ///
    /// # Errors
    /// When shapes disagree, or SDXL's conditioning is absent where the network needs it.
    pub fn conditioning(
        &self,
        batch: usize,
        timesteps: &Tensor,
        encoder_hidden_states: &Tensor,
        added: &AddedConditioning,
    ) -> Result<BlockConditioning> {
        let encoder_hidden_states = encoder_hidden_states.to_dtype(self.dtype)?;
        if encoder_hidden_states.dim(0)? != batch {
            candle_core::bail!(
                "the sample has {batch} rows, encoder_hidden_states {}",
                encoder_hidden_states.dim(0)?
            );
        }
        let image_prompts = added.image_prompts.iter().map(|prompt| {
            if prompt.batch()? != batch {
                candle_core::bail!("the sample has {batch} rows, {prompt:?} others");
            }
            prompt.to_dtype(self.dtype)
        });
        let image_prompts = image_prompts.collect::<Result<_>>()?;
        let bias = added.encoder_attention_mask.as_ref();
        Ok(BlockConditioning {
            image_prompts,
            time: self.time(timesteps, &encoder_hidden_states, added)?,
            bias: bias.map(|mask| self.attention_bias(mask)).transpose()?,
            encoder_hidden_states,
        })
    }

    /// The way down and the bottom. `entry` is added after the first convolution, as a ControlNet
    /// does; `features` are a T2I-Adapter's, one for each block, and perhaps the bottom's.
    ///
    /// # Errors
    /// When shapes disagree.
    pub fn forward(
        &self,
        sample: &Tensor,
        entry: Option<&Tensor>,
        conditioning: &BlockConditioning,
        features: &[Tensor],
    ) -> Result<Encoded> {
        let (time, context) = (&conditioning.time, conditioning.context());
        let mut hidden = sample.to_dtype(self.dtype)?;
        if self.center_input_sample {
            hidden = hidden.affine(2.0, -1.0)?;
        }
        hidden = self.conv_in.forward(&hidden)?;
        if let Some(entry) = entry {
            hidden = add(&hidden, entry)?;
        }
        let mut features = features.iter();
        let mut skips = vec![hidden.clone()];
        for block in &self.down_blocks {
            hidden = block.forward(hidden, time, context, features.next(), &mut skips)?;
        }
        if let Some(block) = &self.mid_block {
            hidden = block.forward(&hidden, time, context)?;
            // The fourth feature of SDXL's three blocks.
            if let Some(feature) = features.next() {
                hidden = add(&hidden, feature)?;
            }
        }
        Ok(Encoded { hidden, skips })
    }

    fn time(
        &self,
        timesteps: &Tensor,
        encoder_hidden_states: &Tensor,
        added: &AddedConditioning,
    ) -> Result<Tensor> {
        let batch = encoder_hidden_states.dim(0)?;
        let timesteps = timesteps.expand(batch)?;
        let sinusoids = self.time_proj.forward(&timesteps)?.to_dtype(self.dtype)?;
        let condition = added.timestep_cond.as_ref();
        let condition = condition
            .map(|tensor| tensor.to_dtype(self.dtype))
            .transpose()?;
        let mut time = self
            .time_embedding
            .forward(&sinusoids, condition.as_ref())?;
        if let Some(layer) = &self.added {
            let (Some(text), Some(ids)) = (&added.text_embeds, &added.time_ids) else {
                candle_core::bail!("this UNet (SDXL) needs text_embeds and time_ids");
            };
            let sizes = layer
                .time_proj
                .forward(&ids.flatten_all()?)?
                .reshape((batch, ()))?;
            let joined = Tensor::cat(&[&text.to_dtype(DType::F32)?, &sizes], 1)?;
            time = (time
                + layer
                    .embedding
                    .forward(&joined.to_dtype(self.dtype)?, None)?)?;
        }
        if let Some(layer) = &self.pooled_text {
            time = (time + layer.forward(encoder_hidden_states)?)?;
        }
        self.activation.forward(&time)
    }

    /// A mask of ones and zeros as what diffusers adds to the scores: 0 and −10,000.
    fn attention_bias(&self, mask: &Tensor) -> Result<Tensor> {
        let bias = mask.to_dtype(DType::F32)?.affine(10_000.0, -10_000.0)?;
        bias.to_dtype(self.dtype)?.unsqueeze(1)?.unsqueeze(1)
    }
}
