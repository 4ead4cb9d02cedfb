//! Which way a picture runs: the direction of least change, from its structure tensor.

use crate::canvas::avx2::with_avx2;

use super::noise::{Area, clouds};
use super::planes::{Kernel, Plane};

/// Where nothing in the picture says which way to paint, the hand does. The weight of its direction
/// beside a picture's gradient: as much as one of 1/255 a pixel.
const HAND: f32 = (1.0 / 255.0) * (1.0 / 255.0);
/// How many pixels the hand's direction takes to turn.
const HAND_PERIOD: f32 = 48.0;
/// The standard deviation of the tensor's smoothing, in pixels.
const SMOOTHING: f32 = 2.5;

/// A unit vector along the direction of least change: x and y.
pub(super) type Direction = [f32; 2];

/// Which way each pixel runs.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) width: usize,
    pub(super) directions: Vec<Direction>,
    /// How much the picture keeps to the direction: 0 where all are alike, 1 where only one is.
    pub(super) anisotropy: Vec<f32>,
}

/// How far from a pixel the picture has a say in its direction, in pixels.
pub(super) fn reach(scale: f32) -> usize {
    1 + Kernel::gaussian(SMOOTHING * scale).radius()
}

/// The flow of a picture (its colours from 0 to 1, free of noise finer than `scale` pixels), by
/// the eigenvectors of the smoothed structure tensor as Kyprianidis, Kang and Döllner (2009) take
/// them. `area` is where on the canvas it lies.
pub(super) fn flow(colors: &[Plane; 3], area: &Area, scale: f32) -> Flow {
    let (width, height) = (area.width, area.height);
    let mut tensor = [(); 3].map(|()| Plane::new(width, height));
    let [xx, xy, yy] = &mut tensor;
    for color in colors {
        for y in 0..height {
            let above = color.row(y.saturating_sub(1));
            let below = color.row((y + 1).min(height - 1));
            let rows = (xx.row_mut(y), xy.row_mut(y), yy.row_mut(y));
            add_gradient(rows, color.row(y), above, below, scale);
        }
    }
    let kernel = Kernel::gaussian(SMOOTHING * scale);
    let [xx, xy, yy] = tensor.map(|plane| plane.blurred(&kernel));
    let turn = clouds(area, HAND_PERIOD * scale, 0x5EED_0001);
    let sway = clouds(area, HAND_PERIOD * scale, 0x5EED_0002);
    let mut directions = vec![Direction::default(); width * height];
    let mut anisotropy = vec![0.0; width * height];
    point(
        &mut directions,
        &mut anisotropy,
        [xx.data(), xy.data(), yy.data()],
        [turn.data(), sway.data()],
    );
    Flow {
        width,
        directions,
        anisotropy,
    }
}

/// Adds the products of a colour's derivatives; `scale` makes up for what a larger picture of the
/// same thing has less of.
fn add_gradient(
    (xx, xy, yy): (&mut [f32], &mut [f32], &mut [f32]),
    row: &[f32],
    above: &[f32],
    below: &[f32],
    scale: f32,
) {
    with_avx2(|| {
        let half = 0.5 * scale;
        let last = row.len() - 1;
        let mut add = |x: usize, left: f32, right: f32| {
            let dx = (right - left) * half;
            let dy = (below[x] - above[x]) * half;
            xx[x] += dx * dx;
            xy[x] += dx * dy;
            yy[x] += dy * dy;
        };
        add(0, row[0], row[1.min(last)]);
        if last > 0 {
            add(last, row[last - 1], row[last]);
        }
        let inner = 1..last.max(1);
        let targets = xx[inner.clone()]
            .iter_mut()
            .zip(&mut xy[inner.clone()])
            .zip(&mut yy[inner.clone()]);
        let across = row.iter().zip(&row[2.min(last + 1)..]);
        let down = above[inner.clone()].iter().zip(&below[inner]);
        for ((((xx, xy), yy), (left, right)), (above, below)) in targets.zip(across).zip(down) {
            let dx = (right - left) * half;
            let dy = (below - above) * half;
            *xx += dx * dx;
            *xy += dx * dy;
            *yy += dy * dy;
        }
    });
}

fn point(
    directions: &mut [Direction],
    anisotropy: &mut [f32],
    [xx, xy, yy]: [&[f32]; 3],
    [turn, sway]: [&[f32]; 2],
) {
    with_avx2(|| {
        let tensors = xx.iter().zip(xy).zip(yy);
        let hands = turn.iter().zip(sway);
        let targets = directions.iter_mut().zip(anisotropy);
        for (((direction, anisotropy), ((xx, xy), yy)), (turn, sway)) in
            targets.zip(tensors).zip(hands)
        {
            // The hand's strokes run across the page and a little uphill, here more and there less. A
            // tensor's direction is the half of the angle of (xx − yy, 2·xy).
            let (cos, sin) = (-0.75 + 0.5 * turn, 0.35 + 0.9 * sway);
            let hand = HAND / (cos * cos + sin * sin).sqrt().max(1e-3);
            let cos = xx - yy + hand * cos;
            let sin = 2.0 * xy + hand * sin;
            let length = (cos * cos + sin * sin).sqrt().max(1e-20);
            let cos = cos / length;
            // From the direction of most change by half the angle, then a quarter turn on.
            let across = (0.5 + 0.5 * cos).max(0.0).sqrt();
            let along = (0.5 - 0.5 * cos).max(0.0).sqrt();
            *direction = [-along.copysign(sin), across];
            *anisotropy = (length / (xx + yy + HAND)).min(1.0);
        }
    });
}

impl Flow {
    /// The rows in `rows` alone.
    pub(super) fn rows(&self, rows: std::ops::Range<usize>) -> Self {
        let all = rows.start * self.width..rows.end * self.width;
        Self {
            width: self.width,
            directions: self.directions[all.clone()].to_vec(),
            anisotropy: self.anisotropy[all].to_vec(),
        }
    }
}
