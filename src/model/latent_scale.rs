//! Between an autoencoder's own latents and those that a denoiser works on, which have about unit
//! variance.

use candle_core::{Result, Tensor};

use super::{ConfigFile, ModelError};

/// How latents are scaled, by the fields of `vae/config.json`.
pub(super) struct LatentScale {
    scaling_factor: f64,
    shift_factor: f64,
    statistics: Option<Statistics>,
}

/// `latents_mean` and `latents_std`, one number for each channel.
struct Statistics {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl LatentScale {
    /// Reads the fields of a configuration of so many latent channels.
    ///
    /// # Errors
    /// `Config` when only one of `latents_mean` and `latents_std` is there, or one has not a number
    /// for each channel; or a deviation or the factor is not above 0.
    pub fn read(config: &ConfigFile, channels: usize) -> std::result::Result<Self, ModelError> {
        let scaling_factor = config.or("scaling_factor", 0.18215)?;
        let shift_factor = config.or("shift_factor", 0.0)?;
        let mean: Option<Vec<f32>> = config.optional("latents_mean")?;
        let std: Option<Vec<f32>> = config.optional("latents_std")?;
        let statistics = match (mean, std) {
            (Some(mean), Some(std)) => Some(Statistics { mean, std }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(config.refuse("latents_std", "is missing beside latents_mean"));
            }
            (None, Some(_)) => {
                return Err(config.refuse("latents_mean", "is missing beside latents_std"));
            }
        };
        if let Some(Statistics { mean, std }) = &statistics {
            for (field, values) in [("latents_mean", mean), ("latents_std", std)] {
                if values.len() != channels {
                    let reason = format!("has {} numbers for {channels} channels", values.len());
                    return Err(config.refuse(field, reason));
                }
            }
            if std.iter().any(|deviation| *deviation <= 0.0) {
                return Err(config.refuse("latents_std", "has a number that is not above 0"));
            }
        }
        Ok(Self {
            scaling_factor,
            shift_factor,
            statistics,
        })
    }

    /// Leaves `shift_factor` out.
    pub fn ignore_shift(&mut self) {
        self.shift_factor = 0.0;
    }

    /// The network's latents, `[batch, channels, height, width]`, as the denoiser wants them:
    /// `(x − shift) · factor`, or with statistics `(x − mean) · factor / std`, as diffusers'
    /// pipelines do.
    ///
    /// # Errors
    /// When the device fails.
    pub fn scaled(&self, latents: &Tensor) -> Result<Tensor> {
        let factor = self.scaling_factor;
        let Some(statistics) = &self.statistics else {
            return latents.affine(factor, -self.shift_factor * factor);
        };
        let [mean, std] = statistics.near(latents)?;
        (latents.broadcast_sub(&mean)? * factor)?.broadcast_div(&std)
    }

    /// The other way.
    ///
    /// # Errors
    /// When the device fails.
    pub fn unscaled(&self, latents: &Tensor) -> Result<Tensor> {
        let inverse = 1.0 / self.scaling_factor;
        let Some(statistics) = &self.statistics else {
            return latents.affine(inverse, self.shift_factor);
        };
        let [mean, std] = statistics.near(latents)?;
        (latents.broadcast_mul(&std)? * inverse)?.broadcast_add(&mean)
    }
}

impl Statistics {
    /// Mean and deviation, `[1, channels, 1, 1]`, on the device and in the number format of
    /// `latents`.
    fn near(&self, latents: &Tensor) -> Result<[Tensor; 2]> {
        let tensor = |values: &[f32]| {
            let shape = (1, values.len(), 1, 1);
            Tensor::from_slice(values, shape, latents.device())?.to_dtype(latents.dtype())
        };
        Ok([tensor(&self.mean)?, tensor(&self.std)?])
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candle_core::{DType, Device};

    use super::*;

    fn read(text: &str) -> std::result::Result<LatentScale, String> {
        let config = ConfigFile::parse(Path::new("vae/config.json"), text).unwrap();
        LatentScale::read(&config, 2).map_err(|error| error.to_string())
    }

    #[test]
    fn statistics_are_of_each_channel_and_undone() {
        let scale = read(
            r#"{"scaling_factor": 0.5, "shift_factor": 9, "latents_mean": [1, -2],
                "latents_std": [4, 0.5]}"#,
        )
        .unwrap();
        let latents = Tensor::full(3f32, (1, 2, 1, 2), &Device::Cpu).unwrap();
        let scaled = scale.scaled(&latents).unwrap();
        let values: Vec<f32> = scaled.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(values, [0.25, 0.25, 5.0, 5.0]);
        let back = scale.unscaled(&scaled).unwrap();
        let values: Vec<f32> = back.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(values, [3.0; 4]);
        let half = scaled.to_dtype(DType::BF16).unwrap();
        assert_eq!(scale.unscaled(&half).unwrap().dtype(), DType::BF16);
    }

    #[test]
    fn statistics_that_do_not_fit_are_named() {
        for (fields, part) in [
            (r#""latents_mean": [1, 2]"#, "latents_std"),
            (r#""latents_std": [1, 2]"#, "latents_mean"),
            (
                r#""latents_mean": [1], "latents_std": [1, 2]"#,
                "latents_mean",
            ),
            (
                r#""latents_mean": [1, 2], "latents_std": [1, 0]"#,
                "latents_std",
            ),
        ] {
            let error = read(&format!("{{{fields}}}")).err().unwrap();
            assert!(error.contains(part), "{fields}: {error}");
        }
    }
}
