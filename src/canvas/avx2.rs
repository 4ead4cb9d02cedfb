//! The same loops compiled for wider registers.

/// Runs `work` compiled for AVX2 where the processor has it. Fused multiplication stays off, so that
/// every processor computes the same bytes. (The `multiversion` crate does as much, at the price of a
/// procedural macro that every build pays for.)
#[inline(always)]
pub(super) fn with_avx2(work: impl FnOnce()) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn compiled_for_avx2(work: impl FnOnce()) {
            work();
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just said that it has AVX2.
            unsafe { compiled_for_avx2(work) };
            return;
        }
    }
    work();
}
