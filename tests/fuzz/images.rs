//! Uploads.

use impasto::canvas::{CodecError, ImageLimits, Pixels, decode_image, encode_image};
use impasto::protocol::FrameFormat;

/// Small ones, so that what goes over them is small too.
const LIMITS: ImageLimits = ImageLimits {
    max_bytes: 64 << 10,
    max_side: 256,
    max_pixels: 1 << 14,
};

/// A picture that is read keeps to the limits, and survives PNG; one that is over a limit says which.
pub fn picture(bytes: &[u8]) {
    match decode_image(bytes, &LIMITS) {
        Ok(picture) => {
            let (width, height) = (picture.width(), picture.height());
            assert!(width <= LIMITS.max_side && height <= LIMITS.max_side);
            assert!(u64::from(width) * u64::from(height) <= LIMITS.max_pixels);
            assert_eq!(picture.data().len(), 3 * (width * height) as usize);
            if !picture.data().is_empty() {
                let png = encode_image(&picture, FrameFormat::Png, 100).unwrap();
                assert_eq!(
                    decode_image(&png, &ImageLimits::default()).unwrap(),
                    picture
                );
            }
        }
        Err(CodecError::TooManyBytes { bytes: found, most }) => assert!(found > most),
        Err(CodecError::TooLarge { width, height, .. }) => assert!(
            width > LIMITS.max_side
                || height > LIMITS.max_side
                || u64::from(width) * u64::from(height) > LIMITS.max_pixels
        ),
        Err(_) => {}
    }
}

/// A small picture in each format.
pub fn pictures() -> Vec<Vec<u8>> {
    let data = (0..24 * 17 * 3).map(|at: u32| (at * 7 % 251) as u8);
    let picture = Pixels::from_raw(24, 17, data.collect()).unwrap();
    let formats = [FrameFormat::Png, FrameFormat::Jpeg, FrameFormat::Webp];
    formats
        .map(|format| encode_image(&picture, format, 80).unwrap())
        .into()
}
