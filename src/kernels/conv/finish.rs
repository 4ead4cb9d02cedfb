//! What happens to sums between a tile and the result.

use std::mem::MaybeUninit;

use crate::kernels::math::{Arithmetic, for_each_set};

for_each_set! {
    /// Writes `sums + bias`, plus `residual` if there is one, cut off at 0 if `relu` says so.
    pub(super) fn finish(
        sums: &[f32],
        bias: f32,
        residual: Option<&[f32]>,
        relu: bool,
        out: &mut [MaybeUninit<f32>],
    ) = finish_loop;
}

#[inline(always)]
fn finish_loop<A: Arithmetic>(
    sums: &[f32],
    bias: f32,
    residual: Option<&[f32]>,
    relu: bool,
    out: &mut [MaybeUninit<f32>],
) {
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    let cut = |value: f32| if value < floor { floor } else { value };
    match residual {
        Some(residual) => {
            for ((out, sum), residual) in out.iter_mut().zip(sums).zip(residual) {
                out.write(cut(sum + bias + residual));
            }
        }
        None => {
            for (out, sum) in out.iter_mut().zip(sums) {
                out.write(cut(sum + bias));
            }
        }
    }
}
