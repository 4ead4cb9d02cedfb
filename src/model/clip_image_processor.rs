//! Pictures as CLIP takes them (`transformers.CLIPImageProcessor`).

use std::path::Path;

use candle_core::{Device, Result, Tensor};
use serde_json::Value;

use super::{ConfigFile, ModelError};
use crate::canvas::{Pixels, resize_bicubic};
use crate::protocol::{CanvasSize, Rect};

/// Pillow's number for bicubic.
const BICUBIC: u32 = 3;
/// The defaults of `CLIPImageProcessor` (`OPENAI_CLIP_MEAN`, `OPENAI_CLIP_STD`).
const OPENAI_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const OPENAI_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// Resizes, crops the middle, scales and normalises, as `preprocessor_config.json` says.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipImageProcessor {
    /// None where pictures are not resized.
    size: Option<Size>,
    /// None where nothing is cut off.
    crop: Option<CanvasSize>,
    /// What bytes are multiplied by.
    rescale_factor: f32,
    image_mean: [f32; 3],
    image_std: [f32; 3],
}

/// What a picture is resized to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Size {
    /// The shorter side, the other in proportion.
    ShortestEdge(u32),
    /// Both sides.
    Exactly(CanvasSize),
}

impl ClipImageProcessor {
    /// Reads a model folder's `preprocessor_config.json`, or the part about pictures of the
    /// `processor_config.json` that newer folders have instead.
    ///
    /// # Errors
    /// `Missing` when there is neither, `Config` for a field that is not supported.
    pub fn load(folder: &Path) -> std::result::Result<Self, ModelError> {
        let (own, joint) = (
            folder.join("preprocessor_config.json"),
            folder.join("processor_config.json"),
        );
        if !own.is_file() && joint.is_file() {
            return Self::read(&ConfigFile::read(&joint)?.section("image_processor")?);
        }
        if !own.is_file() {
            return Err(ModelError::Missing {
                path: own,
                hint: "copy it from the model's folder; it says how CLIP takes pictures".to_owned(),
            });
        }
        Self::read(&ConfigFile::read(&own)?)
    }

    /// `CLIPImageProcessor` with its defaults, for pictures of this side: what diffusers' pipelines
    /// give an image encoder that comes without a `preprocessor_config.json`.
    pub fn for_side(side: u32) -> Self {
        Self {
            size: Some(Size::ShortestEdge(side)),
            crop: Some(square(side)),
            rescale_factor: 1.0 / 255.0,
            image_mean: OPENAI_MEAN,
            image_std: OPENAI_STD,
        }
    }

    /// Fields that are absent have `CLIPImageProcessor`'s defaults.
    fn read(file: &ConfigFile) -> std::result::Result<Self, ModelError> {
        let resample = file.or("resample", BICUBIC)?;
        let does = |field: &str| file.or(field, true);
        if does("do_resize")? && resample != BICUBIC {
            let reason = format!("is {resample}, which is not supported: it must be {BICUBIC}");
            return Err(file.refuse("resample", reason));
        }
        let mut processor = Self {
            size: None,
            crop: None,
            rescale_factor: 1.0,
            image_mean: [0.0; 3],
            image_std: [1.0; 3],
        };
        if does("do_resize")? {
            processor.size = Some(read_size(file, "size")?.unwrap_or(Size::ShortestEdge(224)));
        }
        if does("do_center_crop")? {
            processor.crop = match read_size(file, "crop_size")? {
                Some(Size::Exactly(size)) => Some(size),
                Some(Size::ShortestEdge(side)) => Some(square(side)),
                None => Some(square(224)),
            };
        }
        if does("do_rescale")? {
            processor.rescale_factor = file.or("rescale_factor", 1.0 / 255.0)?;
        }
        if does("do_normalize")? {
            processor.image_mean = file.or("image_mean", OPENAI_MEAN)?;
            processor.image_std = file.or("image_std", OPENAI_STD)?;
        }
        if processor.image_std.contains(&0.0) {
            return Err(file.refuse("image_std", "has a zero: nothing can be divided by it"));
        }
        Ok(processor)
    }

    /// The picture as `[1, 3, height, width]` in f32, of the size that the file says.
    ///
    /// Differs from Pillow's resampling by at most one step of a byte, where both round.
    ///
    /// # Errors
    /// When the device fails.
    pub fn preprocess(&self, picture: &Pixels, device: &Device) -> Result<Tensor> {
        let resized = match self.size {
            Some(size) => resize_bicubic(picture, size.of(picture)),
            None => picture.clone(),
        };
        let cropped = match self.crop {
            Some(size) => crop_middle(&resized, size),
            None => resized,
        };
        let (width, height) = (cropped.width() as usize, cropped.height() as usize);
        let mut values = Vec::with_capacity(3 * width * height);
        for channel in 0..3 {
            let (mean, std) = (self.image_mean[channel], self.image_std[channel]);
            values.extend(
                cropped
                    .data()
                    .iter()
                    .skip(channel)
                    .step_by(3)
                    .map(|byte| (f32::from(*byte) * self.rescale_factor - mean) / std),
            );
        }
        Tensor::from_vec(values, (1, 3, height, width), device)
    }
}

impl Size {
    /// The size that a picture gets; the longer side is rounded down, as transformers does.
    fn of(self, picture: &Pixels) -> CanvasSize {
        match self {
            Self::Exactly(size) => size,
            Self::ShortestEdge(side) => {
                let (width, height) = (u64::from(picture.width()), u64::from(picture.height()));
                let shorter = width.min(height).max(1);
                let scaled = |length: u64| {
                    u32::try_from(length * u64::from(side) / shorter).unwrap_or(u32::MAX)
                };
                CanvasSize {
                    width: scaled(width),
                    height: scaled(height),
                }
            }
        }
    }
}

/// A number, `{"shortest_edge": n}` or `{"height": h, "width": w}`.
fn read_size(file: &ConfigFile, field: &str) -> std::result::Result<Option<Size>, ModelError> {
    let Some(value) = file.optional::<Value>(field)? else {
        return Ok(None);
    };
    let number = |value: Option<&Value>| {
        let side = value?.as_u64().and_then(|side| u32::try_from(side).ok())?;
        (1..=8192).contains(&side).then_some(side)
    };
    let size = match number(Some(&value)).or_else(|| number(value.get("shortest_edge"))) {
        Some(side) => Some(Size::ShortestEdge(side)),
        None => number(value.get("width"))
            .zip(number(value.get("height")))
            .map(|(width, height)| Size::Exactly(CanvasSize { width, height })),
    };
    size.map(Some).ok_or_else(|| {
        let reason = format!(
            "is {value}: it should be {{\"shortest_edge\": n}} or {{\"height\": h, \"width\": w}}"
        );
        file.refuse(field, reason)
    })
}

fn square(side: u32) -> CanvasSize {
    CanvasSize {
        width: side,
        height: side,
    }
}

/// The middle of a picture; what is missing around it is black, as in transformers.
fn crop_middle(picture: &Pixels, size: CanvasSize) -> Pixels {
    // Of an odd rest, the crop leaves the larger half at the end, and the padding at the start.
    let before = |length: u32, crop: u32| length.saturating_sub(crop) / 2;
    let around = |length: u32, crop: u32| crop.saturating_sub(length).div_ceil(2);
    let part = picture.crop(&Rect::new(
        before(picture.width(), size.width),
        before(picture.height(), size.height),
        size.width,
        size.height,
    ));
    if (part.width(), part.height()) == (size.width, size.height) {
        return part;
    }
    let mut framed = Pixels::new(size.width, size.height, [0; 3]);
    framed.paste(
        &part,
        around(picture.width(), size.width),
        around(picture.height(), size.height),
    );
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_side_is_exact_and_the_longer_one_rounded_down() {
        let size = |width, height| Size::ShortestEdge(32).of(&Pixels::new(width, height, [0; 3]));
        assert_eq!((size(50, 20).width, size(50, 20).height), (80, 32));
        assert_eq!((size(45, 64).width, size(45, 64).height), (32, 45));
    }

    #[test]
    fn crops_from_the_middle_and_frames_what_is_small_in_black() {
        let picture = Pixels::from_raw(5, 1, (1..=15).collect()).unwrap();
        let two = CanvasSize {
            width: 2,
            height: 1,
        };
        assert_eq!(crop_middle(&picture, two).data(), [4, 5, 6, 7, 8, 9]);
        let framed = crop_middle(&picture.crop(&Rect::new(0, 0, 1, 1)), two);
        assert_eq!(framed.data(), [0, 0, 0, 1, 2, 3]);
    }
}
