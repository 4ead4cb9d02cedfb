//! Outlines by a difference of Gaussians (Winnemöller, Kyprianidis and Olsen, "XDoG: An eXtended
//! difference-of-Gaussians compendium", 2012), with the numbers that scribble ControlNets are used
//! with: what is darker, in every colour, than what lies around.

use crate::canvas::Pixels;
use crate::canvas::finish::planes::{Kernel, Plane};

/// Standard deviations of the two Gaussians, in pixels.
const NARROW: f32 = 0.5;
const WIDE: f32 = 5.0;
/// So much darker is a line, of 255.
const DARKER: f32 = 16.0;

/// True for each pixel of an outline.
pub(super) fn outlines(picture: &Pixels) -> Vec<bool> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut is_line = vec![true; width * height];
    for channel in 0..3 {
        let mut narrow = Plane::new(width, height);
        let values = picture.data().iter().skip(channel).step_by(3);
        for (value, byte) in narrow.data_mut().iter_mut().zip(values) {
            *value = f32::from(*byte);
        }
        let mut wide = narrow.clone();
        narrow.blur(&gaussian(NARROW));
        wide.blur(&gaussian(WIDE));
        let pairs = wide.data().iter().zip(narrow.data());
        for (is_line, (wide, narrow)) in is_line.iter_mut().zip(pairs) {
            *is_line &= wide - narrow > DARKER;
        }
    }
    is_line
}

/// As far as OpenCV's goes for floats.
fn gaussian(sigma: f32) -> Kernel {
    Kernel::with_radius(sigma, (4.0 * sigma).round() as usize)
}
