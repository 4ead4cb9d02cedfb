//! The network that looks at pictures (`transformers.CLIPVisionModel`).

use candle_core::{Result, Tensor};

use super::clip_encoder::{ClipEncoder, ClipEncoderConfig, EncoderStates};
use super::layers::{ConvShape, conv2d, layer_norm};
use super::{ConfigFile, ModelError, Weights};
use crate::kernels::{Conv2d, LayerNorm, Padding, tokens_from_image};

/// A CLIP image tower's configuration, with transformers' names and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipVisionConfig {
    /// Channels of a picture.
    pub num_channels: usize,
    /// Side of the square pictures, in pixels.
    pub image_size: usize,
    /// Side of the square patches that become tokens, in pixels.
    pub patch_size: usize,
    /// The transformer over the patches.
    pub encoder: ClipEncoderConfig,
}

impl ClipVisionConfig {
    /// Reads the configuration and refuses what is not supported.
    ///
    /// # Errors
    /// `Config`, with the field's name.
    pub fn read(file: &ConfigFile) -> std::result::Result<Self, ModelError> {
        let config = Self {
            num_channels: file.or("num_channels", 3)?,
            image_size: file.or("image_size", 224)?,
            patch_size: file.or("patch_size", 32)?,
            encoder: ClipEncoderConfig::read(
                file,
                ClipEncoderConfig {
                    hidden_size: 768,
                    intermediate_size: 3072,
                    num_hidden_layers: 12,
                    num_attention_heads: 12,
                    exact_gelu: false,
                    layer_norm_eps: 1e-5,
                },
            )?,
        };
        if config.num_channels != 3 {
            let reason = format!("is {}, but pictures have 3", config.num_channels);
            return Err(file.refuse("num_channels", reason));
        }
        if config.patch_size == 0 || config.patch_size > config.image_size {
            let reason = format!("should be 1 to image_size, {}", config.image_size);
            return Err(file.refuse("patch_size", reason));
        }
        Ok(config)
    }

    /// Patches of a picture and the class token.
    fn positions(&self) -> usize {
        (self.image_size / self.patch_size).pow(2) + 1
    }
}

/// A transformer over a picture's patches and one token for the whole of it.
pub struct ClipVisionModel {
    config: ClipVisionConfig,
    class_embedding: Tensor,
    patch_embedding: Conv2d,
    position_embedding: Tensor,
    pre_layer_norm: LayerNorm,
    encoder: ClipEncoder,
    post_layer_norm: LayerNorm,
}

impl ClipVisionModel {
    /// Builds the network in the module `weights` from a checked configuration.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(
        config: &ClipVisionConfig,
        weights: &Weights,
    ) -> std::result::Result<Self, ModelError> {
        let width = config.encoder.hidden_size;
        let embeddings = weights.scope("embeddings");
        let patches = ConvShape::same(config.num_channels, width, config.patch_size)
            .stride(config.patch_size)
            .padding(Padding::all(0))
            .bias(false);
        let norm =
            |name: &str| layer_norm(&weights.scope(name), width, config.encoder.layer_norm_eps);
        Ok(Self {
            class_embedding: embeddings.tensor("class_embedding", &[width])?,
            patch_embedding: conv2d(&embeddings.scope("patch_embedding"), patches)?,
            position_embedding: embeddings
                .scope("position_embedding")
                .tensor("weight", &[config.positions(), width])?,
            // Misspelt in every file since the first.
            pre_layer_norm: norm("pre_layrnorm")?,
            encoder: ClipEncoder::load(&weights.scope("encoder"), config.encoder)?,
            post_layer_norm: norm("post_layernorm")?,
            config: config.clone(),
        })
    }

    /// The configuration that the network was built from.
    pub fn config(&self) -> &ClipVisionConfig {
        &self.config
    }

    /// Normalised pictures `[batch, 3, image_size, image_size]` to the normalised state of the
    /// class token, `[batch, hidden_size]` (transformers' `pooler_output`).
    ///
    /// # Errors
    /// When the pictures have another size.
    pub fn forward(&self, pixel_values: &Tensor) -> Result<Tensor> {
        let states = self.encode(pixel_values)?;
        let class = states.last.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?;
        self.post_layer_norm.forward(&class)
    }

    /// Normalised pictures `[batch, 3, image_size, image_size]` to the states before the last layer,
    /// not normalised, of the class token and of the patches, `[batch, 1 + patches, hidden_size]`
    /// (transformers' `hidden_states[-2]`).
    ///
    /// # Errors
    /// When the pictures have another size.
    pub fn penultimate_hidden_states(&self, pixel_values: &Tensor) -> Result<Tensor> {
        Ok(self.encode(pixel_values)?.penultimate)
    }

    fn encode(&self, pixel_values: &Tensor) -> Result<EncoderStates> {
        let (batch, _, height, width) = pixel_values.dims4()?;
        let side = self.config.image_size;
        if (height, width) != (side, side) {
            candle_core::bail!("CLIP takes pictures of {side} x {side}, not {width} x {height}");
        }
        let patches = tokens_from_image(&self.patch_embedding.forward(pixel_values)?)?;
        let class = self
            .class_embedding
            .broadcast_as((batch, 1, self.config.encoder.hidden_size))?
            .contiguous()?;
        let tokens = Tensor::cat(&[&class, &patches], 1)?;
        let tokens = tokens.broadcast_add(&self.position_embedding)?;
        let tokens = self.pre_layer_norm.forward(&tokens)?;
        self.encoder.forward(&tokens, None)
    }
}
