//! Noise that belongs to the canvas: a function of the absolute place and a fixed seed.

use crate::canvas::avx2::with_avx2;

use super::planes::{Kernel, Plane};

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
    let mut plane = Plane::new(area.width + 2 * radius, area.height + 2 * radius);
    // Uniform noise from −1 to 1 has the variance 1/3.
    let gain = 3.0f32.sqrt() / kernel.noise_left();
    for y in 0..plane.height() {
        let row = area.y.wrapping_add(y as i32).wrapping_sub(radius as i32);
        let start = area.x.wrapping_sub(radius as i32);
        white_row(plane.row_mut(y), start, row, seed, gain);
    }
    plane
        .blurred(&kernel)
        .crop(radius..radius + area.width, radius..radius + area.height)
}

/// Noise that changes slowly, from −1 to 1: random values on a lattice of `period` pixels, with
/// smooth steps between them.
pub(super) fn clouds(area: &Area, period: f32, seed: u32) -> Plane {
    let mut plane = Plane::new(area.width, area.height);
    for y in 0..area.height {
        let row = area.y.wrapping_add(y as i32);
        cloud_row(plane.row_mut(y), area.x, row, 1.0 / period, seed);
    }
    plane
}

fn white_row(row: &mut [f32], x: i32, y: i32, seed: u32, gain: f32) {
    with_avx2(|| {
        for (offset, value) in (0..).zip(row) {
            *value = gain * uniform(x.wrapping_add(offset), y, seed);
        }
    });
}

fn cloud_row(row: &mut [f32], x: i32, y: i32, frequency: f32, seed: u32) {
    with_avx2(|| {
        let (top, down) = cell(y, frequency);
        for (offset, value) in (0..).zip(row) {
            let (left, along) = cell(x.wrapping_add(offset), frequency);
            let upper = mix(
                uniform(left, top, seed),
                uniform(left + 1, top, seed),
                along,
            );
            let lower = mix(
                uniform(left, top + 1, seed),
                uniform(left + 1, top + 1, seed),
                along,
            );
            *value = mix(upper, lower, down);
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
