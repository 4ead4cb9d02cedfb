//! Picture files, as commands read and write them.

use std::fmt::Display;
use std::path::Path;

use super::Failure;
use crate::canvas::{ImageLimits, Pixels, decode_image_over};
use crate::picture_file::{Notes, encode_with_notes};
use crate::protocol::FrameFormat;

/// Quality of a JPEG that is written.
const JPEG_QUALITY: u8 = 92;

/// Reads a PNG, JPEG or WebP file.
///
/// # Errors
/// One line that names the file.
pub fn read_image(file: &Path) -> Result<Pixels, Failure> {
    read_over(file, 255)
}

/// Reads a mask from a PNG, JPEG or WebP file: its brightness counts, and what is transparent stays
/// as it is.
///
/// # Errors
/// One line that names the file.
pub fn read_mask(file: &Path) -> Result<Pixels, Failure> {
    read_over(file, 0)
}

fn read_over(file: &Path, background: u8) -> Result<Pixels, Failure> {
    let place = file.display();
    let bytes = std::fs::read(file).map_err(|cause| {
        Failure::usage(format!("cannot read {place} ({cause}): check its path"))
    })?;
    decode_image_over(&bytes, &ImageLimits::default(), background)
        .map_err(|cause| Failure::usage(format!("{place}: {cause}")))
}

/// The format that a file's ending stands for.
///
/// # Errors
/// One line, when it stands for none.
pub fn format_of(out: &Path) -> Result<FrameFormat, Failure> {
    let extension = out
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    match extension.as_str() {
        "png" => Ok(FrameFormat::Png),
        "jpg" | "jpeg" => Ok(FrameFormat::Jpeg),
        "webp" => Ok(FrameFormat::Webp),
        _ => Err(Failure::usage(format!(
            "{} has no known ending: write --out with .png, .jpg or .webp",
            out.display()
        ))),
    }
}

/// Encodes a picture and writes it, with its notes.
///
/// # Errors
/// One line that names the file, or says what the format has no room for.
pub fn write_image(
    file: &Path,
    picture: &Pixels,
    format: FrameFormat,
    notes: &Notes,
) -> Result<(), Failure> {
    let bytes = encode_with_notes(picture, format, JPEG_QUALITY, notes);
    let bytes = bytes.map_err(Failure::usage)?;
    std::fs::write(file, bytes).map_err(|cause| unwritable(file, &cause))
}

/// The failure of a file that cannot be written.
pub fn unwritable(file: &Path, cause: &dyn Display) -> Failure {
    Failure::usage(format!(
        "cannot write {} ({cause}): choose another place",
        file.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_chooses_the_format() {
        assert_eq!(format_of(Path::new("a.PNG")).unwrap(), FrameFormat::Png);
        assert_eq!(
            format_of(Path::new("a.b/c.jpeg")).unwrap(),
            FrameFormat::Jpeg
        );
        for name in ["a", "a.gif", "png"] {
            assert_eq!(format_of(Path::new(name)).unwrap_err().code(), 2, "{name}");
        }
    }
}
