//! Pictures to PNG, JPEG and WebP, and what is refused on the way in and out.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::Pixels;
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
    #[error("the file is no picture in a format that is read here; send a PNG, JPEG or WebP")]
    UnknownFormat,
    /// A JPEG whose colours lie in scans of their own, which cannot be read right.
    #[error(
        "the JPEG keeps its colours in scans of their own, which are not read right here; save it \
         as an ordinary or progressive JPEG, or as PNG"
    )]
    SeparateScans,
    /// The format is known, the contents are broken or cut off.
    #[error("the image is damaged ({0}); export it again")]
    Damaged(String),
    /// The picture cannot be written in the format, for example without pixels.
    #[error("the picture cannot be written ({0}); choose another format or size")]
    Encode(String),
}

/// Encodes a picture: its pixels and nothing that a file may say besides. PNG and WebP are lossless, with compression chosen for
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
            // Within a few percent of what the best filter for each row makes of ink and photos, in half the time.
            PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Up)
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
