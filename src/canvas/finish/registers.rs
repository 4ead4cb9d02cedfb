//! AVX2's registers: eight lanes, or two texels.

use std::arch::x86_64::{
    __m128, __m256, __m256i, _mm256_add_ps, _mm256_castpd_ps, _mm256_castps_pd,
    _mm256_castps_si256, _mm256_loadu_ps, _mm256_set_m128, _mm256_set1_ps, _mm256_storeu_ps,
    _mm256_sub_epi32, _mm256_unpackhi_pd, _mm256_unpackhi_ps, _mm256_unpacklo_pd,
    _mm256_unpacklo_ps,
};

use super::planes::ROUNDING;

/// Floats in a register.
pub(super) const LANES: usize = 8;

/// The first eight of `values`.
///
/// # Panics
/// When there are fewer.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load(values: &[f32]) -> __m256 {
    let values = &values[..LANES];
    // SAFETY: there are as many values as lanes.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

/// Writes the first eight of `values`.
///
/// # Panics
/// When there are fewer.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store(values: &mut [f32], register: __m256) {
    let values = &mut values[..LANES];
    // SAFETY: there are as many values as lanes.
    unsafe { _mm256_storeu_ps(values.as_mut_ptr(), register) };
}

/// The nearest integers, as [`super::planes::rounded`] finds them.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn rounded(values: __m256) -> __m256i {
    let rounding = _mm256_set1_ps(ROUNDING);
    let bits = _mm256_castps_si256(_mm256_add_ps(values, rounding));
    _mm256_sub_epi32(bits, _mm256_castps_si256(rounding))
}

/// Eight texels in four registers: each holds one, and the one that comes four after it.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn in_pairs(texels: [__m128; LANES]) -> [__m256; 4] {
    [
        _mm256_set_m128(texels[4], texels[0]),
        _mm256_set_m128(texels[5], texels[1]),
        _mm256_set_m128(texels[6], texels[2]),
        _mm256_set_m128(texels[7], texels[3]),
    ]
}

/// The channels of eight texels that lie as [`in_pairs`] lays them.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn channels(texels: [__m256; 4]) -> [__m256; 4] {
    let low = [
        _mm256_castps_pd(_mm256_unpacklo_ps(texels[0], texels[1])),
        _mm256_castps_pd(_mm256_unpacklo_ps(texels[2], texels[3])),
    ];
    let high = [
        _mm256_castps_pd(_mm256_unpackhi_ps(texels[0], texels[1])),
        _mm256_castps_pd(_mm256_unpackhi_ps(texels[2], texels[3])),
    ];
    [
        _mm256_castpd_ps(_mm256_unpacklo_pd(low[0], low[1])),
        _mm256_castpd_ps(_mm256_unpackhi_pd(low[0], low[1])),
        _mm256_castpd_ps(_mm256_unpacklo_pd(high[0], high[1])),
        _mm256_castpd_ps(_mm256_unpackhi_pd(high[0], high[1])),
    ]
}
