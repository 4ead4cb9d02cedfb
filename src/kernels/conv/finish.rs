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

for_each_set! {
    /// [`finish`] with `even` sums for the even places of `out` and `odd` ones for the odd.
    pub(super) fn finish_pairs(
        even: &[f32],
        odd: &[f32],
        bias: f32,
        residual: Option<&[f32]>,
        relu: bool,
        out: &mut [MaybeUninit<f32>],
    ) = finish_pairs_loop;
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

#[inline(always)]
fn finish_pairs_loop<A: Arithmetic>(
    even: &[f32],
    odd: &[f32],
    bias: f32,
    residual: Option<&[f32]>,
    relu: bool,
    out: &mut [MaybeUninit<f32>],
) {
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    let cut = |value: f32| if value < floor { floor } else { value };
    let (out, _) = out.as_chunks_mut::<2>();
    match residual {
        Some(residual) => {
            let (residual, _) = residual.as_chunks::<2>();
            for (((out, even), odd), residual) in out.iter_mut().zip(even).zip(odd).zip(residual) {
                out[0].write(cut(even + bias + residual[0]));
                out[1].write(cut(odd + bias + residual[1]));
            }
        }
        None => {
            for ((out, even), odd) in out.iter_mut().zip(even).zip(odd) {
                out[0].write(cut(even + bias));
                out[1].write(cut(odd + bias));
            }
        }
    }
}
