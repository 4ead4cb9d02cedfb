//! Pictures in other sizes.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use super::{LayerPixels, Pixels};
use crate::protocol::{CanvasSize, Rect};

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

/// The whole picture in its shape, as large as `size` has room for it, in the middle; nothing is around
/// it (Lanczos3, colours weighted by how opaque they are).
pub(super) fn fit_whole(picture: &LayerPixels, size: CanvasSize) -> LayerPixels {
    let own = &picture.color;
    if (own.width(), own.height()) == (size.width, size.height) {
        return picture.clone();
    }
    let (width, height) = (
        u64::from(own.width().max(1)),
        u64::from(own.height().max(1)),
    );
    // As wide as there is room where it is the wider of the two shapes.
    let is_wider = width * u64::from(size.height) >= height * u64::from(size.width);
    let side = |side: u64, whole: u32, of: u64| {
        let scaled = (side * u64::from(whole) + of / 2) / of;
        u32::try_from(scaled).unwrap_or(whole).clamp(1, whole)
    };
    let inner = match is_wider {
        true => CanvasSize {
            width: size.width,
            height: side(height, size.width, width).min(size.height),
        },
        false => CanvasSize {
            width: side(width, size.height, height).min(size.width),
            height: size.height,
        },
    };
    let offset = |whole: u32, inner: u32| i64::from((whole - inner) / 2);
    let place = (
        offset(size.width, inner.width),
        offset(size.height, inner.height),
    );
    let rgba = scaled::<U8x4>(
        &picture.to_rgba(),
        own.bounds(),
        inner,
        &ResizeOptions::new(),
    );
    let scaled = rgba.and_then(|rgba| LayerPixels::from_rgba(inner, &rgba));
    scaled.map_or_else(
        || LayerPixels::empty(size),
        |scaled| scaled.framed(place, size),
    )
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
    let target = scaled::<U8x3>(picture.data(), picture.bounds(), size, options)?;
    Pixels::from_raw(size.width, size.height, target)
        .ok()
        .filter(|_| !picture.data().is_empty())
}

/// The bytes of a picture that are `from` pixels, in another size.
fn scaled<P: PixelTrait>(
    bytes: &[u8],
    from: Rect,
    size: CanvasSize,
    options: &ResizeOptions,
) -> Option<Vec<u8>> {
    let source = TypedImageRef::<P>::from_buffer(from.width, from.height, bytes).ok()?;
    let mut target = vec![0; size_of::<P>() * size.width as usize * size.height as usize];
    let mut view = TypedImage::<P>::from_buffer(size.width, size.height, &mut target).ok()?;
    // The typed call: the untyped one compiles every pixel type into this crate.
    Resizer::new()
        .resize_typed(&source, &mut view, options)
        .ok()?;
    Some(target)
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
