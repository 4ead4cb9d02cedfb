//! Colours from the space that a file's ICC profile names to sRGB.

use image::{ColorType, DynamicImage, ImageBuffer, RgbImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformExecutor, TransformOptions};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::CodecError;

/// The largest profile that is read, in bytes: those of printing presses have up to 3 MiB.
const MAX_PROFILE_BYTES: usize = 4 << 20;

/// The profile of a file. One that is broken, or for other channels than the picture's, is passed
/// over, as browsers do: the picture then counts as sRGB.
pub(super) struct SourceProfile(Box<ColorProfile>);

impl SourceProfile {
    /// Reads a profile; `None` for one that is broken or far too large.
    pub(super) fn read(icc: &[u8]) -> Option<Self> {
        if icc.len() > MAX_PROFILE_BYTES {
            return None;
        }
        let profile = ColorProfile::new_from_slice(icc).ok()?;
        Some(Self(Box::new(profile)))
    }

    /// The picture in sRGB: colour, with alpha where it had alpha, in as many bits as it had.
    ///
    /// # Errors
    /// [`CodecError::Damaged`] when its pixels cannot be converted.
    pub(super) fn to_srgb(&self, picture: DynamicImage) -> Result<DynamicImage, CodecError> {
        let color = picture.color();
        let Some((from, into)) = self.layouts(color) else {
            return Ok(picture);
        };
        let (width, height) = (picture.width(), picture.height());
        let srgb = ColorProfile::new_srgb();
        let options = TransformOptions::default();
        let converted = if color.bytes_per_pixel() > color.channel_count() {
            let Ok(transform) = self.0.create_transform_16bit(from, &srgb, into, options) else {
                return Ok(picture);
            };
            let samples = match from {
                Layout::Gray => picture.into_luma16().into_raw(),
                Layout::GrayAlpha => picture.into_luma_alpha16().into_raw(),
                Layout::Rgb => picture.into_rgb16().into_raw(),
                _ => picture.into_rgba16().into_raw(),
            };
            let samples = convert(&*transform, &samples, from, into)?;
            if color.has_alpha() {
                ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgba16)
            } else {
                ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb16)
            }
        } else {
            let Ok(transform) = self.0.create_transform_8bit(from, &srgb, into, options) else {
                return Ok(picture);
            };
            let samples = match from {
                Layout::Gray => picture.into_luma8().into_raw(),
                Layout::GrayAlpha => picture.into_luma_alpha8().into_raw(),
                Layout::Rgb => picture.into_rgb8().into_raw(),
                _ => picture.into_rgba8().into_raw(),
            };
            let samples = convert(&*transform, &samples, from, into)?;
            if color.has_alpha() {
                ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgba8)
            } else {
                ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb8)
            }
        };
        converted.ok_or_else(|| CodecError::Damaged("its pixels do not fill it".to_owned()))
    }

    /// A JPEG of four inks in sRGB; `None` where the profile is for something else, or the file
    /// is. The decoder's own way to RGB knows no profile.
    pub(super) fn inks_to_srgb(&self, jpeg: &[u8]) -> Option<RgbImage> {
        if self.0.color_space != DataColorSpace::Cmyk {
            return None;
        }
        let transform = self
            .0
            .create_transform_8bit(
                Layout::Rgba,
                &ColorProfile::new_srgb(),
                Layout::Rgb,
                TransformOptions::default(),
            )
            .ok()?;
        let (width, height, inks) = read_inks(jpeg)?;
        let samples = convert(&*transform, &inks, Layout::Rgba, Layout::Rgb).ok()?;
        RgbImage::from_raw(width, height, samples)
    }

    /// How the samples lie before and after; `None` where the profile does not fit the picture.
    fn layouts(&self, color: ColorType) -> Option<(Layout, Layout)> {
        match (self.0.color_space, color.has_color(), color.has_alpha()) {
            (DataColorSpace::Rgb, _, false) => Some((Layout::Rgb, Layout::Rgb)),
            (DataColorSpace::Rgb, _, true) => Some((Layout::Rgba, Layout::Rgba)),
            (DataColorSpace::Gray, false, false) => Some((Layout::Gray, Layout::Rgb)),
            (DataColorSpace::Gray, false, true) => Some((Layout::GrayAlpha, Layout::Rgba)),
            _ => None,
        }
    }
}

fn convert<T: Copy + Default>(
    transform: &(dyn TransformExecutor<T> + Send + Sync),
    samples: &[T],
    from: Layout,
    into: Layout,
) -> Result<Vec<T>, CodecError> {
    let mut converted = vec![T::default(); samples.len() / from.channels() * into.channels()];
    transform
        .transform(samples, &mut converted)
        .map_err(|error| CodecError::Damaged(error.to_string()))?;
    Ok(converted)
}

/// Width, height and the four inks of each pixel, 0 none and 255 full; `None` when the file has
/// other channels or is damaged.
fn read_inks(jpeg: &[u8]) -> Option<(u32, u32, Vec<u8>)> {
    let options = DecoderOptions::default().set_strict_mode(false);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers().ok()?;
    let space = decoder
        .input_colorspace()
        .filter(|space| matches!(space, ColorSpace::CMYK | ColorSpace::YCCK))?;
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let mut inks = decoder.decode().ok()?;
    for pixel in inks.chunks_exact_mut(4) {
        if space == ColorSpace::YCCK {
            let [luma, blue, red] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
            let (blue, red) = (blue - 128.0, red - 128.0);
            // ITU-T T.871: what is left of white where the first three inks are.
            let rgb = [
                luma + 1.402 * red,
                luma - 0.344_136 * blue - 0.714_136 * red,
                luma + 1.772 * blue,
            ];
            for (ink, left) in pixel.iter_mut().zip(rgb) {
                *ink = left.round() as u8;
            }
            pixel[3] = 255 - pixel[3];
        } else {
            // Every program stores them as Adobe's do: the wrong way round.
            for ink in pixel {
                *ink = 255 - *ink;
            }
        }
    }
    let (width, height) = decoder.dimensions()?;
    Some((
        u32::try_from(width).ok()?,
        u32::try_from(height).ok()?,
        inks,
    ))
}
