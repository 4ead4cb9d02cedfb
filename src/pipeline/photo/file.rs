//! Inverted photos as safetensors files.
//!
//! | tensor | format | shape |
//! |---|---|---|
//! | `photo` | u8 | `[height, width, 3]` |
//! | `latents` | f32 | `[1, channels, height/8, width/8]` |
//! | `trajectory` | f32 | `[steps, channels, height/8, width/8]` |
//! | `timesteps`, `alphas_cumprod` | f64 | `[steps]` |
//!
//! The last three are left out where there are no steps. The header's free text holds `format`,
//! `version`, `prompt`, `model`, `impasto` (the version that wrote it) and, for a part of a larger
//! photo, `origin` (where its latents begin there, as `x,y`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};

use super::{Inversion, KeptLatents, MAX_PHOTO_PIXELS};
use crate::canvas::Pixels;
use crate::model::{ModelError, SafetensorsFile};
use crate::sampler::NoiseLevel;

const FORMAT: &str = "impasto-inversion";
const VERSION: &str = "1";

/// Why an inversion could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum InversionFileError {
    /// There is no such file.
    #[error("there is no inversion {}: make it with `impasto invert`", .0.display())]
    Missing(PathBuf),
    /// The file is something else, or cut off.
    #[error(
        "{} is no inversion that can be read ({reason}): make it again with `impasto invert`",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write {} ({reason}): choose another place", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        reason: String,
    },
    /// The device failed.
    #[error("the device could not hand over the inversion: {0}")]
    Device(#[from] candle_core::Error),
}

impl Inversion {
    /// Writes the inversion to a file.
    ///
    /// # Errors
    /// When the file cannot be written, or the device fails.
    pub fn save(&self, path: &Path) -> Result<(), InversionFileError> {
        let floats = |tensor: &Tensor| -> candle_core::Result<Vec<u8>> {
            let values = tensor.flatten_all()?.to_vec1::<f32>()?;
            Ok(values.into_iter().flat_map(f32::to_le_bytes).collect())
        };
        let numbers = |of: fn(&KeptLatents) -> f64| -> Vec<u8> {
            let values = self.trajectory.iter().map(of);
            values.flat_map(f64::to_le_bytes).collect()
        };
        let photo = &self.photo;
        let sides = [photo.height() as usize, photo.width() as usize, 3];
        let steps = self.trajectory.len();
        let mut tensors = vec![
            ("photo", Dtype::U8, sides.to_vec(), photo.data().to_vec()),
            (
                "latents",
                Dtype::F32,
                self.latents.dims().to_vec(),
                floats(&self.latents)?,
            ),
        ];
        if steps > 0 {
            let kept: Vec<&Tensor> = self.trajectory.iter().map(|kept| &kept.latents).collect();
            let trajectory = Tensor::cat(&kept, 0)?;
            let shape = trajectory.dims().to_vec();
            tensors.push(("trajectory", Dtype::F32, shape, floats(&trajectory)?));
            let timesteps = numbers(|kept| kept.timestep);
            tensors.push(("timesteps", Dtype::F64, vec![steps], timesteps));
            let alphas = numbers(|kept| kept.level.alpha.powi(2));
            tensors.push(("alphas_cumprod", Dtype::F64, vec![steps], alphas));
        }
        let unwritable = |cause: &dyn std::fmt::Display| InversionFileError::Unwritable {
            path: path.to_owned(),
            reason: cause.to_string(),
        };
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, data)| {
                let view = TensorView::new(*dtype, shape.clone(), data)?;
                Ok((*name, view))
            })
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|cause| unwritable(&cause))?;
        let notes = [
            ("format", FORMAT),
            ("version", VERSION),
            ("prompt", self.prompt.as_str()),
            ("model", self.model.as_str()),
            ("impasto", env!("CARGO_PKG_VERSION")),
        ];
        let notes = notes.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let mut notes = HashMap::from(notes);
        let (x, y) = self.origin;
        if (x, y) != (0, 0) {
            notes.insert("origin".to_owned(), format!("{x},{y}"));
        }
        safetensors::serialize_to_file(views, Some(notes), path).map_err(|cause| unwritable(&cause))
    }

    /// Reads what [`Inversion::save`] wrote, to a device.
    ///
    /// # Errors
    /// One sentence when the file is not there, is no inversion, or is cut off.
    pub fn load(path: &Path, device: &Device) -> Result<Self, InversionFileError> {
        let unreadable = |reason: String| InversionFileError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        let refused = |error: ModelError| match error {
            ModelError::Missing { path, .. } => InversionFileError::Missing(path),
            ModelError::Damaged { reason, .. } => unreadable(reason),
            ModelError::Unreadable { source, .. } => unreadable(source.to_string()),
            ModelError::MissingTensor { tensor, .. } => unreadable(format!("it has no `{tensor}`")),
            other => unreadable(other.to_string()),
        };
        let file = SafetensorsFile::open(path).map_err(refused)?;
        if file.note("format") != Some(FORMAT) {
            return Err(unreadable("it holds something else".to_owned()));
        }
        if file.note("version") != Some(VERSION) {
            return Err(unreadable("another version of impasto wrote it".to_owned()));
        }
        let note = |key: &str| file.note(key).unwrap_or_default().to_owned();
        let origin = match file.note("origin") {
            None => (0, 0),
            Some(text) => text
                .split_once(',')
                .and_then(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)))
                .ok_or_else(|| unreadable(format!("`origin` is {text:?}")))?,
        };

        let shape = file.info("photo").map(|info| info.shape.clone());
        let (height, width) = match shape.as_deref() {
            Some([height, width, 3]) if (*height * *width) as u64 <= MAX_PHOTO_PIXELS => {
                (*height as u32, *width as u32)
            }
            other => return Err(unreadable(format!("`photo` has the shape {other:?}"))),
        };
        let bytes = file.read_bytes("photo").map_err(refused)?;
        let photo = Pixels::from_raw(width, height, bytes)
            .map_err(|cause| unreadable(format!("`photo`: {cause}")))?;
        let floats = |name: &str, dtype: DType| -> Result<Tensor, InversionFileError> {
            let tensor = file.read(name).map_err(refused)?;
            match tensor.dtype() == dtype {
                true => Ok(tensor),
                false => Err(unreadable(format!("`{name}` is not {}", dtype.as_str()))),
            }
        };
        let latents = floats("latents", DType::F32)?.to_device(device)?;
        let [1, channels, rows, columns] = *latents.dims() else {
            let shape = latents.dims();
            return Err(unreadable(format!("`latents` has the shape {shape:?}")));
        };
        let mut trajectory = Vec::new();
        if file.info("trajectory").is_some() {
            let numbers = |name: &str| -> Result<Vec<f64>, InversionFileError> {
                let tensor = floats(name, DType::F64)?;
                Ok(tensor.flatten_all()?.to_vec1::<f64>()?)
            };
            let (timesteps, alphas) = (numbers("timesteps")?, numbers("alphas_cumprod")?);
            let kept = floats("trajectory", DType::F32)?.to_device(device)?;
            let steps = timesteps.len();
            if kept.dims() != [steps, channels, rows, columns] || alphas.len() != steps {
                return Err(unreadable("its tensors do not fit together".to_owned()));
            }
            let is_noisier = |pair: &[f64]| matches!(pair, [before, after] if before > after);
            let in_range = alphas.iter().all(|alpha| (0.0..1.0).contains(alpha));
            if !in_range || !alphas.windows(2).all(is_noisier) {
                return Err(unreadable("`alphas_cumprod` does not descend".to_owned()));
            }
            for (step, (timestep, alpha)) in timesteps.into_iter().zip(alphas).enumerate() {
                trajectory.push(KeptLatents {
                    timestep,
                    level: NoiseLevel::from_alpha_cumprod(alpha),
                    latents: kept.narrow(0, step, 1)?,
                });
            }
        }
        Ok(Self {
            photo,
            origin,
            prompt: note("prompt"),
            model: note("model"),
            latents,
            trajectory,
        })
    }
}
