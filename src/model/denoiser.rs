//! The network that denoises, whichever class it is, and what differs between the classes.

use candle_core::{Result, Tensor};

use super::flux::PACKED;
use super::{
    AddedConditioning, AdditionalResiduals, ConfigFile, FluxConfig, FluxTransformer2DModel,
    ModelError, SD3Transformer2DModel, Sd3Config, UNet2DConditionModel, UNetConfig, Weights,
};
use crate::kernels::Wakeful;

/// The configuration of a denoiser.
#[derive(Debug, Clone)]
pub enum DenoiserConfig {
    /// Of a `UNet2DConditionModel`.
    UNet(Box<UNetConfig>),
    /// Of a `FluxTransformer2DModel`.
    Flux(FluxConfig),
    /// Of an `SD3Transformer2DModel`.
    Sd3(Sd3Config),
}

impl DenoiserConfig {
    /// The classes that can be read, of what the folder calls `unet`.
    pub const UNETS: [&'static str; 1] = UNet2DConditionModel::CLASSES;
    /// The classes that can be read, of what the folder calls `transformer`.
    pub const TRANSFORMERS: [&'static str; 2] = ["FluxTransformer2DModel", "SD3Transformer2DModel"];

    /// Reads the configuration of a network of this class.
    ///
    /// # Errors
    /// `Config`, with the field's name; `UnknownClass` for a class that is none of these.
    pub fn read(class: &str, file: &ConfigFile) -> std::result::Result<Self, ModelError> {
        match class {
            "UNet2DConditionModel" => Ok(Self::UNet(Box::new(UNetConfig::read(file)?))),
            "FluxTransformer2DModel" => FluxConfig::read(file).map(Self::Flux),
            "SD3Transformer2DModel" => Sd3Config::read(file).map(Self::Sd3),
            other => Err(ModelError::UnknownClass {
                path: file.path().to_owned(),
                component: "transformer".to_owned(),
                class: other.to_owned(),
                supported: Self::TRANSFORMERS.join(" or "),
            }),
        }
    }

    /// The UNet's, where it is one.
    pub fn as_unet(&self) -> Option<&UNetConfig> {
        match self {
            Self::UNet(config) => Some(config),
            Self::Flux(_) | Self::Sd3(_) => None,
        }
    }

    /// Channels of what goes in: the latents' and, with some UNets, an image's beside them.
    pub fn in_channels(&self) -> usize {
        match self {
            Self::UNet(config) => config.in_channels,
            Self::Flux(config) => config.in_channels / (PACKED * PACKED),
            Self::Sd3(config) => config.in_channels,
        }
    }

    /// What the sides of latents must be multiples of.
    pub fn patch(&self) -> usize {
        match self {
            Self::UNet(_) => 1,
            Self::Flux(_) => PACKED,
            Self::Sd3(config) => config.patch_size,
        }
    }

    /// What the sides and the place of a window of latents are multiples of: where a network cuts
    /// its latents up, so that neighbours are cut alike.
    pub fn window_cells(&self) -> usize {
        match self {
            Self::UNet(config) => 1 << config.block_out_channels.len().saturating_sub(1),
            Self::Flux(_) | Self::Sd3(_) => self.patch(),
        }
    }

    /// Height and width of the latents that the network was trained on, where that is known.
    pub fn sample_size(&self) -> Option<(usize, usize)> {
        match self {
            Self::UNet(config) => config.sample_size,
            // Its file does not say; 1024 × 1024 pixels, as in diffusers' pipeline.
            Self::Flux(_) => Some((128, 128)),
            Self::Sd3(config) => Some((config.sample_size, config.sample_size)),
        }
    }

    /// The largest side of latents that the network can take, where there is one.
    pub fn largest_side(&self) -> Option<usize> {
        match self {
            Self::UNet(_) | Self::Flux(_) => None,
            Self::Sd3(config) => Some(config.pos_embed_max_size * config.patch_size),
        }
    }

    /// How many tokens the network makes of latents of this height and width.
    pub fn image_seq_len(&self, height: usize, width: usize) -> usize {
        height / self.patch() * (width / self.patch())
    }

    /// Whether the guidance scale is an input, so that guidance needs no second row.
    pub fn embeds_guidance(&self) -> bool {
        match self {
            Self::UNet(config) => config.time_cond_proj_dim.is_some(),
            Self::Flux(config) => config.guidance_embeds,
            Self::Sd3(_) => false,
        }
    }

    /// Whether SDXL's pooled text and sizes are inputs.
    pub fn takes_sizes(&self) -> bool {
        self.as_unet()
            .is_some_and(|config| config.text_time.is_some())
    }

    /// Whether the pooled prompt is an input.
    pub fn takes_pooled_text(&self) -> bool {
        self.takes_sizes() || self.as_unet().is_none()
    }
}

enum Network {
    UNet(Box<UNet2DConditionModel>),
    Flux(Box<FluxTransformer2DModel>),
    Sd3(Box<SD3Transformer2DModel>),
}

/// A denoiser of any supported class.
pub struct Denoiser {
    config: DenoiserConfig,
    network: Network,
}

impl Denoiser {
    /// Builds the network from its configuration and its weights.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than the configuration calls for.
    pub fn load(
        config: &DenoiserConfig,
        weights: &Weights,
    ) -> std::result::Result<Self, ModelError> {
        let network = match config {
            DenoiserConfig::UNet(config) => {
                Network::UNet(Box::new(UNet2DConditionModel::load(config, weights)?))
            }
            DenoiserConfig::Flux(config) => {
                Network::Flux(Box::new(FluxTransformer2DModel::load(config, weights)?))
            }
            DenoiserConfig::Sd3(config) => {
                Network::Sd3(Box::new(SD3Transformer2DModel::load(config, weights)?))
            }
        };
        Ok(Self {
            config: config.clone(),
            network,
        })
    }

    /// The configuration that the network was built from.
    pub fn config(&self) -> &DenoiserConfig {
        &self.config
    }

    /// The UNet, where it is one.
    pub fn as_unet(&self) -> Option<&UNet2DConditionModel> {
        match &self.network {
            Network::UNet(unet) => Some(unet),
            Network::Flux(_) | Network::Sd3(_) => None,
        }
    }

    /// One prediction for each row of a batch, each row at its own timestep.
    ///
    /// `sample` is `[batch, in_channels, height, width]`, `timesteps` `[batch]` (or `[1]` for the
    /// same in all rows), `encoder_hidden_states` `[batch, tokens, width]`. Returns `[batch,
    /// out_channels, height, width]`. Any number format goes in; the network computes in its own
    /// and answers in the sample's.
    ///
    /// # Errors
    /// When shapes disagree, or something is absent that the class needs.
    pub fn forward(
        &self,
        sample: &Tensor,
        timesteps: &Tensor,
        encoder_hidden_states: &Tensor,
        added: &AddedConditioning,
    ) -> Result<Tensor> {
        let nothing = AdditionalResiduals::default();
        self.forward_controlled(sample, timesteps, encoder_hidden_states, added, &nothing)
    }

    /// The same, with what control networks add to a UNet; a transformer has no place for it.
    ///
    /// # Errors
    /// Those of [`Denoiser::forward`], and when residuals have other shapes than what they are added
    /// to.
    pub fn forward_controlled(
        &self,
        sample: &Tensor,
        timesteps: &Tensor,
        encoder_hidden_states: &Tensor,
        added: &AddedConditioning,
        residuals: &AdditionalResiduals,
    ) -> Result<Tensor> {
        let _wakeful = Wakeful::threads(sample.device());
        let (text, guidance) = (encoder_hidden_states, added.guidance.as_ref());
        let pooled = added.text_embeds.as_ref();
        match (&self.network, pooled) {
            (Network::UNet(unet), _) => unet.forward(sample, timesteps, text, added, residuals),
            (Network::Flux(flux), Some(pooled)) => {
                flux.forward(sample, timesteps, text, pooled, guidance)
            }
            (Network::Sd3(sd3), Some(pooled)) => sd3.forward(sample, timesteps, text, pooled),
            (_, None) => candle_core::bail!("this transformer needs text_embeds"),
        }
    }
}
