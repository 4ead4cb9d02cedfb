//! What a render starts from, in latents. Tensors are `[1, channels, height, width]`.

use std::sync::Arc;

use candle_core::Tensor;

use super::control::Steering;
use super::forward::Network;
use super::photo::Inversion;
use super::timings::Timings;
use crate::sampler::LatentRect;

/// Where a render's initial noise comes from.
pub enum NoiseSource {
    /// The position-addressed generator.
    Seed(u64),
    /// Given noise.
    Given {
        /// The initial noise, `[1, channels, height, width]`.
        initial: Tensor,
        /// Noise that the steps add, `[steps, channels, height, width]`; steps beyond these use
        /// the seed.
        between: Option<Tensor>,
        /// Seed of the draws between steps.
        seed: u64,
    },
}

/// The first sample.
pub enum Start {
    /// Noise alone; `strength` has no meaning then and counts as 1.
    Noise,
    /// These latents, noised to the timestep of the strength.
    Image(Tensor),
    /// An inverted photo's latents at the timestep of the strength. What the steps add as noise is
    /// the noise that the photo implies.
    Inverted {
        /// The photo.
        inversion: Arc<Inversion>,
        /// The prompt that the photo is sampled with beside the edit, so that what this loses of it
        /// is put back where both paint the same; its own. As many rows of the batch again.
        source_prompt: String,
    },
}

/// What stays where a mask says so.
pub struct Kept {
    /// The latents that stay.
    pub latents: Tensor,
    /// `[1, 1, height, width]`, 0 (stays) … 1 (changes).
    pub mask: Tensor,
}

/// What a render starts from, and what it is made with.
pub struct RenderInputs {
    /// Where the window lies on the canvas, in latents.
    pub latent_rect: LatentRect,
    /// The first sample.
    pub start: Start,
    /// What the UNet sees beside the noise, `[1, in_channels − channels, height, width]`; zeros
    /// when left out. None for a model that sees nothing there.
    pub image_input: Option<Tensor>,
    /// Without it everything may change.
    pub kept: Option<Kept>,
    /// Initial noise.
    pub noise: NoiseSource,
    /// Which UNet runs.
    pub network: Network,
    /// What steers it: the painting UNet, and not a photo's own way.
    pub steering: Vec<Arc<Steering>>,
    /// What it took to make these; the render's times begin with it.
    pub timings: Timings,
}

impl RenderInputs {
    /// Noise of a seed, everywhere, with the painting UNet.
    pub fn from_seed(latent_rect: LatentRect, seed: u64) -> Self {
        Self {
            latent_rect,
            start: Start::Noise,
            image_input: None,
            kept: None,
            noise: NoiseSource::Seed(seed),
            network: Network::Painting,
            steering: Vec::new(),
            timings: Timings::default(),
        }
    }
}
