//! Layers into an OpenRaster file.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{
    FileLayer, FilePixels, MERGED, MIMETYPE, OPEN_RASTER_TYPE, OpenRasterError, STACK, THUMBNAIL,
};
use crate::canvas::{CodecError, Pixels, fit_to};
use crate::picture_file::encode::{encode_layer, encode_with_notes};
use crate::picture_file::{Notes, Origin};
use crate::protocol::{BlendMode, CanvasSize, FrameFormat};

/// The longest side of a thumbnail, in pixels: the format asks for no more.
const THUMBNAIL_SIDE: u32 = 256;

/// Writes layers of one size, the topmost first: that one is opaque, and what is seen of the whole.
/// `notes` are about it.
///
/// # Errors
/// [`OpenRasterError::Write`] without such a layer, [`OpenRasterError::Picture`].
pub fn write_open_raster(layers: &[FileLayer], notes: &Notes) -> Result<Vec<u8>, OpenRasterError> {
    let seen = layers.first().and_then(|layer| match &layer.pixels {
        FilePixels::Opaque(pixels) => Some(pixels),
        FilePixels::Painted(_) => None,
    });
    let Some(seen) = seen else {
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
    part(&mut archive, STACK, stack_of(layers, seen).as_bytes())?;
    for (index, layer) in layers.iter().enumerate() {
        match &layer.pixels {
            FilePixels::Opaque(_) if index == 0 => part(&mut archive, &layer.path, &whole)?,
            FilePixels::Opaque(pixels) => part(&mut archive, &layer.path, &png(pixels, &bare)?)?,
            FilePixels::Painted(copy) => {
                part(&mut archive, &layer.path, &encode_layer(&copy.to_pixels())?)?;
            }
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

fn stack_of(layers: &[FileLayer], whole: &Pixels) -> String {
    let (width, height) = (whole.width(), whole.height());
    let layer = |layer: &FileLayer| {
        let visibility = if layer.is_visible {
            "visible"
        } else {
            "hidden"
        };
        let (title, path) = (attribute(&layer.title), &layer.path);
        let (opacity, blend) = (layer.opacity, composite_op(layer.blend));
        format!(
            "  <layer name=\"{title}\" src=\"{path}\" x=\"0\" y=\"0\" opacity=\"{opacity:?}\" \
             visibility=\"{visibility}\" composite-op=\"{blend}\"/>\n"
        )
    };
    let layers: String = layers.iter().map(layer).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <image version=\"0.0.3\" w=\"{width}\" h=\"{height}\" xres=\"72\" yres=\"72\">\n \
         <stack>\n{layers} </stack>\n</image>\n"
    )
}

/// What the format calls a blend mode.
const fn composite_op(blend: BlendMode) -> &'static str {
    match blend {
        BlendMode::Normal => "svg:src-over",
        BlendMode::Multiply => "svg:multiply",
        BlendMode::Screen => "svg:screen",
        BlendMode::Overlay => "svg:overlay",
        BlendMode::SoftLight => "svg:soft-light",
    }
}

/// What somebody wrote as the value of an attribute: XML has no control characters, escaped or not.
fn attribute(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}
