//! What becomes of control pictures, beside OpenCV's own (`tests/parity/control.py`).

use super::control_picture;
use crate::canvas::{ImageLimits, Pixels, decode_image};
use crate::protocol::ControlPreprocess;

fn of_file(bytes: &[u8]) -> Pixels {
    decode_image(bytes, &ImageLimits::default()).unwrap()
}

/// The part of the pixels that are not as wanted.
fn differing(found: &Pixels, wanted: &Pixels) -> f64 {
    assert_eq!(found.bounds(), wanted.bounds());
    let pairs = found
        .data()
        .chunks_exact(3)
        .zip(wanted.data().chunks_exact(3));
    let all = wanted.data().len() / 3;
    pairs.filter(|(found, wanted)| found != wanted).count() as f64 / all as f64
}

macro_rules! fixture {
    ($name:literal) => {
        of_file(include_bytes!(concat!(
            "../../../tests/parity/fixtures/control/pictures/",
            $name,
            ".png"
        )))
    };
}

#[test]
fn edges_are_opencvs() {
    let picture = fixture!("picture");
    let found = control_picture(&picture, ControlPreprocess::Canny);
    assert_eq!(differing(&found, &fixture!("canny")), 0.0);
}

/// Near its edges a picture goes on as it ends here, and is mirrored there.
#[test]
fn outlines_are_those_of_opencvs_gaussians_but_at_the_margin() {
    let picture = fixture!("picture");
    let found = control_picture(&picture, ControlPreprocess::Xdog);
    let wanted = fixture!("xdog");
    assert!(differing(&found, &wanted) < 0.005);
    let inner = crate::protocol::Rect::new(20, 20, picture.width() - 40, picture.height() - 40);
    let apart = differing(&found.crop(&inner), &wanted.crop(&inner));
    assert!(apart < 0.0005, "{apart}");
}

#[test]
fn ink_is_what_is_dark_in_any_colour() {
    let colours = [
        [0, 0, 0],
        [126, 255, 255],
        [255, 0, 0],
        [127, 127, 127],
        [255, 255, 255],
    ];
    let picture = Pixels::from_raw(5, 1, colours.concat()).unwrap();
    let found = control_picture(&picture, ControlPreprocess::Ink);
    let lines: Vec<u8> = found.data().iter().copied().step_by(3).collect();
    assert_eq!(lines, [255, 255, 255, 0, 0]);
}

#[test]
fn paper_has_no_lines_and_small_pictures_are_read() {
    for preprocess in ControlPreprocess::ALL {
        for (width, height) in [(0, 0), (1, 1), (2, 5), (40, 3)] {
            let white = Pixels::new(width, height, [255; 3]);
            let found = control_picture(&white, preprocess);
            let wanted = match preprocess {
                ControlPreprocess::None => white,
                _ => Pixels::new(width, height, [0; 3]),
            };
            assert_eq!(found, wanted, "{preprocess}");
        }
    }
}
