//! OpenRaster: pictures in layers, which Krita, GIMP and MyPaint open. A ZIP archive with a PNG for
//! each layer, one of the whole, and `stack.xml` to say how they lie.

mod error;
mod read;
mod write;

use schemars::JsonSchema;
use serde::Deserialize;

pub use error::OpenRasterError;
pub use read::{is_archive, read_open_raster};
pub use write::write_open_raster;

/// The media type, which is also the content of the archive's first part.
pub const OPEN_RASTER_TYPE: &str = "image/openraster";
/// The part that says what the archive is.
const MIMETYPE: &str = "mimetype";
/// The part that says how the layers lie.
const STACK: &str = "stack.xml";
/// The part that shows the whole.
const MERGED: &str = "mergedimage.png";
/// The part that shows the whole, small.
const THUMBNAIL: &str = "Thumbnails/thumbnail.png";

/// A layer of a room's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LayerName {
    /// What the model made.
    Result,
    /// What people painted.
    Sketch,
    /// The placed picture that they painted on.
    Photo,
}

impl LayerName {
    /// What the layer is called in the file.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Result => "Result",
            Self::Sketch => "Sketch",
            Self::Photo => "Photo",
        }
    }

    /// The layer's part of the archive.
    const fn path(self) -> &'static str {
        match self {
            Self::Result => "data/result.png",
            Self::Sketch => "data/sketch.png",
            Self::Photo => "data/photo.png",
        }
    }
}
