//! One change of a LoRA file, read from its tensors and held to the weight that it changes.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use super::lora_change::{ChangeKind, Magnitude, WeightChange};
use super::lora_names::{Part, Target};
use super::lora_scale::Alphas;
use super::{ModelError, SafetensorsFile};

/// The keys in a file that make one change.
pub(super) type Keys = BTreeMap<Part, String>;

/// Reads the tensors of one change.
pub(super) struct ChangeReader<'a> {
    pub file: &'a SafetensorsFile,
    pub alphas: &'a Alphas,
    /// How much of the LoRA.
    pub weight: f64,
    pub keys: &'a Keys,
    /// Of the weight that is changed.
    pub shape: &'a [usize],
}

impl ChangeReader<'_> {
    /// The change, of a module of this part of the model.
    ///
    /// # Errors
    /// `Lora` when a tensor has no partner or does not fit the shape; the file's own troubles.
    pub fn read(&self, target: Target, module: &str) -> Result<WeightChange, ModelError> {
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
            Some(rank) => self.alphas.scale(target, module, own, rank),
            None => 1.0,
        };
        let magnitude = match self.keys.get(&Part::Magnitude) {
            Some(key) => Some(self.magnitude(key)?),
            None => None,
        };
        let change = WeightChange {
            scale: match magnitude {
                Some(_) => scale,
                None => scale * self.weight,
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
            strength: self.weight,
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
        let tensor = self.file.read(key)?.to_dtype(DType::F32);
        tensor.map_err(|source| self.prepare(key, source))
    }

    /// The error for a tensor that cannot be computed with.
    pub fn prepare(&self, key: &str, source: candle_core::Error) -> ModelError {
        ModelError::Prepare {
            path: self.file.path().to_owned(),
            tensor: key.to_owned(),
            source: Box::new(source),
        }
    }

    fn refuse(&self, key: &str, reason: &str) -> ModelError {
        refuse(self.file, key, reason.to_owned())
    }

    fn refuse_shape(&self, key: &str, tensor: &Tensor) -> ModelError {
        let reason = format!(
            "has shape {:?}, which does not fit a weight of shape {:?}",
            tensor.dims(),
            self.shape
        );
        refuse(self.file, key, reason)
    }
}

/// The error for a tensor of a LoRA file.
pub(super) fn refuse(file: &SafetensorsFile, key: &str, reason: String) -> ModelError {
    ModelError::Lora {
        path: file.path().to_owned(),
        key: key.to_owned(),
        reason,
    }
}
