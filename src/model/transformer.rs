//! Attention over an image's pixels and the prompt's tokens
//! (`diffusers.models.attention`, `transformers.transformer_2d`).

use candle_core::{DType, Result, Tensor};

use super::layers::{group_norm, is_half, layer_norm, linear};
use super::{ImagePrompt, ModelError, Weights};
use crate::kernels::{
    GroupNorm, LayerNorm, Linear, add, attention, geglu, image_from_tokens, tokens_from_image,
};

/// The shape of a [`Transformer2DModel`].
#[derive(Debug, Clone, Copy)]
pub struct TransformerShape {
    /// Channels of the image, in and out.
    pub channels: usize,
    /// Attention heads; each is `channels / heads` wide.
    pub heads: usize,
    /// Transformer blocks, one after the other.
    pub layers: usize,
    /// Width of the prompt's embeddings.
    pub cross_attention: usize,
    /// Groups of the normalisation at the entry.
    pub groups: usize,
    /// True when the first attention looks at the prompt too, instead of at the image itself.
    pub only_cross_attention: bool,
    /// True when attention is computed in f32 whatever the model's number format.
    pub upcast_attention: bool,
    /// How many cross-attentions of the UNet come before the first of these, in the order of
    /// `cross_attentions`.
    pub cross_attentions_before: usize,
}

/// What the attention layers of a UNet look at beside the image.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The prompt's embeddings, `[batch, tokens, width]`.
    pub encoder_hidden_states: &'a Tensor,
    /// Added to the scores of the prompt's tokens, `[batch, 1, 1, tokens]`.
    pub bias: Option<&'a Tensor>,
    /// Pictures beside the prompt.
    pub image_prompts: &'a [ImagePrompt],
}

struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
    scale: f64,
    upcast: bool,
}

impl Attention {
    fn load(
        weights: &Weights,
        shape: TransformerShape,
        context: usize,
    ) -> std::result::Result<Self, ModelError> {
        let head = shape.channels / shape.heads;
        let inner = head * shape.heads;
        Ok(Self {
            to_q: linear(&weights.scope("to_q"), inner, inner, false)?,
            to_k: linear(&weights.scope("to_k"), context, inner, false)?,
            to_v: linear(&weights.scope("to_v"), context, inner, false)?,
            to_out: linear(&weights.scope("to_out.0"), inner, inner, true)?,
            heads: shape.heads,
            scale: 1.0 / (head as f64).sqrt(),
            upcast: shape.upcast_attention && is_half(weights.dtype()),
        })
    }

    /// Attention's answer for `tokens`, added to `residual`. `pictures` are keys and values that are
    /// looked at besides.
    fn forward_add(
        &self,
        tokens: &Tensor,
        context: Option<Context>,
        pictures: &[(Tensor, Tensor)],
        residual: &Tensor,
    ) -> Result<Tensor> {
        let seen = context.map_or(tokens, |context| context.encoder_hidden_states);
        let bias = context.and_then(|context| context.bias);
        let query = self.to_q.forward(tokens)?;
        let key = self.to_k.forward(seen)?;
        let value = self.to_v.forward(seen)?;
        let mut mixed = self.attend(&query, &key, &value, bias)?;
        for (key, value) in pictures {
            mixed = add(&mixed, &self.attend(&query, key, value, None)?)?;
        }
        self.to_out.forward_add(&mixed, residual)
    }

    fn attend(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        if !self.upcast {
            return attention(query, key, value, self.heads, self.scale, bias);
        }
        let bias = bias.map(|bias| bias.to_dtype(DType::F32)).transpose()?;
        let wide = |tensor: &Tensor| tensor.to_dtype(DType::F32);
        let (heads, scale) = (self.heads, self.scale);
        let (wide_key, wide_value) = (wide(key)?, wide(value)?);
        attention(
            &wide(query)?,
            &wide_key,
            &wide_value,
            heads,
            scale,
            bias.as_ref(),
        )?
        .to_dtype(query.dtype())
    }
}

/// The feed-forward part: a gated layer four times as wide, and back.
struct FeedForward {
    enter: Linear,
    leave: Linear,
}

impl FeedForward {
    fn load(weights: &Weights, width: usize) -> std::result::Result<Self, ModelError> {
        Ok(Self {
            enter: linear(&weights.scope("net.0.proj"), width, 8 * width, true)?,
            leave: linear(&weights.scope("net.2"), 4 * width, width, true)?,
        })
    }

    /// The answer for `tokens`, added to `residual`.
    fn forward_add(&self, tokens: &Tensor, residual: &Tensor) -> Result<Tensor> {
        let gated = geglu(&self.enter.forward(tokens)?)?;
        self.leave.forward_add(&gated, residual)
    }
}

/// Self-attention, attention to the prompt, feed-forward, each added to its input.
struct BasicTransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff: FeedForward,
    only_cross_attention: bool,
    /// The number of `attn2` among the UNet's cross-attentions.
    cross_attention: usize,
}

impl BasicTransformerBlock {
    /// Reads the block of this number in its transformer.
    fn load(
        weights: &Weights,
        shape: TransformerShape,
        number: usize,
    ) -> std::result::Result<Self, ModelError> {
        const EPS: f64 = 1e-5;
        let inner = shape.channels / shape.heads * shape.heads;
        let first = if shape.only_cross_attention {
            shape.cross_attention
        } else {
            inner
        };
        Ok(Self {
            norm1: layer_norm(&weights.scope("norm1"), inner, EPS)?,
            attn1: Attention::load(&weights.scope("attn1"), shape, first)?,
            norm2: layer_norm(&weights.scope("norm2"), inner, EPS)?,
            attn2: Attention::load(&weights.scope("attn2"), shape, shape.cross_attention)?,
            norm3: layer_norm(&weights.scope("norm3"), inner, EPS)?,
            ff: FeedForward::load(&weights.scope("ff"), inner)?,
            only_cross_attention: shape.only_cross_attention,
            cross_attention: shape.cross_attentions_before + number,
        })
    }

    fn forward(&self, tokens: &Tensor, context: Context) -> Result<Tensor> {
        // diffusers applies the prompt's mask in the second attention only.
        let first = Context {
            bias: None,
            ..context
        };
        let first = self.only_cross_attention.then_some(first);
        let normed = self.norm1.forward(tokens)?;
        let tokens = self.attn1.forward_add(&normed, first, &[], tokens)?;
        let normed = self.norm2.forward(&tokens)?;
        let pictures = context.image_prompts.iter();
        let pictures = pictures.map(|picture| picture.key_value(self.cross_attention));
        let pictures = pictures.collect::<Result<Vec<_>>>()?;
        let tokens = self
            .attn2
            .forward_add(&normed, Some(context), &pictures, &tokens)?;
        let normed = self.norm3.forward(&tokens)?;
        self.ff.forward_add(&normed, &tokens)
    }
}

/// Transformer blocks over an image whose pixels are the tokens, added to the image.
pub struct Transformer2DModel {
    norm: GroupNorm,
    proj_in: Linear,
    transformer_blocks: Vec<BasicTransformerBlock>,
    proj_out: Linear,
}

impl Transformer2DModel {
    /// Reads the blocks in the module `weights`. Whether `proj_in` and `proj_out` are stored as
    /// dense layers (`use_linear_projection`) or as 1×1 convolutions makes no difference.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(
        weights: &Weights,
        shape: TransformerShape,
    ) -> std::result::Result<Self, ModelError> {
        let inner = shape.channels / shape.heads * shape.heads;
        let blocks = weights.scope("transformer_blocks");
        Ok(Self {
            norm: group_norm(&weights.scope("norm"), shape.channels, shape.groups, 1e-6)?,
            proj_in: linear(&weights.scope("proj_in"), shape.channels, inner, true)?,
            transformer_blocks: (0..shape.layers)
                .map(|number| BasicTransformerBlock::load(&blocks.scope(number), shape, number))
                .collect::<std::result::Result<_, _>>()?,
            proj_out: linear(&weights.scope("proj_out"), inner, shape.channels, true)?,
        })
    }

    /// `[batch, channels, height, width]` to the same shape.
    ///
    /// # Errors
    /// When shapes disagree.
    pub fn forward(&self, sample: &Tensor, context: Context) -> Result<Tensor> {
        let (_, _, height, width) = sample.dims4()?;
        let tokens = tokens_from_image(&self.norm.forward(sample)?)?;
        let mut tokens = self.proj_in.forward(&tokens)?;
        for block in &self.transformer_blocks {
            tokens = block.forward(&tokens, context)?;
        }
        add(
            &image_from_tokens(&self.proj_out.forward(&tokens)?, height, width)?,
            sample,
        )
    }
}
