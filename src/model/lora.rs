//! LoRA files in diffusers', PEFT's and kohya's naming (Hu et al., "LoRA", 2021), turned into
//! changes of named weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::slice;

use super::lora_change::WeightChange;
use super::lora_names::{Changed, LoraKey, Target, WeightNames};
use super::lora_reader::{ChangeReader, Keys, refuse};
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
    modules: BTreeMap<(Target, String), Keys>,
    foreign: Vec<String>,
    alphas: Alphas,
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
        let mut modules: BTreeMap<(Target, String), Keys> = BTreeMap::new();
        let mut foreign = Vec::new();
        let mut keys = file.names();
        keys.sort();
        for key in keys {
            match LoraKey::parse(&key).map_err(|reason| refuse(&file, &key, reason))? {
                Some(LoraKey {
                    target,
                    module,
                    part,
                }) => {
                    let parts = modules.entry((target, module)).or_default();
                    parts.insert(part, key);
                }
                None => foreign.push(key),
            }
        }
        if let (true, Some(key)) = (modules.is_empty(), foreign.first()) {
            let reason = "is no LoRA's tensor, and none is in the file: give a LoRA's .safetensors";
            return Err(refuse(&file, key, reason.to_owned()));
        }
        let alphas = Alphas::read(&file)?;
        Ok(Self {
            file,
            weight: choice.weight,
            modules,
            foreign,
            alphas,
        })
    }

    /// The names of tensors in the file that are no LoRA's, such as those of an embedding: they
    /// change nothing.
    pub fn foreign(&self) -> &[String] {
        &self.foreign
    }

    /// True when the file changes this part of the model.
    pub fn changes(&self, target: Target) -> bool {
        self.modules.keys().any(|(found, _)| *found == target)
    }

    /// The error for a file that changes a part which the model does not have.
    pub(super) fn refuse_target(&self, target: Target) -> ModelError {
        let key = self.modules.iter().find(|((found, _), _)| *found == target);
        let key = key.map_or(String::new(), |((_, module), _)| module.clone());
        let reason = match target {
            // T5.
            Target::TextEncoder3 => {
                format!("changes a {target}, which no LoRA can change here: use one without it")
            }
            target => format!(
                "changes a {target}, which this model does not have: it was made for another \
                 model, use one that was made for this"
            ),
        };
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
        // Files that do not say whose they are count as a UNet's.
        let part = match target {
            Target::UNet if names.are_of_a_transformer() => Target::Transformer,
            target => target,
        };
        let modules = self.modules.iter();
        for ((_, module), keys) in modules.filter(|((found, _), _)| *found == target) {
            let key = keys.values().next().map_or(module.as_str(), String::as_str);
            let Some(changed) = names.find(module) else {
                let reason = format!(
                    "fits no weight of the model's {part}: it was made for another model, use one \
                     that was made for this"
                );
                return Err(refuse(&self.file, key, reason));
            };
            let (shape, outputs) = self.shape_of(&changed, weights, key)?;
            let reader = ChangeReader {
                file: &self.file,
                alphas: &self.alphas,
                weight: self.weight,
                keys,
                shape: &shape,
            };
            let change = reader.read(target, module)?;
            // A file that is off is held to the same rules, and changes not a bit.
            let is_off = change.is_off();
            let parts = parts_of(change, &changed, &outputs, &shape);
            let parts = parts.map_err(|source| reader.prepare(key, source))?;
            let Some(parts) = parts else {
                let reason = "has a magnitude of the inputs, which cannot be cut up for the layers \
                              that the model has of it: use a plain LoRA";
                return Err(refuse(&self.file, key, reason.to_owned()));
            };
            for (name, part) in changed.names.into_iter().zip(parts) {
                if !is_off {
                    adapters.entry(name.to_owned()).or_default().push(part);
                }
            }
        }
        Ok(())
    }

    /// The shape of a module that changes these weights, and the outputs of each of them.
    fn shape_of(
        &self,
        changed: &Changed<'_>,
        weights: &Weights,
        key: &str,
    ) -> Result<(Vec<usize>, Vec<usize>), ModelError> {
        let shapes = changed.names.iter().map(|name| weights.shape(name));
        let shapes: Vec<Vec<usize>> = shapes.map(Option::unwrap_or_default).collect();
        if let Some(at) = shapes.iter().position(|shape| shape.len() < 2) {
            let name = changed.names.get(at).copied().unwrap_or_default();
            let reason = format!("changes {name}, which is no matrix");
            return Err(refuse(&self.file, key, reason));
        }
        let outputs: Vec<usize> = shapes.iter().map(|shape| shape[0]).collect();
        let inputs = shapes.first().map_or(&[][..], |shape| &shape[1..]);
        if shapes.iter().any(|shape| shape[1..] != *inputs) {
            let reason = "changes layers of different inputs: it was made for another model";
            return Err(refuse(&self.file, key, reason.to_owned()));
        }
        let shape = std::iter::once(outputs.iter().sum()).chain(inputs.iter().copied());
        Ok((shape.collect(), outputs))
    }
}

/// What a module's change is for each of the weights that it changes, which have so many outputs.
/// None where that cannot be told ([`WeightChange::of_outputs`]).
fn parts_of(
    change: WeightChange,
    changed: &Changed<'_>,
    outputs: &[usize],
    shape: &[usize],
) -> candle_core::Result<Option<Vec<WeightChange>>> {
    if outputs.len() == 1 && !changed.swaps_halves {
        return Ok(Some(vec![change]));
    }
    let mut first = 0;
    let parts = outputs.iter().map(|outputs| {
        let (middle, end) = (first + outputs / 2, first + outputs);
        let (whole, swapped) = (first..end, [middle..end, first..middle]);
        let rows = match changed.swaps_halves {
            true => &swapped,
            false => slice::from_ref(&whole),
        };
        first = end;
        change.of_outputs(rows, shape)
    });
    parts.collect()
}

/// The changes that some LoRAs make to one part of a model.
///
/// # Errors
/// Those of [`Lora::add_to`].
pub fn adapters(
    loras: &[Lora],
    targets: &[Target],
    weights: &Weights,
) -> Result<Adapters, ModelError> {
    let mut adapters = Adapters::new();
    for lora in loras {
        for target in targets {
            lora.add_to(*target, weights, &mut adapters)?;
        }
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
