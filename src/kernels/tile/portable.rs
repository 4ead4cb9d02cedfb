//! Tiles in plain loops, four rows of one 8-lane vector at a time: eight registers of the smallest
//! vector units, and the compiler unrolls the rest.

use super::{Left, ROWS, Right, Tile};

/// Rows that are summed at once.
const HEIGHT: usize = 4;

/// Values in one vector.
const LANES: usize = 8;

/// See [`super::product`].
///
/// # Safety
///
/// As [`super::product`]. The right operand is given as vectors.
pub(super) unsafe fn product(tile: &Tile) {
    let Right::Vectors(right) = tile.right else {
        return;
    };
    for first in (0..tile.rows).step_by(HEIGHT) {
        for (vector, &start) in right.iter().enumerate().take(tile.vectors) {
            let sums = match tile.left {
                // SAFETY: the tile names eight interleaved rows for each step.
                Left::Packed(left) => accumulate(tile.steps, start, |row, step| unsafe {
                    *left.add(step * ROWS + first + row)
                }),
                // SAFETY: the tile names one value of each row for each step.
                Left::Rows(left) => accumulate(tile.steps, start, |row, step| unsafe {
                    *left[first + row].add(step)
                }),
            };
            for (row, sums) in sums.iter().enumerate() {
                // SAFETY: `out` is writable for whole vectors of the tile's rows, rounded up to
                // four, which is where `first + row` ends.
                unsafe {
                    tile.out
                        .add((first + row) * tile.out_stride + vector * LANES)
                        .cast::<[f32; LANES]>()
                        .write_unaligned(*sums);
                }
            }
        }
    }
}

#[inline(always)]
fn accumulate(
    steps: &[u32],
    right: *const f32,
    left: impl Fn(usize, usize) -> f32,
) -> [[f32; LANES]; HEIGHT] {
    let mut sums = [[0.0f32; LANES]; HEIGHT];
    for (step, &offset) in steps.iter().enumerate() {
        // SAFETY: the tile names a whole vector at every step from each of its starts.
        let across = unsafe {
            right
                .add(offset as usize)
                .cast::<[f32; LANES]>()
                .read_unaligned()
        };
        for (row, sums) in sums.iter_mut().enumerate() {
            let factor = left(row, step);
            for (sum, value) in sums.iter_mut().zip(across) {
                *sum += factor * value;
            }
        }
    }
    sums
}
