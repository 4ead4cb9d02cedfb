//! From what CLIP sees of a picture to tokens for cross-attention.

use candle_core::{Result, Tensor};

use crate::kernels::{LayerNorm, Linear, add, attention, gelu};
use crate::model::error::ModelError;
use crate::model::layers::{layer_norm, linear};
use crate::model::weights::Weights;

/// Added to the normalisations' variance.
const EPS: f64 = 1e-5;
/// Width of a head of the resampler's attention.
pub(super) const HEAD: usize = 64;

/// The projection of either kind of adapter.
pub(super) enum ImageProjection {
    Base(BaseProjection),
    Plus(Box<Resampler>),
}

impl ImageProjection {
    /// What CLIP sees of each picture to `[batch, tokens, width]`.
    pub fn forward(&self, seen: &Tensor) -> Result<Tensor> {
        match self {
            Self::Base(projection) => projection.forward(seen),
            Self::Plus(resampler) => resampler.forward(seen),
        }
    }
}

/// The base adapter's: one dense layer and a normalisation (`diffusers.ImageProjection`).
pub(super) struct BaseProjection {
    proj: Linear,
    norm: LayerNorm,
    tokens: usize,
}

impl BaseProjection {
    /// Reads the module `weights`, for embeddings of width `image_embed_dim` and so many tokens.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(
        weights: &Weights,
        image_embed_dim: usize,
        cross_attention: usize,
        tokens: usize,
    ) -> std::result::Result<Self, ModelError> {
        let outputs = tokens * cross_attention;
        Ok(Self {
            proj: linear(&weights.scope("proj"), image_embed_dim, outputs, true)?,
            norm: layer_norm(&weights.scope("norm"), cross_attention, EPS)?,
            tokens,
        })
    }

    /// `[batch, image_embed_dim]` to `[batch, tokens, width]`.
    fn forward(&self, image_embeds: &Tensor) -> Result<Tensor> {
        let batch = image_embeds.dim(0)?;
        let tokens = self.proj.forward(image_embeds)?;
        self.norm
            .forward(&tokens.reshape((batch, self.tokens, ()))?)
    }
}

/// What decides a resampler's shape, as its tensors tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResamplerShape {
    /// Width of what CLIP sees.
    pub embed_dims: usize,
    /// Width inside.
    pub hidden_dims: usize,
    /// Width of the tokens.
    pub output_dims: usize,
    /// Tokens.
    pub num_queries: usize,
    /// Attention heads, [`HEAD`] wide each.
    pub heads: usize,
    /// Width inside the feed-forward parts.
    pub inner: usize,
    /// Blocks.
    pub depth: usize,
}

/// Plus's: queries that look at all patches, block after block
/// (`diffusers.IPAdapterPlusImageProjection`; the tensors have the original code's names).
pub(super) struct Resampler {
    latents: Tensor,
    proj_in: Linear,
    layers: Vec<ResamplerBlock>,
    proj_out: Linear,
    norm_out: LayerNorm,
}

struct ResamplerBlock {
    /// Of the picture.
    norm1: LayerNorm,
    /// Of the queries.
    norm2: LayerNorm,
    to_q: Linear,
    to_kv: Linear,
    to_out: Linear,
    norm: LayerNorm,
    enter: Linear,
    leave: Linear,
    heads: usize,
}

impl Resampler {
    /// Reads the module `weights`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(weights: &Weights, shape: ResamplerShape) -> std::result::Result<Self, ModelError> {
        let layers = weights.scope("layers");
        let hidden = shape.hidden_dims;
        Ok(Self {
            latents: weights.tensor("latents", &[1, shape.num_queries, hidden])?,
            proj_in: linear(&weights.scope("proj_in"), shape.embed_dims, hidden, true)?,
            layers: (0..shape.depth)
                .map(|number| ResamplerBlock::load(&layers.scope(number), shape))
                .collect::<std::result::Result<_, _>>()?,
            proj_out: linear(&weights.scope("proj_out"), hidden, shape.output_dims, true)?,
            norm_out: layer_norm(&weights.scope("norm_out"), shape.output_dims, EPS)?,
        })
    }

    /// `[batch, patches, embed_dims]` to `[batch, num_queries, output_dims]`.
    fn forward(&self, hidden_states: &Tensor) -> Result<Tensor> {
        let (_, queries, width) = self.latents.dims3()?;
        let batch = hidden_states.dim(0)?;
        let mut latents = self
            .latents
            .broadcast_as((batch, queries, width))?
            .contiguous()?;
        let seen = self.proj_in.forward(hidden_states)?;
        for layer in &self.layers {
            latents = layer.forward(&seen, &latents)?;
        }
        self.norm_out.forward(&self.proj_out.forward(&latents)?)
    }
}

impl ResamplerBlock {
    fn load(weights: &Weights, shape: ResamplerShape) -> std::result::Result<Self, ModelError> {
        let (look, feed_forward) = (weights.scope(0), weights.scope(1));
        let (hidden, width) = (shape.hidden_dims, shape.heads * HEAD);
        let norm = |weights: &Weights, name: &str| layer_norm(&weights.scope(name), hidden, EPS);
        let dense = |weights: &Weights, name: &str, input, output| {
            linear(&weights.scope(name), input, output, false)
        };
        Ok(Self {
            norm1: norm(&look, "norm1")?,
            norm2: norm(&look, "norm2")?,
            to_q: dense(&look, "to_q", hidden, width)?,
            to_kv: dense(&look, "to_kv", hidden, 2 * width)?,
            to_out: dense(&look, "to_out", width, hidden)?,
            norm: norm(&feed_forward, "0")?,
            enter: dense(&feed_forward, "1", hidden, shape.inner)?,
            leave: dense(&feed_forward, "3", shape.inner, hidden)?,
            heads: shape.heads,
        })
    }

    /// The queries look at the picture and at themselves.
    fn forward(&self, seen: &Tensor, latents: &Tensor) -> Result<Tensor> {
        let normed = self.norm2.forward(latents)?;
        let context = Tensor::cat(&[&self.norm1.forward(seen)?, &normed], 1)?;
        let key_value = self.to_kv.forward(&context)?;
        let width = self.heads * HEAD;
        let mixed = attention(
            &self.to_q.forward(&normed)?,
            &key_value.narrow(2, 0, width)?.contiguous()?,
            &key_value.narrow(2, width, width)?.contiguous()?,
            self.heads,
            1.0 / (HEAD as f64).sqrt(),
            None,
        )?;
        let latents = self.to_out.forward_add(&mixed, latents)?;
        let hidden = gelu(&self.enter.forward(&self.norm.forward(&latents)?)?)?;
        add(&self.leave.forward(&hidden)?, &latents)
    }
}
