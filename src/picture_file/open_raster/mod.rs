//! OpenRaster: pictures in layers, which Krita, GIMP and MyPaint open. A ZIP archive with a PNG for
//! each layer, one of the whole, and `stack.xml` to say how they lie.

mod error;
mod read;
mod write;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::canvas::{LayerCopy, Pixels};
use crate::protocol::{BlendMode, PaintLayer};

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
}

/// The pixels of a layer in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum FilePixels {
    /// All opaque.
    Opaque(Pixels),
    /// Opaque where something is painted.
    Painted(LayerCopy),
}

/// A layer of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileLayer {
    /// What it is called.
    pub title: String,
    /// Its part of the archive: no title becomes a path.
    path: String,
    /// Its pixels, as large as the picture.
    pub pixels: FilePixels,
    /// 0 … 1.
    pub opacity: f64,
    /// Whether it is seen.
    pub is_visible: bool,
    /// How it is mixed with what lies under it.
    pub blend: BlendMode,
}

impl FileLayer {
    /// An opaque layer of a room's picture.
    pub fn opaque(name: LayerName, pixels: Pixels, is_visible: bool) -> Self {
        Self {
            title: name.title().to_owned(),
            path: format!("data/{}.png", name.title().to_lowercase()),
            pixels: FilePixels::Opaque(pixels),
            opacity: 1.0,
            is_visible,
            blend: BlendMode::Normal,
        }
    }

    /// A layer that people paint on, the `number`th.
    pub fn painted(layer: &PaintLayer, number: usize, pixels: FilePixels) -> Self {
        Self {
            title: layer.name.clone(),
            path: format!("data/layer{number}.png"),
            pixels,
            opacity: layer.opacity,
            is_visible: layer.visible,
            blend: layer.blend,
        }
    }
}
