//! Noise that belongs to the canvas: a function of the absolute place and a fixed seed.

use crate::canvas::avx2::with_avx2;

use super::planes::{Kernel, Plane, blur_across, weigh};

/// What part of the canvas a plane shows, in canvas pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// White noise blurred by a Gaussian of `sigma` pixels, with mean 0 and standard deviation 1.
pub(super) fn grain(area: &Area, sigma: f32, seed: u32) -> Plane {
    let kernel = Kernel::gaussian(sigma);
    let radius = kernel.radius();
    // Uniform noise from −1 to 1 has the variance 1/3.
    let gain = 3.0f32.sqrt() / kernel.noise_left();
    let mut white = vec![0.0; area.width + 2 * radius];
    let mut plane = Plane::new(area.width, area.height + 2 * radius);
    for y in 0..plane.height() {
        let row = area.y.wrapping_add(y as i32).wrapping_sub(radius as i32);
        let start = area.x.wrapping_sub(radius as i32);
        white_row(&mut white, start, row, seed, gain);
        blur_across(plane.row_mut(y), &white, &kernel);
    }
    let mut blurred = vec![0.0; area.width];
    for y in 0..area.height {
        let rows: Vec<_> = (y..=y + 2 * radius).map(|y| plane.row(y)).collect();
        weigh(&mut blurred, &rows, &kernel);
        // No row below needs this one.
        plane.row_mut(y).copy_from_slice(&blurred);
    }
    plane.truncate(area.height);
    plane
}

/// Noise that changes slowly, from −1 to 1: random values on a lattice of `period` pixels, with
/// smooth steps between them. Rows are made one after the other, from the same two rows of the
/// lattice as long as they lie between those.
#[derive(Debug)]
pub(super) struct Clouds {
    y: i32,
    frequency: f32,
    seed: u32,
    /// The lattice's cell that each column lies in, and how far along.
    columns: Vec<(i32, f32)>,
    /// The lattice's row above the last row that was made.
    top: Option<i32>,
    upper: Vec<f32>,
    lower: Vec<f32>,
    row: Vec<f32>,
}

impl Clouds {
    pub(super) fn new(area: &Area, period: f32, seed: u32) -> Self {
        let frequency = 1.0 / period;
        let columns = (0..area.width as i32).map(|x| cell(area.x.wrapping_add(x), frequency));
        let zeros = vec![0.0; area.width];
        Self {
            y: area.y,
            frequency,
            seed,
            columns: columns.collect(),
            top: None,
            upper: zeros.clone(),
            lower: zeros.clone(),
            row: zeros,
        }
    }

    /// Row `y` of the area.
    pub(super) fn row(&mut self, y: usize) -> &[f32] {
        let (top, down) = cell(self.y.wrapping_add(y as i32), self.frequency);
        if self.top != Some(top) {
            if self.top == Some(top - 1) {
                std::mem::swap(&mut self.upper, &mut self.lower);
            } else {
                lattice_row(&mut self.upper, &self.columns, top, self.seed);
            }
            lattice_row(&mut self.lower, &self.columns, top + 1, self.seed);
            self.top = Some(top);
        }
        mix_rows(&mut self.row, &self.upper, &self.lower, down);
        &self.row
    }
}

fn white_row(row: &mut [f32], x: i32, y: i32, seed: u32, gain: f32) {
    with_avx2(|| {
        for (offset, value) in (0..).zip(row) {
            *value = gain * uniform(x.wrapping_add(offset), y, seed);
        }
    });
}

fn lattice_row(row: &mut [f32], columns: &[(i32, f32)], y: i32, seed: u32) {
    with_avx2(|| {
        for (value, (left, along)) in row.iter_mut().zip(columns) {
            *value = mix(uniform(*left, y, seed), uniform(left + 1, y, seed), *along);
        }
    });
}

fn mix_rows(row: &mut [f32], upper: &[f32], lower: &[f32], down: f32) {
    with_avx2(|| {
        for (value, (upper, lower)) in row.iter_mut().zip(upper.iter().zip(lower)) {
            *value = mix(*upper, *lower, down);
        }
    });
}

/// The lattice's cell that a place lies in, and how far along, as a smooth step.
#[inline(always)]
fn cell(at: i32, frequency: f32) -> (i32, f32) {
    let at = at as f32 * frequency;
    let floor = at.floor();
    let part = at - floor;
    (floor as i32, part * part * (3.0 - 2.0 * part))
}

#[inline(always)]
fn mix(from: f32, to: f32, part: f32) -> f32 {
    from + (to - from) * part
}

/// A number from −1 to 1 that looks random: a multiplicative hash with the finaliser of
/// MurmurHash3 (Appleby).
#[inline(always)]
fn uniform(x: i32, y: i32, seed: u32) -> f32 {
    let mut hash = seed
        .wrapping_add((x as u32).wrapping_mul(0x9E37_79B1))
        .wrapping_add((y as u32).wrapping_mul(0x85EB_CA77));
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
    hash ^= hash >> 16;
    // 24 bits are what a float holds.
    (hash >> 8) as i32 as f32 * (2.0 / 16_777_215.0) - 1.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn clouds_are_the_same_in_any_order_of_rows(
            (x, y) in (any::<i32>(), any::<i32>()),
            period in 1.0f32..60.0,
            seed in any::<u32>(),
            rows in prop::collection::vec(0usize..90, 1..20),
        ) {
            // Far off, floats have no pixels any more.
            let (x, y) = (x >> 12, y >> 12);
            let area = Area { x, y, width: 33, height: 90 };
            let mut clouds = Clouds::new(&area, period, seed);
            for row in rows {
                let (top, down) = cell(y + row as i32, 1.0 / period);
                let wanted: Vec<f32> = (x..x + 33)
                    .map(|x| {
                        let (left, along) = cell(x, 1.0 / period);
                        let at = |y| mix(uniform(left, y, seed), uniform(left + 1, y, seed), along);
                        mix(at(top), at(top + 1), down)
                    })
                    .collect();
                prop_assert_eq!(clouds.row(row), wanted);
            }
        }
    }
}
