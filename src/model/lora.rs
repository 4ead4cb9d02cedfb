//! LoRA files in diffusers', PEFT's and kohya's naming (Hu et al., "LoRA", 2021), turned into
//! changes of named weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Result as TensorResult, Tensor};

use super::lora_names::{LoraKey, Part, Target, WeightNames};
use super::lora_scale::Alphas;
use super::weights::Adapters;
use super::{ModelError, SafetensorsFile, Weights};

/// A LoRA to add to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraChoice {
    /// The safetensors file, or the folder that it is in.
    pub path: PathBuf,
    /// How much of it: 1 is what it was trained for, 0 is none.
    pub weight: f64,
    /// What people call it.
    pub name: String,
}

impl LoraChoice {
    /// A LoRA that is called as its file is, without `.safetensors`; or, where every file of its
    /// kind has the same name, as the folder that it is in.
    pub fn new(path: PathBuf, weight: f64) -> Self {
        let in_folder = FILE_NAMES.iter().any(|name| path.ends_with(name));
        let called = match path.parent() {
            Some(folder) if in_folder && folder.file_name().is_some() => folder,
            _ => &path,
        };
        let name = called
            .file_name()
            .unwrap_or(called.as_os_str())
            .to_string_lossy();
        let name = name.strip_suffix(".safetensors").unwrap_or(&name);
        Self {
            name: name.to_owned(),
            path,
            weight,
        }
    }
}

/// A low-rank change of a weight: `scale · up · down`.
#[derive(Debug, Clone)]
pub struct LowRank {
    /// `[rank, inputs]`, in f32.
    down: Tensor,
    /// `[outputs, rank]`, in f32.
    up: Tensor,
    scale: f64,
}

impl LowRank {
    /// The change itself, `[outputs, inputs]` in f32.
    fn delta(&self, device: &Device) -> TensorResult<Tensor> {
        // Scaled while it is small.
        let up = (self.up.to_device(device)? * self.scale)?;
        up.matmul(&self.down.to_device(device)?)
    }
}

/// `weight` with low-rank changes added, one after the other. The sum is made in f32, whatever
/// the weight's number format: a change is often smaller than half precision's step.
pub(super) fn changed(weight: &Tensor, changes: &[LowRank]) -> TensorResult<Tensor> {
    let mut sum = weight.to_dtype(DType::F32)?;
    for change in changes {
        sum = (sum + change.delta(weight.device())?.reshape(weight.shape())?)?;
    }
    sum.to_dtype(weight.dtype())
}

/// What diffusers and PEFT call every LoRA file.
const FILE_NAMES: [&str; 2] = [
    "pytorch_lora_weights.safetensors",
    "adapter_model.safetensors",
];

/// An open LoRA file.
#[derive(Debug)]
pub struct Lora {
    file: SafetensorsFile,
    weight: f64,
    pairs: BTreeMap<(Target, String), Pair>,
    alphas: Alphas,
}

/// The keys in the file that make one change.
#[derive(Debug, Default)]
struct Pair {
    down: Option<String>,
    up: Option<String>,
    alpha: Option<String>,
}

impl Lora {
    /// Opens the file of a choice and sorts its keys.
    ///
    /// # Errors
    /// `Missing` or `Damaged`; `LoraWeight` for one that is no number; `Lora` for a key that is
    /// not one of a LoRA.
    pub fn open(choice: &LoraChoice) -> Result<Self, ModelError> {
        if !choice.weight.is_finite() {
            return Err(ModelError::LoraWeight {
                path: choice.path.clone(),
                weight: choice.weight,
            });
        }
        let file = SafetensorsFile::open(&find_file(&choice.path)?)?;
        let mut pairs: BTreeMap<(Target, String), Pair> = BTreeMap::new();
        let mut keys = file.names();
        keys.sort();
        for key in keys {
            let LoraKey {
                target,
                module,
                part,
            } = LoraKey::parse(&key).map_err(|reason| refuse(&file, &key, reason.to_owned()))?;
            let pair = pairs.entry((target, module)).or_default();
            let slot = match part {
                Part::Down => &mut pair.down,
                Part::Up => &mut pair.up,
                Part::Alpha => &mut pair.alpha,
            };
            *slot = Some(key);
        }
        let alphas = Alphas::read(&file)?;
        Ok(Self {
            file,
            weight: choice.weight,
            pairs,
            alphas,
        })
    }

    /// True when the file changes this part of the model.
    pub fn changes(&self, target: Target) -> bool {
        self.pairs.keys().any(|(found, _)| *found == target)
    }

    /// The error for a file that changes a part which the model does not have.
    pub(super) fn refuse_target(&self, target: Target) -> ModelError {
        let key = self.pairs.iter().find(|((found, _), _)| *found == target);
        let key = key.map_or(String::new(), |((_, module), _)| module.clone());
        let reason = format!("changes a {target}, which the model does not have");
        refuse(&self.file, &key, reason)
    }

    /// Reads the changes of one part of the model and adds them to `adapters`.
    ///
    /// # Errors
    /// `Lora` when a key fits no weight of the part, or its shape does not fit.
    pub fn add_to(
        &self,
        target: Target,
        weights: &Weights,
        adapters: &mut Adapters,
    ) -> Result<(), ModelError> {
        let names = WeightNames::new(weights);
        for ((_, module), pair) in self.pairs.iter().filter(|((found, _), _)| *found == target) {
            let some_key = [&pair.down, &pair.up, &pair.alpha]
                .into_iter()
                .flatten()
                .next();
            let key = some_key.map_or(module.as_str(), String::as_str);
            let (Some(down), Some(up)) = (&pair.down, &pair.up) else {
                return Err(refuse(
                    &self.file,
                    key,
                    "has no partner: a LoRA weight is a pair, down and up".to_owned(),
                ));
            };
            let Some(name) = names.find(module) else {
                let reason = format!(
                    "fits no weight of the model's {target}: it was made for another model"
                );
                return Err(refuse(&self.file, key, reason));
            };
            let shape = weights.shape(name).unwrap_or_default();
            if shape.len() < 2 {
                let reason = format!("changes {name}, which is no matrix");
                return Err(refuse(&self.file, key, reason));
            }
            let change = self.change(module, [down, up], pair.alpha.as_deref(), target, &shape)?;
            // A file that is off is held to the same rules, and changes not a bit.
            if change.scale != 0.0 {
                adapters.entry(name.to_owned()).or_default().push(change);
            }
        }
        Ok(())
    }

    fn change(
        &self,
        module: &str,
        [down_key, up_key]: [&String; 2],
        alpha_key: Option<&str>,
        target: Target,
        shape: &[usize],
    ) -> Result<LowRank, ModelError> {
        let prepare = |key: &str| {
            let (key, path) = (key.to_owned(), self.file.path().to_owned());
            move |source| ModelError::Prepare {
                path,
                tensor: key,
                source: Box::new(source),
            }
        };
        let matrix = |key: &str| {
            let tensor = self.file.read(key)?;
            let flat = tensor
                .to_dtype(DType::F32)
                .and_then(|tensor| tensor.flatten_from(1));
            flat.map_err(prepare(key))
        };
        let (down, up) = (matrix(down_key)?, matrix(up_key)?);
        let outputs = shape.first().copied().unwrap_or_default();
        let inputs: usize = shape.iter().skip(1).product();
        let (rank, width) = down.dims2().map_err(prepare(down_key))?;
        if width != inputs {
            let reason = format!(
                "has shape {:?}, which does not fit a weight of shape {shape:?}",
                down.dims()
            );
            return Err(refuse(&self.file, down_key, reason));
        }
        if up.dims() != [outputs, rank] {
            let reason = format!(
                "has shape {:?}, which does not fit a weight of shape {shape:?} at rank {rank}",
                up.dims()
            );
            return Err(refuse(&self.file, up_key, reason));
        }
        let own = match alpha_key {
            Some(key) => {
                let alpha = self.file.read(key)?.to_dtype(DType::F64);
                let alpha = alpha.and_then(|alpha| alpha.flatten_all()?.to_vec1::<f64>());
                alpha.map_err(prepare(key))?.first().copied()
            }
            None => None,
        };
        let scale = self.alphas.scale(target, module, own, rank) * self.weight;
        Ok(LowRank { down, up, scale })
    }
}

/// The changes that some LoRAs make to one part of a model.
///
/// # Errors
/// Those of [`Lora::add_to`].
pub fn adapters(loras: &[Lora], target: Target, weights: &Weights) -> Result<Adapters, ModelError> {
    let mut adapters = Adapters::new();
    for lora in loras {
        lora.add_to(target, weights, &mut adapters)?;
    }
    Ok(adapters)
}

/// The file itself, or the one that a folder holds.
fn find_file(path: &Path) -> Result<PathBuf, ModelError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    for name in FILE_NAMES {
        let file = path.join(name);
        if file.is_file() {
            return Ok(file);
        }
    }
    Err(ModelError::Missing {
        path: path.join(FILE_NAMES[0]),
        hint: "give the LoRA's .safetensors file".to_owned(),
    })
}

fn refuse(file: &SafetensorsFile, key: &str, reason: String) -> ModelError {
    ModelError::Lora {
        path: file.path().to_owned(),
        key: key.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lora_is_called_as_its_file_or_its_folder_is() {
        for (path, name) in [
            ("loras/ink.safetensors", "ink"),
            ("ink.v2.safetensors", "ink.v2"),
            ("loras/ink", "ink"),
            ("loras/ink/", "ink"),
            ("lcm/pytorch_lora_weights.safetensors", "lcm"),
            ("lcm/adapter_model.safetensors", "lcm"),
            ("adapter_model.safetensors", "adapter_model"),
        ] {
            assert_eq!(LoraChoice::new(path.into(), 1.0).name, name, "{path}");
        }
    }
}
