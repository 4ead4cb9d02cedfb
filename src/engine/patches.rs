//! A patch of an inverted photo, wherever it lies at the moment.

use std::path::PathBuf;

use candle_core::Device;

use crate::pipeline::{Inversion, PipelineError};
use crate::sampler::LatentRect;

/// Where latents lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Device,
    Host,
    Disk,
}

impl Place {
    pub const ALL: [Self; 3] = [Self::Device, Self::Host, Self::Disk];

    /// The name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Host => "host",
            Self::Disk => "disk",
        }
    }
}

enum Kept {
    Device(Inversion),
    Host(Inversion),
    /// A file of this patch's own.
    Disk(PathBuf),
}

/// A patch of an inverted photo.
pub(super) struct Patch {
    /// The room's number for the photo.
    pub photo: u64,
    /// Latents of the canvas.
    pub rect: LatentRect,
    /// Bytes of all its latents.
    pub bytes: u64,
    /// When it was used last.
    pub used: u64,
    kept: Kept,
}

impl Patch {
    pub fn new(photo: u64, inversion: Inversion, used: u64) -> Self {
        Self {
            photo,
            rect: inversion.latent_rect(),
            bytes: inversion.bytes(),
            used,
            kept: Kept::Device(inversion),
        }
    }

    pub fn place(&self) -> Place {
        match self.kept {
            Kept::Device(_) => Place::Device,
            Kept::Host(_) => Place::Host,
            Kept::Disk(_) => Place::Disk,
        }
    }

    /// The inversion, brought back to the device from wherever it is.
    pub fn on_device(&mut self, device: &Device) -> Result<&Inversion, PipelineError> {
        let back = match &self.kept {
            Kept::Device(_) => None,
            Kept::Host(inversion) => Some(inversion.to_device(device)?),
            Kept::Disk(path) => {
                let lost = |cause: &dyn std::fmt::Display| {
                    tracing::error!(%cause, "a patch of a photo is lost");
                    PipelineError::PartLost(cause.to_string())
                };
                let inversion = Inversion::load(path, device).map_err(|cause| lost(&cause))?;
                remove(path);
                Some(inversion)
            }
        };
        if let Some(inversion) = back {
            metrics::counter!("impasto_latent_moves_total", "to" => Place::Device.name())
                .increment(1);
            self.kept = Kept::Device(inversion);
        }
        match &self.kept {
            Kept::Device(inversion) => Ok(inversion),
            Kept::Host(_) | Kept::Disk(_) => Err(PipelineError::PartNotInverted),
        }
    }

    /// Moves it from the device to host memory.
    pub fn move_to_host(&mut self) -> Result<(), PipelineError> {
        if let Kept::Device(inversion) = &self.kept {
            self.kept = Kept::Host(inversion.to_device(&Device::Cpu)?);
        }
        Ok(())
    }

    /// Moves it to a file.
    pub fn move_to_disk(&mut self, path: PathBuf) -> Result<(), PipelineError> {
        let (Kept::Device(inversion) | Kept::Host(inversion)) = &self.kept else {
            return Ok(());
        };
        let saved = inversion.save(&path);
        saved.map_err(|cause| PipelineError::PartLost(cause.to_string()))?;
        self.kept = Kept::Disk(path);
        Ok(())
    }
}

impl Drop for Patch {
    fn drop(&mut self) {
        if let Kept::Disk(path) = &self.kept {
            remove(path);
        }
    }
}

fn remove(path: &std::path::Path) {
    if let Err(cause) = std::fs::remove_file(path) {
        tracing::debug!(%cause, "a file of latents is gone already");
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::*;
    use crate::canvas::Pixels;

    #[test]
    fn a_patch_is_the_same_wherever_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let latents = Tensor::arange(0f32, 16.0, &Device::Cpu).unwrap();
        let latents = latents.reshape((1, 4, 2, 2)).unwrap();
        let photo = Pixels::new(16, 16, [3; 3]);
        let inversion = Inversion::of_part(photo, (2, 4), latents, Vec::new());
        let values = |inversion: &Inversion| {
            let latents = inversion.latents().flatten_all().unwrap();
            latents.to_vec1::<f32>().unwrap()
        };
        let mut patch = Patch::new(7, inversion.clone(), 1);
        assert_eq!((patch.bytes, patch.place()), (64, Place::Device));
        patch.move_to_host().unwrap();
        assert_eq!(patch.place(), Place::Host);
        let path = folder.path().join("part.safetensors");
        patch.move_to_disk(path.clone()).unwrap();
        assert!(patch.place() == Place::Disk && path.exists());
        let back = patch.on_device(&Device::Cpu).unwrap();
        assert_eq!(values(back), values(&inversion));
        assert_eq!(back.latent_rect(), inversion.latent_rect());
        assert!(patch.place() == Place::Device && !path.exists());
        patch.move_to_disk(path.clone()).unwrap();
        drop(patch);
        assert!(!path.exists(), "nothing is left behind");
    }
}
