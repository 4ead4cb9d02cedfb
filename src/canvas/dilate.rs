//! Grey dilation of a mask by a parabola, in two separable passes.
//!
//! `max_q value(q) − 255·|p − q|²/(dilation² + 1)` splits into a pass along rows
//! and one along columns, because the square of the distance is a sum.

use super::Mask;
use super::avx2::with_avx2;
use super::mask::is_zero;
use crate::protocol::Rect;

/// Up to this dilation every offset is tried, many pixels at a time; above it
/// the time per pixel must not depend on the dilation.
const LARGEST_DIRECT_DILATION: u32 = 40;

impl Mask {
    /// The mask, dilated by `dilation` pixels.
    ///
    /// Each value falls off with the Euclidean distance `d` from its pixel as
    /// `value − 255·d²/(dilation² + 1)`, and the largest wins: no value gets
    /// smaller, and everything further than `dilation` from the mask is exactly
    /// 0. With `dilation` 0 the mask is unchanged.
    pub fn dilate(&self, dilation: u32) -> Mask {
        let sources = self.bounds();
        if dilation == 0 || sources.is_empty() {
            return self.clone();
        }
        let region =
            sources.inflate_within(dilation, &Rect::new(0, 0, self.width(), self.height()));
        let grown = dilate_values(&self.crop(&region), dilation);
        let mut mask = Mask::new(self.width(), self.height(), 0);
        for y in 0..region.height {
            mask.span_mut(region.x, region.y + y, region.width)
                .copy_from_slice(grown.span(0, y, region.width));
        }
        mask
    }
}

/// Dilates all of `mask` by `dilation` > 0.
pub(super) fn dilate_values(mask: &Mask, dilation: u32) -> Mask {
    let data = if dilation <= LARGEST_DIRECT_DILATION {
        let mut data = Vec::new();
        with_avx2(|| data = dilate_by_offsets(mask, dilation as usize));
        data
    } else {
        dilate_by_envelopes(mask, dilation)
    };
    let mut grown = mask.clone();
    grown.data_mut().copy_from_slice(&data);
    grown
}

/// Tries every offset in 16-bit fixed point, 257 being one step of the mask.
/// Costs are rounded up, so that what should be 0 is.
#[inline(always)]
fn dilate_by_offsets(mask: &Mask, dilation: usize) -> Vec<u8> {
    let (width, height) = (mask.width() as usize, mask.height() as usize);
    let limit = (dilation * dilation + 1) as u32;
    let costs: Vec<u16> = (0..=dilation as u32)
        .map(|d| (d * d * 65535).div_ceil(limit) as u16)
        .collect();
    let mut padded = vec![0u16; width + 2 * dilation];
    let mut along_rows = vec![0u16; width * height];
    let mut is_source = vec![false; height];
    for (y, row) in mask.data().chunks_exact(width).enumerate() {
        if is_zero(row) {
            continue;
        }
        is_source[y] = true;
        for (wide, value) in padded[dilation..].iter_mut().zip(row) {
            *wide = u16::from(*value) * 257;
        }
        let out = &mut along_rows[y * width..][..width];
        out.copy_from_slice(&padded[dilation..][..width]);
        for (distance, cost) in costs.iter().enumerate().skip(1) {
            let left = &padded[dilation - distance..][..width];
            let right = &padded[dilation + distance..][..width];
            for ((out, left), right) in out.iter_mut().zip(left).zip(right) {
                *out = (*out).max((*left).max(*right).saturating_sub(*cost));
            }
        }
    }
    let mut grown = Vec::with_capacity(width * height);
    let mut best = vec![0u16; width];
    for y in 0..height {
        best.fill(0);
        for source in y.saturating_sub(dilation)..=(y + dilation).min(height - 1) {
            if !is_source[source] {
                continue;
            }
            let cost = costs[source.abs_diff(y)];
            let row = &along_rows[source * width..][..width];
            for (best, value) in best.iter_mut().zip(row) {
                *best = (*best).max(value.saturating_sub(cost));
            }
        }
        grown.extend(best.iter().map(|value| (value >> 8) as u8));
    }
    grown
}

/// Upper envelopes of parabolas (Felzenszwalb and Huttenlocher, "Distance
/// transforms of sampled functions", 2012): constant time per pixel.
fn dilate_by_envelopes(mask: &Mask, dilation: u32) -> Vec<u8> {
    let (width, height) = (mask.width() as usize, mask.height() as usize);
    let slope = 255.0 / (f64::from(dilation) * f64::from(dilation) + 1.0);
    let mut envelope = Envelope::default();
    let mut along_rows = vec![0f32; width * height];
    let mut line: Vec<f32> = Vec::with_capacity(width.max(height));
    let mut out = vec![0f32; width.max(height)];
    for (row, out) in mask
        .data()
        .chunks_exact(width)
        .zip(along_rows.chunks_exact_mut(width))
    {
        if is_zero(row) {
            continue;
        }
        line.clear();
        line.extend(row.iter().map(|value| f32::from(*value)));
        envelope.fill(&line, slope, out);
    }
    let mut grown = vec![0u8; width * height];
    for x in 0..width {
        line.clear();
        line.extend(along_rows[x..].iter().step_by(width));
        let out = &mut out[..height];
        envelope.fill(&line, slope, out);
        for (target, value) in grown[x..].iter_mut().step_by(width).zip(out.iter()) {
            *target = *value as u8;
        }
    }
    grown
}

/// The parabolas that are the highest somewhere, from left to right, each
/// with its centre and the place from which it is the highest.
#[derive(Default)]
struct Envelope {
    highest: Vec<(usize, f64)>,
}

impl Envelope {
    /// `out[x] = max(0, max_q line[q] − slope·(x − q)²)`.
    fn fill(&mut self, line: &[f32], slope: f64, out: &mut [f32]) {
        self.highest.clear();
        for (centre, height) in line.iter().enumerate().filter(|(_, height)| **height > 0.0) {
            let mut from = f64::NEG_INFINITY;
            while let Some((other, other_from)) = self.highest.last() {
                let squares = (centre * centre) as f64 - (other * other) as f64;
                let rise = f64::from(line[*other] - height) / slope;
                from = (rise + squares) / (2.0 * (centre - other) as f64);
                if from > *other_from {
                    break;
                }
                self.highest.pop();
                from = f64::NEG_INFINITY;
            }
            self.highest.push((centre, from));
        }
        let mut at = 0;
        for (x, out) in out.iter_mut().enumerate() {
            while self
                .highest
                .get(at + 1)
                .is_some_and(|(_, from)| *from < x as f64)
            {
                at += 1;
            }
            *out = self.highest.get(at).map_or(0.0, |(centre, _)| {
                let distance = x.abs_diff(*centre) as f64;
                (f64::from(line[*centre]) - slope * distance * distance).max(0.0) as f32
            });
        }
    }
}
