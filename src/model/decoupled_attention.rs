//! Cross-attention to a picture beside that to the prompt: keys and values of its own for the picture's
//! tokens, and the answers summed (`diffusers.IPAdapterAttnProcessor2_0`; Ye et al., arXiv 2308.06721).

use std::fmt;
use std::sync::Arc;

use candle_core::{DType, Result, Tensor};

use super::layers::linear;
use super::{ModelError, Weights};
use crate::kernels::Linear;

/// An IP-Adapter's part of one cross-attention.
pub struct DecoupledAttention {
    to_k_ip: Linear,
    to_v_ip: Linear,
}

impl DecoupledAttention {
    /// Reads the layers in the module `weights`, for tokens of width `cross_attention` and attention
    /// of width `inner`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub(super) fn load(
        weights: &Weights,
        cross_attention: usize,
        inner: usize,
    ) -> std::result::Result<Self, ModelError> {
        let layer = |name: &str| linear(&weights.scope(name), cross_attention, inner, false);
        Ok(Self {
            to_k_ip: layer("to_k_ip")?,
            to_v_ip: layer("to_v_ip")?,
        })
    }
}

/// What a UNet's cross-attentions see of pictures, through one IP-Adapter: for each row of a batch
/// its own picture, or none.
#[derive(Clone)]
pub struct ImagePrompt {
    /// One for each cross-attention, in the order of `cross_attentions`.
    layers: Arc<[DecoupledAttention]>,
    image_embeds: Tensor,
    scale: Tensor,
}

impl ImagePrompt {
    /// `image_embeds` are the pictures' tokens, `[batch, tokens, width]`, anything in rows without a
    /// picture; `scale` is how much each row sees of its picture, 0 in rows without one.
    ///
    /// # Errors
    /// When there are not as many scales as rows.
    pub fn new(
        layers: Arc<[DecoupledAttention]>,
        image_embeds: Tensor,
        scale: &[f32],
    ) -> Result<Self> {
        let batch = image_embeds.dim(0)?;
        let scale = Tensor::from_slice(scale, (batch, 1, 1), image_embeds.device())?;
        Ok(Self {
            layers,
            scale: scale.to_dtype(image_embeds.dtype())?,
            image_embeds,
        })
    }

    /// Rows of the batch.
    pub(super) fn batch(&self) -> Result<usize> {
        self.image_embeds.dim(0)
    }

    /// The same in another number format.
    pub(super) fn to_dtype(&self, dtype: DType) -> Result<Self> {
        Ok(Self {
            layers: Arc::clone(&self.layers),
            image_embeds: self.image_embeds.to_dtype(dtype)?,
            scale: self.scale.to_dtype(dtype)?,
        })
    }

    /// Keys and values of a cross-attention, `[batch, tokens, inner]`. The scale is in the values, and
    /// with them in what attention answers.
    ///
    /// # Errors
    /// When the adapter has no cross-attention of this number.
    pub(super) fn key_value(&self, cross_attention: usize) -> Result<(Tensor, Tensor)> {
        let Some(layer) = self.layers.get(cross_attention) else {
            candle_core::bail!(
                "an IP-Adapter of {} cross-attentions was given to a UNet of more",
                self.layers.len()
            );
        };
        let value = layer.to_v_ip.forward(&self.image_embeds)?;
        Ok((
            layer.to_k_ip.forward(&self.image_embeds)?,
            value.broadcast_mul(&self.scale)?,
        ))
    }
}

impl fmt::Debug for ImagePrompt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ImagePrompt");
        shown.field("cross_attentions", &self.layers.len());
        shown.field("image_embeds", &self.image_embeds.shape());
        shown.finish_non_exhaustive()
    }
}
