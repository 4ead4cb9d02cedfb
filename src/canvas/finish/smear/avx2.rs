//! Lines of eight pixels at once, with AVX2. The same sums in the same order as `plain.rs`, without
//! fused multiplication.

use std::arch::x86_64::{
    __m256, __m256i, _mm_loadu_ps, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps,
    _mm256_max_epi32, _mm256_min_epi32, _mm256_mul_ps, _mm256_mullo_epi32, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_slli_epi32,
    _mm256_storeu_si256, _mm256_xor_ps,
};

use super::super::registers::{LANES, channels, in_pairs, rounded, store};
use super::super::texels::Around;
use super::line::Line;

/// Smears a row of eight pixels or more as [`super::plain::smear_row`] does.
#[target_feature(enable = "avx2")]
pub(super) fn smear_row(target: &mut [f32], around: Around<'_>, line: &Line) {
    let width = around.width();
    for start in (0..width).step_by(LANES) {
        // The last block begins where it still fits.
        let x = start.min(width - LANES);
        store(&mut target[x..], smear(around, x, line));
    }
}

/// Smears eight pixels from `x`.
#[inline]
#[target_feature(enable = "avx2")]
fn smear(around: Around<'_>, x: usize, line: &Line) -> __m256 {
    let sign_bit = _mm256_set1_ps(-0.0);
    let stride = _mm256_set1_ps(line.stride);
    let pitch = _mm256_set1_epi32(4 * around.pitch() as i32);
    let [value, ahead_x, ahead_y, _] = texels(around, x, _mm256_setzero_si256());
    let mut sum = _mm256_mul_ps(_mm256_set1_ps(line.weights[0]), value);
    let mut heading = [
        [ahead_x, ahead_y],
        [_mm256_xor_ps(ahead_x, sign_bit), _mm256_xor_ps(ahead_y, sign_bit)],
    ];
    let mut way = [[_mm256_setzero_ps(); 2]; 2];
    for weight in &line.weights[1..] {
        // Both ways at once: each waits for what the last step found.
        for (heading, way) in heading.iter_mut().zip(&mut way) {
            for (way, heading) in way.iter_mut().zip(*heading) {
                *way = _mm256_add_ps(*way, _mm256_mul_ps(stride, heading));
            }
            let [column, row] = way.map(|way| rounded(way));
            let offset = _mm256_add_epi32(
                _mm256_mullo_epi32(row, pitch),
                _mm256_slli_epi32::<2>(column),
            );
            let [value, next_x, next_y, _] = texels(around, x, offset);
            sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_set1_ps(*weight), value));
            // A direction has no sign: go on, not back.
            let along = _mm256_add_ps(
                _mm256_mul_ps(heading[0], next_x),
                _mm256_mul_ps(heading[1], next_y),
            );
            let sign = _mm256_and_ps(along, sign_bit);
            *heading = [_mm256_xor_ps(next_x, sign), _mm256_xor_ps(next_y, sign)];
        }
    }
    sum
}

/// The channels of the texels that lie so many floats from each of eight pixels from `x`, at most as
/// many as [`Around::reach`] has.
#[inline]
#[target_feature(enable = "avx2")]
fn texels(around: Around<'_>, x: usize, offsets: __m256i) -> [__m256; 4] {
    assert!(x + LANES <= around.width());
    let most = i32::try_from(4 * around.reach()).unwrap_or(i32::MAX);
    let offsets = _mm256_max_epi32(offsets, _mm256_set1_epi32(-most));
    let offsets = _mm256_min_epi32(offsets, _mm256_set1_epi32(most));
    let mut places = [0i32; LANES];
    // SAFETY: there are eight integers.
    unsafe { _mm256_storeu_si256(places.as_mut_ptr().cast(), offsets) };
    let first = around.texels().as_ptr().cast::<f32>();
    let texel = |lane: usize| {
        // SAFETY: that far from a pixel of the row there is a whole texel.
        unsafe {
            let pixel = first.add(4 * (around.reach() + x + lane));
            _mm_loadu_ps(pixel.offset(places[lane] as isize))
        }
    };
    channels(in_pairs([
        texel(0),
        texel(1),
        texel(2),
        texel(3),
        texel(4),
        texel(5),
        texel(6),
        texel(7),
    ]))
}
