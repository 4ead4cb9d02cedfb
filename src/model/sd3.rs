//! Stable Diffusion 3's denoising network (`diffusers.SD3Transformer2DModel`).

use candle_core::{DType, Result, Tensor};

use super::joint_attention::{
    AdaptiveNorm, AfterAttention, AttentionKind, FeedForward, Heads, JointAttention, Modulation,
    modulated,
};
use super::layers::{ConvShape, conv2d, linear};
use super::time_text_embedding::TimeTextEmbedding;
use super::{ModelError, Sd3Config, Weights};
use crate::kernels::{Conv2d, Linear, Padding, add_gated, tokens_from_image};

/// Predicts a flow's velocity from noisy latents, the timestep and two embeddings of the prompt.
pub struct SD3Transformer2DModel {
    config: Sd3Config,
    dtype: DType,
    proj: Conv2d,
    /// `[pos_embed_max_size, pos_embed_max_size, width]`.
    pos_embed: Tensor,
    time_text_embed: TimeTextEmbedding,
    context_embedder: Linear,
    transformer_blocks: Vec<JointTransformerBlock>,
    norm_out: AdaptiveNorm,
    proj_out: Linear,
}

impl SD3Transformer2DModel {
    /// Builds the network from a checked configuration and its weights.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than the configuration calls for.
    pub fn load(config: &Sd3Config, weights: &Weights) -> std::result::Result<Self, ModelError> {
        let heads = Heads {
            count: config.num_attention_heads,
            dim: config.attention_head_dim,
            qk_norm: config.qk_norm,
        };
        let (width, patch) = (heads.width(), config.patch_size);
        let dense = |name: &str, input, output| linear(&weights.scope(name), input, output, true);
        let enter = ConvShape {
            input: config.in_channels,
            output: width,
            kernel: patch,
            stride: patch,
            padding: Padding::all(0),
            bias: true,
        };
        let place = weights.scope("pos_embed");
        let most = config.pos_embed_max_size;
        let pos_embed = place.tensor("pos_embed", &[1, most * most, width])?;
        let blocks = weights.scope("transformer_blocks");
        Ok(Self {
            dtype: weights.dtype(),
            proj: conv2d(&place.scope("proj"), enter)?,
            pos_embed: place.prepared(pos_embed.reshape((most, most, width)))?,
            time_text_embed: TimeTextEmbedding::load(
                &weights.scope("time_text_embed"),
                width,
                config.pooled_projection_dim,
                false,
            )?,
            context_embedder: dense("context_embedder", config.joint_attention_dim, width)?,
            transformer_blocks: (0..config.num_layers)
                .map(|number| {
                    let is_last = number + 1 == config.num_layers;
                    let is_dual = config.dual_attention_layers.contains(&number);
                    JointTransformerBlock::load(&blocks.scope(number), heads, is_last, is_dual)
                })
                .collect::<std::result::Result<_, _>>()?,
            norm_out: AdaptiveNorm::load(&weights.scope("norm_out"), width)?,
            proj_out: dense("proj_out", width, patch * patch * config.in_channels)?,
            config: config.clone(),
        })
    }

    /// One prediction for each row of a batch, each row at its own timestep.
    ///
    /// `sample` is `[batch, in_channels, height, width]` with sides that are multiples of the patch,
    /// `timesteps` `[batch]` in 0 … 1000, `encoder_hidden_states` `[batch, tokens,
    /// joint_attention_dim]`, `pooled` `[batch, pooled_projection_dim]`. Returns what the sample is
    /// shaped like, in its number format.
    ///
    /// # Errors
    /// When shapes disagree, or the image is larger than the table of positions.
    pub fn forward(
        &self,
        sample: &Tensor,
        timesteps: &Tensor,
        encoder_hidden_states: &Tensor,
        pooled: &Tensor,
    ) -> Result<Tensor> {
        let (batch, channels, height, width) = sample.dims4()?;
        let patch = self.config.patch_size;
        if height % patch != 0 || width % patch != 0 {
            candle_core::bail!(
                "latents of {width} × {height} are not made of {patch} × {patch} squares"
            );
        }
        let (rows, columns) = (height / patch, width / patch);
        let timesteps = timesteps.to_dtype(DType::F32)?.expand(batch)?;
        let time = self.time_text_embed.forward(&timesteps, None, pooled)?;
        let image = self.proj.forward(&sample.to_dtype(self.dtype)?)?;
        let image = tokens_from_image(&image)?;
        let mut image = image.broadcast_add(&self.places(rows, columns)?)?;
        let mut prompt = self
            .context_embedder
            .forward(&encoder_hidden_states.to_dtype(self.dtype)?)?;
        for block in &self.transformer_blocks {
            (image, prompt) = block.forward(&image, &prompt, &time)?;
        }
        let image = self.norm_out.forward(&image, &time)?;
        self.proj_out
            .forward(&image)?
            .reshape(&[batch, rows, columns, patch, patch, channels])?
            .permute([0, 5, 1, 3, 2, 4])?
            .reshape((batch, channels, height, width))?
            .to_dtype(sample.dtype())
    }

    /// The middle of the table of positions, `[1, rows · columns, width]`.
    fn places(&self, rows: usize, columns: usize) -> Result<Tensor> {
        let most = self.config.pos_embed_max_size;
        if rows > most || columns > most {
            let patch = self.config.patch_size;
            candle_core::bail!(
                "latents of {} × {} are larger than the {} × {} that this model knows places for",
                columns * patch,
                rows * patch,
                most * patch,
                most * patch
            );
        }
        self.pos_embed
            .narrow(0, (most - rows) / 2, rows)?
            .narrow(1, (most - columns) / 2, columns)?
            .reshape((1, rows * columns, ()))
    }
}

/// How a block makes ready the prompt's tokens.
enum PromptNorm {
    /// As the image's.
    Zero(Modulation),
    /// For the last attention, after which they are not wanted any more.
    Last(AdaptiveNorm),
}

struct JointTransformerBlock {
    norm1: Modulation,
    norm1_context: PromptNorm,
    attn: JointAttention,
    attn2: Option<JointAttention>,
    ff: FeedForward,
    ff_context: Option<FeedForward>,
}

impl JointTransformerBlock {
    fn load(
        weights: &Weights,
        heads: Heads,
        is_last: bool,
        is_dual: bool,
    ) -> std::result::Result<Self, ModelError> {
        let width = heads.width();
        let of_prompt = weights.scope("norm1_context");
        let kind = match is_last {
            true => AttentionKind::JointLast,
            false => AttentionKind::Joint,
        };
        Ok(Self {
            norm1: Modulation::load(&weights.scope("norm1"), width, if is_dual { 9 } else { 6 })?,
            norm1_context: match is_last {
                true => PromptNorm::Last(AdaptiveNorm::load(&of_prompt, width)?),
                false => PromptNorm::Zero(Modulation::load(&of_prompt, width, 6)?),
            },
            attn: JointAttention::load(&weights.scope("attn"), heads, kind)?,
            attn2: is_dual
                .then(|| JointAttention::load(&weights.scope("attn2"), heads, AttentionKind::Own))
                .transpose()?,
            ff: FeedForward::load(&weights.scope("ff"), width)?,
            ff_context: (!is_last)
                .then(|| FeedForward::load(&weights.scope("ff_context"), width))
                .transpose()?,
        })
    }

    fn forward(&self, image: &Tensor, prompt: &Tensor, time: &Tensor) -> Result<(Tensor, Tensor)> {
        let of_image = self.norm1.vectors(time)?;
        let [shift, scale, gate, ff_shift, ff_scale, ff_gate, dual @ ..] = of_image.as_slice()
        else {
            candle_core::bail!("a block's modulation has at least six parts");
        };
        let of_prompt = match &self.norm1_context {
            PromptNorm::Zero(modulation) => Some(modulation.vectors(time)?),
            PromptNorm::Last(_) => None,
        };
        let normed_prompt = match (&self.norm1_context, of_prompt.as_deref()) {
            (PromptNorm::Last(norm), _) => norm.forward(prompt, time)?,
            (_, Some([shift, scale, ..])) => modulated(prompt, shift, scale)?,
            _ => candle_core::bail!("a block's modulation of the prompt has six parts"),
        };
        let normed = modulated(image, shift, scale)?;
        let (to_image, to_prompt) = self.attn.forward_joint(&normed, &normed_prompt, None)?;
        let mut hidden = add_gated(image, gate, &to_image)?;
        if let (Some(attention), [shift, scale, gate]) = (&self.attn2, dual) {
            // Beside the first attention: of the same tokens, not of what that made of them.
            let own = attention.forward(&modulated(image, shift, scale)?, None)?;
            hidden = add_gated(&hidden, gate, &own)?;
        }
        let after = AfterAttention {
            gate,
            shift: ff_shift,
            scale: ff_scale,
            feed_forward_gate: ff_gate,
        };
        let image = after.feed_forward(&hidden, &self.ff)?;
        let prompt = match (&of_prompt, to_prompt, &self.ff_context) {
            (Some(parts), Some(answer), Some(layer)) => {
                AfterAttention::of(&parts[2..])?.add(prompt, &answer, layer)?
            }
            _ => prompt.clone(),
        };
        Ok((image, prompt))
    }
}
