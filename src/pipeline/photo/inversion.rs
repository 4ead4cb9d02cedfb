//! What an inverted photo is made of, and the noise that it implies.

use candle_core::Tensor;

use crate::canvas::Pixels;
use crate::pipeline::PipelineError;
use crate::sampler::{LatentRect, NoiseLevel};

/// Noise levels closer than this are the same: what is left of f64 after a square root.
const SAME_LEVEL: f64 = 1e-9;

/// A photo with its latents at every noise level on the way to its noise. All tensors are
/// `[1, channels, height/8, width/8]` in f32, of the photo extended to the model's grid.
#[derive(Clone, Debug)]
pub struct Inversion {
    pub(super) photo: Pixels,
    /// Where its latents begin on the canvas that it is a part of.
    pub(super) origin: (u32, u32),
    pub(super) prompt: String,
    pub(super) model: String,
    pub(super) latents: Tensor,
    pub(super) trajectory: Vec<KeptLatents>,
}

/// A photo's latents at one noise level.
#[derive(Clone, Debug)]
pub struct KeptLatents {
    /// The timestep of that level.
    pub timestep: f64,
    /// How much photo and how much noise they hold, variance-preserving.
    pub level: NoiseLevel,
    /// The latents.
    pub latents: Tensor,
}

impl Inversion {
    /// A part as a test needs it, whose latents begin at `origin`.
    #[cfg(test)]
    pub(crate) fn of_part(
        photo: Pixels,
        origin: (u32, u32),
        latents: Tensor,
        trajectory: Vec<KeptLatents>,
    ) -> Self {
        Self {
            photo,
            origin,
            prompt: String::new(),
            model: String::new(),
            latents,
            trajectory,
        }
    }

    /// The photo as it was given.
    pub fn photo(&self) -> &Pixels {
        &self.photo
    }

    /// The source prompt: what the photo shows.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// The name of the model that inverted it.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The photo's own latents, `z_0`, scaled as the UNet wants them.
    pub fn latents(&self) -> &Tensor {
        &self.latents
    }

    /// The latents at each timestep, from the least noisy to the noisiest; empty for a photo that
    /// was only encoded.
    pub fn trajectory(&self) -> &[KeptLatents] {
        &self.trajectory
    }

    /// The photo's place in latents; at the origin unless it is a part of a larger one.
    pub fn latent_rect(&self) -> LatentRect {
        let side = |index| self.latents.dims().get(index).copied().unwrap_or(0) as u32;
        LatentRect {
            x: self.origin.0,
            y: self.origin.1,
            width: side(3),
            height: side(2),
        }
    }

    /// The noise that the photo implies at a kept timestep: `(z_t − √ᾱ_t z_0)/√(1−ᾱ_t)`.
    ///
    /// # Errors
    /// When the device fails.
    pub fn implied_noise(&self, kept: &KeptLatents) -> Result<Tensor, PipelineError> {
        let NoiseLevel { alpha, sigma } = kept.level;
        let rest = (&kept.latents - (&self.latents * alpha)?)?;
        Ok((rest / sigma)?)
    }

    /// The noise that the photo implies at any level: that of the kept timestep of this level;
    /// between two of them a mixture; beyond the first and the last, theirs.
    ///
    /// # Errors
    /// `NotInverted` without a trajectory, or when the device fails.
    pub fn noise_at(&self, level: &NoiseLevel) -> Result<Tensor, PipelineError> {
        let wanted = level.variance_preserving_sigma();
        let sigma = |kept: &KeptLatents| kept.level.variance_preserving_sigma();
        let above = self
            .trajectory
            .partition_point(|kept| sigma(kept) < wanted - SAME_LEVEL);
        let below = above.checked_sub(1).and_then(|i| self.trajectory.get(i));
        match (below, self.trajectory.get(above)) {
            (None, None) => Err(PipelineError::NotInverted),
            (_, Some(kept)) if sigma(kept) <= wanted + SAME_LEVEL => self.implied_noise(kept),
            (None, Some(kept)) | (Some(kept), None) => self.implied_noise(kept),
            (Some(below), Some(above)) => {
                let share = (wanted - sigma(below)) / (sigma(above) - sigma(below));
                let less = (self.implied_noise(below)? * (1.0 - share))?;
                Ok((less + (self.implied_noise(above)? * share)?)?)
            }
        }
    }

    /// The photo's latents at any level: those that were kept, where there are any of this level,
    /// else `alpha · z_0 + noise ·` [`Inversion::noise_at`].
    ///
    /// # Errors
    /// `NotInverted` where noise is asked for without a trajectory, or when the device fails.
    pub fn latents_at(&self, level: &NoiseLevel) -> Result<Tensor, PipelineError> {
        let clean = (&self.latents * level.alpha)?;
        if level.sigma == 0.0 {
            return Ok(clean);
        }
        let is_same = |kept: &&KeptLatents| {
            (kept.level.sigma - level.sigma).abs() <= SAME_LEVEL
                && (kept.level.alpha - level.alpha).abs() <= SAME_LEVEL
        };
        match self.trajectory.iter().find(is_same) {
            Some(kept) => Ok(kept.latents.clone()),
            None => Ok((clean + (self.noise_at(level)? * level.sigma)?)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn tensor(values: [f32; 4]) -> Tensor {
        Tensor::from_slice(&values, (1, 1, 2, 2), &Device::Cpu).unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn close(found: &Tensor, wanted: [f32; 4]) {
        for (found, wanted) in values(found).into_iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-5, "{found} for {wanted}");
        }
    }

    /// A photo whose noise is `first` at σ 0.6 and `second` at σ 0.8.
    fn inversion(first: [f32; 4], second: [f32; 4]) -> Inversion {
        let photo = [0.5, -1.0, 2.0, 0.25];
        let kept = |timestep, alpha: f64, sigma: f64, drawn: [f32; 4]| KeptLatents {
            timestep,
            level: NoiseLevel { alpha, sigma },
            latents: (tensor(photo) * alpha)
                .and_then(|clean| clean + (tensor(drawn) * sigma)?)
                .unwrap(),
        };
        Inversion {
            photo: Pixels::new(16, 16, [0; 3]),
            origin: (0, 0),
            prompt: String::new(),
            model: String::new(),
            latents: tensor(photo),
            trajectory: vec![kept(9.0, 0.8, 0.6, first), kept(19.0, 0.6, 0.8, second)],
        }
    }

    #[test]
    fn implied_noise_is_the_noise_that_was_added() {
        let (first, second) = ([1.0, -1.0, 0.5, 3.0], [-2.0, 0.0, 0.5, 1.0]);
        let inversion = inversion(first, second);
        let at = |alpha, sigma| inversion.noise_at(&NoiseLevel { alpha, sigma }).unwrap();
        close(&at(0.8, 0.6), first);
        close(&at(0.6, 0.8), second);
        // Beyond the ends, in the middle, and in sigma space: σ = 0.75/1 is 0.6 of unit variance.
        close(&at(1.0, 0.0), first);
        close(&at(0.0, 1.0), second);
        close(&at(0.51f64.sqrt(), 0.7), [-0.5, -0.5, 0.5, 2.0]);
        close(&at(1.0, 0.75), first);
    }

    #[test]
    fn kept_latents_come_back_to_the_bit() {
        let inversion = inversion([1.0; 4], [2.0, -1.0, 0.0, 1.0]);
        for kept in inversion.trajectory() {
            let found = inversion.latents_at(&kept.level).unwrap();
            assert_eq!(values(&found), values(&kept.latents));
        }
        let clean = inversion.latents_at(&NoiseLevel::CLEAN).unwrap();
        assert_eq!(values(&clean), values(inversion.latents()));
        let level = NoiseLevel {
            alpha: 1.0,
            sigma: 0.75,
        };
        let found = inversion.latents_at(&level).unwrap();
        close(&found, [1.25, -0.25, 2.75, 1.0]);
    }

    #[test]
    fn a_photo_without_a_trajectory_has_no_noise() {
        let mut inversion = inversion([1.0; 4], [1.0; 4]);
        inversion.trajectory.clear();
        assert!(inversion.latents_at(&NoiseLevel::CLEAN).is_ok());
        let noisy = NoiseLevel {
            alpha: 0.6,
            sigma: 0.8,
        };
        assert!(matches!(
            inversion.latents_at(&noisy),
            Err(PipelineError::NotInverted)
        ));
    }
}
