//! Another JPEG decoder, for what the first (zune-jpeg) does not do.

use std::io::Read;

use image::RgbImage;
use jpeg_decoder::{Decoder, PixelFormat};

/// The end marker.
const END: [u8; 2] = [0xff, 0xd9];

/// The pixels of a JPEG in three colours; none for one of other channels, or that cannot be read.
pub(super) fn read_colours(jpeg: &[u8]) -> Option<RgbImage> {
    // It wants the end marker, which a whole file may lack.
    let mut decoder = Decoder::new(jpeg.chain(END.as_slice()));
    let samples = decoder.decode().ok()?;
    let info = decoder.info()?;
    match info.pixel_format {
        PixelFormat::RGB24 => RgbImage::from_raw(info.width.into(), info.height.into(), samples),
        _ => None,
    }
}

/// True when the last scan of a JPEG without an end marker is there to its last pixel: whatever
/// follows makes no difference. What is cut off would be made up from it.
pub(super) fn last_scan_is_whole(jpeg: &[u8]) -> bool {
    // Half an end marker would make one with what follows.
    let end = jpeg.iter().rposition(|byte| *byte != 0xff);
    let jpeg = &jpeg[..end.map_or(0, |end| end + 1)];
    let followed_by = |filler: u8| {
        let mut tail = [filler; 34];
        tail[32..].copy_from_slice(&END);
        Decoder::new(jpeg.chain(tail.as_slice())).decode().ok()
    };
    // The first bits of the two differ, so that even one that is missing shows.
    let first = followed_by(0x00);
    first.is_some() && first == followed_by(0xfe)
}
