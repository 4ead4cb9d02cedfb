//! The products between the transforms: for each place of the transform, tiles × input channels by
//! input × output channels.

use super::weights::WIDTH;
use crate::kernels::lanes::Lanes;

/// Which rows of the left operand a product takes and where its result goes.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    /// Rows of `depth` values.
    pub left: *const f32,
    /// Values from one row to the next.
    pub left_stride: usize,
    /// `depth` rows of as many vectors as the block has.
    pub right: *const f32,
    pub depth: usize,
    /// Rows of as many vectors as the block has.
    pub out: *mut f32,
    pub out_stride: usize,
}

/// `out = left · right` for `rows` rows, rounded up to a multiple of `ROWS`, and one or two vectors
/// across.
///
/// # Safety
///
/// As [`Lanes`]; the operands must be readable and `out` writable for the rounded number of rows.
#[inline(always)]
pub(super) unsafe fn product<L: Lanes, const ROWS: usize>(
    operands: Operands,
    rows: usize,
    vectors: usize,
) {
    for first in (0..rows).step_by(ROWS) {
        // SAFETY: these rows are among those that the caller vouches for.
        unsafe {
            let operands = Operands {
                left: operands.left.add(first * operands.left_stride),
                out: operands.out.add(first * operands.out_stride),
                ..operands
            };
            if vectors == WIDTH {
                tile::<L, ROWS, WIDTH>(operands);
            } else {
                tile::<L, ROWS, 1>(operands);
            }
        }
    }
}

/// `ROWS` rows, held in registers.
///
/// # Safety
///
/// As [`product`].
#[inline(always)]
unsafe fn tile<L: Lanes, const ROWS: usize, const VECTORS: usize>(operands: Operands) {
    // SAFETY: the caller vouches for the processor and the memory.
    unsafe {
        let mut sums = [[L::splat(0.0); VECTORS]; ROWS];
        let mut right = operands.right;
        for step in 0..operands.depth {
            let mut across = [L::splat(0.0); VECTORS];
            for index in 0..VECTORS {
                across[index] = L::load(right.add(index * L::COUNT));
            }
            right = right.add(VECTORS * L::COUNT);
            for row in 0..ROWS {
                let factor = L::splat(*operands.left.add(row * operands.left_stride + step));
                for index in 0..VECTORS {
                    sums[row][index] = factor.mul_add(across[index], sums[row][index]);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (index, sum) in sums.iter().enumerate() {
                sum.store(
                    operands
                        .out
                        .add(row * operands.out_stride + index * L::COUNT),
                );
            }
        }
    }
}
