//! The network between pixels and latents, whichever class it is.

use candle_core::{DType, Result, Tensor};

use crate::kernels::Wakeful;

use super::autoencoder_kl::AutoencoderKl;
use super::autoencoder_tiny::AutoencoderTiny;
use super::{ConfigFile, ModelError, Weights};

/// An autoencoder of any supported class.
pub enum Autoencoder {
    /// diffusers' `AutoencoderTiny`.
    Tiny(AutoencoderTiny),
    /// diffusers' `AutoencoderKL`.
    Kl(Box<AutoencoderKl>),
}

impl Autoencoder {
    /// The classes that [`Autoencoder::load`] can read.
    pub const CLASSES: [&'static str; 2] = ["AutoencoderTiny", "AutoencoderKL"];

    /// Builds the network of this class from its configuration and weights.
    ///
    /// # Errors
    /// When the configuration or the weights are not what the class calls for, or the class is
    /// none of [`Autoencoder::CLASSES`].
    pub fn load(
        class: &str,
        config: &ConfigFile,
        weights: &Weights,
    ) -> std::result::Result<Self, ModelError> {
        match class {
            "AutoencoderTiny" => Ok(Self::Tiny(AutoencoderTiny::load(config, weights)?)),
            "AutoencoderKL" => Ok(Self::Kl(Box::new(AutoencoderKl::load(config, weights)?))),
            other => Err(ModelError::UnknownClass {
                path: config.path().to_owned(),
                component: "vae".to_owned(),
                class: other.to_owned(),
                supported: Self::CLASSES.join(" or "),
            }),
        }
    }

    /// Leaves `shift_factor` out, as all of diffusers' Stable Diffusion pipelines do.
    pub(super) fn ignore_shift(&mut self) {
        if let Self::Kl(kl) = self {
            kl.ignore_shift();
        }
    }

    /// The number format to load the weights in when the rest of the model is in `dtype`: f32
    /// where half precision would overflow, as `force_upcast` says of Stable Diffusion's.
    ///
    /// # Errors
    /// `Config` when the field is not a flag.
    pub fn dtype(
        class: &str,
        config: &ConfigFile,
        dtype: DType,
    ) -> std::result::Result<DType, ModelError> {
        let overflows = class == "AutoencoderKL" && config.or("force_upcast", true)?;
        Ok(if overflows && dtype == DType::F16 {
            DType::F32
        } else {
            dtype
        })
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
        let _wakeful = Wakeful::threads(image.device());
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
        let _wakeful = Wakeful::threads(latents.device());
        match self {
            Self::Tiny(tiny) => tiny.decode(latents),
            Self::Kl(kl) => kl.decode(latents),
        }
    }

    /// Scaled latents as the network itself has them, before `scaling_factor` and what goes with it:
    /// what InstructPix2Pix's UNets see of a photo.
    ///
    /// # Errors
    /// When the device fails.
    pub fn unscaled(&self, latents: &Tensor) -> Result<Tensor> {
        match self {
            Self::Tiny(tiny) => tiny.unscaled(latents),
            Self::Kl(kl) => kl.unscaled(latents),
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
