//! Pictures as bytes, and nothing but pixels: lossless, but for those that are recorded.

use crate::{
    canvas::{CodecError, ImageLimits, Pixels, Upload, decode_image, decode_upload, encode_image},
    protocol::{FrameFormat, MAX_CANVAS_SIDE},
};

/// More than any of its pictures takes as PNG, with transparency too.
const BYTES_MOST: usize = 96 << 20;

/// What its pictures are held to when they come back.
const LIMITS: ImageLimits = ImageLimits {
    max_bytes: BYTES_MOST,
    max_side: MAX_CANVAS_SIDE,
    max_pixels: (MAX_CANVAS_SIDE as u64).pow(2),
};

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
    decode_image(bytes, &LIMITS)
}

/// A kept upload, with the transparency that it has.
///
/// # Errors
/// [`CodecError`] for anything else.
pub(super) fn decode_kept_upload(bytes: &[u8]) -> Result<Upload, CodecError> {
    decode_upload(bytes, &LIMITS)
}
