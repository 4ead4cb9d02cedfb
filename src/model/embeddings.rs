//! How a timestep, and other numbers, become vectors (`diffusers.models.embeddings`).

use candle_core::{D, DType, Device, Result, Tensor};

use super::act_fn::Activation;
use super::layers::{layer_norm, linear};
use super::{ModelError, Weights};
use crate::kernels::{LayerNorm, Linear, attention};

/// Sinusoids of falling frequency, diffusers' `Timesteps`: `sin(t·f_i)` beside `cos(t·f_i)` with
/// `f_i = 10000^(−i / (channels/2 − freq_shift))`.
pub struct Timesteps {
    frequencies: Tensor,
    flip_sin_to_cos: bool,
    odd: bool,
}

impl Timesteps {
    /// Sinusoids of `channels` channels in all. `flip_sin_to_cos` puts the cosines first.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn new(
        channels: usize,
        flip_sin_to_cos: bool,
        freq_shift: f64,
        device: &Device,
    ) -> Result<Self> {
        let half = channels / 2;
        // In f32 and in this order, as torch computes it: a phase of up to 1000 radians shows
        // every bit of the frequency.
        let slope = -(10_000f64.ln()) as f32;
        let span = (half as f64 - freq_shift) as f32;
        let frequencies: Vec<f32> = (0..half)
            .map(|index| (slope * index as f32 / span).exp())
            .collect();
        let frequencies = Tensor::from_vec(frequencies, (1, half), device)?;
        Ok(Self {
            frequencies,
            flip_sin_to_cos,
            odd: channels % 2 == 1,
        })
    }

    /// `[n]` numbers to `[n, channels]` sinusoids, in f32.
    ///
    /// # Errors
    /// When `numbers` is not one-dimensional.
    pub fn forward(&self, numbers: &Tensor) -> Result<Tensor> {
        let phase = numbers
            .to_dtype(DType::F32)?
            .to_device(self.frequencies.device())?
            .unsqueeze(1)?
            .broadcast_mul(&self.frequencies)?;
        let (sin, cos) = (phase.sin()?, phase.cos()?);
        let halves = if self.flip_sin_to_cos {
            [cos, sin]
        } else {
            [sin, cos]
        };
        let embedding = Tensor::cat(&halves, D::Minus1)?;
        if self.odd {
            embedding.pad_with_zeros(D::Minus1, 0, 1)
        } else {
            Ok(embedding)
        }
    }
}

/// Two dense layers with an activation between them, diffusers' `TimestepEmbedding`.
pub struct TimestepEmbedding {
    linear_1: Linear,
    cond_proj: Option<Linear>,
    linear_2: Linear,
    activation: Activation,
}

impl TimestepEmbedding {
    /// From `[n, input]` to `[n, output]`; `condition` is the width of the guidance embedding
    /// that LCM adds to the input (`time_cond_proj_dim`).
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(
        weights: &Weights,
        input: usize,
        output: usize,
        condition: Option<usize>,
        activation: Activation,
    ) -> std::result::Result<Self, ModelError> {
        Ok(Self {
            linear_1: linear(&weights.scope("linear_1"), input, output, true)?,
            cond_proj: condition
                .map(|width| linear(&weights.scope("cond_proj"), width, input, false))
                .transpose()?,
            linear_2: linear(&weights.scope("linear_2"), output, output, true)?,
            activation,
        })
    }

    /// `[n, input]`, and perhaps `[n, condition]`, to `[n, output]`.
    ///
    /// # Errors
    /// When shapes disagree, or a condition is given to a network that has no place for it.
    pub fn forward(&self, sample: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
        let sample = match (condition, &self.cond_proj) {
            (None, _) => sample.clone(),
            (Some(condition), Some(cond_proj)) => (sample + cond_proj.forward(condition)?)?,
            (Some(_), None) => candle_core::bail!(
                "timestep_cond was given, but the UNet's config.json has no time_cond_proj_dim"
            ),
        };
        let hidden = self.linear_1.forward(&sample)?;
        self.linear_2.forward(&self.activation.forward(&hidden)?)
    }
}

/// A prompt's tokens pooled into one vector that joins the timestep, diffusers'
/// `TextTimeEmbedding`: the mean token attends to itself and all tokens.
pub struct TextTimeEmbedding {
    norm1: LayerNorm,
    positional_embedding: Tensor,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    heads: usize,
    proj: Linear,
    norm2: LayerNorm,
}

impl TextTimeEmbedding {
    /// From tokens of `width` to `[n, output]`, with `heads` of attention, which divide `width`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(
        weights: &Weights,
        width: usize,
        output: usize,
        heads: usize,
    ) -> std::result::Result<Self, ModelError> {
        const EPS: f64 = 1e-5;
        let pool = weights.scope("pool");
        let dense = |name: &str| linear(&pool.scope(name), width, width, true);
        Ok(Self {
            norm1: layer_norm(&weights.scope("norm1"), width, EPS)?,
            positional_embedding: pool.tensor("positional_embedding", &[1, width])?,
            q_proj: dense("q_proj")?,
            k_proj: dense("k_proj")?,
            v_proj: dense("v_proj")?,
            heads,
            proj: linear(&weights.scope("proj"), width, output, true)?,
            norm2: layer_norm(&weights.scope("norm2"), output, EPS)?,
        })
    }

    /// `[n, tokens, width]` to `[n, output]`.
    ///
    /// # Errors
    /// When shapes disagree.
    pub fn forward(&self, encoder_hidden_states: &Tensor) -> Result<Tensor> {
        let tokens = self.norm1.forward(encoder_hidden_states)?;
        let (_, _, width) = tokens.dims3()?;
        let mean = tokens
            .mean_keepdim(1)?
            .broadcast_add(&self.positional_embedding)?;
        let seen = Tensor::cat(&[&mean, &tokens], 1)?;
        let pooled = attention(
            &self.q_proj.forward(&mean)?,
            &self.k_proj.forward(&seen)?,
            &self.v_proj.forward(&seen)?,
            self.heads,
            1.0 / ((width / self.heads) as f64).sqrt(),
            None,
        )?;
        self.norm2.forward(&self.proj.forward(&pooled.squeeze(1)?)?)
    }
}
