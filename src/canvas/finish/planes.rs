//! Planes of floats, and Gaussian blurs of them.
//!
//! Every value is made by the same sum in the same order wherever in a plane it lies, so that two
//! planes that show the same place agree to the bit, as far from their edges as a filter reaches.

use std::ops::Range;

use crate::canvas::avx2::with_avx2;

use super::memory::Memory;

/// Values that one turn of an inner loop works on: they stay in vector registers.
const LANES: usize = 32;

/// One value for each pixel, row after row.
#[derive(Clone, Debug)]
pub(in crate::canvas) struct Plane {
    width: usize,
    data: Memory,
}

impl Plane {
    /// Values left over from an earlier plane: each is to be written before it is read.
    pub(in crate::canvas) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            data: Memory::new(width * height),
        }
    }

    pub(super) const fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.data.len() / self.width.max(1)
    }

    /// All values.
    pub(in crate::canvas) fn data(&self) -> &[f32] {
        &self.data
    }

    /// All values, to be written.
    pub(in crate::canvas) fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    pub(super) fn row(&self, y: usize) -> &[f32] {
        &self.data[y * self.width..][..self.width]
    }

    pub(super) fn row_mut(&mut self, y: usize) -> &mut [f32] {
        &mut self.data[y * self.width..][..self.width]
    }

    /// The rows in `rows` alone.
    pub(super) fn crop(&self, rows: Range<usize>) -> Self {
        let mut part = Self::new(self.width, rows.len());
        part.data
            .copy_from_slice(&self.data[rows.start * self.width..rows.end * self.width]);
        part
    }

    /// Only the first `height` rows.
    pub(super) fn truncate(&mut self, height: usize) {
        self.data.truncate(height * self.width);
    }

    /// Blurs by `kernel` both ways; beyond its edges the plane goes on as it ends.
    pub(in crate::canvas) fn blur(&mut self, kernel: &Kernel) {
        let (width, height) = (self.width, self.height());
        if self.data.is_empty() {
            return;
        }
        let radius = kernel.radius();
        let mut padded = vec![0.0; width + 2 * radius];
        // Rows that are blurred across, as many as a row needs for its way down: what is above them
        // is finished, and lies in the plane.
        let mut across = Self::new(width, (2 * radius + 1).min(height));
        let kept = across.height();
        for y in 0..height + radius {
            if y < height {
                let row = self.row(y);
                padded[..radius].fill(row[0]);
                padded[radius..radius + width].copy_from_slice(row);
                padded[radius + width..].fill(row[width - 1]);
                blur_across(across.row_mut(y % kept), &padded, kernel);
            }
            if let Some(target) = y.checked_sub(radius) {
                let row = |offset: usize| {
                    let nearest = (target + offset).saturating_sub(radius).min(height - 1);
                    across.row(nearest % kept)
                };
                let rows: Vec<_> = (0..=2 * radius).map(row).collect();
                weigh(self.row_mut(target), &rows, kernel);
            }
        }
    }
}

/// `rows`, widened by `by` as far as there are any.
pub(super) fn widened(rows: &Range<usize>, by: usize, height: usize) -> Range<usize> {
    rows.start.saturating_sub(by)..(rows.end + by).min(height)
}

/// Half of a symmetric kernel, its middle first; the whole sums to 1.
#[derive(Clone, Debug)]
pub(in crate::canvas) struct Kernel(Vec<f32>);

impl Kernel {
    /// A Gaussian, cut off at 2.4 standard deviations. `sigma` is in pixels.
    pub(super) fn gaussian(sigma: f32) -> Self {
        Self::with_radius(sigma, (sigma * 2.4).ceil().max(0.0) as usize)
    }

    /// A Gaussian that reaches so far.
    pub(in crate::canvas) fn with_radius(sigma: f32, radius: usize) -> Self {
        let mut half: Vec<f32> = (0..=radius)
            .map(|distance| {
                let distance = distance as f32 / sigma.max(1e-3);
                (-0.5 * distance * distance).exp()
            })
            .collect();
        let sum = half[0] + 2.0 * half[1..].iter().sum::<f32>();
        for weight in &mut half {
            *weight /= sum;
        }
        Self(half)
    }

    /// How far it reaches, in pixels.
    pub(super) const fn radius(&self) -> usize {
        self.0.len() - 1
    }

    /// The standard deviation that white noise of standard deviation 1 has after it.
    pub(super) fn noise_left(&self) -> f32 {
        let squares = self.0.iter().map(|weight| weight * weight);
        // A sum along one axis, and its square for two: the root of that is the sum.
        2.0 * squares.sum::<f32>() - self.0[0] * self.0[0]
    }
}

/// Blurs a row that has the kernel's radius more on each side than `target`.
pub(super) fn blur_across(target: &mut [f32], padded: &[f32], kernel: &Kernel) {
    let width = target.len();
    let shifted: Vec<_> = (0..=2 * kernel.radius())
        .map(|start| &padded[start..start + width])
        .collect();
    weigh(target, &shifted, kernel);
}

/// The sum of `lines` by the kernel's weights; the one in the middle counts most.
pub(super) fn weigh(target: &mut [f32], lines: &[&[f32]], kernel: &Kernel) {
    with_avx2(|| sum(target, lines, &kernel.0));
}

#[inline(always)]
fn sum(target: &mut [f32], lines: &[&[f32]], kernel: &[f32]) {
    let (width, radius) = (target.len(), kernel.len() - 1);
    if width < LANES {
        for (x, value) in target.iter_mut().enumerate() {
            *value = kernel[0] * lines[radius][x];
            for (offset, weight) in (1..).zip(&kernel[1..]) {
                *value += weight * (lines[radius - offset][x] + lines[radius + offset][x]);
            }
        }
        return;
    }
    for start in (0..width).step_by(LANES) {
        // The last turn begins where it still fits.
        let start = start.min(width - LANES);
        let lanes = start..start + LANES;
        let mut sums = [0.0; LANES];
        for (sum, value) in sums.iter_mut().zip(&lines[radius][lanes.clone()]) {
            *sum = kernel[0] * value;
        }
        for (offset, weight) in (1..).zip(&kernel[1..]) {
            let before = &lines[radius - offset][lanes.clone()];
            let after = &lines[radius + offset][lanes.clone()];
            for lane in 0..LANES {
                sums[lane] += weight * (before[lane] + after[lane]);
            }
        }
        target[lanes].copy_from_slice(&sums);
    }
}

/// Adding it leaves a float's integer part, rounded, in the low bits of its mantissa.
pub(super) const ROUNDING: f32 = 12_582_912.0;

/// The nearest integer. `value` is far below 2²².
#[inline(always)]
pub(super) fn rounded(value: f32) -> i32 {
    (value + ROUNDING).to_bits() as i32 - ROUNDING.to_bits() as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_blur_is_the_sum_of_what_lies_around(
            (width, height) in (1usize..90, 1usize..20),
            sigma in 0.1f32..6.0,
            seed in 1u32..1000,
        ) {
            let kernel = Kernel::gaussian(sigma);
            let value = |x: usize, y: usize| ((x * 7 + y * 13) as u32 * seed % 101) as f32 / 101.0;
            let mut plane = Plane::new(width, height);
            for y in 0..height {
                for (x, target) in plane.row_mut(y).iter_mut().enumerate() {
                    *target = value(x, y);
                }
            }
            plane.blur(&kernel);
            let radius = kernel.radius();
            let weight = |at: usize| kernel.0[at.abs_diff(radius)];
            let near = |at: usize, by: usize, end: usize| (at + by).saturating_sub(radius).min(end - 1);
            for y in 0..height {
                for x in 0..width {
                    let mut wanted = 0.0;
                    for (down, across) in (0..=2 * radius).flat_map(|down| (0..=2 * radius).map(move |across| (down, across))) {
                        let around = value(near(x, across, width), near(y, down, height));
                        wanted += weight(down) * weight(across) * around;
                    }
                    prop_assert!((plane.row(y)[x] - wanted).abs() < 1e-5);
                }
            }
        }
    }
}
