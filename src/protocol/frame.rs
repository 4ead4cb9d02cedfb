//! Binary frames: `u32` little-endian header length, JSON header, encoded image.

use bytes::{BufMut, Bytes, BytesMut};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Rect;

/// How a frame's image is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum FrameFormat {
    /// Lossless.
    Png,
    /// Lossy.
    Jpeg,
    /// Lossless.
    Webp,
}

/// Which picture a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// What the model made.
    Result,
    /// What people painted, over the base image.
    Sketch,
}

/// A picture of a room that can be had over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PictureLayer {
    /// As [`Layer::Result`].
    Result,
    /// As [`Layer::Sketch`].
    Sketch,
    /// The noise of the inverted photo that is the base, as the decoder shows it; grey where
    /// nothing is inverted.
    Noise,
    /// What DDIM makes of that noise again; grey where nothing is inverted.
    Reconstruction,
    /// The mask, white where strokes let the model repaint, before the spread.
    Mask,
    /// The reference picture that the settings name: square, and no larger than 512 pixels.
    Reference,
}

/// The header of a binary frame; `type` is always `frame`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename = "frame")]
pub struct FrameHeader {
    /// `seq` of the last op that the image includes.
    #[ts(type = "number")]
    pub rev: u64,
    /// Where the image goes.
    pub rect: Rect,
    /// The step that made it, 1 … `steps`; 0 where no step did.
    pub step: u32,
    /// Steps of the render.
    pub steps: u32,
    /// False for a preview that a later frame replaces.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// How the image is encoded.
    pub format: FrameFormat,
    /// Which picture.
    pub layer: Layer,
}

/// Why a binary frame could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than the header length says.
    #[error("the frame ends inside its header")]
    Truncated,
    /// The header is not the JSON of a [`FrameHeader`].
    #[error("the frame's header is not valid: {0}")]
    Header(#[from] serde_json::Error),
}

/// Joins a header and an encoded image into one binary frame.
///
/// # Errors
/// When the header cannot be written as JSON, which no finite header causes.
pub fn encode_frame(header: &FrameHeader, image: &[u8]) -> Result<Bytes, FrameError> {
    let json = serde_json::to_vec(header)?;
    let mut frame = BytesMut::with_capacity(4 + json.len() + image.len());
    frame.put_u32_le(u32::try_from(json.len()).map_err(|_| FrameError::Truncated)?);
    frame.put_slice(&json);
    frame.put_slice(image);
    Ok(frame.freeze())
}

/// Splits a binary frame into its header and its encoded image.
///
/// # Errors
/// [`FrameError`] when the bytes are not a frame.
pub fn decode_frame(frame: &Bytes) -> Result<(FrameHeader, Bytes), FrameError> {
    let length = frame.first_chunk::<4>().ok_or(FrameError::Truncated)?;
    let end = 4 + u32::from_le_bytes(*length) as usize;
    let json = frame.get(4..end).ok_or(FrameError::Truncated)?;
    Ok((serde_json::from_slice(json)?, frame.slice(end..)))
}
