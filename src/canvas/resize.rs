//! Pictures in other sizes.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::Pixels;
use crate::protocol::CanvasSize;

/// The picture scaled to cover `size`, its centre kept and what does not fit
/// cut off evenly on both sides (Lanczos3). A picture without pixels becomes
/// white paper.
pub fn fit_to(picture: &Pixels, size: CanvasSize) -> Pixels {
    if picture.width() == size.width && picture.height() == size.height {
        return picture.clone();
    }
    let options = ResizeOptions::new().fit_into_destination(Some((0.5, 0.5)));
    resized(picture, size, &options)
        .unwrap_or_else(|| Pixels::new(size.width, size.height, [255; 3]))
}

/// A picture's shape with at most `longest` pixels on its longer side; never larger than it is.
pub fn size_within(size: CanvasSize, longest: u32) -> CanvasSize {
    let from = size.width.max(size.height).max(longest);
    let side = |side: u32| (side * longest).div_ceil(from);
    CanvasSize {
        width: side(size.width),
        height: side(size.height),
    }
}

/// The whole picture in another size, whatever that does to its shape: bicubic with a = −½,
/// widened where the picture shrinks, as Pillow's `BICUBIC`. A picture without pixels becomes
/// white paper.
pub fn resize_bicubic(picture: &Pixels, size: CanvasSize) -> Pixels {
    stretched(picture, size, FilterType::CatmullRom)
}

/// The whole picture in another size, whatever that does to its shape, as Pillow's `LANCZOS`. A
/// picture without pixels becomes white paper.
pub fn resize_lanczos(picture: &Pixels, size: CanvasSize) -> Pixels {
    if (picture.width(), picture.height()) == (size.width, size.height) {
        return picture.clone();
    }
    stretched(picture, size, FilterType::Lanczos3)
}

fn stretched(picture: &Pixels, size: CanvasSize, filter: FilterType) -> Pixels {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    // Rows first, as Pillow: what overshoots is cut off between the two, so the order shows.
    let rows = CanvasSize {
        width: size.width,
        height: picture.height(),
    };
    resized(picture, rows, &options)
        .and_then(|rows| resized(&rows, size, &options))
        .unwrap_or_else(|| Pixels::new(size.width, size.height, [255; 3]))
}

/// `None` for pictures without pixels, the only ones that cannot be scaled.
fn resized(picture: &Pixels, size: CanvasSize, options: &ResizeOptions) -> Option<Pixels> {
    let source =
        TypedImageRef::<U8x3>::from_buffer(picture.width(), picture.height(), picture.data())
            .ok()?;
    let mut target = vec![0; 3 * size.width as usize * size.height as usize];
    let mut view = TypedImage::<U8x3>::from_buffer(size.width, size.height, &mut target).ok()?;
    // The typed call: the untyped one compiles every pixel type into this crate.
    Resizer::new()
        .resize_typed(&source, &mut view, options)
        .ok()?;
    Pixels::from_raw(size.width, size.height, target)
        .ok()
        .filter(|_| !picture.data().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_picture_keeps_its_shape() {
        for ((width, height), expected) in [
            ((512, 512), (384, 384)),
            ((1536, 1024), (384, 256)),
            ((64, 128), (64, 128)),
            ((4096, 64), (384, 6)),
        ] {
            let size = size_within(CanvasSize { width, height }, 384);
            assert_eq!((size.width, size.height), expected);
        }
    }
}
