//! Layers into an OpenRaster file.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{LayerName, MERGED, MIMETYPE, OPEN_RASTER_TYPE, OpenRasterError, STACK, THUMBNAIL};
use crate::canvas::{CodecError, Pixels, fit_to};
use crate::picture_file::encode::encode_with_notes;
use crate::picture_file::{Notes, Origin};
use crate::protocol::{CanvasSize, FrameFormat};

/// The longest side of a thumbnail, in pixels: the format asks for no more.
const THUMBNAIL_SIDE: u32 = 256;

/// Writes opaque layers of one size, the topmost first: that one is seen, and the others are hidden
/// under it. `notes` are about the topmost.
///
/// # Errors
/// [`OpenRasterError::Write`] without a layer, [`OpenRasterError::Picture`].
pub fn write_open_raster(
    layers: &[(LayerName, Pixels)],
    notes: &Notes,
) -> Result<Vec<u8>, OpenRasterError> {
    let Some((_, seen)) = layers.first() else {
        return Err(OpenRasterError::Write("it has no layers".to_owned()));
    };
    let bare = Notes {
        origin: Origin::NotGenerated,
        dpi: None,
        parameters: None,
    };
    let whole = png(seen, notes)?;
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // Readers look for it at a fixed place: first, and as it is.
    part(&mut archive, MIMETYPE, OPEN_RASTER_TYPE.as_bytes())?;
    part(&mut archive, STACK, stack_of(layers).as_bytes())?;
    for (index, (name, pixels)) in layers.iter().enumerate() {
        match index {
            0 => part(&mut archive, name.path(), &whole)?,
            _ => part(&mut archive, name.path(), &png(pixels, &bare)?)?,
        }
    }
    part(&mut archive, THUMBNAIL, &png(&small(seen), &bare)?)?;
    part(&mut archive, MERGED, &whole)?;
    let written = archive.finish().map_err(unwritten)?;
    Ok(written.into_inner())
}

fn png(pixels: &Pixels, notes: &Notes) -> Result<Vec<u8>, CodecError> {
    encode_with_notes(pixels, FrameFormat::Png, 100, notes)
}

/// Adds a part as it is: PNGs are compressed already.
fn part(
    archive: &mut ZipWriter<Cursor<Vec<u8>>>,
    name: &str,
    content: &[u8],
) -> Result<(), OpenRasterError> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file(name, stored).map_err(unwritten)?;
    archive.write_all(content).map_err(unwritten)
}

fn unwritten(error: impl std::fmt::Display) -> OpenRasterError {
    OpenRasterError::Write(error.to_string())
}

fn small(picture: &Pixels) -> Pixels {
    let longest = picture.width().max(picture.height()).max(THUMBNAIL_SIDE);
    let side = |side: u32| (side * THUMBNAIL_SIDE).div_ceil(longest);
    let size = CanvasSize {
        width: side(picture.width()),
        height: side(picture.height()),
    };
    fit_to(picture, size)
}

/// Names and paths are our own and need no escapes.
fn stack_of(layers: &[(LayerName, Pixels)]) -> String {
    let bounds = layers.first().map(|(_, pixels)| pixels.bounds());
    let (width, height) = bounds.map_or((0, 0), |bounds| (bounds.width, bounds.height));
    let layer = |(index, (name, _)): (usize, &(LayerName, Pixels))| {
        let visibility = if index == 0 { "visible" } else { "hidden" };
        let (title, path) = (name.title(), name.path());
        format!(
            "  <layer name=\"{title}\" src=\"{path}\" x=\"0\" y=\"0\" opacity=\"1.0\" \
             visibility=\"{visibility}\" composite-op=\"svg:src-over\"/>\n"
        )
    };
    let layers: String = layers.iter().enumerate().map(layer).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <image version=\"0.0.3\" w=\"{width}\" h=\"{height}\" xres=\"72\" yres=\"72\">\n \
         <stack>\n{layers} </stack>\n</image>\n"
    )
}
