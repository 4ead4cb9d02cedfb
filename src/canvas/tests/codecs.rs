use proptest::prelude::*;

use super::noise;
use crate::canvas::headers::JpegLayout;
use crate::canvas::{
    CodecError, ImageLimits, Pixels, decode_image, decode_image_over, encode_image, fit_to,
};
use crate::protocol::{CanvasSize, FrameFormat};

const FORMATS: [FrameFormat; 3] = [FrameFormat::Png, FrameFormat::Jpeg, FrameFormat::Webp];

fn decode(bytes: &[u8]) -> Result<Pixels, CodecError> {
    decode_image(bytes, &ImageLimits::default())
}

/// A PNG whose header says a size and which has no pixels to speak of.
pub(super) fn png_with_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encode_image(&noise(8, 8, 0), FrameFormat::Png, 90).unwrap();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = !0u32;
    for byte in &bytes[12..29] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn lossless_formats_are_lossless(width in 1u32..70, height in 1u32..70, seed in any::<u32>()) {
        let picture = noise(width, height, seed);
        for format in [FrameFormat::Png, FrameFormat::Webp] {
            let bytes = encode_image(&picture, format, 50).unwrap();
            prop_assert_eq!(&decode(&bytes).unwrap(), &picture);
        }
    }

    #[test]
    fn bytes_that_are_no_image_get_an_error(
        format in prop::sample::select(&FORMATS[..]),
        noise_bytes in prop::collection::vec(any::<u8>(), 0..200),
        kept in 0usize..24,
    ) {
        let mut bytes = encode_image(&noise(8, 8, 0), format, 90).unwrap();
        bytes.truncate(kept);
        bytes.extend(noise_bytes);
        let is_refused = matches!(
            decode(&bytes),
            Err(CodecError::Damaged(_) | CodecError::UnknownFormat | CodecError::TooLarge { .. })
        );
        prop_assert!(is_refused);
    }
}

#[test]
fn jpeg_is_close_and_quality_costs_bytes() {
    let mut picture = Pixels::new(64, 64, [0; 3]);
    for (at, value) in picture.data_mut().iter_mut().enumerate() {
        *value = (at / 3 % 64 * 3 + at / 192) as u8;
    }
    let fine = encode_image(&picture, FrameFormat::Jpeg, 95).unwrap();
    let coarse = encode_image(&picture, FrameFormat::Jpeg, 20).unwrap();
    assert!(coarse.len() < fine.len());
    let decoded = decode(&fine).unwrap();
    assert_eq!(decoded.bounds(), picture.bounds());
    let error: u64 = decoded
        .data()
        .iter()
        .zip(picture.data())
        .map(|(decoded, value)| u64::from(decoded.abs_diff(*value)))
        .sum();
    assert!(error / (picture.data().len() as u64) < 4);
}

#[test]
fn images_that_are_cut_off_are_damaged() {
    for format in FORMATS {
        let bytes = encode_image(&noise(64, 64, 1), format, 90).unwrap();
        for kept in [bytes.len() / 2, bytes.len() * 3 / 4] {
            let error = decode(&bytes[..kept]).unwrap_err();
            assert!(
                matches!(error, CodecError::Damaged(_)),
                "{format:?}: {error}"
            );
        }
    }
}

#[test]
fn a_header_that_promises_too_much_is_refused_before_decoding() {
    for (width, height) in [(60_000, 60_000), (20_000, 1), (16_000, 16_000)] {
        let error = decode(&png_with_header(width, height)).unwrap_err();
        match error {
            CodecError::TooLarge {
                width: w,
                height: h,
                ..
            } => {
                assert_eq!((w, h), (width, height));
            }
            other => panic!("{other}"),
        }
    }
    assert!(matches!(
        decode(&png_with_header(80, 80)),
        Err(CodecError::Damaged(_))
    ));
}

#[test]
fn limits_are_the_callers() {
    let bytes = encode_image(&noise(64, 32, 1), FrameFormat::Png, 90).unwrap();
    let limits = ImageLimits {
        max_bytes: bytes.len(),
        max_side: 64,
        max_pixels: 64 * 32,
    };
    assert!(decode_image(&bytes, &limits).is_ok());
    let fewer_bytes = ImageLimits {
        max_bytes: bytes.len() - 1,
        ..limits
    };
    let error = decode_image(&bytes, &fewer_bytes).unwrap_err();
    assert!(matches!(error, CodecError::TooManyBytes { .. }));
    for tighter in [
        ImageLimits {
            max_side: 63,
            ..limits
        },
        ImageLimits {
            max_pixels: 64 * 32 - 1,
            ..limits
        },
    ] {
        let error = decode_image(&bytes, &tighter).unwrap_err();
        assert!(matches!(
            error,
            CodecError::TooLarge {
                width: 64,
                height: 32,
                ..
            }
        ));
    }
}

#[test]
fn transparency_is_laid_over_white() {
    let mut bytes = Vec::new();
    let rgba = image::RgbaImage::from_raw(3, 1, vec![9, 9, 9, 0, 9, 8, 7, 255, 0, 0, 0, 128]);
    rgba.unwrap()
        .write_to(
            &mut std::io::Cursor::new(&mut bytes),
            image::ImageFormat::Png,
        )
        .unwrap();
    assert_eq!(
        decode(&bytes).unwrap().data(),
        [255, 255, 255, 9, 8, 7, 127, 127, 127]
    );
}

#[test]
fn a_picture_without_pixels_is_not_encoded() {
    for format in FORMATS {
        let error = encode_image(&Pixels::new(0, 5, [0; 3]), format, 90).unwrap_err();
        assert!(matches!(error, CodecError::Encode(_)));
    }
}

#[test]
fn fitting_covers_the_canvas_and_keeps_the_centre() {
    // Green in the middle, red and blue at the ends that are cut off.
    let mut picture = Pixels::new(300, 100, [0, 255, 0]);
    picture.paste(&Pixels::new(90, 100, [255, 0, 0]), 0, 0);
    picture.paste(&Pixels::new(90, 100, [0, 0, 255]), 210, 0);
    let fitted = fit_to(
        &picture,
        CanvasSize {
            width: 64,
            height: 64,
        },
    );
    assert_eq!((fitted.width(), fitted.height()), (64, 64));
    for x in [0, 32, 63] {
        assert_eq!(fitted.pixel(x, 32), [0, 255, 0]);
    }
    let same = noise(64, 64, 2);
    assert_eq!(
        fit_to(
            &same,
            CanvasSize {
                width: 64,
                height: 64
            }
        ),
        same
    );
    let nothing = fit_to(
        &Pixels::new(0, 0, [0; 3]),
        CanvasSize {
            width: 64,
            height: 64,
        },
    );
    assert_eq!(nothing, Pixels::new(64, 64, [255; 3]));
}

/// Strokes on a transparent layer, as painting programs export them.
#[test]
fn what_is_transparent_takes_the_background() {
    use image::{DynamicImage, ImageFormat, LumaA, RgbaImage};
    let coloured = RgbaImage::from_raw(
        3,
        1,
        vec![255, 255, 255, 255, 255, 255, 255, 0, 200, 100, 0, 128],
    );
    let grey = image::ImageBuffer::<LumaA<u8>, _>::from_raw(3, 1, vec![255, 255, 255, 0, 90, 128]);
    for (picture, black) in [
        (
            DynamicImage::ImageRgba8(coloured.unwrap()),
            [255, 255, 255, 0, 0, 0, 100, 50, 0],
        ),
        (
            DynamicImage::ImageLumaA8(grey.unwrap()),
            [255, 255, 255, 0, 0, 0, 45, 45, 45],
        ),
    ] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        let over = |background| {
            let limits = ImageLimits::default();
            decode_image_over(bytes.get_ref(), &limits, background).unwrap()
        };
        assert_eq!(over(0).data(), black);
        assert_eq!(over(255).data()[..6], [255; 6]);
    }
}

/// A JPEG up to its first scan, of 16 × 16 pixels.
fn jpeg_up_to_scan(start_of_frame: u8, samplings: &[u8], scan: &[u8]) -> Vec<u8> {
    let count = samplings.len() as u8;
    let mut bytes = vec![0xff, 0xd8, 0xff, start_of_frame, 0, 8 + 3 * count];
    bytes.extend([8, 0, 16, 0, 16, count]);
    for (id, sampling) in (1..).zip(samplings) {
        bytes.extend([id, *sampling, 0]);
    }
    bytes.extend([0xff, 0xda, 0, 6 + 2 * scan.len() as u8, scan.len() as u8]);
    bytes.extend(scan.iter().flat_map(|id| [*id, 0]));
    bytes.extend([0, 63, 0, 0xff, 0xd9]);
    bytes
}

#[test]
fn colours_in_scans_of_their_own_are_known_where_they_would_be_misread() {
    let is_misread = |bytes: &[u8]| JpegLayout::read(bytes).is_misread();
    let (half, wide, tall) = ([0x22, 0x11, 0x11], [0x21, 0x11, 0x11], [0x12, 0x11, 0x11]);
    for (samplings, scan, misread) in [
        (half, &[1][..], true),
        (half, &[1, 2][..], true),
        (tall, &[1][..], true),
        (wide, &[1, 2][..], true),
        (wide, &[1][..], false),
        (half, &[1, 2, 3][..], false),
        ([0x11; 3], &[1][..], false),
    ] {
        let bytes = jpeg_up_to_scan(0xc0, &samplings, scan);
        assert_eq!(is_misread(&bytes), misread, "{samplings:?} {scan:?}");
    }
    assert!(!is_misread(&jpeg_up_to_scan(0xc2, &half, &[1])));
}
