//! Pictures to PNG, JPEG and WebP with what is to be said besides their pixels.

use std::fmt::Display;

use bytes::Bytes;
use image::codecs::jpeg::{JpegEncoder, PixelDensity};
use image::{ExtendedColorType, ImageEncoder};
use image_webp::WebPEncoder;
use img_parts::jpeg::{Jpeg, JpegSegment, markers};
use moxcms::ColorProfile;

use super::Notes;
use super::notes::exif_with;
use crate::canvas::{CodecError, LayerPixels, Pixels, Upload, encode_image};
use crate::protocol::FrameFormat;

/// Under which name PNG keeps the text of the parameters.
const PARAMETERS: &str = "parameters";
/// Under which name PNG keeps XMP.
pub(super) const PNG_XMP: &str = "XML:com.adobe.xmp";
/// What stands before XMP in a JPEG's segment.
const JPEG_XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// How long an inch is.
const METRES_OF_AN_INCH: f64 = 0.0254;
/// Bytes of EXIF that a JPEG's segment holds beside its length and its name.
const JPEG_EXIF_MOST: usize = 0xffff - 2 - 6;

/// Encodes a picture in sRGB with its notes, compressed to be kept. PNG and WebP are lossless;
/// `quality` (1 … 100) is JPEG's, and values outside count as the nearest.
///
/// PNG keeps the parameters as a text, JPEG and WebP as EXIF's user comment; all have XMP. The print
/// resolution is PNG's `pHYs`, JFIF's density and, of a WebP, in EXIF.
///
/// # Errors
/// [`CodecError::Encode`] when the format cannot hold a picture of that size, or parameters of that
/// length.
pub fn encode_with_notes(
    picture: &Pixels,
    format: FrameFormat,
    quality: u8,
    notes: &Notes,
) -> Result<Vec<u8>, CodecError> {
    if picture.data().is_empty() {
        return Err(CodecError::Encode("it has no pixels".to_owned()));
    }
    match format {
        FrameFormat::Png => png_of(picture, notes).map_err(encode_error),
        FrameFormat::Jpeg => jpeg_of(picture, quality, notes),
        FrameFormat::Webp => webp_of(picture, notes),
    }
}

/// Encodes a picture that was brought along as PNG, with the transparency that it has.
///
/// # Errors
/// [`CodecError::Encode`] for one without pixels.
pub fn encode_upload(picture: &Upload) -> Result<Vec<u8>, CodecError> {
    match picture {
        Upload::Opaque(pixels) => encode_image(pixels, FrameFormat::Png, 100),
        Upload::Transparent(pixels) => encode_layer(pixels),
    }
}

/// Encodes a picture with transparency as PNG, compressed to be kept.
///
/// # Errors
/// [`CodecError::Encode`].
pub fn encode_layer(layer: &LayerPixels) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    let (width, height) = (layer.color.width(), layer.color.height());
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    encoder.set_filter(png::Filter::Adaptive);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&layer.to_rgba())?;
        writer.finish()
    });
    written.map_err(encode_error)?;
    Ok(bytes)
}

/// Whether a format has room for the notes, before a picture is made for them.
///
/// # Errors
/// [`CodecError::Encode`] where it has none.
pub fn check_notes(notes: &Notes, format: FrameFormat) -> Result<(), CodecError> {
    match format {
        FrameFormat::Jpeg => jpeg_exif(notes).map(|_| ()),
        FrameFormat::Png | FrameFormat::Webp => Ok(()),
    }
}

fn jpeg_exif(notes: &Notes) -> Result<Option<Vec<u8>>, CodecError> {
    let exif = exif_with(notes.text().as_deref(), None)?;
    if exif
        .as_ref()
        .is_some_and(|exif| exif.len() > JPEG_EXIF_MOST)
    {
        let message = "a JPEG has no room for settings of that length";
        return Err(CodecError::Encode(message.to_owned()));
    }
    Ok(exif)
}

pub(super) fn encode_error(error: impl Display) -> CodecError {
    CodecError::Encode(error.to_string())
}

fn png_of(picture: &Pixels, notes: &Notes) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::with_capacity(picture.data().len() / 2);
    let mut encoder = png::Encoder::new(&mut bytes, picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    encoder.set_filter(png::Filter::Adaptive);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    encoder.set_pixel_dims(notes.dpi.map(|dpi| {
        let per_metre = (f64::from(dpi) / METRES_OF_AN_INCH).round() as u32;
        png::PixelDimensions {
            xppu: per_metre,
            yppu: per_metre,
            unit: png::Unit::Meter,
        }
    }));
    if let Some(text) = notes.text() {
        // Some programs read the plain kind only, which is Latin-1.
        match text.chars().all(|letter| u32::from(letter) < 256) {
            true => encoder.add_text_chunk(PARAMETERS.to_owned(), text)?,
            false => encoder.add_itxt_chunk(PARAMETERS.to_owned(), text)?,
        }
    }
    encoder.add_itxt_chunk(PNG_XMP.to_owned(), notes.xmp())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture.data())?;
    writer.finish()?;
    Ok(bytes)
}

fn jpeg_of(picture: &Pixels, quality: u8, notes: &Notes) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(picture.data().len() / 8);
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100));
    if let Some(dpi) = notes.dpi {
        encoder.set_pixel_density(PixelDensity::dpi(dpi));
    }
    let profile = ColorProfile::new_srgb().encode().map_err(encode_error)?;
    encoder.set_icc_profile(profile).map_err(encode_error)?;
    if let Some(exif) = jpeg_exif(notes)? {
        encoder.set_exif_metadata(exif).map_err(encode_error)?;
    }
    let (width, height) = (picture.width(), picture.height());
    encoder
        .write_image(picture.data(), width, height, ExtendedColorType::Rgb8)
        .map_err(encode_error)?;
    with_xmp(bytes, &notes.xmp())
}

/// The encoder knows no XMP: its segment goes behind the ones that a JPEG begins with.
fn with_xmp(jpeg: Vec<u8>, xmp: &str) -> Result<Vec<u8>, CodecError> {
    let mut jpeg = Jpeg::from_bytes(Bytes::from(jpeg)).map_err(encode_error)?;
    let segments = jpeg.segments_mut();
    let is_first =
        |segment: &JpegSegment| matches!(segment.marker(), markers::APP0 | markers::APP1);
    let behind = segments.iter().take_while(|it| is_first(it)).count();
    let content = Bytes::from([JPEG_XMP, xmp.as_bytes()].concat());
    let segment = JpegSegment::new_with_contents(markers::APP1, content);
    segments.insert(behind, segment);
    let mut bytes = Vec::with_capacity(jpeg.len());
    jpeg.encoder().write_to(&mut bytes).map_err(encode_error)?;
    Ok(bytes)
}

/// Without a profile, which for a WebP means sRGB: what is read again is the same to the byte then.
fn webp_of(picture: &Pixels, notes: &Notes) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(picture.data().len() / 2);
    let mut encoder = WebPEncoder::new(&mut bytes);
    if let Some(exif) = exif_with(notes.text().as_deref(), notes.dpi)? {
        encoder.set_exif_metadata(exif);
    }
    encoder.set_xmp_metadata(notes.xmp().into_bytes());
    let (width, height) = (picture.width(), picture.height());
    encoder
        .encode(picture.data(), width, height, image_webp::ColorType::Rgb8)
        .map_err(encode_error)?;
    Ok(bytes)
}
