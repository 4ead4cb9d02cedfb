//! What a diffusion transformer is told beside the prompt's tokens: the timestep, the pooled prompt
//! and perhaps the guidance scale, summed (`CombinedTimestepTextProjEmbeddings`,
//! `CombinedTimestepGuidanceTextProjEmbeddings`).

use candle_core::{DType, Result, Tensor};

use super::embeddings::{TimestepEmbedding, Timesteps};
use super::{Activation, ModelError, Weights};

/// Sinusoids that a number becomes.
const SINUSOIDS: usize = 256;

/// The sum of what the timestep, the pooled prompt and the guidance scale are embedded as.
pub(super) struct TimeTextEmbedding {
    sinusoids: Timesteps,
    timestep: TimestepEmbedding,
    guidance: Option<TimestepEmbedding>,
    /// `PixArtAlphaTextProjection`: two dense layers with SiLU between them.
    text: TimestepEmbedding,
    dtype: DType,
}

impl TimeTextEmbedding {
    /// Reads the layers in the module `weights`: vectors of `width`, from a pooled prompt of
    /// `pooled`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(
        weights: &Weights,
        width: usize,
        pooled: usize,
        embeds_guidance: bool,
    ) -> std::result::Result<Self, ModelError> {
        let layers = |name: &str, input: usize| {
            TimestepEmbedding::load(&weights.scope(name), input, width, None, Activation::Silu)
        };
        let sinusoids = Timesteps::new(SINUSOIDS, true, 0.0, weights.device());
        Ok(Self {
            sinusoids: weights.prepared(sinusoids)?,
            timestep: layers("timestep_embedder", SINUSOIDS)?,
            guidance: embeds_guidance
                .then(|| layers("guidance_embedder", SINUSOIDS))
                .transpose()?,
            text: layers("text_embedder", pooled)?,
            dtype: weights.dtype(),
        })
    }

    /// `[batch]` timesteps and guidance scales, in the thousands, and a pooled prompt
    /// `[batch, pooled]` to `[batch, width]`.
    ///
    /// # Errors
    /// When shapes disagree, or the guidance scale is absent where it is embedded.
    pub fn forward(
        &self,
        timesteps: &Tensor,
        guidance: Option<&Tensor>,
        pooled: &Tensor,
    ) -> Result<Tensor> {
        let embed = |layers: &TimestepEmbedding, numbers: &Tensor| {
            let sinusoids = self.sinusoids.forward(numbers)?.to_dtype(self.dtype)?;
            layers.forward(&sinusoids, None)
        };
        let mut sum = embed(&self.timestep, timesteps)?;
        if let Some(layers) = &self.guidance {
            let Some(guidance) = guidance else {
                candle_core::bail!("this transformer embeds the guidance scale: give it one");
            };
            sum = (sum + embed(layers, guidance)?)?;
        }
        sum + self.text.forward(&pooled.to_dtype(self.dtype)?, None)?
    }
}
