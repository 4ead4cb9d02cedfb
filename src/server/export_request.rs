//! What a file to take away should be, as the address of `GET /v1/rooms/{room}/export` says it.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::picture_file::OPEN_RASTER_TYPE;
use crate::protocol::{CanvasSize, FrameFormat, Layer};
use crate::room::ExportLayers;

/// A JPEG's quality where none is said: hardly seen, and a tenth of the bytes of a PNG.
pub const JPEG_QUALITY: u8 = 92;
/// The least and the most dots per inch.
const DPI: RangeInclusive<u16> = 1..=2400;
/// The largest scale.
const SCALE_MOST: u32 = 4;
/// The most pixels of a file, as many as of two of the largest canvases: its encoders hold ten bytes
/// for each at a time.
const PIXELS_MOST: u64 = 1 << 25;
/// The most pixels of a file that is made within a fraction of a second.
const SMALL_MOST: u64 = 1 << 20;

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Lossless.
    Png,
    /// Lossy.
    Jpeg,
    /// Lossless.
    Webp,
    /// OpenRaster: all layers.
    Ora,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Png, Self::Jpeg, Self::Webp, Self::Ora];

    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Ora => OPEN_RASTER_TYPE,
        }
    }

    /// How a file's name ends.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
            Self::Ora => "ora",
        }
    }
}

/// The query of the address.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    /// The kind of file.
    #[schemars(required)]
    format: Option<ExportFormat>,
    /// Which picture, where the file is no OpenRaster; `result` when left out.
    layer: Option<Layer>,
    /// How many times larger than the canvas on each side; 1 when left out.
    #[schemars(range(min = 1, max = 4))]
    scale: Option<u32>,
    /// Of a JPEG; 92 when left out.
    #[schemars(range(min = 1, max = 100))]
    quality: Option<u8>,
    /// How large the picture is printed, in dots per inch, where the file is no OpenRaster; not said when
    /// left out.
    #[schemars(range(min = 1, max = 2400))]
    dpi: Option<u16>,
    /// Whether the file says what the picture was made with; `true` when left out.
    settings: Option<bool>,
}

/// How the query is written, for those who wrote it otherwise.
pub const QUERY_SHAPE: &str = "format is `png`, `jpeg`, `webp` or `ora`; beside it may stand layer \
    (`result` or `sketch`), scale (1 to 4), quality (1 to 100), dpi (1 to 2400) and settings (`true` or `false`)";

/// A file to take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExportRequest {
    /// Its kind.
    pub format: ExportFormat,
    /// Which pictures are in it.
    pub layers: ExportLayers,
    /// How many times larger than the canvas it is on each side.
    pub scale: u32,
    /// Of a JPEG, 1 … 100.
    pub quality: u8,
    /// How large it is printed, in dots per inch, where that is said.
    pub dpi: Option<u16>,
    /// Whether it says what the picture was made with.
    pub with_settings: bool,
}

impl ExportRequest {
    /// The request of a query, for a canvas of that size.
    ///
    /// # Errors
    /// A sentence that says what to ask for instead.
    pub fn of(query: &ExportQuery, canvas: CanvasSize) -> Result<Self, String> {
        let format = query.format.ok_or(QUERY_SHAPE)?;
        let scale = query.scale.unwrap_or(1);
        let quality = query.quality.unwrap_or(JPEG_QUALITY);
        let is_one = scale == 1 && query.layer.is_none() && query.dpi.is_none();
        if format == ExportFormat::Ora && !is_one {
            return Err(
                "an OpenRaster file has all layers in the canvas's size: leave scale, layer and dpi out"
                    .to_owned(),
            );
        }
        if format != ExportFormat::Jpeg && query.quality.is_some() {
            return Err("quality is a JPEG's: leave it out, or ask for format=jpeg".to_owned());
        }
        if !(1..=100).contains(&quality) {
            return Err("quality is a number from 1 to 100: choose one".to_owned());
        }
        if query.dpi.is_some_and(|dpi| !DPI.contains(&dpi)) {
            return Err("dpi is a number from 1 to 2400: choose one".to_owned());
        }
        if !(1..=SCALE_MOST).contains(&scale) {
            return Err(format!("scale is 1, 2, 3 or {SCALE_MOST}: choose one"));
        }
        let request = Self {
            format,
            layers: match format {
                ExportFormat::Ora => ExportLayers::All,
                _ => ExportLayers::One(query.layer.unwrap_or(Layer::Result)),
            },
            scale,
            quality,
            dpi: query.dpi,
            with_settings: query.settings.unwrap_or(true),
        };
        let CanvasSize { width, height } = request.size(canvas);
        match u64::from(width) * u64::from(height) > PIXELS_MOST {
            false => Ok(request),
            true => Err(format!(
                "a picture of {width} × {height} pixels is too large to export: choose a smaller \
                 scale, of {PIXELS_MOST} pixels at most"
            )),
        }
    }

    /// Width and height of the file's picture, in pixels.
    pub const fn size(&self, canvas: CanvasSize) -> CanvasSize {
        CanvasSize {
            width: canvas.width * self.scale,
            height: canvas.height * self.scale,
        }
    }

    /// Whether making it takes seconds, so that it should not be in the way of what is small.
    pub const fn is_large(&self, canvas: CanvasSize) -> bool {
        let CanvasSize { width, height } = self.size(canvas);
        width as u64 * height as u64 > SMALL_MOST
    }

    /// The encoding of a file that is one picture; none for OpenRaster.
    pub const fn encoding(&self) -> Option<FrameFormat> {
        match self.format {
            ExportFormat::Png => Some(FrameFormat::Png),
            ExportFormat::Jpeg => Some(FrameFormat::Jpeg),
            ExportFormat::Webp => Some(FrameFormat::Webp),
            ExportFormat::Ora => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANVAS: CanvasSize = CanvasSize {
        width: 2048,
        height: 1024,
    };

    fn jpeg() -> ExportQuery {
        ExportQuery {
            format: Some(ExportFormat::Jpeg),
            ..ExportQuery::default()
        }
    }

    #[test]
    fn a_request_has_defaults() {
        let request = ExportRequest::of(&jpeg(), CANVAS).unwrap();
        assert_eq!(
            (request.scale, request.quality, request.with_settings),
            (1, 92, true)
        );
        assert_eq!(request.layers, ExportLayers::One(Layer::Result));
        assert_eq!(request.size(CANVAS), CANVAS);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let ora = ExportQuery {
            format: Some(ExportFormat::Ora),
            ..jpeg()
        };
        let png = ExportQuery {
            format: Some(ExportFormat::Png),
            ..jpeg()
        };
        let refused = |query| ExportRequest::of(&query, CANVAS).unwrap_err();
        let scale = |scale, query| ExportQuery {
            scale: Some(scale),
            ..query
        };
        let quality = |quality, query| ExportQuery {
            quality: Some(quality),
            ..query
        };
        assert!(refused(ExportQuery::default()).contains("format is"));
        assert!(refused(scale(2, ora)).contains("leave scale"));
        assert!(refused(quality(90, png)).contains("quality is a JPEG"));
        let dpi = |dpi, query| ExportQuery {
            dpi: Some(dpi),
            ..query
        };
        assert!(refused(dpi(300, ora)).contains("leave scale"));
        assert!(refused(dpi(0, png)).contains("1 to 2400"));
        assert!(refused(dpi(2401, png)).contains("1 to 2400"));
        assert_eq!(
            ExportRequest::of(&dpi(300, png), CANVAS).unwrap().dpi,
            Some(300)
        );
        assert!(refused(quality(0, jpeg())).contains("1 to 100"));
        assert!(refused(quality(101, jpeg())).contains("1 to 100"));
        assert!(refused(scale(0, png)).contains("choose one"));
        assert!(refused(scale(5, png)).contains("choose one"));
        // 8192 × 4096 is the most, and is reached here.
        assert!(ExportRequest::of(&scale(4, png), CANVAS).is_ok());
        let larger = CanvasSize {
            width: 2048,
            height: 1088,
        };
        let refused = ExportRequest::of(&scale(4, png), larger).unwrap_err();
        assert!(refused.contains("choose a smaller scale"));
    }
}
