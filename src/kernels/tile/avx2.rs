//! Tiles with AVX2 and FMA: 4 rows × 3 vectors of 8 lanes are 12 of the 16 registers, so a tile of
//! eight rows is done in two halves.

use std::arch::x86_64::{
    __m256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};

use super::{Left, MOST_VECTORS, ROWS, Right, Tile};

/// Rows that fit the registers at once.
const HEIGHT: usize = 4;

/// See [`super::product`].
///
/// # Safety
///
/// As [`super::product`], on a processor with AVX2 and FMA. The right operand is given as vectors.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn product(tile: &Tile) {
    let Right::Vectors(right) = tile.right else {
        return;
    };
    for first in (0..tile.rows).step_by(HEIGHT) {
        // SAFETY: each arm passes the caller's promises on.
        unsafe {
            match tile.vectors {
                1 => half::<1>(tile, right, first),
                2 => half::<2>(tile, right, first),
                _ => half::<3>(tile, right, first),
            }
        }
    }
}

/// Four rows from `first`.
///
/// # Safety
///
/// As [`product`].
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn half<const WIDTH: usize>(tile: &Tile, right: [*const f32; MOST_VECTORS], first: usize) {
    // SAFETY: the caller vouches for the operands; both closures read values that the tile names.
    unsafe {
        match tile.left {
            Left::Packed(left) => accumulate::<WIDTH>(tile, right, first, |row, step| {
                *left.add(step * ROWS + first + row)
            }),
            Left::Rows(left) => {
                let left = [
                    left[first],
                    left[first + 1],
                    left[first + 2],
                    left[first + 3],
                ];
                accumulate::<WIDTH>(tile, right, first, |row, step| *left[row].add(step));
            }
        }
    }
}

/// # Safety
///
/// As [`product`]; `left` must be safe to call for four rows and every step of the tile.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn accumulate<const WIDTH: usize>(
    tile: &Tile,
    right: [*const f32; MOST_VECTORS],
    first: usize,
    left: impl Fn(usize, usize) -> f32,
) {
    // SAFETY: the caller runs on a processor with AVX2 and FMA; a vector is readable at every step
    // from every start, and `out` is writable for the rows and vectors of the tile.
    unsafe {
        let mut sums: [[__m256; WIDTH]; HEIGHT] = [[_mm256_setzero_ps(); WIDTH]; HEIGHT];
        for (step, &offset) in tile.steps.iter().enumerate() {
            let mut across = [_mm256_setzero_ps(); MOST_VECTORS];
            for (value, start) in across.iter_mut().zip(right).take(WIDTH) {
                *value = _mm256_loadu_ps(start.add(offset as usize));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let factor = _mm256_set1_ps(left(row, step));
                for (sum, value) in sums.iter_mut().zip(across) {
                    *sum = _mm256_fmadd_ps(factor, value, *sum);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (vector, &sum) in sums.iter().enumerate() {
                let out = tile.out.add((first + row) * tile.out_stride + vector * 8);
                _mm256_storeu_ps(out, sum);
            }
        }
    }
}
