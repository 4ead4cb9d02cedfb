//! Planes of floats, and Gaussian blurs of them.
//!
//! Every value is made by the same sum in the same order wherever in a plane it lies, so that two
//! planes that show the same place agree to the bit, as far from their edges as a filter reaches.

use std::ops::Range;

use crate::canvas::avx2::with_avx2;

/// Values that one turn of an inner loop works on: they stay in vector registers.
const LANES: usize = 32;

/// One value for each pixel, row after row.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    width: usize,
    data: Vec<f32>,
}

impl Plane {
    /// Zeros.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            data: vec![0.0; width * height],
        }
    }

    pub(super) const fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.data.len() / self.width.max(1)
    }

    /// All values.
    pub(super) fn data(&self) -> &[f32] {
        &self.data
    }

    /// All values, to be written.
    pub(super) fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    pub(super) fn row(&self, y: usize) -> &[f32] {
        &self.data[y * self.width..][..self.width]
    }

    pub(super) fn row_mut(&mut self, y: usize) -> &mut [f32] {
        &mut self.data[y * self.width..][..self.width]
    }

    /// The part in `columns` and `rows`, both inside the plane.
    pub(super) fn crop(&self, columns: Range<usize>, rows: Range<usize>) -> Self {
        let mut data = Vec::with_capacity(columns.len() * rows.len());
        for y in rows {
            data.extend_from_slice(&self.row(y)[columns.clone()]);
        }
        Self {
            width: columns.len(),
            data,
        }
    }

    /// Blurred by `kernel` both ways; beyond its edges the plane goes on as it ends.
    pub(super) fn blurred(&self, kernel: &Kernel) -> Self {
        let mut across = Self::new(self.width, self.height());
        blur_rows(&self.data, &mut across.data, self.width, &kernel.0);
        let mut blurred = Self::new(self.width, self.height());
        blur_columns(&across.data, &mut blurred.data, self.width, &kernel.0);
        blurred
    }
}

/// Half of a symmetric kernel, its middle first; the whole sums to 1.
#[derive(Clone, Debug)]
pub(super) struct Kernel(Vec<f32>);

impl Kernel {
    /// A Gaussian, cut off at 2.4 standard deviations. `sigma` is in pixels.
    pub(super) fn gaussian(sigma: f32) -> Self {
        let radius = (sigma * 2.4).ceil().max(0.0) as usize;
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

fn blur_rows(source: &[f32], target: &mut [f32], width: usize, kernel: &[f32]) {
    with_avx2(|| {
        if width == 0 {
            return;
        }
        let radius = kernel.len() - 1;
        let mut padded = vec![0.0; width + 2 * radius];
        for (source, target) in source
            .chunks_exact(width)
            .zip(target.chunks_exact_mut(width))
        {
            padded[..radius].fill(source[0]);
            padded[radius..radius + width].copy_from_slice(source);
            padded[radius + width..].fill(source[width - 1]);
            weigh(target, kernel, |offset| {
                let at = radius.saturating_add_signed(offset);
                &padded[at..at + width]
            });
        }
    });
}

fn blur_columns(source: &[f32], target: &mut [f32], width: usize, kernel: &[f32]) {
    with_avx2(|| {
        if width == 0 {
            return;
        }
        let last = source.len() / width - 1;
        for (y, target) in target.chunks_exact_mut(width).enumerate() {
            weigh(target, kernel, |offset| {
                let y = y.saturating_add_signed(offset).min(last);
                &source[y * width..][..width]
            });
        }
    });
}

/// The sum of the lines around `target`'s, by the kernel's weights. `line` gives the one that lies
/// an offset away, as long as `target`.
#[inline(always)]
fn weigh<'a>(target: &mut [f32], kernel: &[f32], line: impl Fn(isize) -> &'a [f32]) {
    let mut at = 0;
    let mut chunks = target.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        let mut sums = [0.0; LANES];
        for (sum, value) in sums.iter_mut().zip(&line(0)[at..at + LANES]) {
            *sum = kernel[0] * value;
        }
        for (offset, weight) in (1..).zip(&kernel[1..]) {
            let before = &line(-offset)[at..at + LANES];
            let after = &line(offset)[at..at + LANES];
            for lane in 0..LANES {
                sums[lane] += weight * (before[lane] + after[lane]);
            }
        }
        chunk.copy_from_slice(&sums);
        at += LANES;
    }
    for value in chunks.into_remainder() {
        *value = kernel[0] * line(0)[at];
        for (offset, weight) in (1..).zip(&kernel[1..]) {
            *value += weight * (line(-offset)[at] + line(offset)[at]);
        }
        at += 1;
    }
}

/// Adding it leaves a float's integer part, rounded, in the low bits of its mantissa.
const ROUNDING: f32 = 12_582_912.0;

/// The nearest integer. `value` is far below 2²².
#[inline(always)]
pub(super) fn rounded(value: f32) -> i32 {
    (value + ROUNDING).to_bits() as i32 - ROUNDING.to_bits() as i32
}
