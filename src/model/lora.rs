//! LoRA files in diffusers', PEFT's and kohya's naming (Hu et al., "LoRA", 2021), turned into
//! changes of named weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};

use super::lora_change::{ChangeKind, Magnitude, WeightChange};
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

/// The keys in the file that make one change.
type Keys = BTreeMap<Part, String>;

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
        let reason = format!(
            "changes a {target}, which this model does not have: it was made for another model"
        );
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
        let modules = self.modules.iter();
        for ((_, module), keys) in modules.filter(|((found, _), _)| *found == target) {
            let key = keys.values().next().map_or(module.as_str(), String::as_str);
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
            let reader = ChangeReader {
                lora: self,
                keys,
                shape: &shape,
            };
            let change = reader.read(target, module)?;
            // A file that is off is held to the same rules, and changes not a bit.
            if !change.is_off() {
                adapters.entry(name.to_owned()).or_default().push(change);
            }
        }
        Ok(())
    }
}

/// Reads the tensors of one change.
struct ChangeReader<'a> {
    lora: &'a Lora,
    keys: &'a Keys,
    /// Of the weight that is changed.
    shape: &'a [usize],
}

impl ChangeReader<'_> {
    fn read(&self, target: Target, module: &str) -> Result<WeightChange, ModelError> {
        let (kind, rank) = self.kind()?;
        let own = match self.keys.get(&Part::Alpha) {
            Some(key) => {
                let alpha = self.tensor(key)?.flatten_all();
                let alpha = alpha.and_then(|alpha| alpha.to_vec1::<f32>());
                let alpha = alpha.map_err(|source| self.prepare(key, source))?;
                alpha.first().copied().map(f64::from)
            }
            None => None,
        };
        let scale = match rank {
            Some(rank) => self.lora.alphas.scale(target, module, own, rank),
            None => 1.0,
        };
        let magnitude = match self.keys.get(&Part::Magnitude) {
            Some(key) => Some(self.magnitude(key)?),
            None => None,
        };
        let change = WeightChange {
            scale: match magnitude {
                Some(_) => scale,
                None => scale * self.lora.weight,
            },
            kind,
            magnitude,
        };
        let key = self.keys.values().next().map_or(module, String::as_str);
        // Of the other kinds, whether all shapes fit shows where they are multiplied.
        let is_checked = matches!(change.kind, ChangeKind::LowRank { .. });
        if is_checked || change.delta(&Device::Cpu, self.shape).is_ok() {
            return Ok(change);
        }
        let reason = format!(
            "and its partners do not fit a weight of shape {:?}",
            self.shape
        );
        Err(self.refuse(key, &reason))
    }

    /// How the difference is stored, and its rank where it has one.
    fn kind(&self) -> Result<(ChangeKind, Option<usize>), ModelError> {
        let has = |part: Part| self.keys.contains_key(&part);
        if has(Part::HadaW1A) || has(Part::HadaW2A) {
            let first = self.pair([Part::HadaW1A, Part::HadaW1B])?;
            let second = self.pair([Part::HadaW2A, Part::HadaW2B])?;
            let rank = first[1].dims().first().copied();
            return Ok((ChangeKind::Hadamard([first, second]), rank));
        }
        if has(Part::LokrW1) || has(Part::LokrW1A) {
            let mut rank = None;
            let mut factor = |whole: Part, pair: [Part; 2]| -> Result<Tensor, ModelError> {
                if let Some(key) = self.keys.get(&whole) {
                    return self.tensor(key);
                }
                let [a, b] = self.pair(pair)?;
                rank = b.dims().first().copied();
                a.matmul(&b).map_err(|source| self.prepare("lokr", source))
            };
            let first = factor(Part::LokrW1, [Part::LokrW1A, Part::LokrW1B])?;
            let second = factor(Part::LokrW2, [Part::LokrW2A, Part::LokrW2B])?;
            // A second factor that was made of a pair has its kernel among its columns.
            let inputs = self.shape[1] / first.dims().last().copied().unwrap_or(1).max(1);
            let columns = match second.dims() {
                [_, columns] if inputs > 0 && columns % inputs == 0 => *columns,
                _ => 0,
            };
            let second = match columns {
                0 => second,
                _ => second
                    .reshape(((), inputs, columns / inputs))
                    .map_err(|source| self.prepare("lokr", source))?,
            };
            return Ok((ChangeKind::Kronecker(first, second), rank));
        }
        if let Some(key) = self.keys.get(&Part::Diff) {
            return Ok((ChangeKind::Whole(self.tensor(key)?), None));
        }
        let [down_key, up_key] = self.partners([Part::Down, Part::Up])?;
        let (down, up) = (self.matrix(down_key)?, self.matrix(up_key)?);
        let inputs: usize = match has(Part::Mid) {
            true => self.shape[1],
            false => self.shape.iter().skip(1).product(),
        };
        // Each of the pair against the weight, so that the one at fault is named; then against the
        // other.
        let [rank, columns] = *down.dims() else {
            return Err(self.refuse_shape(down_key, &down));
        };
        if columns != inputs {
            return Err(self.refuse_shape(down_key, &down));
        }
        if up.dims().first() != self.shape.first() {
            return Err(self.refuse_shape(up_key, &up));
        }
        if up.dims() != [self.shape[0], rank] {
            let reason = format!(
                "has shape {:?}, but its partner `{down_key}` has rank {rank}",
                up.dims()
            );
            return Err(self.refuse(up_key, &reason));
        }
        let kind = match self.keys.get(&Part::Mid) {
            Some(key) => ChangeKind::Tucker {
                down,
                mid: self.tensor(key)?,
                up,
            },
            None => ChangeKind::LowRank { down, up },
        };
        Ok((kind, Some(rank)))
    }

    /// DoRA's lengths: of the outputs, or in files of LyCORIS that say so by their shape, of the
    /// inputs.
    fn magnitude(&self, key: &str) -> Result<Magnitude, ModelError> {
        let lengths = self.tensor(key)?;
        let (outputs, inputs) = (self.shape[0], self.shape[1]);
        let by_output =
            key.contains("lora_magnitude_vector") || lengths.dims().first() == Some(&outputs);
        let wanted = if by_output { outputs } else { inputs };
        if lengths.elem_count() != wanted {
            return Err(self.refuse_shape(key, &lengths));
        }
        Ok(Magnitude {
            lengths,
            of_outputs: by_output,
            strength: self.lora.weight,
        })
    }

    /// Both keys of a pair.
    fn partners(&self, parts: [Part; 2]) -> Result<[&String; 2], ModelError> {
        match parts.map(|part| self.keys.get(&part)) {
            [Some(first), Some(second)] => Ok([first, second]),
            _ => {
                let key = self.keys.values().next().map_or("", String::as_str);
                let reason = "has no partner: a LoRA weight is a pair, down and up";
                Err(self.refuse(key, reason))
            }
        }
    }

    fn pair(&self, parts: [Part; 2]) -> Result<[Tensor; 2], ModelError> {
        let [first, second] = self.partners(parts)?;
        Ok([self.matrix(first)?, self.matrix(second)?])
    }

    fn matrix(&self, key: &str) -> Result<Tensor, ModelError> {
        let flat = self.tensor(key)?.flatten_from(1);
        flat.map_err(|source| self.prepare(key, source))
    }

    fn tensor(&self, key: &str) -> Result<Tensor, ModelError> {
        let tensor = self.lora.file.read(key)?.to_dtype(DType::F32);
        tensor.map_err(|source| self.prepare(key, source))
    }

    fn prepare(&self, key: &str, source: candle_core::Error) -> ModelError {
        ModelError::Prepare {
            path: self.lora.file.path().to_owned(),
            tensor: key.to_owned(),
            source: Box::new(source),
        }
    }

    fn refuse(&self, key: &str, reason: &str) -> ModelError {
        refuse(&self.lora.file, key, reason.to_owned())
    }

    fn refuse_shape(&self, key: &str, tensor: &Tensor) -> ModelError {
        let reason = format!(
            "has shape {:?}, which does not fit a weight of shape {:?}",
            tensor.dims(),
            self.shape
        );
        refuse(&self.lora.file, key, reason)
    }
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
