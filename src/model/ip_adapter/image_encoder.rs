//! CLIP's image tower with its projection, in a folder of its own
//! (`transformers.CLIPVisionModelWithProjection`).

use std::path::Path;

use candle_core::{DType, Device, Result, Tensor};

use crate::canvas::Pixels;
use crate::kernels::Linear;
use crate::model::clip_image_processor::ClipImageProcessor;
use crate::model::clip_vision::{ClipVisionConfig, ClipVisionModel};
use crate::model::component::Component;
use crate::model::config_file::ConfigFile;
use crate::model::error::ModelError;
use crate::model::layers::linear;

/// The class that can be read.
const CLASS: &str = "CLIPVisionModelWithProjection";

/// What an image encoder's `config.json` says.
pub(super) struct ImageEncoderConfig {
    pub vision: ClipVisionConfig,
    /// Width of the image embeddings.
    pub projection_dim: usize,
    /// Side of the square pictures, in pixels.
    side: u32,
}

/// Looks at pictures for an adapter.
pub(super) struct ImageEncoder {
    config: ImageEncoderConfig,
    vision_model: ClipVisionModel,
    visual_projection: Linear,
    processor: ClipImageProcessor,
    device: Device,
    dtype: DType,
}

impl ImageEncoderConfig {
    /// Reads the configuration in a folder.
    ///
    /// # Errors
    /// `Missing`, `UnknownClass` for another network, `Config` with the field's name.
    pub fn read(folder: &Path) -> std::result::Result<Self, ModelError> {
        let file = Component::at(folder)?.config()?;
        check_class(&file)?;
        let vision = ClipVisionConfig::read(&file)?;
        let side = u32::try_from(vision.image_size)
            .map_err(|_| file.refuse("image_size", "is larger than any picture"))?;
        Ok(Self {
            vision,
            projection_dim: file.or("projection_dim", 512)?,
            side,
        })
    }
}

impl ImageEncoder {
    /// Reads the network in a folder.
    ///
    /// # Errors
    /// Those of [`ImageEncoderConfig::read`], and when a tensor is missing or has another shape.
    pub fn load(
        folder: &Path,
        device: &Device,
        dtype: DType,
    ) -> std::result::Result<Self, ModelError> {
        let config = ImageEncoderConfig::read(folder)?;
        let weights = Component::at(folder)?.weights(device, dtype)?;
        Ok(Self {
            vision_model: ClipVisionModel::load(&config.vision, &weights.scope("vision_model"))?,
            visual_projection: linear(
                &weights.scope("visual_projection"),
                config.vision.encoder.hidden_size,
                config.projection_dim,
                false,
            )?,
            processor: ClipImageProcessor::for_side(config.side),
            device: device.clone(),
            dtype,
            config,
        })
    }

    /// A picture of any size as the network takes it, `[1, 3, image_size, image_size]`.
    pub fn preprocess(&self, picture: &Pixels) -> Result<Tensor> {
        self.processor
            .preprocess(picture, &self.device)?
            .to_dtype(self.dtype)
    }

    /// The projected embedding of each picture, `[batch, projection_dim]`.
    pub fn image_embeds(&self, pixel_values: &Tensor) -> Result<Tensor> {
        self.visual_projection
            .forward(&self.vision_model.forward(pixel_values)?)
    }

    /// The states before the last layer, `[batch, 1 + patches, hidden_size]`.
    pub fn penultimate_hidden_states(&self, pixel_values: &Tensor) -> Result<Tensor> {
        self.vision_model.penultimate_hidden_states(pixel_values)
    }

    /// An embedding of nothing, `[1, projection_dim]`.
    pub fn zero_image_embeds(&self) -> Result<Tensor> {
        let shape = (1, self.config.projection_dim);
        Tensor::zeros(shape, self.dtype, &self.device)
    }
}

fn check_class(file: &ConfigFile) -> std::result::Result<(), ModelError> {
    let architectures: Vec<String> = file.or("architectures", Vec::new())?;
    match architectures.into_iter().next() {
        Some(class) if class != CLASS => Err(ModelError::UnknownClass {
            path: file.path().to_owned(),
            component: "image_encoder".to_owned(),
            class,
            supported: CLASS.to_owned(),
        }),
        _ => Ok(()),
    }
}
