//! Pictures from PNG, JPEG and WebP: checked before they are decoded, and made upright sRGB.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::color_profile::SourceProfile;
use super::headers::{JpegLayout, jpeg_has_its_end, webp_pictures_fit};
use super::second_jpeg::{last_scan_is_whole, read_colours};
use super::{CodecError, ImageLimits, LayerPixels, Pixels, Upload};
use crate::protocol::CanvasSize;

/// Decodes a PNG, JPEG or WebP image (of an animation the first picture).
///
/// Transparent pixels are laid over white, and the rest is as [`decode_upload`] says.
///
/// # Errors
/// [`CodecError`] when the image is over a limit, unknown, or damaged.
pub fn decode_image(bytes: &[u8], limits: &ImageLimits) -> Result<Pixels, CodecError> {
    decode_image_over(bytes, limits, 255)
}

/// Decodes an image over a background of grey, 0 (black) to 255 (white), as [`decode_upload`] says.
///
/// # Errors
/// [`CodecError`] when the image is over a limit, unknown, or damaged.
pub fn decode_image_over(
    bytes: &[u8],
    limits: &ImageLimits,
    background: u8,
) -> Result<Pixels, CodecError> {
    Ok(decode_upload(bytes, limits)?.over(background))
}

/// Decodes an image with its transparency, where it has any.
///
/// Bytes, format and dimensions are checked before any pixel is decoded. The picture comes out
/// upright, as EXIF says that it was held, and in sRGB, from what its ICC profile says, the four
/// inks of a CMYK JPEG among it; a profile that cannot be used is passed over. 16 bits become 8. At
/// most 24 bytes a pixel are held at a time, beside what stands in the file.
///
/// # Errors
/// [`CodecError`] when the image is over a limit, unknown, or damaged.
pub fn decode_upload(bytes: &[u8], limits: &ImageLimits) -> Result<Upload, CodecError> {
    if bytes.len() > limits.max_bytes {
        return Err(CodecError::TooManyBytes {
            bytes: bytes.len(),
            most: limits.max_bytes,
        });
    }
    let format = image::guess_format(bytes)
        .ok()
        .filter(|format| {
            matches!(
                format,
                ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP
            )
        })
        .ok_or(CodecError::UnknownFormat)?;
    let mut decoder = open(bytes, format, limits)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, limits)?;
    let jpeg = (format == ImageFormat::Jpeg).then(|| JpegLayout::read(bytes));
    let flaw = match format {
        ImageFormat::Jpeg if jpeg.as_ref().is_some_and(|jpeg| !is_whole(bytes, jpeg)) => {
            Some("it ends before its last part")
        }
        ImageFormat::WebP if !webp_pictures_fit(bytes, width, height) => {
            Some("a part of it is larger than the whole")
        }
        _ => None,
    };
    if let Some(flaw) = flaw {
        return Err(CodecError::Damaged(flaw.to_owned()));
    }
    // What is said beside the pixels may be nonsense and the pixels sound.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder
        .icc_profile()
        .ok()
        .flatten()
        .and_then(|icc| SourceProfile::read(&icc));
    let inks = profile
        .as_ref()
        .filter(|_| jpeg.as_ref().is_some_and(|jpeg| !jpeg.is_misread()))
        .and_then(|profile| profile.inks_to_srgb(bytes));
    let is_misread = jpeg.is_some_and(|jpeg| jpeg.is_misread());
    let decoded = || match is_misread {
        true => read_colours(bytes)
            .map(DynamicImage::ImageRgb8)
            .ok_or(CodecError::SeparateScans),
        false => DynamicImage::from_decoder(decoder).map_err(damaged),
    };
    let mut picture = match (inks, profile) {
        (Some(picture), _) => DynamicImage::ImageRgb8(picture),
        (None, Some(profile)) => profile.to_srgb(decoded()?)?,
        (None, None) => decoded()?,
    };
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width(), picture.height());
    if picture.color().has_alpha() {
        let rgba = picture.into_rgba8();
        return LayerPixels::from_rgba(CanvasSize { width, height }, rgba.as_raw())
            .map(Upload::Transparent)
            .ok_or_else(|| CodecError::Damaged("its pixels do not fill it".to_owned()));
    }
    let pixels = Pixels::from_raw(width, height, picture.into_rgb8().into_raw());
    let pixels = pixels.map_err(|error| CodecError::Damaged(error.to_string()))?;
    Ok(Upload::Opaque(pixels))
}

/// Some cameras leave out the end marker, and put something of their own after the pixels.
fn is_whole(bytes: &[u8], jpeg: &JpegLayout) -> bool {
    jpeg_has_its_end(bytes) || (jpeg.has_all_scans() && last_scan_is_whole(bytes))
}

/// Reads up to the pixels.
fn open<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    limits: &ImageLimits,
) -> Result<impl ImageDecoder + 'a, CodecError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // What a PNG may hold beside its pixels: texts, which are read twice, and a profile, which
    // inflates. Pixels are limited by the dimensions.
    let mut memory = Limits::no_limits();
    memory.max_alloc = Some((2 * limits.max_bytes + (1 << 20)) as u64);
    reader.limits(memory);
    reader.into_decoder().map_err(damaged)
}

fn check_size(width: u32, height: u32, limits: &ImageLimits) -> Result<(), CodecError> {
    let is_too_large = width > limits.max_side
        || height > limits.max_side
        || u64::from(width) * u64::from(height) > limits.max_pixels;
    if is_too_large {
        return Err(CodecError::TooLarge {
            width,
            height,
            max_side: limits.max_side,
            max_pixels: limits.max_pixels,
        });
    }
    Ok(())
}

fn damaged(error: ImageError) -> CodecError {
    CodecError::Damaged(error.to_string())
}
