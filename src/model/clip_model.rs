//! Both of CLIP's towers in one space (`transformers.CLIPModel`): what judges whether a picture
//! shows what its prompt says.

use std::path::Path;

use candle_core::{DType, Device, Result, Tensor};

use super::fit::check_tokens;
use super::folder::folder_name;
use super::layers::linear;
use super::{
    ClipImageProcessor, ClipTextConfig, ClipTextModel, ClipTokenizer, ClipVisionConfig,
    ClipVisionModel, Component, ConfigFile, ModelError,
};
use crate::canvas::Pixels;
use crate::kernels::Linear;

/// The class that [`ClipModel::load`] can read.
const CLASS: &str = "CLIPModel";

/// A text tower and an image tower whose embeddings can be compared, with what prepares texts and
/// pictures for them. Computes in f32.
pub struct ClipModel {
    text_model: ClipTextModel,
    vision_model: ClipVisionModel,
    visual_projection: Linear,
    logit_scale: f64,
    projection_dim: usize,
    tokenizer: ClipTokenizer,
    image_processor: ClipImageProcessor,
    device: Device,
    name: String,
}

impl ClipModel {
    /// Reads a folder as transformers saves a `CLIPModel` and its processor: `config.json` with
    /// both towers, safetensors, the tokenizer's files and `preprocessor_config.json`.
    ///
    /// # Errors
    /// One sentence that names the file, and the tensor or field, that is not right.
    pub fn load(folder: &Path, device: &Device) -> std::result::Result<Self, ModelError> {
        let (component, config_file) = open(folder)?;
        let projection_dim = config_file.or("projection_dim", 512)?;
        let text_file = config_file.section("text_config")?;
        let text_config = ClipTextConfig {
            // The towers' own numbers are for towers that stand alone.
            projection_dim,
            ..ClipTextConfig::read(&text_file)?
        };
        let vision_config = ClipVisionConfig::read(&config_file.section("vision_config")?)?;
        let tokenizer = ClipTokenizer::load(folder, text_config.max_position_embeddings)?;
        check_tokens(&text_file, text_config.vocab_size, tokenizer.vocab_size())?;
        let image_processor = ClipImageProcessor::load(folder)?;
        let weights = component.weights(device, DType::F32)?;
        let logit_scale = weights.tensor_of_any("logit_scale", &[&[], &[1]])?;
        let logit_scale = weights.prepared(logit_scale.to_scalar::<f32>())?;
        Ok(Self {
            text_model: ClipTextModel::load(&text_config, &weights, true)?,
            vision_model: ClipVisionModel::load(&vision_config, &weights.scope("vision_model"))?,
            visual_projection: linear(
                &weights.scope("visual_projection"),
                vision_config.encoder.hidden_size,
                projection_dim,
                false,
            )?,
            logit_scale: f64::from(logit_scale).exp(),
            projection_dim,
            tokenizer,
            image_processor,
            device: device.clone(),
            name: folder_name(folder),
        })
    }

    /// Token ids `[batch, tokens]` (u32) to embeddings `[batch, projection_dim]`, not normalised.
    ///
    /// # Errors
    /// When there are more tokens than positions, or an id is not in the vocabulary.
    pub fn get_text_features(&self, ids: &Tensor) -> Result<Tensor> {
        match self.text_model.forward_all(ids)?.text_embeds {
            Some(text_embeds) => Ok(text_embeds),
            None => candle_core::bail!("the text tower has no projection"),
        }
    }

    /// Normalised pictures `[batch, 3, image_size, image_size]` to embeddings
    /// `[batch, projection_dim]`, not normalised.
    ///
    /// # Errors
    /// When the pictures have another size.
    pub fn get_image_features(&self, pixel_values: &Tensor) -> Result<Tensor> {
        self.visual_projection
            .forward(&self.vision_model.forward(pixel_values)?)
    }

    /// A text's embedding, `[1, projection_dim]`, not normalised. Words past the tower's last
    /// position are not seen.
    ///
    /// # Errors
    /// `Tokenizer` when the text cannot be split, `Prepare` when the device fails.
    pub fn embed_text(&self, text: &str) -> std::result::Result<Tensor, ModelError> {
        let ids = self.tokenizer.encode(text)?;
        let embed = || {
            let ids = Tensor::new(ids.as_slice(), &self.device)?.unsqueeze(0)?;
            self.get_text_features(&ids)
        };
        self.computed("text_model", embed())
    }

    /// A picture's embedding, `[1, projection_dim]`, not normalised.
    ///
    /// # Errors
    /// `Prepare` when the device fails, or the image processor makes another size than the tower
    /// takes.
    pub fn embed_picture(&self, picture: &Pixels) -> std::result::Result<Tensor, ModelError> {
        let embed = || {
            let pixel_values = self.image_processor.preprocess(picture, &self.device)?;
            self.get_image_features(&pixel_values)
        };
        self.computed("vision_model", embed())
    }

    /// What cosines were multiplied by in training: the reciprocal of the temperature.
    pub fn logit_scale(&self) -> f64 {
        self.logit_scale
    }

    /// Width of the embeddings.
    pub fn projection_dim(&self) -> usize {
        self.projection_dim
    }

    /// Side of the pictures that the image tower takes, in pixels.
    pub fn image_size(&self) -> usize {
        self.vision_model.config().image_size
    }

    /// What makes pictures ready for [`ClipModel::get_image_features`].
    pub fn image_processor(&self) -> &ClipImageProcessor {
        &self.image_processor
    }

    /// The folder's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn computed(
        &self,
        part: &str,
        result: Result<Tensor>,
    ) -> std::result::Result<Tensor, ModelError> {
        result.map_err(|source| ModelError::Prepare {
            path: self.name.clone().into(),
            tensor: part.to_owned(),
            source: Box::new(source),
        })
    }
}

/// The folder and its configuration, once it says that it is a CLIPModel.
fn open(folder: &Path) -> std::result::Result<(Component, ConfigFile), ModelError> {
    let missing = |path: &Path, hint: &str| ModelError::Missing {
        path: path.to_owned(),
        hint: hint.to_owned(),
    };
    if !folder.is_dir() {
        return Err(missing(folder, "give the folder of a CLIPModel"));
    }
    let config = folder.join("config.json");
    if !config.is_file() {
        return Err(missing(
            &config,
            "a CLIPModel's folder has one; give the folder that transformers' save_pretrained wrote",
        ));
    }
    let file = ConfigFile::read(&config)?;
    let architectures: Vec<String> = file.or("architectures", Vec::new())?;
    let class = match architectures.into_iter().next() {
        Some(class) => class,
        None => match file.optional::<String>("model_type")? {
            Some(kind) if kind == "clip" => CLASS.to_owned(),
            Some(kind) => kind,
            None => file.or("_class_name", "unknown class".to_owned())?,
        },
    };
    if class != CLASS {
        return Err(ModelError::UnknownClass {
            path: config,
            component: "clip".to_owned(),
            class,
            supported: CLASS.to_owned(),
        });
    }
    Ok((Component::at(folder)?, file))
}
