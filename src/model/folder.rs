//! A model's files: a diffusers folder with `model_index.json` and the component folders, or one
//! checkpoint with all of them, perhaps with other parts beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::config_file::read_text;
use super::not_a_folder::{Given, given};
use super::other_autoencoder::other_autoencoder;
use super::single_file::{SingleFile, refiner};
use super::{
    Autoencoder, ClipTokenizer, Component, ConfigFile, DenoiserConfig, ModelError, Supplied,
    T5Tokenizer,
};

/// A model folder, its index read; or a checkpoint in a single file, which is a folder in all but
/// this.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    path: PathBuf,
    index: ConfigFile,
    pipeline_class: String,
    classes: BTreeMap<String, String>,
    single_file: Option<Arc<SingleFile>>,
    supplied: Supplied,
}

impl ModelFolder {
    /// Reads the index of a model folder, or the header of a checkpoint in a single file.
    ///
    /// # Errors
    /// `Missing` when there is no folder or no `model_index.json` in it, `NoFolder` where something
    /// else lies there, `Checkpoint` for a single file that cannot be used; `Json` or `Config` when
    /// the index is not one.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Self::open_with(path, &Supplied::default())
    }

    /// The same, with what is given beside the model's own files.
    ///
    /// # Errors
    /// Those of [`ModelFolder::open`], and `NoFolder` for a diffusers folder to which a single
    /// file's tokenizer or prediction is given.
    pub fn open_with(path: &Path, supplied: &Supplied) -> Result<Self, ModelError> {
        if let Given::SingleFile = given(path)? {
            let single_file = SingleFile::open(path, supplied)?;
            let folder = Self::from_index(path, single_file.index())?;
            return Ok(Self {
                single_file: Some(Arc::new(single_file)),
                supplied: supplied.clone(),
                ..folder
            });
        }
        let index = Self::read_index(path)?;
        let unused = [
            ("--tokenizer", supplied.tokenizer.is_some()),
            ("--prediction", supplied.prediction.is_some()),
        ];
        if let Some((flag, _)) = unused.into_iter().find(|(_, given)| *given) {
            return Err(ModelError::NoFolder {
                path: path.to_owned(),
                what: "a diffusers folder, which has its own tokenizer and scheduler".to_owned(),
                way_out: format!("leave {flag} out"),
            });
        }
        Ok(Self {
            supplied: supplied.clone(),
            ..Self::from_index(path, index)?
        })
    }

    fn read_index(path: &Path) -> Result<ConfigFile, ModelError> {
        if !path.is_dir() {
            return Err(ModelError::Missing {
                path: path.to_owned(),
                hint: "give the folder of a diffusers model".to_owned(),
            });
        }
        let index_path = path.join("model_index.json");
        if !index_path.is_file() {
            return Err(ModelError::Missing {
                path: index_path,
                hint:
                    "a diffusers model folder has one; give the folder that save_pretrained wrote"
                        .to_owned(),
            });
        }
        ConfigFile::read(&index_path)
    }

    /// A model folder with this index, whether its files are there yet or not.
    ///
    /// # Errors
    /// `Config` when the index is not one, `NoFolder` for SDXL's refiner.
    pub fn from_index(path: &Path, index: ConfigFile) -> Result<Self, ModelError> {
        let pipeline_class = index.or("_class_name", String::new())?;
        if index.or("requires_aesthetics_score", false)? {
            return Err(refiner(path));
        }
        let mut classes = BTreeMap::new();
        for (name, value) in index.fields() {
            let Value::Array(pair) = value else { continue };
            match pair.as_slice() {
                [_, Value::String(class)] => {
                    classes.insert(name.clone(), class.clone());
                }
                [_, Value::Null] => {}
                _ => return Err(index.refuse(name, "should be a library and a class")),
            }
        }
        // SDXL's refiner has the second text encoder alone.
        let reads_with = |name: &str| classes.contains_key(name);
        if pipeline_class.contains("XL")
            && reads_with("text_encoder_2")
            && !reads_with("text_encoder")
        {
            return Err(refiner(path));
        }
        Ok(Self {
            path: path.to_owned(),
            index,
            pipeline_class,
            classes,
            single_file: None,
            supplied: Supplied::default(),
        })
    }

    /// Where the folder is, or the single file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last part of the path, without a file's ending: what people call the model.
    pub fn name(&self) -> String {
        match (&self.single_file, self.path.file_stem()) {
            (Some(_), Some(stem)) => stem.to_string_lossy().into_owned(),
            _ => folder_name(&self.path),
        }
    }

    /// True for a checkpoint in a single file.
    pub fn is_single_file(&self) -> bool {
        self.single_file.is_some()
    }

    /// What was taken for what the files do not say, each in one sentence.
    pub fn notices(&self) -> &[String] {
        match &self.single_file {
            Some(file) => file.notices(),
            None => &[],
        }
    }

    /// Where a file about the model is, if there is one: in the folder, or beside the single file
    /// under both their names.
    pub fn file(&self, name: &str) -> PathBuf {
        match &self.single_file {
            Some(_) => self.path.with_extension(name),
            None => self.path.join(name),
        }
    }

    /// The pipeline class that the index names, such as `StableDiffusionPipeline`.
    pub fn pipeline_class(&self) -> &str {
        &self.pipeline_class
    }

    /// A flag of the pipeline in the index, or what it is when the index does not say.
    ///
    /// # Errors
    /// `Config` when it is neither true nor false.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, ModelError> {
        self.index.or(name, default)
    }

    /// The classes of the components by folder name; components that are null are left out.
    pub fn classes(&self) -> &BTreeMap<String, String> {
        &self.classes
    }

    /// The class of a component, which must be one of `supported`.
    ///
    /// # Errors
    /// `Config` when the index has no such component, `UnknownClass` when it is another class.
    pub fn class(&self, component: &str, supported: &[&str]) -> Result<&str, ModelError> {
        let index_path = self.path.join("model_index.json");
        let class = self
            .classes
            .get(component)
            .ok_or_else(|| ModelError::Config {
                path: index_path.clone(),
                field: component.to_owned(),
                reason: format!("is absent: it should name {}", supported.join(" or ")),
            })?;
        if supported.contains(&class.as_str()) {
            return Ok(class);
        }
        Err(ModelError::UnknownClass {
            path: index_path,
            component: component.to_owned(),
            class: class.clone(),
            supported: supported.join(" or "),
        })
    }

    /// The denoiser's folder and its class.
    ///
    /// # Errors
    /// `Config` when the index has none, `UnknownClass` when it is of another class.
    pub fn denoiser(&self) -> Result<(&'static str, &str), ModelError> {
        match self.classes.get("transformer") {
            None => Ok(("unet", self.class("unet", &DenoiserConfig::UNETS)?)),
            Some(class) if DenoiserConfig::TRANSFORMERS.contains(&class.as_str()) => {
                Ok(("transformer", class))
            }
            Some(class) => Err(ModelError::UnknownClass {
                path: self.path.join("model_index.json"),
                component: "transformer".to_owned(),
                class: class.clone(),
                supported:
                    "a folder of FLUX.1 (FluxTransformer2DModel), Stable Diffusion 3 or 3.5 \
                            (SD3Transformer2DModel), or of a Stable Diffusion with a \
                            UNet2DConditionModel"
                        .to_owned(),
            }),
        }
    }

    /// A component's folder, or what the single file has of it.
    ///
    /// # Errors
    /// `Missing` when it is not there.
    pub fn component(&self, name: &str) -> Result<Component, ModelError> {
        let Some(file) = &self.single_file else {
            return Component::at(&self.path.join(name));
        };
        match file.part(name) {
            Some(part) => Ok(Component::inside(name, &self.path, part.clone())),
            None => Err(ModelError::Checkpoint {
                path: self.path.clone(),
                reason: format!("without `{name}`: only a folder may have it"),
            }),
        }
    }

    /// The autoencoder and its class: the one that was given beside the model, or its own.
    ///
    /// # Errors
    /// Those of [`ModelFolder::class`] and [`ModelFolder::component`]; where another was given,
    /// what is wrong with that.
    pub fn autoencoder(&self) -> Result<(Component, String), ModelError> {
        if let Some(path) = &self.supplied.vae {
            return other_autoencoder(path, self.scaling_factor());
        }
        let named = self.class("vae", &Autoencoder::CLASSES)?;
        let component = self.component("vae")?;
        // A folder that was put in the place of the model's own says itself what it is.
        let own: Option<String> = component.config()?.optional("_class_name")?;
        let own = own.filter(|class| Autoencoder::CLASSES.contains(&class.as_str()));
        Ok((component, own.unwrap_or_else(|| named.to_owned())))
    }

    /// What the model's latents are multiplied with, for an autoencoder whose file does not say.
    fn scaling_factor(&self) -> f64 {
        let own = self.component("vae").and_then(|vae| vae.config());
        let own = own.and_then(|config| match config.optional::<String>("_class_name")? {
            Some(class) if class == "AutoencoderKL" => config.optional("scaling_factor"),
            _ => Ok(None),
        });
        let usual = match self.classes.contains_key("text_encoder_2") {
            true => 0.13025,
            false => 0.18215,
        };
        own.ok().flatten().unwrap_or(usual)
    }

    /// A tokenizer, for prompts of at most `max_length` tokens: the model's own, or for a single
    /// file, which has none, the one that was given, or else CLIP's own vocabulary.
    ///
    /// # Errors
    /// `UnknownClass` or `Config` when the index names no tokenizer of CLIP's kind, `Checkpoint`
    /// for a file whose words are others, and the folder's own troubles.
    pub fn tokenizer(&self, name: &str, max_length: usize) -> Result<ClipTokenizer, ModelError> {
        self.class(name, &ClipTokenizer::CLASSES)?;
        let Some(file) = &self.single_file else {
            return ClipTokenizer::load(self.component(name)?.path(), max_length);
        };
        let tokenizer = match self.supplied_tokenizer() {
            Some(folder) => ClipTokenizer::load(&folder, max_length)?,
            None => {
                file.check_words()?;
                ClipTokenizer::of_clip(max_length)?
            }
        };
        Ok(match self.pads_with_first_word(name) {
            true => tokenizer.padded_with(0),
            false => tokenizer,
        })
    }

    /// A tokenizer of T5's kind.
    ///
    /// # Errors
    /// `UnknownClass` or `Config` when the index names no such tokenizer, and the folder's own
    /// troubles.
    pub fn t5_tokenizer(&self, name: &str) -> Result<T5Tokenizer, ModelError> {
        self.class(name, &T5Tokenizer::CLASSES)?;
        T5Tokenizer::load(self.component(name)?.path())
    }

    /// What is wrong with a single file's words, before gigabytes are read.
    ///
    /// # Errors
    /// `Checkpoint` for a file whose words are others than CLIP's, where no tokenizer was given.
    pub(super) fn check_words(&self) -> Result<(), ModelError> {
        match &self.single_file {
            Some(file) if self.supplied.tokenizer.is_none() => file.check_words(),
            _ => Ok(()),
        }
    }

    /// The folder of the tokenizer that was given beside a single file.
    pub(super) fn supplied_tokenizer(&self) -> Option<PathBuf> {
        let given = self.supplied.tokenizer.as_deref()?;
        let inner = given.join("tokenizer");
        Some(match inner.is_dir() {
            true => inner,
            false => given.to_owned(),
        })
    }

    /// Whether a single file's tokenizer of this name pads prompts with the first word of its
    /// vocabulary, as OpenCLIP does.
    pub(super) fn pads_with_first_word(&self, tokenizer: &str) -> bool {
        let encoder = tokenizer.replace("tokenizer", "text_encoder");
        let file = self.single_file.as_ref();
        file.is_some_and(|file| file.pads_with_first_word(&encoder))
    }

    /// The scheduler's settings, and their text.
    ///
    /// # Errors
    /// `Missing`, `Unreadable` or `Json`.
    pub(super) fn scheduler(&self) -> Result<(ConfigFile, String), ModelError> {
        if let Some(file) = &self.single_file {
            let config = file.scheduler();
            let text = Value::Object(config.fields().clone()).to_string();
            return Ok((config, text));
        }
        let path = self.path.join("scheduler/scheduler_config.json");
        Ok((ConfigFile::read(&path)?, read_text(&path)?))
    }

    /// The text of `model_index.json`, with this class of autoencoder.
    pub(super) fn index_with(&self, autoencoder: &str) -> Value {
        let mut fields = self.index.fields().clone();
        if let Some(Value::Array(pair)) = fields.get_mut("vae")
            && let Some(class) = pair.last_mut()
        {
            *class = Value::String(autoencoder.to_owned());
        }
        Value::Object(fields)
    }
}

/// The last part of a folder's path, also where the path ends in dots.
pub(super) fn folder_name(path: &Path) -> String {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    absolute
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
