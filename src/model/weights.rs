//! A component's weights, whatever files they are in: looked up by name, checked against the
//! shape that the configuration calls for, and converted.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Tensor};

use safetensors::tensor::TensorInfo;

use super::lora_change::WeightChange;
use super::stored::{Stored, TensorMap};
use super::{ModelError, SafetensorsFile};

/// Changes by the name of the weight tensor that they are added to.
pub type Adapters = HashMap<String, Vec<WeightChange>>;

/// The tensors of one component, or of one module inside it: `scope` narrows by name.
#[derive(Clone)]
pub struct Weights {
    store: Arc<Store>,
    prefix: String,
}

type Layers = HashMap<String, Box<dyn Any + Send>>;

struct Store {
    /// What errors name when a tensor is in none of the files.
    label: PathBuf,
    files: Arc<Vec<SafetensorsFile>>,
    places: Arc<HashMap<String, Place>>,
    device: Device,
    dtype: DType,
    adapters: Adapters,
    /// The layers that were made, by the names of their modules.
    layers: Arc<Mutex<Layers>>,
    taken: Mutex<HashSet<String>>,
    /// Where inspection notes what is wrong instead of stopping; none when loading.
    problems: Option<Mutex<Vec<String>>>,
}

/// Where a tensor lies.
struct Place {
    file: usize,
    stored: Stored,
}

/// A tensor as it lies in a file.
pub(super) struct StoredTensor<'a> {
    /// Its name in the component.
    pub name: &'a str,
    pub file: &'a SafetensorsFile,
    pub stored: &'a Stored,
    /// What the file says of it, before any change.
    pub info: &'a TensorInfo,
}

impl StoredTensor<'_> {
    /// How many numbers it has.
    pub fn numbers(&self) -> usize {
        self.stored.shape.iter().product()
    }

    /// How many bytes they take in the file.
    pub fn bytes(&self) -> usize {
        self.numbers() * self.info.dtype.bitsize() / 8
    }
}

impl Weights {
    /// The union of some files. `label` is what errors call the whole: the file itself, or the
    /// index of a sharded set. Floating-point tensors become `dtype` on `device` when read.
    pub fn new(label: &Path, files: Vec<SafetensorsFile>, device: &Device, dtype: DType) -> Self {
        let as_they_are = |file: SafetensorsFile| {
            let names = file.names().into_iter();
            let plain = names.filter_map(|name| {
                let stored = Stored::plain(&name, &file.info(&name)?.shape);
                Some((name, stored))
            });
            let map = plain.collect::<TensorMap>();
            (file, map)
        };
        let files = files.into_iter().map(as_they_are).collect();
        Self::mapped(label, files, device, dtype)
    }

    /// Tensors that lie in their files as the maps say, perhaps beside those of other components.
    pub(super) fn mapped(
        label: &Path,
        maps: Vec<(SafetensorsFile, TensorMap)>,
        device: &Device,
        dtype: DType,
    ) -> Self {
        let mut places = HashMap::new();
        let mut files = Vec::with_capacity(maps.len());
        for (number, (file, map)) in maps.into_iter().enumerate() {
            places.extend(map.into_iter().map(|(name, stored)| {
                let place = Place {
                    file: number,
                    stored,
                };
                (name, place)
            }));
            files.push(file);
        }
        let store = Store {
            label: label.to_owned(),
            files: Arc::new(files),
            places: Arc::new(places),
            device: device.clone(),
            dtype,
            adapters: Adapters::new(),
            layers: Arc::default(),
            taken: Mutex::default(),
            problems: None,
        };
        Self {
            store: Arc::new(store),
            prefix: String::new(),
        }
    }

    /// The same files for [`super::inspect`]: every tensor that a network asks for is compared
    /// with the header and given as zeros, and what is wrong is noted instead of stopping there.
    pub(super) fn for_inspection(&self) -> Self {
        let store = Store {
            label: self.store.label.clone(),
            files: Arc::clone(&self.store.files),
            places: Arc::clone(&self.store.places),
            device: Device::Cpu,
            // A format that no kernel repacks.
            dtype: DType::F16,
            adapters: Adapters::new(),
            layers: Arc::default(),
            taken: Mutex::default(),
            problems: Some(Mutex::default()),
        };
        Self {
            store: Arc::new(store),
            prefix: String::new(),
        }
    }

    /// What an inspection found wrong, in the order in which the network asked.
    pub(super) fn problems(&self) -> Vec<String> {
        let problems = self.store.problems.as_ref();
        problems
            .map(|problems| lock(problems).clone())
            .unwrap_or_default()
    }

    /// The same weights with changes of the tensors they name. A network that is loaded
    /// from these shares every unchanged layer with the networks loaded before, and no file is
    /// read again for the changed ones.
    pub fn with_adapters(&self, adapters: Adapters) -> Self {
        let store = Store {
            label: self.store.label.clone(),
            files: Arc::clone(&self.store.files),
            places: Arc::clone(&self.store.places),
            device: self.store.device.clone(),
            dtype: self.store.dtype,
            adapters,
            layers: Arc::clone(&self.store.layers),
            taken: Mutex::default(),
            problems: None,
        };
        Self {
            store: Arc::new(store),
            prefix: self.prefix.clone(),
        }
    }

    /// The module `name` inside this one, such as `down_blocks.0`.
    pub fn scope(&self, name: impl std::fmt::Display) -> Self {
        Self {
            store: Arc::clone(&self.store),
            prefix: self.full_name(&name.to_string()),
        }
    }

    /// The device that tensors are read to.
    pub fn device(&self) -> &Device {
        &self.store.device
    }

    /// The number format that tensors are read as.
    pub fn dtype(&self) -> DType {
        self.store.dtype
    }

    /// What errors call the whole: the safetensors file or the index of a sharded set.
    pub fn label(&self) -> &Path {
        &self.store.label
    }

    /// True when `name` is a tensor of this module.
    pub fn has(&self, name: &str) -> bool {
        self.store.places.contains_key(&self.full_name(name))
    }

    /// The shape of a tensor as it is stored.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let place = self.store.places.get(&self.full_name(name))?;
        Some(place.stored.shape.clone())
    }

    /// The full names of all tensors of the component.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.store.places.keys()
    }

    /// All tensors of the component as they lie in their files, in no particular order.
    pub(super) fn stored(&self) -> impl Iterator<Item = StoredTensor<'_>> {
        self.store.places.iter().filter_map(|(name, place)| {
            let file = self.store.files.get(place.file)?;
            Some(StoredTensor {
                name,
                file,
                stored: &place.stored,
                info: file.info(&place.stored.name)?,
            })
        })
    }

    /// Reads a tensor of exactly this shape.
    ///
    /// # Errors
    /// `MissingTensor`, `WrongShape`, or the file's own troubles.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        self.tensor_of_any(name, &[shape])
    }

    /// Reads a tensor that may be stored in any of these shapes, and gives it the first.
    ///
    /// # Errors
    /// `MissingTensor`, `WrongShape`, or the file's own troubles.
    pub fn tensor_of_any(&self, name: &str, shapes: &[&[usize]]) -> Result<Tensor, ModelError> {
        let full_name = self.full_name(name);
        let wanted = shapes.first().copied().unwrap_or_default();
        let found = self.find(&full_name, shapes);
        lock(&self.store.taken).insert(full_name.clone());
        if let Some(problems) = &self.store.problems {
            if let Err(error) = found {
                let mut problems = lock(problems);
                // A number format that is none here is mostly every tensor's.
                let again = matches!(error, ModelError::WrongDType { .. }) && !problems.is_empty();
                if !again {
                    problems.push(error.to_string());
                }
            }
            // One number seen as many: nothing is allocated.
            let zero = Tensor::zeros((), self.store.dtype, &self.store.device);
            return self.prepared(zero.and_then(|zero| zero.broadcast_as(wanted)));
        }
        let (file, stored) = found?;
        file.tensor(stored)?
            .reshape(wanted)
            .and_then(|tensor| tensor.to_dtype(self.store.dtype))
            .and_then(|tensor| tensor.to_device(&self.store.device))
            .map_err(|source| ModelError::Prepare {
                path: file.path().to_owned(),
                tensor: full_name,
                source: Box::new(source),
            })
    }

    /// The layer of this module: the one that was made before, by whichever network of these
    /// weights, or else what `make` makes.
    pub(super) fn layer<T: Clone + Send + 'static>(
        &self,
        make: impl FnOnce() -> Result<T, ModelError>,
    ) -> Result<T, ModelError> {
        let made = lock(&self.store.layers)
            .get(&self.prefix)
            .and_then(|layer| layer.downcast_ref::<T>())
            .cloned();
        if let Some(layer) = made {
            return Ok(layer);
        }
        let layer = make()?;
        lock(&self.store.layers).insert(self.prefix.clone(), Box::new(layer.clone()));
        Ok(layer)
    }

    /// The changes of this module's `weight`.
    pub(super) fn changes(&self) -> &[WeightChange] {
        let changes = self.store.adapters.get(&self.full_name("weight"));
        changes.map_or(&[], Vec::as_slice)
    }

    /// The file with this tensor in one of these shapes, and where in it the tensor is.
    fn find(
        &self,
        full_name: &str,
        shapes: &[&[usize]],
    ) -> Result<(&SafetensorsFile, &Stored), ModelError> {
        let missing = || ModelError::MissingTensor {
            path: self.store.label.clone(),
            tensor: full_name.to_owned(),
        };
        let place = self.store.places.get(full_name).ok_or_else(missing)?;
        let file = self.store.files.get(place.file).ok_or_else(missing)?;
        let found = &place.stored.shape;
        if !shapes.contains(&found.as_slice()) {
            return Err(ModelError::WrongShape {
                path: file.path().to_owned(),
                tensor: full_name.to_owned(),
                expected: shapes.first().copied().unwrap_or_default().to_vec(),
                found: found.clone(),
            });
        }
        file.number_format(&place.stored.name)?;
        Ok((file, &place.stored))
    }

    /// The names that have not been read since these weights were opened, sorted: tensors that
    /// the configuration has no place for. Buffers that are no weights are left out.
    pub fn untouched(&self) -> Vec<String> {
        let taken = lock(&self.store.taken);
        let mut names: Vec<_> = self
            .names()
            .filter(|name| !taken.contains(*name) && !name.ends_with("position_ids"))
            .cloned()
            .collect();
        names.sort();
        names
    }

    /// Wraps an operation's failure with the name of the layer that was being made.
    pub(super) fn prepared<T>(&self, result: candle_core::Result<T>) -> Result<T, ModelError> {
        result.map_err(|source| ModelError::Prepare {
            path: self.store.label.clone(),
            tensor: self.prefix.clone(),
            source: Box::new(source),
        })
    }

    fn full_name(&self, name: &str) -> String {
        match (self.prefix.is_empty(), name.is_empty()) {
            (true, _) => name.to_owned(),
            (false, true) => self.prefix.clone(),
            (false, false) => format!("{}.{name}", self.prefix),
        }
    }
}

/// What is behind these locks is whole whenever they are free.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
