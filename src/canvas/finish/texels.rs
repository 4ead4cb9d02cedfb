//! Pixels whose values lie side by side, with as many more around them as a filter looks for.

use std::ops::Range;

use crate::canvas::avx2::with_avx2;

use super::memory::Memory;

/// The values of a pixel: one load brings all of them.
pub(super) type Texel = [f32; 4];

/// Rows of pixels with a margin on every side, so that a filter has no edges to mind.
#[derive(Debug)]
pub(super) struct Texels {
    /// The first of the rows, without the margin.
    first: usize,
    margin: usize,
    /// Texels from one row to the next.
    pitch: usize,
    data: Memory,
}

/// A row of [`Texels`], and as many above and below it as the margin is wide: all of them complete.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    margin: usize,
    pitch: usize,
    data: &'a [Texel],
}

impl Texels {
    /// The pixels of `rows`, made of up to four planes whose row `y` is given by `line`. Planes have
    /// rows in `known` only; what lies outside is as the nearest that they have.
    pub(super) fn new<'a, const PLANES: usize>(
        rows: Range<usize>,
        known: Range<usize>,
        margin: usize,
        line: impl Fn(usize) -> [&'a [f32]; PLANES],
    ) -> Self {
        let width = line(known.start)[0].len();
        let pitch = width + 2 * margin;
        let mut data = Memory::new(4 * pitch * (rows.len() + 2 * margin));
        for (row, texels) in data
            .as_chunks_mut::<4>()
            .0
            .chunks_exact_mut(pitch)
            .enumerate()
        {
            let y = (rows.start + row).saturating_sub(margin);
            let line = line(y.clamp(known.start, known.end - 1));
            let (left, texels) = texels.split_at_mut(margin);
            let (texels, right) = texels.split_at_mut(width);
            with_avx2(|| interleave(texels, line));
            left.fill(texels[0]);
            right.fill(texels[width - 1]);
        }
        Self {
            first: rows.start,
            margin,
            pitch,
            data,
        }
    }

    /// What lies around row `y`.
    pub(super) fn around(&self, y: usize) -> Around<'_> {
        let (start, rows) = ((y - self.first) * self.pitch, 2 * self.margin + 1);
        Around {
            margin: self.margin,
            pitch: self.pitch,
            data: &self.data.as_chunks().0[start..start + rows * self.pitch],
        }
    }
}

impl<'a> Around<'a> {
    /// Pixels in the row, without the margin.
    pub(super) const fn width(&self) -> usize {
        self.pitch - 2 * self.margin
    }

    /// Texels from one row to the next.
    pub(super) const fn pitch(&self) -> usize {
        self.pitch
    }

    /// How far from the row's first pixel a texel may lie in [`Around::texels`], either way: that far
    /// from any pixel of the row there are texels.
    pub(super) const fn reach(&self) -> usize {
        self.margin * self.pitch + self.margin
    }

    /// The texels of all rows; the row's first pixel is the one at [`Around::reach`].
    pub(super) const fn texels(&self) -> &'a [Texel] {
        self.data
    }
}

#[inline(always)]
fn interleave<const PLANES: usize>(texels: &mut [Texel], line: [&[f32]; PLANES]) {
    let line = line.map(|values| &values[..texels.len()]);
    for (x, texel) in texels.iter_mut().enumerate() {
        let value = |plane: usize| if plane < PLANES { line[plane][x] } else { 0.0 };
        *texel = [value(0), value(1), value(2), value(3)];
    }
}
