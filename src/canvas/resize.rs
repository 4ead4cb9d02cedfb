//! Fitting pictures to the canvas.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeOptions, Resizer};

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
    let source = ImageRef::new(
        picture.width(),
        picture.height(),
        picture.data(),
        PixelType::U8x3,
    )
    .ok()?;
    let mut target = Image::new(size.width, size.height, PixelType::U8x3);
    let options = ResizeOptions::new().fit_into_destination(Some((0.5, 0.5)));
    Resizer::new().resize(&source, &mut target, &options).ok()?;
    Pixels::from_raw(size.width, size.height, target.into_vec())
        .ok()
        .filter(|_| !picture.data().is_empty())
}
