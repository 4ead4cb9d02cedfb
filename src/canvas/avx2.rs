//! The same loops compiled for wider registers.

/// True where the processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Runs `work` compiled for AVX2 where the processor has it. Fused multiplication stays off, so that
/// every processor computes the same bytes. (The `multiversion` crate does as much, at the price of a
/// procedural macro that every build pays for.)
///
/// A long closure may not be inlined, and then it is not compiled for AVX2: it should only call one
/// function that is marked `#[inline(always)]`.
#[inline(always)]
pub(super) fn with_avx2(work: impl FnOnce()) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn compiled_for_avx2(work: impl FnOnce()) {
            work();
        }
        if has_avx2() {
            // SAFETY: the processor has just said that it has AVX2.
            unsafe { compiled_for_avx2(work) };
            return;
        }
    }
    work();
}
