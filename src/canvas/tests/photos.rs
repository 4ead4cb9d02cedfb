//! Photos as cameras, phones and print shops save them, and files that only look like photos. The
//! fixtures, and what Pillow and lcms make of them, are from `tests/parity/photos.py`.

use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder};

use super::noise;
use crate::canvas::{CodecError, ImageLimits, Pixels, decode_image, encode_image};
use crate::protocol::FrameFormat;

/// As the server has them.
const LIMITS: ImageLimits = ImageLimits {
    max_bytes: 16 << 20,
    max_side: 4096,
    max_pixels: 4096 * 4096,
};

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/fixtures/photos");
    std::fs::read(Path::new(folder).join(name)).unwrap()
}

fn expected(name: &str) -> Pixels {
    let file = image::load_from_memory(&fixture(&format!("{name}.srgb.png"))).unwrap();
    pixels(&file)
}

fn pixels(picture: &DynamicImage) -> Pixels {
    Pixels::from_raw(
        picture.width(),
        picture.height(),
        picture.to_rgb8().into_raw(),
    )
    .unwrap()
}

fn decode(bytes: &[u8]) -> Result<Pixels, CodecError> {
    decode_image(bytes, &LIMITS)
}

/// The largest difference of any channel anywhere, in levels of 255.
fn difference(left: &Pixels, right: &Pixels) -> u8 {
    assert_eq!(left.bounds(), right.bounds());
    let levels = left.data().iter().zip(right.data());
    levels.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn colours_are_what_lcms_makes_of_them() {
    for (name, most) in [
        ("p3-png.png", 1),
        ("p3-webp.webp", 1),
        ("grey.png", 1),
        // Decoders of JPEG differ by a level or two, and profiles carry that on.
        ("p3-jpeg.jpg", 3),
        ("camera.jpg", 3),
        ("progressive.jpg", 3),
        ("scans-three.jpg", 3),
        ("scans-two.jpg", 3),
        ("lossy.webp", 3),
        ("cmyk.jpg", 3),
        ("ycck.jpg", 3),
        ("cmyk-profile.jpg", 3),
        ("ycck-profile.jpg", 3),
    ] {
        let bytes = fixture(name);
        let stem = name.split('.').next().unwrap();
        let off = difference(&decode(&bytes).unwrap(), &expected(stem));
        assert!(off <= most, "{name} is off by {off} levels");
        // Without its profile it would be another picture: the fixture can tell.
        if name.starts_with("p3") || name.contains("-profile") || name.starts_with("grey") {
            let raw = pixels(&image::load_from_memory(&bytes).unwrap());
            assert!(
                difference(&raw, &expected(stem)) > 20,
                "{name} says nothing"
            );
        }
    }
}

#[test]
fn pictures_come_out_upright() {
    for format in ["png", "webp"] {
        for orientation in 1..=8 {
            let name = format!("orientation-{orientation}.{format}");
            assert_eq!(
                decode(&fixture(&name)).unwrap(),
                expected("orientation"),
                "{name}"
            );
        }
    }
}

#[test]
fn sixteen_bits_keep_their_profile() {
    let eight = image::load_from_memory(&fixture("p3-png.png")).unwrap();
    let deep = eight.to_rgb16();
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    encoder.set_icc_profile(fixture("p3.icc")).unwrap();
    let samples: Vec<u8> = deep
        .iter()
        .flat_map(|sample| sample.to_ne_bytes())
        .collect();
    encoder
        .write_image(
            &samples,
            deep.width(),
            deep.height(),
            ExtendedColorType::Rgb16,
        )
        .unwrap();
    let off = difference(&decode(&bytes).unwrap(), &expected("p3-png"));
    assert!(off <= 1, "off by {off} levels");
}

#[test]
fn every_kind_of_png_is_read() {
    let rgba = image::RgbaImage::from_fn(9, 7, |x, y| {
        let grey = (x * 28) as u8;
        image::Rgba([grey, grey, grey, if y < 3 { 255 } else { 0 }])
    });
    let rgba = DynamicImage::ImageRgba8(rgba);
    let has_alpha = |kind: &DynamicImage| kind.color().has_alpha();
    for kind in [
        DynamicImage::ImageLuma8(rgba.to_luma8()),
        DynamicImage::ImageLumaA8(rgba.to_luma_alpha8()),
        DynamicImage::ImageLuma16(rgba.to_luma16()),
        DynamicImage::ImageLumaA16(rgba.to_luma_alpha16()),
        DynamicImage::ImageRgb16(rgba.to_rgb16()),
        DynamicImage::ImageRgba16(rgba.to_rgba16()),
    ] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        kind.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        let decoded = decode(bytes.get_ref()).unwrap();
        assert_eq!(decoded.pixel(4, 1), [112; 3], "{:?}", kind.color());
        let below = if has_alpha(&kind) { 255 } else { 112 };
        assert_eq!(decoded.pixel(4, 5), [below; 3], "{:?}", kind.color());
    }
}

#[test]
fn of_an_animation_the_first_picture_is_taken() {
    for name in ["animated.webp", "animated.png"] {
        assert_eq!(
            decode(&fixture(name)).unwrap(),
            expected("animated"),
            "{name}"
        );
    }
}

#[test]
fn a_single_pixel_is_a_picture() {
    let dot = Pixels::new(1, 1, [9, 200, 30]);
    for format in [FrameFormat::Png, FrameFormat::Webp, FrameFormat::Jpeg] {
        let decoded = decode(&encode_image(&dot, format, 100).unwrap()).unwrap();
        assert!(difference(&decoded, &dot) <= 2, "{format:?}");
    }
}

#[test]
fn a_photo_that_is_cut_off_anywhere_is_refused() {
    // The small picture inside has an end marker: what is cut off behind it must still show.
    for name in [
        "camera.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "scans-three.jpg",
        "camera.webp",
        "p3-png.png",
    ] {
        let bytes = fixture(name);
        // The end marker of a JPEG, the last chunk of a PNG, and metadata behind a WebP's pixels, are no
        // pixels.
        let least = if name.ends_with("jpg") {
            3
        } else {
            bytes.len() / 2
        };
        for kept in 0..=bytes.len() - least {
            let error = decode(&bytes[..kept]).map(|_| ()).unwrap_err();
            let is_clear = matches!(error, CodecError::Damaged(_) | CodecError::UnknownFormat);
            assert!(is_clear, "{name} up to {kept}: {error}");
        }
    }
}

/// As Samsung's panoramas are: the end marker is left out, and the maker's own part follows.
#[test]
fn a_jpeg_without_an_end_marker_is_whole_where_every_pixel_is_there() {
    for name in [
        "camera.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "ycck-profile.jpg",
        "scans-three.jpg",
        "scans-two.jpg",
    ] {
        let whole = fixture(name);
        let wanted = decode(&whole).unwrap();
        let (half_marker, pixels) = (&whole[..whole.len() - 1], &whole[..whole.len() - 2]);
        let with_trailer = [pixels, b"SEFT", &[0; 64]].concat();
        for bytes in [half_marker, pixels, &with_trailer] {
            assert_eq!(decode(bytes).unwrap(), wanted, "{name}");
        }
    }
}

#[test]
fn other_files_are_told_which_formats_there_are() {
    for file in [
        &b""[..],
        b"hello",
        b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01",
        b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>",
        b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0",
        b"%PDF-1.7\n",
        b"\0\0\0\x20ftypheic\0\0\0\0",
    ] {
        let error = decode(file).unwrap_err();
        assert!(matches!(error, CodecError::UnknownFormat), "{error}");
        assert!(error.to_string().ends_with("send a PNG, JPEG or WebP"));
    }
}

#[test]
fn small_files_that_would_be_huge_stay_small() {
    // Pixels beyond the last row are left alone, and so is a profile that inflates without end.
    for name in ["bomb-pixels.png", "bomb-profile.png"] {
        assert_eq!(
            decode(&fixture(name)).unwrap(),
            Pixels::new(16, 16, [0; 3]),
            "{name}"
        );
    }
}

#[test]
fn a_picture_inside_a_webp_is_no_larger_than_the_whole() {
    let lossy = |width: u16, height: u16| {
        let mut picture = vec![0, 0, 0, 0x9d, 0x01, 0x2a];
        picture.extend(width.to_le_bytes());
        picture.extend(height.to_le_bytes());
        chunk(b"VP8 ", &picture)
    };
    let whole = chunk(b"VP8X", &[0, 0, 0, 0, 9, 0, 0, 9, 0, 0]);
    let animated = chunk(b"VP8X", &[2, 0, 0, 0, 9, 0, 0, 9, 0, 0]);
    let frame = |picture: Vec<u8>| chunk(b"ANMF", &[vec![0; 16], picture].concat());
    let colour = chunk(b"ANIM", &[0; 6]);
    for chunks in [
        [whole, lossy(16383, 16383)].concat(),
        [animated, colour, frame(lossy(10, 16383))].concat(),
    ] {
        let file = chunk(b"RIFF", &[&b"WEBP"[..], &chunks].concat());
        let error = decode(&file).unwrap_err().to_string();
        assert!(error.contains("larger than the whole"), "{error}");
    }
}

/// A chunk of a RIFF file.
fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = (content.len() as u32).to_le_bytes();
    [&kind[..], &size, content].concat()
}

#[test]
fn forty_megapixels_are_refused_by_their_header() {
    let mut jpeg = encode_image(&noise(8, 8, 0), FrameFormat::Jpeg, 90).unwrap();
    let frame = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    jpeg[frame + 5..frame + 7].copy_from_slice(&5000_u16.to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&8000_u16.to_be_bytes());
    let mut webp = encode_image(&noise(8, 8, 0), FrameFormat::Webp, 90).unwrap();
    let header = 7999 | (4999 << 14);
    assert_eq!(&webp[12..16], b"VP8L");
    webp[21..25].copy_from_slice(&u32::to_le_bytes(header));
    for bytes in [super::codecs::png_with_header(8000, 5000), jpeg, webp] {
        match decode(&bytes).unwrap_err() {
            CodecError::TooLarge { width, height, .. } => {
                assert_eq!((width, height), (8000, 5000));
            }
            other => panic!("{other}"),
        }
    }
}

/// Flips, cuts and repeats bytes, always the same for a seed.
fn corrupted(bytes: &[u8], seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize % below.max(1)
    };
    let mut corrupted = bytes.to_vec();
    for _ in 0..=random(6) {
        let at = random(corrupted.len());
        match random(8) {
            0 => corrupted.truncate(at.max(1)),
            1 => {
                let part = corrupted[at..(at + 40).min(corrupted.len())].to_vec();
                corrupted.splice(at..at, part);
            }
            2 => {
                corrupted.drain(at..(at + random(16)).min(corrupted.len()));
            }
            3 => corrupted[at] = 0xff,
            _ => corrupted[at] ^= 1 << random(8),
        }
        if corrupted.is_empty() {
            break;
        }
    }
    corrupted
}

#[test]
fn whatever_a_file_holds_decoding_ends_within_the_limits() {
    let limits = ImageLimits {
        max_bytes: 1 << 20,
        max_side: 512,
        max_pixels: 512 * 512,
    };
    let mut decoded = 0;
    for name in [
        "p3-png.png",
        "grey.png",
        "animated.png",
        "orientation-6.png",
        "camera.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "cmyk-profile.jpg",
        "ycck-profile.jpg",
        "camera.webp",
        "p3-webp.webp",
        "lossy.webp",
        "animated.webp",
    ] {
        let bytes = fixture(name);
        for seed in 0..400 {
            let result =
                std::panic::catch_unwind(|| decode_image(&corrupted(&bytes, seed), &limits));
            let result = result.unwrap_or_else(|_| panic!("{name} with seed {seed}"));
            if let Ok(picture) = result {
                decoded += 1;
                assert!(
                    picture.width() <= 512 && picture.height() <= 512,
                    "{name}, {seed}"
                );
            }
        }
    }
    assert!(decoded > 100, "most files were refused at their first byte");
}
