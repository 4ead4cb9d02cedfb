//! Copies of bands of an image, channels last.

use super::super::plan::Image;
use crate::kernels::lanes::Lanes;

/// A band of rows with the zeros around the image.
pub(super) struct Staged {
    pub image: usize,
    /// The first row, counted from the row of zeros above the image.
    pub first: usize,
    pub rows: usize,
    /// Values in one row.
    pub row: usize,
    /// Values in one pixel: its channels, and zeros.
    pub pitch: usize,
}

/// Copies the rows of `band` after the first `known` ones from `input` into `staged`.
///
/// # Safety
///
/// As [`Lanes`].
#[inline(always)]
pub(super) unsafe fn stage<L: Lanes>(
    image: &Image,
    channels: usize,
    input: &[f32],
    band: &Staged,
    known: usize,
    staged: &mut [f32],
) {
    let plane = image.height * image.width;
    let input = &input[band.image * channels * plane..][..channels * plane];
    for row in known..band.rows {
        let out = &mut staged[row * band.row..][..band.row];
        match (band.first + row).checked_sub(1) {
            Some(y) if y < image.height => {
                let (before, out) = out.split_at_mut(band.pitch);
                let (inside, after) = out.split_at_mut(image.width * band.pitch);
                before.fill(0.0);
                after.fill(0.0);
                // SAFETY: the caller vouches for the processor.
                unsafe { turn_row::<L>(image, channels, input, y, band.pitch, inside) };
            }
            _ => out.fill(0.0),
        }
    }
}

/// One row of all channels, channels last.
///
/// # Safety
///
/// As [`Lanes`].
#[inline(always)]
unsafe fn turn_row<L: Lanes>(
    image: &Image,
    channels: usize,
    input: &[f32],
    y: usize,
    pitch: usize,
    out: &mut [f32],
) {
    let plane = image.height * image.width;
    let whole = image.width / 8 * 8;
    for first in (0..pitch).step_by(8) {
        let count = channels.saturating_sub(first).min(8);
        let turned = if count == 8 { whole } else { 0 };
        for x in (0..turned).step_by(8) {
            let from = &input[first * plane + y * image.width + x..][..7 * plane + 8];
            let to = &mut out[x * pitch + first..][..7 * pitch + 8];
            // SAFETY: the slices hold eight rows of eight values, and the caller vouches for the
            // processor.
            unsafe { L::turn(from.as_ptr(), plane, to.as_mut_ptr(), pitch) };
        }
        for x in turned..image.width {
            let to = &mut out[x * pitch + first..][..8];
            for (index, to) in to.iter_mut().enumerate() {
                *to = if index < count {
                    input[(first + index) * plane + y * image.width + x]
                } else {
                    0.0
                };
            }
        }
    }
}
