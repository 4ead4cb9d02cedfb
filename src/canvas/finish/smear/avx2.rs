//! Lines of sixteen pixels at once, with AVX2: each way of a line waits for what its last step
//! found, so four registers of them walk in turn. The same sums in the same order as `plain.rs`,
//! without fused multiplication.

use std::arch::x86_64::{
    __m256, __m256i, _mm_loadu_ps, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps,
    _mm256_min_epu32, _mm256_mul_ps, _mm256_mullo_epi32, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_slli_epi32, _mm256_storeu_si256, _mm256_xor_ps,
};

use super::super::registers::{LANES, channels, in_pairs, rounded, store};
use super::super::texels::{Around, Texel};
use super::line::Line;

/// Pixels that are smeared together; a row has at least as many.
pub(super) const BLOCK: usize = 2 * LANES;

/// Bytes of a texel.
const TEXEL: usize = size_of::<Texel>();

/// Smears a row of [`BLOCK`] pixels or more as [`super::plain::smear_row`] does.
///
/// # Panics
/// When there are fewer.
#[target_feature(enable = "avx2")]
pub(super) fn smear_row(target: &mut [f32], around: Around<'_>, line: &Line) {
    let width = around.width();
    assert!(width >= BLOCK);
    for start in (0..width).step_by(BLOCK) {
        // The last block begins where it still fits.
        let x = start.min(width - BLOCK);
        let [left, right] = smear(around, x, line);
        store(&mut target[x..], left);
        store(&mut target[x + LANES..], right);
    }
}

/// Smears a block from `x`.
#[inline]
#[target_feature(enable = "avx2")]
fn smear(around: Around<'_>, x: usize, line: &Line) -> [__m256; 2] {
    let weight = _mm256_set1_ps(line.weights[0]);
    let (left, left_walks) = Walk::both_ways(around, x);
    let (right, right_walks) = Walk::both_ways(around, x + LANES);
    let mut sums = [_mm256_mul_ps(weight, left), _mm256_mul_ps(weight, right)];
    let mut walks = [left_walks, right_walks];
    let stride = _mm256_set1_ps(line.stride);
    for weight in &line.weights[1..] {
        let weight = _mm256_set1_ps(*weight);
        for (sum, walks) in sums.iter_mut().zip(&mut walks) {
            for walk in walks {
                let value = walk.step(around, stride);
                *sum = _mm256_add_ps(*sum, _mm256_mul_ps(weight, value));
            }
        }
    }
    sums
}

/// Where eight pixels' lines have come to.
struct Walk {
    /// The first of the pixels.
    x: usize,
    /// How far the line has gone, across and down, in pixels.
    way: [__m256; 2],
    /// Where it goes next: unit vectors.
    heading: [__m256; 2],
}

impl Walk {
    /// The values of eight pixels from `x`, and the walks that begin there.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn both_ways(around: Around<'_>, x: usize) -> (__m256, [Self; 2]) {
        let [value, ahead_x, ahead_y, _] = texels(around, x, _mm256_setzero_si256());
        let sign_bit = _mm256_set1_ps(-0.0);
        let back = [
            _mm256_xor_ps(ahead_x, sign_bit),
            _mm256_xor_ps(ahead_y, sign_bit),
        ];
        let way = [_mm256_setzero_ps(); 2];
        let walk = |heading| Self { x, way, heading };
        (value, [walk([ahead_x, ahead_y]), walk(back)])
    }

    /// Goes on by `stride`, and turns into the flow that is there. The values on the way.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn step(&mut self, around: Around<'_>, stride: __m256) -> __m256 {
        let [across, down] = self.heading;
        self.way = [
            _mm256_add_ps(self.way[0], _mm256_mul_ps(stride, across)),
            _mm256_add_ps(self.way[1], _mm256_mul_ps(stride, down)),
        ];
        let pitch = _mm256_set1_epi32((TEXEL * around.pitch()) as i32);
        let offsets = _mm256_add_epi32(
            _mm256_mullo_epi32(rounded(self.way[1]), pitch),
            _mm256_slli_epi32::<4>(rounded(self.way[0])),
        );
        let [value, next_x, next_y, _] = texels(around, self.x, offsets);
        let along = _mm256_add_ps(_mm256_mul_ps(across, next_x), _mm256_mul_ps(down, next_y));
        // A direction has no sign: go on, not back.
        let sign = _mm256_and_ps(along, _mm256_set1_ps(-0.0));
        self.heading = [_mm256_xor_ps(next_x, sign), _mm256_xor_ps(next_y, sign)];
        value
    }
}

/// The channels of the texels that lie so many bytes from eight pixels from `x`: whole texels, and no
/// more of them than [`Around::reach`].
#[inline]
#[target_feature(enable = "avx2")]
fn texels(around: Around<'_>, x: usize, offsets: __m256i) -> [__m256; 4] {
    assert!(x + LANES <= around.width());
    let reach = TEXEL * around.reach();
    let most = u32::try_from(2 * reach).unwrap_or(u32::MAX);
    let places = _mm256_add_epi32(offsets, _mm256_set1_epi32(reach as i32));
    let places = _mm256_min_epu32(places, _mm256_set1_epi32(most as i32));
    let mut from_first = [0u32; LANES];
    // SAFETY: there are eight integers.
    unsafe { _mm256_storeu_si256(from_first.as_mut_ptr().cast(), places) };
    let first = around.texels().as_ptr();
    let texel = |lane: usize| {
        // SAFETY: texels begin `reach` before the row's pixels and go on for as much behind them.
        unsafe {
            let place = first.add(x + lane).byte_add(from_first[lane] as usize);
            _mm_loadu_ps(place.cast())
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
