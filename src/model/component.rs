//! A component of a model: a folder with its configuration and its weights, or its tensors among
//! others in a single file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device};
use serde_json::Value;

use super::single_file::FilePart;
use super::{ConfigFile, ModelError, SafetensorsFile, Weights};

/// Weight files by the name that diffusers and transformers give them.
pub const WEIGHT_STEMS: [&str; 2] = ["diffusion_pytorch_model", "model"];

/// What the index of a sharded set may be called. `variant` is empty, or begins with a dot; older
/// versions of diffusers put it elsewhere.
pub fn index_names(stem: &str, variant: &str) -> [String; 2] {
    [
        format!("{stem}.safetensors.index{variant}.json"),
        format!("{stem}.safetensors{variant}.index.json"),
    ]
}

/// A part of a model, such as `unet`: a folder inside the model folder, or what a single file has
/// of it.
#[derive(Debug, Clone)]
pub struct Component {
    name: String,
    path: PathBuf,
    /// Where it lies, if not in a folder of its own.
    inside: Option<Arc<FilePart>>,
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
                inside: None,
            });
        }
        Err(ModelError::Missing {
            path: path.to_owned(),
            hint: format!("copy the model's `{name}` folder there"),
        })
    }

    /// A component that lies in a file among others.
    pub(super) fn inside(name: &str, path: &Path, part: FilePart) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            inside: Some(Arc::new(part)),
        }
    }

    /// The same component under another name.
    pub(super) fn named(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self
        }
    }

    /// The component's name, such as `unet`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its folder is, or the file that it lies in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its `config.json`, or what it would say.
    ///
    /// # Errors
    /// `Missing`, `Unreadable` or `Json`; `Config` for quantised weights.
    pub fn config(&self) -> Result<ConfigFile, ModelError> {
        if let Some(part) = &self.inside {
            return Ok(part.config.clone());
        }
        let config = ConfigFile::read(&self.path.join("config.json"))?;
        match config.fields().get("quantization_config") {
            None | Some(Value::Null) => Ok(config),
            Some(how) => {
                let method = how.get("quant_method").and_then(Value::as_str);
                let method = method.unwrap_or("a method that it does not name");
                let reason = format!(
                    "says that the weights are quantised ({method}), which is not supported yet: \
                     give the folder with the model's own weights, in float16, bfloat16 or float32"
                );
                Err(config.refuse("quantization_config", reason))
            }
        }
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
        if let Some(part) = &self.inside {
            let files = part.files.iter();
            let maps = files.map(|(path, map)| Ok((SafetensorsFile::open(path)?, map.clone())));
            let maps = maps.collect::<Result<_, ModelError>>()?;
            return Ok(Weights::mapped(&self.path, maps, device, dtype));
        }
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
                let indexes = index_names(stem, variant).map(|name| self.path.join(name));
                if let Some(index) = indexes.into_iter().find(|index| index.is_file()) {
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
