//! The network between pixels and latents, whichever class it is.

use candle_core::{DType, Result, Tensor};

use super::autoencoder_kl::AutoencoderKl;
use super::autoencoder_tiny::AutoencoderTiny;
use super::folder::Component;
use super::{ModelError, Weights};

/// An autoencoder of any supported class.
pub enum Autoencoder {
    /// diffusers' `AutoencoderTiny`.
    Tiny(AutoencoderTiny),
    /// diffusers' `AutoencoderKL`.
    Kl(AutoencoderKl),
}

impl Autoencoder {
    /// The classes that [`Autoencoder::load`] can read.
    pub const CLASSES: [&'static str; 2] = ["AutoencoderTiny", "AutoencoderKL"];

    /// Reads the component, which `class` says is one of [`Autoencoder::CLASSES`].
    ///
    /// # Errors
    /// When the configuration or the weights are not what the class calls for.
    pub fn load(
        component: &Component,
        class: &str,
        weights: impl Fn(DType) -> std::result::Result<Weights, ModelError>,
        dtype: DType,
    ) -> std::result::Result<Self, ModelError> {
        let config = component.config_of(class)?;
        if class == "AutoencoderTiny" {
            return Ok(Self::Tiny(AutoencoderTiny::load(&config, &weights(dtype)?)?));
        }
        // These overflow half precision: the file says so, and diffusers computes them in f32.
        let upcast = config.or("force_upcast", true)? && dtype == DType::F16;
        let dtype = if upcast { DType::F32 } else { dtype };
        Ok(Self::Kl(AutoencoderKl::load(&config, &weights(dtype)?)?))
    }

    /// `[batch, 3, height, width]` in −1…1 to latents `[batch, latent_channels, height/scale,
    /// width/scale]`, scaled as the UNet wants them. Where the class encodes to a distribution
    /// this is its mean. The answer is in the input's number format.
    ///
    /// # Errors
    /// When shapes disagree, or a side is not a multiple of [`Autoencoder::scale`].
    pub fn encode(&self, image: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = image.dims4()?;
        let scale = self.scale();
        if height % scale != 0 || width % scale != 0 {
            candle_core::bail!("an image of {width} x {height} is not made of {scale}-pixel cells");
        }
        match self {
            Self::Tiny(tiny) => tiny.encode(image),
            Self::Kl(kl) => kl.encode(image),
        }
    }

    /// Scaled latents `[batch, latent_channels, h, w]` to `[batch, 3, h · scale, w · scale]`,
    /// nominally in −1…1 (a network may overshoot: clamp before rounding to bytes). The answer
    /// is in the input's number format.
    ///
    /// # Errors
    /// When shapes disagree.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        match self {
            Self::Tiny(tiny) => tiny.decode(latents),
            Self::Kl(kl) => kl.decode(latents),
        }
    }

    /// Channels of the latents.
    pub fn latent_channels(&self) -> usize {
        match self {
            Self::Tiny(tiny) => tiny.latent_channels(),
            Self::Kl(kl) => kl.latent_channels(),
        }
    }

    /// Pixels along one side of a latent cell.
    pub fn scale(&self) -> usize {
        match self {
            Self::Tiny(tiny) => tiny.scale(),
            Self::Kl(kl) => kl.scale(),
        }
    }
}
