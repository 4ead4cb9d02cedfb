//! A picture out of an OpenRaster file that anybody may have made. Nothing of it touches the disk,
//! and no more than one part is unpacked at a time.

use std::io::{Cursor, Read};

use roxmltree::{Document, Node, ParsingOptions};
use zip::ZipArchive;
use zip::result::ZipError;

use super::{LayerName, MERGED, MIMETYPE, OPEN_RASTER_TYPE, OpenRasterError, STACK};
use crate::canvas::{CodecError, ImageLimits, Pixels, Upload, decode_image, decode_upload};
use crate::protocol::CanvasSize;

/// What a ZIP archive begins with.
const ARCHIVE: &[u8] = b"PK\x03\x04";
/// What the archive's directory says before each part.
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
/// The most parts: a few hundred layers and what stands beside them.
const PARTS_MOST: usize = 512;
/// Bytes of `mimetype` at most, with the line break that some programs add.
const MIMETYPE_BYTES: usize = 64;
/// Bytes of `stack.xml` at most.
const STACK_BYTES: usize = 1 << 20;
/// Elements and attributes of `stack.xml` at most.
const STACK_NODES: u32 = 16 * 1024;

/// True for bytes that are a ZIP archive, as OpenRaster files are.
pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(ARCHIVE)
}

/// The picture of a layer, laid on white paper as large as the whole; without a name the merged
/// picture. Layers are told by their names, in small letters or capital ones.
///
/// # Errors
/// [`OpenRasterError`] for what is no such file, is damaged or too large, or has no such layer.
pub fn read_open_raster(
    bytes: &[u8],
    layer: Option<LayerName>,
    limits: &ImageLimits,
) -> Result<Pixels, OpenRasterError> {
    let mut parts = Parts::open(bytes, limits)?;
    match layer {
        None => {
            let content = parts.read(MERGED, limits.max_bytes)?;
            Ok(decode_image(&content, limits)?)
        }
        Some(name) => {
            let stack = parts.read(STACK, STACK_BYTES)?;
            let stack = String::from_utf8(stack).map_err(damaged)?;
            let place = LayerPlace::find(&stack, name, limits)?;
            let content = parts.read(&place.source, limits.max_bytes)?;
            let picture = decode_upload(&content, limits)?.into_layer();
            let framed = picture.framed((place.x, place.y), place.size);
            Ok(Upload::from(framed).over(u8::MAX))
        }
    }
}

/// The parts of an archive, looked through and found to be sound.
struct Parts<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
}

impl<'a> Parts<'a> {
    fn open(bytes: &'a [u8], limits: &ImageLimits) -> Result<Self, OpenRasterError> {
        if bytes.len() > limits.max_bytes {
            return Err(OpenRasterError::Picture(CodecError::TooManyBytes {
                bytes: bytes.len(),
                most: limits.max_bytes,
            }));
        }
        // Before the directory is read, which takes memory for each part.
        let entries = bytes.windows(DIRECTORY_ENTRY.len());
        let entries = entries.filter(|window| *window == DIRECTORY_ENTRY);
        if entries.take(PARTS_MOST + 1).count() > PARTS_MOST {
            return Err(OpenRasterError::TooManyParts { most: PARTS_MOST });
        }
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        if archive.has_duplicate_names() {
            return Err(OpenRasterError::DuplicateParts);
        }
        for name in archive.file_names() {
            check_path(&name.map_err(damaged)?)?;
        }
        let mut parts = Self { archive };
        let mimetype = match parts.read(MIMETYPE, MIMETYPE_BYTES) {
            Err(OpenRasterError::MissingPart(_) | OpenRasterError::PartTooLarge { .. }) => {
                return Err(OpenRasterError::NotOpenRaster);
            }
            read => read?,
        };
        match mimetype.trim_ascii() == OPEN_RASTER_TYPE.as_bytes() {
            true => Ok(parts),
            false => Err(OpenRasterError::NotOpenRaster),
        }
    }

    /// A part, unpacked. What its header says is checked first, and then what really comes.
    fn read(&mut self, name: &str, most: usize) -> Result<Vec<u8>, OpenRasterError> {
        let part = self.archive.by_name(name).map_err(|error| match error {
            ZipError::FileNotFound => OpenRasterError::MissingPart(name.to_owned()),
            error => damaged(error),
        })?;
        let too_large = || OpenRasterError::PartTooLarge {
            part: name.to_owned(),
            most,
        };
        let most = most as u64;
        if part.size() > most {
            return Err(too_large());
        }
        let mut content = Vec::new();
        part.take(most + 1)
            .read_to_end(&mut content)
            .map_err(damaged)?;
        match content.len() as u64 > most {
            true => Err(too_large()),
            false => Ok(content),
        }
    }
}

/// Parts are looked up by their names and never become paths; a name that would lead out of a folder
/// has no good reason all the same.
fn check_path(name: &str) -> Result<(), OpenRasterError> {
    let leads_out = name.starts_with('/')
        || name.contains(['\\', '\0', ':'])
        || name.split('/').any(|step| step == "..");
    match leads_out {
        true => Err(OpenRasterError::OutsidePath(
            name.chars().take(80).collect(),
        )),
        false => Ok(()),
    }
}

/// Where a layer lies, and which part has its pixels.
struct LayerPlace {
    source: String,
    x: i64,
    y: i64,
    size: CanvasSize,
}

impl LayerPlace {
    fn find(stack: &str, name: LayerName, limits: &ImageLimits) -> Result<Self, OpenRasterError> {
        let options = ParsingOptions {
            nodes_limit: STACK_NODES,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(stack, options).map_err(damaged)?;
        let image = document.root_element();
        let (width, height) = (side(image, "w")?, side(image, "h")?);
        let is_too_large = width > limits.max_side
            || height > limits.max_side
            || u64::from(width) * u64::from(height) > limits.max_pixels;
        if is_too_large {
            return Err(OpenRasterError::Picture(CodecError::TooLarge {
                width,
                height,
                max_side: limits.max_side,
                max_pixels: limits.max_pixels,
            }));
        }
        let layer = image
            .descendants()
            .filter(|node| node.has_tag_name("layer"))
            .find(|node| {
                let own = node.attribute("name").unwrap_or_default();
                own.trim().eq_ignore_ascii_case(name.title())
            })
            .ok_or(OpenRasterError::MissingLayer(name.title()))?;
        let source = layer.attribute("src").unwrap_or_default();
        check_path(source)?;
        let offset = |name| {
            let number = layer.attribute(name).unwrap_or("0");
            number.trim().parse::<i64>().map_err(damaged)
        };
        Ok(Self {
            source: source.to_owned(),
            x: offset("x")?,
            y: offset("y")?,
            size: CanvasSize { width, height },
        })
    }
}

/// A side of the picture's, of the element that is all of `stack.xml`.
fn side(image: Node<'_, '_>, name: &str) -> Result<u32, OpenRasterError> {
    let number = image
        .attribute(name)
        .and_then(|side| side.trim().parse().ok());
    match number {
        Some(number) if number > 0 && image.has_tag_name("image") => Ok(number),
        _ => Err(OpenRasterError::Damaged(
            "stack.xml says no size".to_owned(),
        )),
    }
}

fn damaged(error: impl std::fmt::Display) -> OpenRasterError {
    OpenRasterError::Damaged(error.to_string())
}
