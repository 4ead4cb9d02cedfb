//! Pictures to and from PNG, JPEG and WebP.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageFormat,
    ImageReader, Limits,
};

use super::Pixels;
use super::blend::mix;
use crate::protocol::FrameFormat;

/// The most that an image may be, checked before its pixels are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageLimits {
    /// Bytes of the encoded image.
    pub max_bytes: usize,
    /// Width, and height, in pixels.
    pub max_side: u32,
    /// Width times height, in pixels.
    pub max_pixels: u64,
}

impl Default for ImageLimits {
    /// 32 MiB, 16384 pixels a side, 64 million pixels.
    fn default() -> Self {
        Self {
            max_bytes: 32 << 20,
            max_side: 16384,
            max_pixels: 64_000_000,
        }
    }
}

/// Why an image could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The file is over [`ImageLimits::max_bytes`].
    #[error("the image has {bytes} bytes; send one of at most {most}")]
    TooManyBytes {
        /// Bytes of the file.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The header says that the picture is larger than the limits.
    #[error(
        "the image is {width}×{height} pixels; send one of at most {max_side} a side and \
         {max_pixels} in all"
    )]
    TooLarge {
        /// Width that the header says.
        width: u32,
        /// Height that the header says.
        height: u32,
        /// The limit on each side.
        max_side: u32,
        /// The limit on all pixels.
        max_pixels: u64,
    },
    /// Not PNG, JPEG or WebP.
    #[error("the image is in no known format; send PNG, JPEG or WebP")]
    UnknownFormat,
    /// The format is known, the contents are broken or cut off.
    #[error("the image is damaged ({0}); export it again")]
    Damaged(String),
    /// The picture cannot be written in the format, for example without pixels.
    #[error("the picture cannot be written ({0}); choose another format or size")]
    Encode(String),
}

/// Encodes a picture. PNG and WebP are lossless, with compression chosen for
/// speed; `quality` (1 … 100) is JPEG's, and values outside count as the
/// nearest.
///
/// # Errors
/// [`CodecError::Encode`] when the format cannot hold a picture of that size.
pub fn encode_image(
    picture: &Pixels,
    format: FrameFormat,
    quality: u8,
) -> Result<Vec<u8>, CodecError> {
    let (width, height) = (picture.width(), picture.height());
    if picture.data().is_empty() {
        return Err(CodecError::Encode("it has no pixels".to_owned()));
    }
    let mut bytes = Vec::with_capacity(picture.data().len() / 2);
    let color = ExtendedColorType::Rgb8;
    match format {
        FrameFormat::Png => {
            PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
                .write_image(picture.data(), width, height, color)
        }
        FrameFormat::Jpeg => JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
            .write_image(picture.data(), width, height, color),
        FrameFormat::Webp => {
            WebPEncoder::new_lossless(&mut bytes).write_image(picture.data(), width, height, color)
        }
    }
    .map_err(|error| CodecError::Encode(error.to_string()))?;
    Ok(bytes)
}

/// Decodes a PNG, JPEG or WebP image (of an animation the first picture).
/// Size and dimensions are checked before any pixel is decoded; transparent
/// pixels are laid over white.
///
/// # Errors
/// [`CodecError`] when the image is over a limit, unknown, or damaged.
pub fn decode_image(bytes: &[u8], limits: &ImageLimits) -> Result<Pixels, CodecError> {
    if bytes.len() > limits.max_bytes {
        return Err(CodecError::TooManyBytes {
            bytes: bytes.len(),
            most: limits.max_bytes,
        });
    }
    let format = image::guess_format(bytes).map_err(|_| CodecError::UnknownFormat)?;
    if !matches!(
        format,
        ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP
    ) {
        return Err(CodecError::UnknownFormat);
    }
    if format == ImageFormat::Jpeg && !ends_as_jpeg(bytes) {
        return Err(CodecError::Damaged(
            "it ends before its last part".to_owned(),
        ));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Sixteen bits for each of four channels is the most that a pixel takes;
    // decoders hold a second copy while they convert.
    let mut memory = Limits::no_limits();
    memory.max_alloc = Some(limits.max_pixels.saturating_mul(16).saturating_add(1 << 20));
    reader.limits(memory);
    let decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
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
    let picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    let data = if picture.color().has_alpha() {
        over_white(picture.into_rgba8().as_raw())
    } else {
        picture.into_rgb8().into_raw()
    };
    Pixels::from_raw(width, height, data).map_err(|error| CodecError::Damaged(error.to_string()))
}

fn damaged(error: ImageError) -> CodecError {
    CodecError::Damaged(error.to_string())
}

/// True when the end marker is there: the decoder itself fills up what is cut
/// off with grey.
fn ends_as_jpeg(bytes: &[u8]) -> bool {
    bytes.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}

fn over_white(rgba: &[u8]) -> Vec<u8> {
    rgba.chunks_exact(4)
        .flat_map(|pixel| {
            let weight = pixel[3];
            [0, 1, 2].map(|channel: usize| mix(255, pixel[channel], weight))
        })
        .collect()
}
