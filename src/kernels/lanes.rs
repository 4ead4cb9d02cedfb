//! A vector of `f32` values, so that a kernel is written once for all instruction sets.

/// Some values that one instruction works on.
///
/// # Safety
///
/// Every function needs a processor with the type's instruction set, and must be inlined into one
/// that is compiled for it; memory behind pointers must be there for [`Lanes::COUNT`] values.
pub(super) trait Lanes: Copy {
    /// How many values.
    const COUNT: usize;
    /// The same value in all lanes.
    unsafe fn splat(value: f32) -> Self;
    /// Reads values that lie side by side.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes them side by side.
    unsafe fn store(self, to: *mut f32);
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self − other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// `self · factor + other`.
    unsafe fn mul_add(self, factor: Self, other: Self) -> Self;
    /// The greater one; `self` where it is no number.
    unsafe fn at_least(self, floor: Self) -> Self;
    /// Copies 8 rows of 8 values, `from_stride` apart, to 8 columns: value `j` of row `i` goes to
    /// `to[j · to_stride + i]`.
    unsafe fn turn(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);
}

/// Eight values in plain Rust.
#[derive(Clone, Copy)]
pub(super) struct Plain([f32; 8]);

impl Plain {
    #[inline(always)]
    fn zip(self, other: Self, function: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| function(self.0[i], other.0[i])))
    }
}

impl Lanes for Plain {
    const COUNT: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for eight values.
        unsafe { Self(from.cast::<[f32; 8]>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, other: Self) -> Self {
        self.zip(factor, |a, b| a * b)
            .zip(other, |product, c| product + c)
    }

    #[inline(always)]
    unsafe fn at_least(self, floor: Self) -> Self {
        self.zip(floor, |a, floor| if a < floor { floor } else { a })
    }

    #[inline(always)]
    unsafe fn turn(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for row in 0..8 {
            for column in 0..8 {
                // SAFETY: the caller vouches for eight rows on either side.
                unsafe {
                    *to.add(column * to_stride + row) = *from.add(row * from_stride + column);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports)]
    use std::arch::x86_64::*;

    use super::Lanes;

    /// Eight values in a register of AVX2, with FMA.
    #[derive(Clone, Copy)]
    pub struct Avx2(__m256);

    impl Lanes for Avx2 {
        const COUNT: usize = 8;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: as the trait says, here and below.
            unsafe { Self(_mm256_set1_ps(value)) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm256_loadu_ps(from)) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as above.
            unsafe { _mm256_storeu_ps(to, self.0) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm256_add_ps(self.0, other.0)) }
        }

        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm256_sub_ps(self.0, other.0)) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, other.0)) }
        }

        #[inline(always)]
        unsafe fn at_least(self, floor: Self) -> Self {
            // SAFETY: as above. The second operand is the result where one is no number.
            unsafe { Self(_mm256_max_ps(floor.0, self.0)) }
        }

        #[inline(always)]
        unsafe fn turn(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            // SAFETY: as above.
            unsafe { turn(from, from_stride, to, to_stride) }
        }
    }

    /// Sixteen values in a register of AVX-512F.
    #[derive(Clone, Copy)]
    pub struct Avx512(__m512);

    impl Lanes for Avx512 {
        const COUNT: usize = 16;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm512_set1_ps(value)) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm512_loadu_ps(from)) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as above.
            unsafe { _mm512_storeu_ps(to, self.0) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm512_add_ps(self.0, other.0)) }
        }

        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, other.0)) }
        }

        #[inline(always)]
        unsafe fn at_least(self, floor: Self) -> Self {
            // SAFETY: as above. The second operand is the result where one is no number.
            unsafe { Self(_mm512_max_ps(floor.0, self.0)) }
        }

        #[inline(always)]
        unsafe fn turn(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            // SAFETY: as above; the set is only taken where there is AVX2 too.
            unsafe { turn(from, from_stride, to, to_stride) }
        }
    }

    /// See [`Lanes::turn`].
    ///
    /// # Safety
    ///
    /// As the trait says, with AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn turn(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: the caller vouches for eight rows on either side.
        unsafe {
            let row = |index: usize| _mm256_loadu_ps(from.add(index * from_stride));
            let rows: [__m256; 8] = [
                row(0),
                row(1),
                row(2),
                row(3),
                row(4),
                row(5),
                row(6),
                row(7),
            ];
            let mut pairs = rows;
            for i in 0..4 {
                pairs[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
                pairs[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
            }
            let mut fours = pairs;
            for half in [0, 4] {
                fours[half] = _mm256_shuffle_ps::<0x44>(pairs[half], pairs[half + 2]);
                fours[half + 1] = _mm256_shuffle_ps::<0xee>(pairs[half], pairs[half + 2]);
                fours[half + 2] = _mm256_shuffle_ps::<0x44>(pairs[half + 1], pairs[half + 3]);
                fours[half + 3] = _mm256_shuffle_ps::<0xee>(pairs[half + 1], pairs[half + 3]);
            }
            for i in 0..4 {
                let low = _mm256_permute2f128_ps::<0x20>(fours[i], fours[i + 4]);
                let high = _mm256_permute2f128_ps::<0x31>(fours[i], fours[i + 4]);
                _mm256_storeu_ps(to.add(i * to_stride), low);
                _mm256_storeu_ps(to.add((i + 4) * to_stride), high);
            }
        }
    }
}
