//! Fitting pictures to the canvas.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{ResizeOptions, Resizer};

use super::Pixels;
use crate::protocol::CanvasSize;

/// The picture scaled to cover `size`, its centre kept and what does not fit
/// cut off evenly on both sides (Lanczos3). A picture without pixels becomes
/// white paper.
pub fn fit_to(picture: &Pixels, size: CanvasSize) -> Pixels {
    if picture.width() == size.width && picture.height() == size.height {
        return picture.clone();
    }
    resized(picture, size).unwrap_or_else(|| Pixels::new(size.width, size.height, [255; 3]))
}

/// `None` for pictures without pixels, the only ones that cannot be scaled.
fn resized(picture: &Pixels, size: CanvasSize) -> Option<Pixels> {
    let source =
        TypedImageRef::<U8x3>::from_buffer(picture.width(), picture.height(), picture.data())
            .ok()?;
    let mut target = vec![0; 3 * size.width as usize * size.height as usize];
    let mut view = TypedImage::<U8x3>::from_buffer(size.width, size.height, &mut target).ok()?;
    let options = ResizeOptions::new().fit_into_destination(Some((0.5, 0.5)));
    // The typed call: the untyped one compiles every pixel type into this crate.
    Resizer::new()
        .resize_typed(&source, &mut view, &options)
        .ok()?;
    Pixels::from_raw(size.width, size.height, target)
        .ok()
        .filter(|_| !picture.data().is_empty())
}
