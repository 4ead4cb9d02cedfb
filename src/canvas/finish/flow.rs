//! Which way a picture runs: the direction of least change, from its structure tensor.

use std::ops::Range;

use crate::canvas::avx2::with_avx2;

use super::noise::{Area, Clouds};
use super::planes::{Kernel, Plane, widened};

/// Where nothing in the picture says which way to paint, the hand does. The weight of its direction
/// beside a picture's gradient: as much as one of 1/255 a pixel.
const HAND: f32 = (1.0 / 255.0) * (1.0 / 255.0);
/// How many pixels the hand's direction takes to turn.
const HAND_PERIOD: f32 = 48.0;
/// The standard deviation of the tensor's smoothing, in pixels.
const SMOOTHING: f32 = 2.5;

/// Which way the pixels of some rows run.
#[derive(Debug)]
pub(super) struct Flow {
    /// The row that the planes begin with.
    first: usize,
    /// A unit vector along the direction of least change, x and y; then how much the picture keeps
    /// to it: 0 where all directions are alike, 1 where there is only one.
    planes: [Plane; 3],
}

/// How far from a pixel the picture has a say in its direction, in pixels.
pub(super) fn reach(scale: f32) -> usize {
    1 + Kernel::gaussian(SMOOTHING * scale).radius()
}

/// The flow in `rows` of a picture (its colours from 0 to 1, free of noise finer than `scale`
/// pixels), by the eigenvectors of the smoothed structure tensor as Kyprianidis, Kang and Döllner
/// (2009) take them. `area` is where on the canvas the picture lies.
pub(super) fn flow(colors: &[Plane; 3], area: &Area, scale: f32, rows: Range<usize>) -> Flow {
    let kernel = Kernel::gaussian(SMOOTHING * scale);
    let seen = widened(&rows, kernel.radius(), area.height);
    let mut tensor = [(); 3].map(|()| Plane::new(area.width, seen.len()));
    for (target, y) in seen.clone().enumerate() {
        let lines = colors.each_ref().map(|color| {
            let (above, below) = (y.saturating_sub(1), (y + 1).min(area.height - 1));
            [color.row(above), color.row(y), color.row(below)]
        });
        let target = tensor.each_mut().map(|plane| plane.row_mut(target));
        gradient_row(target, lines, 0.5 * scale);
    }
    for plane in &mut tensor {
        plane.blur(&kernel);
    }
    let mut turn = Clouds::new(area, HAND_PERIOD * scale, 0x5EED_0001);
    let mut sway = Clouds::new(area, HAND_PERIOD * scale, 0x5EED_0002);
    for y in rows {
        let target = tensor.each_mut().map(|plane| plane.row_mut(y - seen.start));
        point_row(target, [turn.row(y), sway.row(y)]);
    }
    Flow {
        first: seen.start,
        planes: tensor,
    }
}

impl Flow {
    /// Row `y` of the picture: directions, x and y, and how much it keeps to them.
    pub(super) fn row(&self, y: usize) -> [&[f32]; 3] {
        self.planes
            .each_ref()
            .map(|plane| plane.row(y - self.first))
    }
}

/// The structure tensor of a row: the products of the derivatives of three colours, each given by
/// the rows above, in the middle and below, in units of `step` a pixel. `scale` times as large a
/// picture of the same thing has so much less of them.
fn gradient_row(target: [&mut [f32]; 3], lines: [[&[f32]; 3]; 3], step: f32) {
    with_avx2(|| gradient(target, lines, step));
}

#[inline(always)]
fn gradient([xx, xy, yy]: [&mut [f32]; 3], lines: [[&[f32]; 3]; 3], step: f32) {
    let last = xx.len() - 1;
    for (x, left, right) in [(0, 0, 1.min(last)), (last, last.saturating_sub(1), last)] {
        let mut sums = [0.0; 3];
        for [above, row, below] in lines {
            add_products(&mut sums, [row[left], row[right], above[x], below[x]], step);
        }
        [xx[x], xy[x], yy[x]] = sums;
    }
    let inner = last.saturating_sub(1);
    if inner == 0 {
        return;
    }
    let (xx, xy, yy) = (
        &mut xx[1..][..inner],
        &mut xy[1..][..inner],
        &mut yy[1..][..inner],
    );
    let ends = lines.map(|[above, row, below]| {
        let (above, below) = (&above[1..][..inner], &below[1..][..inner]);
        [&row[..inner], &row[2..][..inner], above, below]
    });
    for x in 0..inner {
        let mut sums = [0.0; 3];
        for [left, right, above, below] in &ends {
            add_products(&mut sums, [left[x], right[x], above[x], below[x]], step);
        }
        [xx[x], xy[x], yy[x]] = sums;
    }
}

/// Adds the products of a colour's derivatives, from its values to the left, to the right, above and
/// below.
#[inline(always)]
fn add_products(sums: &mut [f32; 3], [left, right, above, below]: [f32; 4], step: f32) {
    let (dx, dy) = ((right - left) * step, (below - above) * step);
    sums[0] += dx * dx;
    sums[1] += dx * dy;
    sums[2] += dy * dy;
}

/// Turns the smoothed tensors of a row into directions and anisotropies.
fn point_row(target: [&mut [f32]; 3], hand: [&[f32]; 2]) {
    with_avx2(|| point(target, hand));
}

#[inline(always)]
fn point([xx, xy, yy]: [&mut [f32]; 3], [turn, sway]: [&[f32]; 2]) {
    let tensors = xx.iter_mut().zip(xy).zip(yy);
    for (((xx, xy), yy), (turn, sway)) in tensors.zip(turn.iter().zip(sway)) {
        // The hand's strokes run across the page and a little uphill, here more and there less. A
        // tensor's direction is the half of the angle of (xx − yy, 2·xy).
        let (cos, sin) = (-0.75 + 0.5 * turn, 0.35 + 0.9 * sway);
        let hand = HAND / (cos * cos + sin * sin).sqrt().max(1e-3);
        let cos = *xx - *yy + hand * cos;
        let sin = 2.0 * *xy + hand * sin;
        let length = (cos * cos + sin * sin).sqrt().max(1e-20);
        let cos = cos / length;
        // From the direction of most change by half the angle, then a quarter turn on.
        let across = (0.5 + 0.5 * cos).max(0.0).sqrt();
        let along = (0.5 - 0.5 * cos).max(0.0).sqrt();
        let anisotropy = (length / (*xx + *yy + HAND)).min(1.0);
        (*xx, *xy, *yy) = (-along.copysign(sin), across, anisotropy);
    }
}
