//! Matrix products with channels last: pixels × input channels by input × output channels.

use super::blocks::WIDTH;
use crate::kernels::lanes::Lanes;

/// Which rows of the left operand a product takes and where its result goes.
#[derive(Clone, Copy)]
pub(super) struct Operands<'a> {
    /// Rows of values, in pieces of `piece` of them.
    pub left: *const f32,
    /// Values from one row to the next.
    pub left_stride: usize,
    /// Where each piece of a row begins.
    pub pieces: &'a [usize],
    pub piece: usize,
    /// As many vectors as the block has, for each value of a row.
    pub right: *const f32,
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
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn tile<L: Lanes, const ROWS: usize, const VECTORS: usize>(operands: Operands) {
    // SAFETY: the caller vouches for the processor and the memory.
    unsafe {
        let mut sums = [[L::splat(0.0); VECTORS]; ROWS];
        let mut right = operands.right;
        for &start in operands.pieces {
            let left = operands.left.add(start);
            for step in 0..operands.piece {
                let mut across = [L::splat(0.0); VECTORS];
                for index in 0..VECTORS {
                    across[index] = L::load(right.add(index * L::COUNT));
                }
                right = right.add(VECTORS * L::COUNT);
                for row in 0..ROWS {
                    let factor = L::splat(*left.add(row * operands.left_stride + step));
                    for index in 0..VECTORS {
                        sums[row][index] = factor.mul_add(across[index], sums[row][index]);
                    }
                }
            }
        }
        for row in 0..ROWS {
            for index in 0..VECTORS {
                let out = operands
                    .out
                    .add(row * operands.out_stride + index * L::COUNT);
                sums[row][index].store(out);
            }
        }
    }
}
