//! What a path given as a control is.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};

use super::adapter_file::{self, is_t2i_adapter};
use super::controlnet::ControlNetConfig;
use super::controlnet_file::{self, is_controlnet};
use super::t2i_adapter::T2IAdapterConfig;
use crate::model::component::Component;
use crate::model::error::ModelError;
use crate::model::safetensors_file::SafetensorsFile;
use crate::model::stored::TensorMap;
use crate::model::unet_config::UNetConfig;
use crate::model::weights::Weights;

/// A network that is to steer a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlChoice {
    /// What it is called.
    pub name: String,
    /// A diffusers folder, or a safetensors file.
    pub path: PathBuf,
}

/// The kinds of networks that steer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// Reads a picture once.
    T2IAdapter,
    /// Runs at every step.
    ControlNet,
}

impl ControlKind {
    /// diffusers' class.
    pub fn class(self) -> &'static str {
        match self {
            Self::T2IAdapter => "T2IAdapter",
            Self::ControlNet => "ControlNetModel",
        }
    }
}

/// A control as it lies on disk.
pub(super) enum Source {
    T2IAdapter(AdapterSource),
    ControlNet(ControlNetSource),
}

/// A T2I-Adapter's configuration, and where its tensors lie.
pub(super) struct AdapterSource {
    pub config: T2IAdapterConfig,
    place: Place,
}

/// Where a ControlNet's configuration and tensors lie.
pub(super) enum ControlNetSource {
    Folder(Box<ControlNetConfig>, Component),
    File(SafetensorsFile),
}

enum Place {
    Folder(Component),
    File(SafetensorsFile, TensorMap),
}

impl Source {
    /// Looks at what lies there.
    ///
    /// # Errors
    /// `Control` when it is something else, which is named; and the files' own troubles.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        match path.is_dir() {
            true => Self::of_folder(path),
            false => Self::of_file(path),
        }
    }

    fn of_folder(path: &Path) -> Result<Self, ModelError> {
        if path.join("model_index.json").is_file() {
            return Err(refuse(path, "is a whole model: give it with --model"));
        }
        let component = Component::at(path)?;
        let file = component.config()?;
        let class: String = file.or("_class_name", String::new())?;
        let kinds = [ControlKind::T2IAdapter, ControlKind::ControlNet];
        match kinds.into_iter().find(|kind| kind.class() == class) {
            Some(ControlKind::T2IAdapter) => Ok(Self::T2IAdapter(AdapterSource {
                config: T2IAdapterConfig::read(&file)?,
                place: Place::Folder(component),
            })),
            Some(ControlKind::ControlNet) => {
                let config = Box::new(ControlNetConfig::read(&file)?);
                Ok(Self::ControlNet(ControlNetSource::Folder(
                    config, component,
                )))
            }
            None => Err(file.refuse(
                "_class_name",
                format!("is {class:?}, but a control is a T2IAdapter or a ControlNetModel"),
            )),
        }
    }

    fn of_file(path: &Path) -> Result<Self, ModelError> {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        if ["pth", "pt", "ckpt", "bin"].contains(&ending.to_ascii_lowercase().as_str()) {
            return Err(refuse(
                path,
                "is a pickle, which can run any program when it is read: get it as .safetensors, \
                 or save it so with diffusers' `save_pretrained`",
            ));
        }
        if !path.is_file() {
            return Err(ModelError::Missing {
                path: path.to_owned(),
                hint: "give the folder or the safetensors file of a T2I-Adapter or a ControlNet"
                    .to_owned(),
            });
        }
        let file = SafetensorsFile::open(path)?;
        if let Some(other) = other_than_a_control(&file) {
            return Err(refuse(path, other));
        }
        if is_t2i_adapter(&file) {
            let read = adapter_file::read(&file);
            let (config, map) = read.map_err(|reason| refuse(path, reason))?;
            let place = Place::File(file, map);
            return Ok(Self::T2IAdapter(AdapterSource { config, place }));
        }
        if is_controlnet(&file) {
            return Ok(Self::ControlNet(ControlNetSource::File(file)));
        }
        let expected = "is neither a T2I-Adapter (`body.0.…`) nor a ControlNet \
                        (`controlnet_cond_embedding.…`, `control_model.…`)";
        Err(refuse(path, expected))
    }
}

impl AdapterSource {
    /// The tensors.
    ///
    /// # Errors
    /// The files' own troubles.
    pub fn weights(&self, device: &Device, dtype: DType) -> Result<Weights, ModelError> {
        match &self.place {
            Place::Folder(component) => component.weights(device, dtype),
            Place::File(file, map) => mapped(file, map.clone(), device, dtype),
        }
    }
}

impl ControlNetSource {
    /// The configuration of the network, for the UNet that it is to steer, and its tensors.
    ///
    /// # Errors
    /// `Control` where the tensors are those of no such network; the files' own troubles.
    pub fn network(
        &self,
        unet: &UNetConfig,
        device: &Device,
        dtype: DType,
    ) -> Result<(ControlNetConfig, Weights), ModelError> {
        match self {
            Self::Folder(config, component) => Ok((
                ControlNetConfig::clone(config),
                component.weights(device, dtype)?,
            )),
            Self::File(file) => {
                let refused = |reason: String| refuse(file.path(), reason);
                let map = controlnet_file::tensors(file, &unet.layers_per_block);
                let map = map.map_err(refused)?;
                let config = controlnet_file::config(&map, unet).map_err(refused)?;
                Ok((config, mapped(file, map, device, dtype)?))
            }
        }
    }
}

/// The tensors of an open file; it is opened once more, since weights own their files.
fn mapped(
    file: &SafetensorsFile,
    map: TensorMap,
    device: &Device,
    dtype: DType,
) -> Result<Weights, ModelError> {
    let files = vec![(SafetensorsFile::open(file.path())?, map)];
    Ok(Weights::mapped(file.path(), files, device, dtype))
}

/// True where a path is the folder or the file of a control.
pub(super) fn is_control(path: &Path) -> bool {
    if path.is_dir() {
        let config = Component::at(path).and_then(|component| component.config());
        let class = config.and_then(|config| config.or("_class_name", String::new()));
        let kinds = [ControlKind::T2IAdapter, ControlKind::ControlNet];
        return class.is_ok_and(|class| kinds.iter().any(|kind| kind.class() == class));
    }
    SafetensorsFile::open(path).is_ok_and(|file| is_t2i_adapter(&file) || is_controlnet(&file))
}

/// What a file is that steers in another way, or not at all; none where it may be a control.
fn other_than_a_control(file: &SafetensorsFile) -> Option<&'static str> {
    let names = file.names();
    let any = |part: &str| names.iter().any(|name| name.contains(part));
    if any("lora_controlnet") {
        return Some("is a Control-LoRA, which is not supported: get the whole ControlNet");
    }
    if any("lora_") || any("lokr_") || any("hada_") {
        return Some("is a LoRA: give it with --lora");
    }
    if any("ip_adapter.") || any("image_proj.") {
        return Some("is an IP-Adapter: give it with --ip-adapter");
    }
    if any("task_embedding") || any("control_add_embedding") {
        return Some(
            "is a ControlNet Union, which is not supported: get a ControlNet for one kind of \
             picture",
        );
    }
    if any("transformer_layes.") || any("ln_post.") {
        return Some("is a T2I style adapter, which is not supported");
    }
    if any("double_blocks.") || any("transformer_blocks.0.norm1.linear") {
        return Some("is a ControlNet of FLUX or Stable Diffusion 3, which is not supported");
    }
    if any("model.diffusion_model.") {
        return Some("is a checkpoint of a whole model: give it with --model");
    }
    None
}

/// An error about a control.
pub(super) fn refuse(path: &Path, reason: impl Into<String>) -> ModelError {
    ModelError::Control {
        path: path.to_owned(),
        reason: reason.into(),
    }
}
