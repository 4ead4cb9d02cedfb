//! Tiles with AVX-512F: 8 rows × 3 vectors of 16 lanes are 24 of the 32 registers.

use std::arch::x86_64::{
    __m512, _mm256_castps_pd, _mm256_loadu_ps, _mm512_castpd_ps, _mm512_castps_pd,
    _mm512_castps256_ps512, _mm512_fmadd_ps, _mm512_insertf64x4, _mm512_loadu_ps, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{Left, MOST_VECTORS, ROWS, Right, Tile};

/// See [`super::product`].
///
/// # Safety
///
/// As [`super::product`], on a processor with AVX-512F and FMA.
#[target_feature(enable = "avx512f,fma")]
pub(super) unsafe fn product(tile: &Tile) {
    // SAFETY: each arm passes the caller's promises on.
    unsafe {
        match (tile.rows > 4, tile.vectors) {
            (true, 1) => rows_and_vectors::<8, 1>(tile),
            (true, 2) => rows_and_vectors::<8, 2>(tile),
            (true, _) => rows_and_vectors::<8, 3>(tile),
            (false, 1) => rows_and_vectors::<4, 1>(tile),
            (false, 2) => rows_and_vectors::<4, 2>(tile),
            (false, _) => rows_and_vectors::<4, 3>(tile),
        }
    }
}

/// # Safety
///
/// As [`product`].
#[inline]
#[target_feature(enable = "avx512f,fma")]
unsafe fn rows_and_vectors<const HEIGHT: usize, const WIDTH: usize>(tile: &Tile) {
    // SAFETY: each arm passes the caller's promises on; the operands are those of the tile.
    unsafe {
        match (tile.left, tile.right) {
            (Left::Packed(left), Right::Vectors(right)) => accumulate::<HEIGHT, WIDTH>(
                tile,
                |row, step| *left.add(step * ROWS + row),
                |vector, offset| _mm512_loadu_ps(right[vector].add(offset)),
            ),
            (Left::Packed(left), Right::Halves(right)) => accumulate::<HEIGHT, WIDTH>(
                tile,
                |row, step| *left.add(step * ROWS + row),
                |vector, offset| join(right[vector], offset),
            ),
            (Left::Rows(left), Right::Vectors(right)) => accumulate::<HEIGHT, WIDTH>(
                tile,
                |row, step| *left[row].add(step),
                |vector, offset| _mm512_loadu_ps(right[vector].add(offset)),
            ),
            (Left::Rows(left), Right::Halves(right)) => accumulate::<HEIGHT, WIDTH>(
                tile,
                |row, step| *left[row].add(step),
                |vector, offset| join(right[vector], offset),
            ),
        }
    }
}

/// The loop over steps: one value of each row against each vector.
///
/// # Safety
///
/// As [`product`]; `left` and `right` must be safe to call for every row, vector and step of the
/// tile.
#[inline]
#[target_feature(enable = "avx512f,fma")]
unsafe fn accumulate<const HEIGHT: usize, const WIDTH: usize>(
    tile: &Tile,
    left: impl Fn(usize, usize) -> f32,
    right: impl Fn(usize, usize) -> __m512,
) {
    // SAFETY: the caller runs on a processor with AVX-512F; `out` is writable for every row and
    // vector of the tile, and WIDTH is at most `tile.vectors`.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); WIDTH]; HEIGHT];
        for (step, &offset) in tile.steps.iter().enumerate() {
            let mut across = [_mm512_setzero_ps(); MOST_VECTORS];
            for (vector, value) in across.iter_mut().enumerate().take(WIDTH) {
                *value = right(vector, offset as usize);
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let factor = _mm512_set1_ps(left(row, step));
                for (sum, value) in sums.iter_mut().zip(across) {
                    *sum = _mm512_fmadd_ps(factor, value, *sum);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (vector, &sum) in sums.iter().enumerate() {
                _mm512_storeu_ps(tile.out.add(row * tile.out_stride + vector * 16), sum);
            }
        }
    }
}

/// A vector whose low and high half come from two places.
///
/// # Safety
///
/// Eight values must be readable `offset` after both starts.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn join(starts: [*const f32; 2], offset: usize) -> __m512 {
    // SAFETY: the caller vouches for both reads.
    unsafe {
        let low = _mm256_loadu_ps(starts[0].add(offset));
        let high = _mm256_loadu_ps(starts[1].add(offset));
        _mm512_castpd_ps(_mm512_insertf64x4::<1>(
            _mm512_castps_pd(_mm512_castps256_ps512(low)),
            _mm256_castps_pd(high),
        ))
    }
}
