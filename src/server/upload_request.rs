//! What becomes of an uploaded image.

use super::error::ApiError;
use crate::canvas::Upload;
use crate::picture_file::LayerName;
use crate::protocol::{CanvasSize, MAX_CANVAS_SIDE};

/// What an upload is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadRequest {
    /// A picture that covers the canvas; of an OpenRaster file the merged one, or the layer that is named.
    Base(Option<LayerName>),
    /// A picture for a layer, which keeps its transparency and is seen whole.
    Layer {
        /// Where its upper left corner lies in the whole, in pixels.
        place: (i64, i64),
        /// How wide the whole is, in pixels; none where it is as wide as the picture.
        width: Option<u32>,
        /// How high the whole is, in pixels.
        height: Option<u32>,
        /// The layer of an OpenRaster file that it is.
        file_layer: Option<LayerName>,
    },
    /// A picture that is seen beside the prompt; of an OpenRaster file as with the base.
    Reference(Option<LayerName>),
}

impl UploadRequest {
    /// The layer of an OpenRaster file that is meant.
    pub(super) const fn file_layer(&self) -> Option<LayerName> {
        match self {
            Self::Base(layer) | Self::Reference(layer) => *layer,
            Self::Layer { file_layer, .. } => *file_layer,
        }
    }

    /// Checks the size of the whole before anything is decoded.
    ///
    /// # Errors
    /// 400 for a side of 0 or too many pixels.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let Self::Layer { width, height, .. } = self else {
            return Ok(());
        };
        let mut sides = width.iter().chain(height);
        match sides.all(|side| (1..=MAX_CANVAS_SIDE).contains(side)) {
            true => Ok(()),
            false => Err(ApiError::invalid_value(format!(
                "`width` and `height` are 1 to {MAX_CANVAS_SIDE} pixels: send a smaller picture"
            ))),
        }
    }

    /// A decoded picture as it is to be kept.
    pub(super) fn arrange(&self, picture: Upload) -> Upload {
        match *self {
            Self::Base(_) => Upload::from(picture.over(u8::MAX)),
            Self::Reference(_) => Upload::from(picture.into_reference()),
            Self::Layer {
                place,
                width,
                height,
                ..
            } => {
                let own = picture.size();
                let whole = CanvasSize {
                    width: width.unwrap_or(own.width),
                    height: height.unwrap_or(own.height),
                };
                let picture = picture.into_layer();
                let is_whole = place == (0, 0) && whole == own;
                Upload::from(match is_whole {
                    true => picture,
                    false => picture.framed(place, whole),
                })
            }
        }
    }
}
