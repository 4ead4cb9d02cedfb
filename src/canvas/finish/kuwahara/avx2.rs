//! The filter with AVX2: eight pixels' places at once, then of each pixel two opposite samples at
//! once, so that a register holds a sector and the one across from it. The same sums in the same
//! order as `plain.rs`, without fused multiplication.

use std::arch::x86_64::{
    __m128, __m256, _mm_add_ps, _mm_loadu_ps, _mm_setzero_ps, _mm256_add_epi32, _mm256_add_ps,
    _mm256_castps256_ps128, _mm256_div_ps, _mm256_extractf128_ps, _mm256_hadd_ps, _mm256_max_epi32,
    _mm256_max_ps, _mm256_min_epi32, _mm256_mul_ps, _mm256_mullo_epi32, _mm256_permute2f128_ps,
    _mm256_set_m128, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32,
    _mm256_storeu_si256, _mm256_sub_ps, _mm256_xor_ps,
};

use super::super::registers::{LANES, channels, in_pairs, load, rounded, store};
use super::super::texels::{Around, Texel};
use super::disc::{ANGLES, Disc, EVEN, FIRST_PAIRS, MIDDLE, NEARNESS, PAIRS, RINGS, SHARE};

/// Bytes of a texel.
const TEXEL: usize = size_of::<Texel>();

/// Filters a row of eight pixels or more as [`super::plain::filter_row`] does.
///
/// # Panics
/// When there are fewer.
#[target_feature(enable = "avx2")]
pub(super) fn filter_row(
    [red, green, blue]: [&mut [f32]; 3],
    around: Around<'_>,
    [flow_x, flow_y, anisotropy]: [&[f32]; 3],
    disc: &Disc,
) {
    let width = around.width();
    assert!(width >= LANES);
    let mut offsets = [[0; LANES]; PAIRS];
    for start in (0..width).step_by(LANES) {
        // The last block begins where it still fits.
        let block = start.min(width - LANES)..start.min(width - LANES) + LANES;
        let flow = [
            load(&flow_x[block.clone()]),
            load(&flow_y[block.clone()]),
            load(&anisotropy[block.clone()]),
        ];
        find_offsets(&mut offsets, around, flow, disc);
        let mut totals = [_mm_setzero_ps(); LANES];
        for (lane, total) in totals.iter_mut().enumerate() {
            let offset = |pair: usize| offsets[pair][lane];
            // SAFETY: the offsets are within `reach`, and the pixel is in the row.
            *total = unsafe { filter(around, block.start + lane, offset) };
        }
        let [r, g, b, sum] = channels(in_pairs(totals));
        store(&mut red[block.clone()], _mm256_div_ps(r, sum));
        store(&mut green[block.clone()], _mm256_div_ps(g, sum));
        store(&mut blue[block], _mm256_div_ps(b, sum));
    }
}

/// Finds how far the first of each pair of samples lies from eight pixels, in bytes: never farther
/// than [`Around::reach`].
#[inline]
#[target_feature(enable = "avx2")]
fn find_offsets(
    offsets: &mut [[i32; LANES]; PAIRS],
    around: Around<'_>,
    [along_x, along_y, anisotropy]: [__m256; 3],
    disc: &Disc,
) {
    let radius = _mm256_set1_ps(disc.radius);
    let stretch = _mm256_add_ps(_mm256_set1_ps(1.0), anisotropy);
    let (long, short) = (
        _mm256_mul_ps(radius, stretch),
        _mm256_div_ps(radius, stretch),
    );
    let (long_x, long_y) = (_mm256_mul_ps(long, along_x), _mm256_mul_ps(long, along_y));
    let back = _mm256_xor_ps(short, _mm256_set1_ps(-0.0));
    let (short_x, short_y) = (_mm256_mul_ps(back, along_y), _mm256_mul_ps(short, along_x));
    let pitch = _mm256_set1_epi32((TEXEL * around.pitch()) as i32);
    let most = i32::try_from(TEXEL * around.reach()).unwrap_or(i32::MAX);
    let (least, most) = (_mm256_set1_epi32(-most), _mm256_set1_epi32(most));
    for (pair, offsets) in offsets.iter_mut().enumerate() {
        let along = _mm256_set1_ps(disc.along[pair]);
        let across = _mm256_set1_ps(disc.across[pair]);
        let column = _mm256_add_ps(_mm256_mul_ps(along, long_x), _mm256_mul_ps(across, short_x));
        let row = _mm256_add_ps(_mm256_mul_ps(along, long_y), _mm256_mul_ps(across, short_y));
        let offset = _mm256_add_epi32(
            _mm256_mullo_epi32(rounded(row), pitch),
            _mm256_slli_epi32::<4>(rounded(column)),
        );
        let offset = _mm256_min_epi32(_mm256_max_epi32(offset, least), most);
        // SAFETY: there are eight integers.
        unsafe { _mm256_storeu_si256(offsets.as_mut_ptr().cast(), offset) };
    }
}

/// The weighted sums of the sectors' means, and of their weights, for pixel `x`.
///
/// # Safety
///
/// `x` is a pixel of the row; `offset` gives what [`find_offsets`] found for it.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn filter(around: Around<'_>, x: usize, offset: impl Fn(usize) -> i32) -> __m128 {
    // SAFETY: the row's pixels begin at `reach`, and `x` is one of them.
    let centre = unsafe { around.texels().as_ptr().add(around.reach() + x) };
    let pair = |ring: usize, at: usize| {
        let offset = offset(FIRST_PAIRS[ring] + at) as isize;
        // SAFETY: there are whole texels wherever offsets within `reach` lead from a pixel.
        unsafe {
            _mm256_set_m128(
                _mm_loadu_ps(centre.byte_offset(-offset).cast()),
                _mm_loadu_ps(centre.byte_offset(offset).cast()),
            )
        }
    };
    // An angle in the lower half, the opposite one in the upper.
    let mut angles = [_mm256_setzero_ps(); ANGLES / 2];
    for (angle, sum) in angles.iter_mut().enumerate() {
        let next = _mm256_mul_ps(_mm256_set1_ps(RINGS[1].1), pair(1, angle));
        let outer = _mm256_mul_ps(_mm256_set1_ps(RINGS[2].1), pair(2, angle));
        *sum = _mm256_add_ps(next, outer);
        if angle % 2 == 0 {
            let inner = _mm256_mul_ps(_mm256_set1_ps(RINGS[0].1), pair(0, angle / 2));
            *sum = _mm256_add_ps(*sum, inner);
        }
    }
    // SAFETY: a pixel is a whole texel.
    let middle = unsafe { _mm_loadu_ps(centre.cast()) };
    let middle = _mm256_mul_ps(_mm256_set1_ps(MIDDLE), _mm256_set_m128(middle, middle));
    let turned = |sum: __m256| _mm256_permute2f128_ps::<1>(sum, sum);
    let (first, before, last) = (turned(angles[0]), turned(angles[6]), turned(angles[7]));
    // From one before the middle of the first sector to one behind that of the last.
    let far = [before, angles[0], angles[2], angles[4], angles[6], first];
    let near = [last, angles[1], angles[3], angles[5], angles[7]];
    let mut means = [_mm256_setzero_ps(); 4];
    for (sector, mean) in means.iter_mut().enumerate() {
        let beside = _mm256_add_ps(near[sector + 1], near[sector]);
        let further = _mm256_add_ps(far[sector + 2], far[sector]);
        let own = _mm256_mul_ps(_mm256_set1_ps(NEARNESS[0]), far[sector + 1]);
        let sum = _mm256_add_ps(middle, own);
        let sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_set1_ps(NEARNESS[1]), beside));
        let sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_set1_ps(NEARNESS[2]), further));
        *mean = _mm256_mul_ps(_mm256_set1_ps(SHARE), sum);
    }
    weigh(channels(means))
}

/// The sums over eight sectors: colours by how even each sector is, and that.
#[inline]
#[target_feature(enable = "avx2")]
fn weigh([red, green, blue, squares]: [__m256; 4]) -> __m128 {
    let of_mean = _mm256_add_ps(
        _mm256_add_ps(_mm256_mul_ps(red, red), _mm256_mul_ps(green, green)),
        _mm256_mul_ps(blue, blue),
    );
    let variance = _mm256_max_ps(_mm256_sub_ps(squares, of_mean), _mm256_setzero_ps());
    let even = _mm256_set1_ps(EVEN);
    let even = _mm256_div_ps(even, _mm256_add_ps(even, variance));
    let even = _mm256_mul_ps(even, even);
    let even = _mm256_mul_ps(even, even);
    let sums = _mm256_hadd_ps(
        _mm256_hadd_ps(_mm256_mul_ps(even, red), _mm256_mul_ps(even, green)),
        _mm256_hadd_ps(_mm256_mul_ps(even, blue), even),
    );
    _mm_add_ps(
        _mm256_castps256_ps128(sums),
        _mm256_extractf128_ps::<1>(sums),
    )
}
