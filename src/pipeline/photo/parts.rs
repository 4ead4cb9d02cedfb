//! Parts of a large photo's inversion: cut out of what was inverted in one piece, and put together
//! for a window.

use candle_core::{Device, Tensor};

use super::{Inversion, KeptLatents};
use crate::canvas::Pixels;
use crate::pipeline::PipelineError;
use crate::sampler::LatentRect;

impl Inversion {
    /// The part inside `rect` (latents of the inversion itself), which lies at `origin` in the
    /// latents of the whole canvas. `photo` is what it shows.
    ///
    /// # Errors
    /// When `rect` reaches beyond the inversion, or the device fails.
    pub fn part(
        &self,
        rect: &LatentRect,
        origin: (u32, u32),
        photo: Pixels,
    ) -> Result<Self, PipelineError> {
        let mut part = self.mapped(|latents| cut(latents, rect)?.contiguous())?;
        part.photo = photo;
        part.origin = origin;
        Ok(part)
    }

    /// The inversion of the window `rect` of a canvas, from parts of it, whose places do not
    /// overlap. Two windows have the same latents wherever both lie. `photo` is what the window
    /// shows.
    ///
    /// # Errors
    /// `PartNotInverted` where the parts leave something of the window out, or when the device
    /// fails.
    pub fn gathered(
        parts: &[&Self],
        rect: &LatentRect,
        photo: Pixels,
    ) -> Result<Self, PipelineError> {
        let mut pieces: Vec<(LatentRect, &Self)> = parts
            .iter()
            .filter_map(|part| Some((part.latent_rect().intersect(rect)?, *part)))
            .collect();
        pieces.sort_by_key(|(place, _)| (place.y, place.x));
        let rows: Vec<_> = pieces.chunk_by(|a, b| a.0.y == b.0.y).collect();
        let first = pieces.first().ok_or(PipelineError::PartNotInverted)?.1;
        let steps = first.trajectory.len();
        let is_row = |row: &&[(LatentRect, &Self)]| {
            let width: u32 = row.iter().map(|(place, _)| place.width).sum();
            let heights = row
                .windows(2)
                .all(|pair| pair[0].0.height == pair[1].0.height);
            width == rect.width && heights
        };
        let height: u32 = rows.iter().map(|row| row[0].0.height).sum();
        let of_one_kind = pieces
            .iter()
            .all(|(_, part)| part.trajectory.len() == steps);
        if height != rect.height || !of_one_kind || !rows.iter().all(is_row) {
            return Err(PipelineError::PartNotInverted);
        }
        let joined = |pick: &dyn Fn(&Self) -> Option<&Tensor>| -> Result<Tensor, PipelineError> {
            let mut bands = Vec::with_capacity(rows.len());
            for row in &rows {
                let mut band = Vec::with_capacity(row.len());
                for (place, part) in *row {
                    let latents = pick(part).ok_or(PipelineError::PartNotInverted)?;
                    let local = LatentRect {
                        x: place.x - part.origin.0,
                        y: place.y - part.origin.1,
                        ..*place
                    };
                    band.push(cut(latents, &local)?);
                }
                bands.push(Tensor::cat(&band, 3)?);
            }
            Ok(Tensor::cat(&bands, 2)?.contiguous()?)
        };
        let mut trajectory = Vec::with_capacity(steps);
        for (step, kept) in first.trajectory.iter().enumerate() {
            trajectory.push(KeptLatents {
                latents: joined(&|part| part.trajectory.get(step).map(|kept| &kept.latents))?,
                ..kept.clone()
            });
        }
        Ok(Self {
            photo,
            origin: (rect.x, rect.y),
            prompt: first.prompt.clone(),
            model: first.model.clone(),
            latents: joined(&|part| Some(&part.latents))?,
            trajectory,
        })
    }

    /// The same inversion on another device.
    ///
    /// # Errors
    /// When a device fails.
    pub fn to_device(&self, device: &Device) -> Result<Self, PipelineError> {
        self.mapped(|latents| latents.to_device(device))
    }

    /// Bytes of all its latents.
    pub fn bytes(&self) -> u64 {
        let kept = self.trajectory.iter().map(|kept| &kept.latents);
        kept.chain([&self.latents]).map(tensor_bytes).sum()
    }

    fn mapped(
        &self,
        change: impl Fn(&Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<Self, PipelineError> {
        let mut trajectory = Vec::with_capacity(self.trajectory.len());
        for kept in &self.trajectory {
            trajectory.push(KeptLatents {
                latents: change(&kept.latents)?,
                ..kept.clone()
            });
        }
        Ok(Self {
            photo: self.photo.clone(),
            origin: self.origin,
            prompt: self.prompt.clone(),
            model: self.model.clone(),
            latents: change(&self.latents)?,
            trajectory,
        })
    }
}

/// Bytes of a tensor's values.
pub fn tensor_bytes(tensor: &Tensor) -> u64 {
    (tensor.elem_count() * tensor.dtype().size_in_bytes()) as u64
}

fn cut(latents: &Tensor, rect: &LatentRect) -> candle_core::Result<Tensor> {
    latents
        .narrow(2, rect.y as usize, rect.height as usize)?
        .narrow(3, rect.x as usize, rect.width as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::canvas::{WindowRules, photo_patches};
    use crate::protocol::Rect;
    use crate::sampler::NoiseLevel;

    /// Pixels of one latent.
    const SCALE: u32 = 16;

    fn latents_of(rect: &Rect) -> LatentRect {
        LatentRect {
            x: rect.x / SCALE,
            y: rect.y / SCALE,
            width: rect.width / SCALE,
            height: rect.height / SCALE,
        }
    }

    /// Values that say where they lie on the canvas, at which level, and in which channel.
    fn values(rect: &LatentRect, level: u32) -> Tensor {
        let mut values = Vec::new();
        for channel in 0..2 {
            for y in rect.y..rect.y + rect.height {
                for x in rect.x..rect.x + rect.width {
                    values.push((((level * 2 + channel) * 1000 + y) * 1000 + x) as f32);
                }
            }
        }
        let shape = (1, 2, rect.height as usize, rect.width as usize);
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn inversion(rect: &LatentRect) -> Inversion {
        let levels = [0.3f64, 0.9];
        let kept = |(level, sigma): (usize, f64)| KeptLatents {
            timestep: sigma,
            level: NoiseLevel {
                alpha: (1.0 - sigma * sigma).sqrt(),
                sigma,
            },
            latents: values(rect, level as u32 + 1),
        };
        Inversion {
            photo: Pixels::new(rect.width * SCALE, rect.height * SCALE, [0; 3]),
            origin: (rect.x, rect.y),
            prompt: "a house".to_owned(),
            model: "test".to_owned(),
            latents: values(rect, 0),
            trajectory: levels.into_iter().enumerate().map(kept).collect(),
        }
    }

    /// Everything that can be inverted of a canvas, in parts, as rooms do it.
    fn parts(canvas: &Rect, maximum: u32) -> Vec<Inversion> {
        let rules = WindowRules {
            zoom: 1,
            grid: 32,
            context: 16,
            minimum: 64,
            maximum,
        };
        let tiles = photo_patches(canvas, &rules);
        let part = |tile: crate::canvas::PhotoPatch| {
            let (whole, core) = (latents_of(&tile.rect), latents_of(&tile.core));
            let local = LatentRect {
                x: core.x - whole.x,
                y: core.y - whole.y,
                ..core
            };
            let photo = Pixels::new(tile.core.width, tile.core.height, [0; 3]);
            let tile = inversion(&whole);
            tile.part(&local, (core.x, core.y), photo).unwrap()
        };
        tiles.into_iter().map(part).collect()
    }

    fn same(a: &Tensor, b: &Tensor) -> bool {
        let all = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        a.dims() == b.dims() && all(a) == all(b)
    }

    proptest! {
        #[test]
        fn any_window_of_the_parts_is_that_window_of_the_canvas(
            columns in 1u32..6,
            rows in 1u32..6,
            maximum in 2u32..6,
            corner in (0u32..20, 0u32..20),
            size in (1u32..20, 1u32..20),
        ) {
            let canvas = Rect::new(0, 0, 64 * columns, 64 * rows);
            let parts = parts(&canvas, 32 * maximum);
            let (width, height) = (canvas.width / SCALE, canvas.height / SCALE);
            let (x, y) = (corner.0 % width, corner.1 % height);
            let rect = LatentRect {
                x,
                y,
                width: size.0.min(width - x),
                height: size.1.min(height - y),
            };
            let photo = Pixels::new(rect.width * SCALE, rect.height * SCALE, [0; 3]);
            let every: Vec<&Inversion> = parts.iter().collect();
            let found = Inversion::gathered(&every, &rect, photo.clone()).unwrap();
            let wanted = inversion(&rect);
            prop_assert_eq!(found.latent_rect(), rect);
            prop_assert!(same(&found.latents, &wanted.latents));
            prop_assert_eq!(found.trajectory.len(), wanted.trajectory.len());
            for (found, wanted) in found.trajectory.iter().zip(&wanted.trajectory) {
                prop_assert_eq!(found.level, wanted.level);
                prop_assert!(same(&found.latents, &wanted.latents));
            }
            // Without one of those that it lies on there is no such window.
            for left_out in 0..every.len() {
                let mut fewer = every.clone();
                let gone = fewer.remove(left_out);
                let result = Inversion::gathered(&fewer, &rect, photo.clone());
                let is_needed = gone.latent_rect().intersect(&rect).is_some();
                prop_assert_eq!(result.is_err(), is_needed);
            }
        }
    }

    #[test]
    fn a_part_knows_its_place_after_a_way_through_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.safetensors");
        let rect = LatentRect {
            x: 5,
            y: 7,
            width: 4,
            height: 2,
        };
        let part = inversion(&rect);
        assert_eq!(part.bytes(), 3 * 2 * 4 * 2 * 4);
        part.save(&path).unwrap();
        let found = Inversion::load(&path, &Device::Cpu).unwrap();
        assert_eq!(found.latent_rect(), rect);
        assert!(same(&found.latents, &part.latents));
    }
}
