//! Pictures as bytes, and nothing but pixels: lossless, but for those that are recorded.

use crate::{
    canvas::{CodecError, ImageLimits, Pixels, decode_image, encode_image},
    protocol::{FrameFormat, MAX_CANVAS_SIDE},
};

/// More than any of its pictures takes as PNG.
const BYTES_MOST: usize = 64 << 20;

/// The quality of a recorded picture as JPEG.
const RECORDED_QUALITY: u8 = 88;

/// A picture as JPEG, for looking at.
///
/// # Errors
/// [`CodecError::Encode`] for one without pixels.
pub(super) fn encode_recorded(pixels: &Pixels) -> Result<Vec<u8>, CodecError> {
    encode_image(pixels, FrameFormat::Jpeg, RECORDED_QUALITY)
}

/// A picture as PNG.
///
/// # Errors
/// [`CodecError::Encode`] for one without pixels.
pub(in crate::room) fn encode_picture(pixels: &Pixels) -> Result<Vec<u8>, CodecError> {
    encode_image(pixels, FrameFormat::Png, 100)
}

/// The pixels of a kept picture.
///
/// # Errors
/// [`CodecError`] for anything else.
pub(in crate::room) fn decode_picture(bytes: &[u8]) -> Result<Pixels, CodecError> {
    let limits = ImageLimits {
        max_bytes: BYTES_MOST,
        max_side: MAX_CANVAS_SIDE,
        max_pixels: u64::from(MAX_CANVAS_SIDE).pow(2),
    };
    decode_image(bytes, &limits)
}
