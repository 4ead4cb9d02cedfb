//! A diffusers folder: `model_index.json`, the component folders and their weight files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use serde_json::Value;

use super::not_a_folder::other_than_a_folder;
use super::{ConfigFile, ModelError, SafetensorsFile, Weights};

/// Weight files by the name that diffusers and transformers give them.
pub const WEIGHT_STEMS: [&str; 2] = ["diffusion_pytorch_model", "model"];

/// A model folder, its index read.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    path: PathBuf,
    index: ConfigFile,
    pipeline_class: String,
    classes: BTreeMap<String, String>,
}

/// A folder inside the model folder, such as `unet`.
#[derive(Debug, Clone)]
pub struct Component {
    name: String,
    path: PathBuf,
}

impl ModelFolder {
    /// Reads the index of a model folder.
    ///
    /// # Errors
    /// `Missing` when there is no folder or no `model_index.json` in it, `NoFolder` where something
    /// else lies there; `Json` or `Config` when
    /// the index is not one.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        if let Some(error) = other_than_a_folder(path) {
            return Err(error);
        }
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
        Self::from_index(path, ConfigFile::read(&index_path)?)
    }

    /// A model folder with this index, whether its files are there yet or not.
    ///
    /// # Errors
    /// `Config` when the index is not one, `NoFolder` for SDXL's refiner.
    pub fn from_index(path: &Path, index: ConfigFile) -> Result<Self, ModelError> {
        let pipeline_class = index.or("_class_name", String::new())?;
        if index.or("requires_aesthetics_score", false)? {
            return Err(ModelError::NoFolder {
                path: path.to_owned(),
                what: "SDXL's refiner, which only goes over pictures of the base model (it wants an \
                       aesthetics score)",
                way_out: "give the base model, which paints without it",
            });
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
        Ok(Self {
            path: path.to_owned(),
            index,
            pipeline_class,
            classes,
        })
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last part of the path: what people call the model.
    pub fn name(&self) -> String {
        folder_name(&self.path)
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

    /// A component's folder.
    ///
    /// # Errors
    /// `Missing` when it is not there.
    pub fn component(&self, name: &str) -> Result<Component, ModelError> {
        Component::at(&self.path.join(name))
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

impl Component {
    /// A component's folder by its path, wherever it is.
    ///
    /// # Errors
    /// `Missing` when it is not there.
    pub fn at(path: &Path) -> Result<Self, ModelError> {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if path.is_dir() {
            return Ok(Self {
                name,
                path: path.to_owned(),
            });
        }
        Err(ModelError::Missing {
            path: path.to_owned(),
            hint: format!("copy the model's `{name}` folder there"),
        })
    }

    /// The component's name, such as `unet`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its `config.json`.
    ///
    /// # Errors
    /// `Missing`, `Unreadable` or `Json`.
    pub fn config(&self) -> Result<ConfigFile, ModelError> {
        ConfigFile::read(&self.path.join("config.json"))
    }

    /// Its `config.json`, which must say that it is a `class`.
    ///
    /// # Errors
    /// `UnknownClass` when the file names another class, and those of [`Component::config`].
    pub fn config_of(&self, class: &str) -> Result<ConfigFile, ModelError> {
        let config = self.config()?;
        match config.optional::<String>("_class_name")? {
            Some(found) if found != class => Err(ModelError::UnknownClass {
                path: config.path().to_owned(),
                component: self.name.clone(),
                class: found,
                supported: class.to_owned(),
            }),
            _ => Ok(config),
        }
    }

    /// Opens the weight files: one file, or the shards that an index lists. Where the same
    /// weights are there in several precisions (`*.fp16.safetensors`), the one nearest to
    /// `dtype` is taken.
    ///
    /// # Errors
    /// `Missing` when there are none, and the files' own troubles.
    pub fn weights(&self, device: &Device, dtype: DType) -> Result<Weights, ModelError> {
        let variants: [&str; 4] = match dtype {
            DType::F16 => [".fp16", "", ".bf16", ".fp32"],
            DType::BF16 => [".bf16", "", ".fp16", ".fp32"],
            _ => ["", ".fp32", ".bf16", ".fp16"],
        };
        for variant in variants {
            for stem in WEIGHT_STEMS {
                let single = self.path.join(format!("{stem}{variant}.safetensors"));
                if single.is_file() {
                    let files = vec![SafetensorsFile::open(&single)?];
                    return Ok(Weights::new(&single, files, device, dtype));
                }
                let index = self
                    .path
                    .join(format!("{stem}.safetensors.index{variant}.json"));
                if index.is_file() {
                    return Ok(Weights::new(&index, self.shards(&index)?, device, dtype));
                }
            }
        }
        let expected = if self.path.join("pytorch_model.bin").is_file()
            || self.path.join("diffusion_pytorch_model.bin").is_file()
        {
            "there are only .bin weights: save them again with safe_serialization=True"
        } else {
            "copy the component's weights there, as safetensors"
        };
        // What transformers saves does not name its class as diffusers does.
        let of_diffusers = self
            .config()
            .is_ok_and(|config| config.fields().contains_key("_class_name"));
        let stem = if of_diffusers {
            WEIGHT_STEMS[0]
        } else {
            WEIGHT_STEMS[1]
        };
        Err(ModelError::Missing {
            path: self.path.join(format!("{stem}.safetensors")),
            hint: expected.to_owned(),
        })
    }

    fn shards(&self, index: &Path) -> Result<Vec<SafetensorsFile>, ModelError> {
        let index = ConfigFile::read(index)?;
        let map: BTreeMap<String, String> = index.optional("weight_map")?.ok_or_else(|| {
            index.refuse("weight_map", "is absent: it should name each tensor's file")
        })?;
        let mut names: Vec<&String> = map.values().collect();
        names.sort();
        names.dedup();
        if names
            .iter()
            .any(|name| Path::new(name.as_str()).components().count() != 1)
        {
            return Err(index.refuse("weight_map", "names a file outside its own folder"));
        }
        let files = names
            .into_iter()
            .map(|name| SafetensorsFile::open(&self.path.join(name)))
            .collect::<Result<Vec<_>, _>>()?;
        for (tensor, name) in &map {
            let path = self.path.join(name);
            if !files
                .iter()
                .any(|file| file.path() == path && file.info(tensor).is_some())
            {
                return Err(ModelError::MissingTensor {
                    path,
                    tensor: tensor.clone(),
                });
            }
        }
        Ok(files)
    }
}
