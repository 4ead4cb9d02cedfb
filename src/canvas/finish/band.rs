//! A band of a picture on its way through a finish: rows, and as many around them as it reaches.

use std::ops::Range;

use crate::canvas::avx2::with_avx2;

use super::flow::{Flow, flow};
use super::noise::Area;
use super::planes::{Kernel, Plane};
use super::texels::Texels;

/// The standard deviation of the blur that everything begins with, in pixels: it takes the
/// decoder's finest noise away, and makes one pixel stand for those around it.
const SOFTENING: f32 = 0.8;

/// Red, green and blue, 0 to 1.
pub(super) type Colors = [Plane; 3];

/// Rows of a picture as planes.
#[derive(Debug)]
pub(super) struct Band {
    /// Where on the canvas it lies.
    pub(super) area: Area,
    /// Canvas pixels along a side of what the finish takes for a pixel.
    pub(super) scale: f32,
    softened: Colors,
    /// The sum of the squares of the channels, softened.
    squares: Plane,
}

impl Band {
    /// How far softening reaches, in pixels.
    pub(super) fn softening(scale: f32) -> usize {
        Kernel::gaussian(SOFTENING * scale).radius()
    }

    /// `pixels` are RGB bytes of `area`.
    pub(super) fn new(pixels: &[u8], area: Area, scale: f32) -> Self {
        let mut planes = [(); 4].map(|()| Plane::new(area.width, area.height));
        let [red, green, blue, squares] = &mut planes;
        split(
            pixels,
            [red.data_mut(), green.data_mut(), blue.data_mut()],
            squares.data_mut(),
        );
        let kernel = Kernel::gaussian(SOFTENING * scale);
        for plane in &mut planes {
            plane.blur(&kernel);
        }
        let [red, green, blue, squares] = planes;
        Self {
            area,
            scale,
            softened: [red, green, blue],
            squares,
        }
    }

    /// Which way the picture runs in `rows`.
    pub(super) fn flow(&self, rows: Range<usize>) -> Flow {
        flow(&self.softened, &self.area, self.scale, rows)
    }

    /// What the Kuwahara filter sums around `rows`.
    pub(super) fn samples(&self, rows: Range<usize>, margin: usize) -> Texels {
        let [red, green, blue] = &self.softened;
        Texels::new(rows, 0..self.area.height, margin, |y| {
            [red.row(y), green.row(y), blue.row(y), self.squares.row(y)]
        })
    }
}

/// Lays `finished` over the rows of `pixels` with a weight, 0 to 1.
pub(super) fn lay_over(pixels: &mut [u8], finished: &Colors, strength: f32) {
    let [red, green, blue] = finished;
    blend(pixels, [red.data(), green.data(), blue.data()], strength);
}

fn split(pixels: &[u8], [red, green, blue]: [&mut [f32]; 3], squares: &mut [f32]) {
    with_avx2(|| {
        let planes = red.iter_mut().zip(green).zip(blue).zip(squares);
        for (pixel, (((red, green), blue), squares)) in pixels.chunks_exact(3).zip(planes) {
            *red = f32::from(pixel[0]) * (1.0 / 255.0);
            *green = f32::from(pixel[1]) * (1.0 / 255.0);
            *blue = f32::from(pixel[2]) * (1.0 / 255.0);
            *squares = *red * *red + *green * *green + *blue * *blue;
        }
    });
}

fn blend(pixels: &mut [u8], [red, green, blue]: [&[f32]; 3], strength: f32) {
    with_avx2(|| {
        let colors = red.iter().zip(green).zip(blue);
        for (pixel, ((red, green), blue)) in pixels.chunks_exact_mut(3).zip(colors) {
            for (value, color) in pixel.iter_mut().zip([red, green, blue]) {
                let before = f32::from(*value);
                let mixed = before + strength * (255.0 * color - before);
                *value = (mixed + 0.5) as u8;
            }
        }
    });
}
