//! Activation functions.

use std::mem::MaybeUninit;

use candle_core::{D, Result, Tensor};

use super::instructions::InstructionSet;
use super::math::{self, Arithmetic, for_each_set};
use super::storage::{Output, Values, is_cpu_f32};
use super::{profile, stock, threads};

/// `max(x, 0)`, elementwise.
pub fn relu(input: &Tensor) -> Result<Tensor> {
    map(input, relu_values, Tensor::relu)
}

/// `x · sigmoid(x)`, elementwise.
pub fn silu(input: &Tensor) -> Result<Tensor> {
    map(input, silu_values, stock::silu)
}

/// `x · Φ(x)` with the exact normal distribution function (not the tanh approximation),
/// elementwise.
pub fn gelu(input: &Tensor) -> Result<Tensor> {
    map(input, gelu_values, stock::gelu)
}

/// `x · Φ(x)` by the tanh approximation (`gelu-approximate`, `gelu_new`), elementwise.
pub fn gelu_tanh(input: &Tensor) -> Result<Tensor> {
    map(input, gelu_tanh_values, Tensor::gelu)
}

/// `x · sigmoid(1.702 x)`, the approximation that CLIP's text towers were trained with.
pub fn quick_gelu(input: &Tensor) -> Result<Tensor> {
    map(input, quick_gelu_values, stock::quick_gelu)
}

/// The first half of the last dimension times the [`gelu`] of the second half: `[…, 2 n]` to
/// `[…, n]` (Shazeer, "GLU variants improve Transformer", 2020).
pub fn geglu(input: &Tensor) -> Result<Tensor> {
    let width = input.dim(D::Minus1)?;
    if width % 2 != 0 {
        candle_core::bail!(
            "geglu needs a last dimension of even size, not {:?}",
            input.shape()
        );
    }
    let half = width / 2;
    let _span = profile::pass("activation", input);
    if !is_cpu_f32(input) || half == 0 {
        return stock::geglu(input);
    }
    let input = input.contiguous()?;
    let mut dims = input.dims().to_vec();
    dims.pop();
    dims.push(half);
    let values = Values::of(&input)?;
    let rows = values.len() / width;
    let set = InstructionSet::best();
    let mut output = Output::new(rows * half);
    let parts = output.parts();
    let rows_in_task = threads::piece(values.len()).div_ceil(width);
    threads::for_each(rows.div_ceil(rows_in_task), |task| {
        let first = task * rows_in_task;
        let last = rows.min(first + rows_in_task);
        for row in first..last {
            let (hidden, gate) = values[row * width..][..width].split_at(half);
            // SAFETY: every row belongs to one task, and the output outlives the tasks.
            let out = unsafe { parts.part(row * half, half) };
            geglu_row(set, hidden, gate, out);
        }
    });
    // SAFETY: the tasks wrote all rows.
    unsafe { output.into_tensor(dims) }
}

type Loop = fn(InstructionSet, &[f32], &mut [MaybeUninit<f32>]);

/// Applies `values` piece by piece, or `elsewhere` on other devices and dtypes.
fn map(input: &Tensor, values: Loop, elsewhere: fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let _span = profile::pass("activation", input);
    if !is_cpu_f32(input) {
        return elsewhere(input);
    }
    let input = input.contiguous()?;
    let from = Values::of(&input)?;
    let set = InstructionSet::best();
    let piece = threads::piece(from.len());
    let mut output = Output::new(from.len());
    let parts = output.parts();
    threads::for_each(from.len().div_ceil(piece), |task| {
        let start = task * piece;
        let length = piece.min(from.len() - start);
        // SAFETY: pieces do not overlap, and the output outlives the tasks.
        let out = unsafe { parts.part(start, length) };
        values(set, &from[start..][..length], out);
    });
    // SAFETY: the pieces cover the output.
    unsafe { output.into_tensor(input.shape()) }
}

for_each_set! {
    fn relu_values(input: &[f32], out: &mut [MaybeUninit<f32>]) = relu_loop;
}
for_each_set! {
    fn silu_values(input: &[f32], out: &mut [MaybeUninit<f32>]) = silu_loop;
}
for_each_set! {
    fn gelu_values(input: &[f32], out: &mut [MaybeUninit<f32>]) = gelu_loop;
}
for_each_set! {
    fn gelu_tanh_values(input: &[f32], out: &mut [MaybeUninit<f32>]) = gelu_tanh_loop;
}
for_each_set! {
    fn quick_gelu_values(input: &[f32], out: &mut [MaybeUninit<f32>]) = quick_gelu_loop;
}
for_each_set! {
    fn geglu_row(hidden: &[f32], gate: &[f32], out: &mut [MaybeUninit<f32>]) = geglu_loop;
}

#[inline(always)]
fn each(input: &[f32], out: &mut [MaybeUninit<f32>], function: impl Fn(f32) -> f32) {
    for (out, &value) in out.iter_mut().zip(input) {
        out.write(function(value));
    }
}

#[inline(always)]
fn relu_loop<A: Arithmetic>(input: &[f32], out: &mut [MaybeUninit<f32>]) {
    each(input, out, |x| if x < 0.0 { 0.0 } else { x });
}

#[inline(always)]
fn silu_loop<A: Arithmetic>(input: &[f32], out: &mut [MaybeUninit<f32>]) {
    each(input, out, math::silu::<A>);
}

#[inline(always)]
fn gelu_loop<A: Arithmetic>(input: &[f32], out: &mut [MaybeUninit<f32>]) {
    each(input, out, math::gelu::<A>);
}

#[inline(always)]
fn gelu_tanh_loop<A: Arithmetic>(input: &[f32], out: &mut [MaybeUninit<f32>]) {
    each(input, out, math::gelu_tanh::<A>);
}

#[inline(always)]
fn quick_gelu_loop<A: Arithmetic>(input: &[f32], out: &mut [MaybeUninit<f32>]) {
    each(input, out, math::quick_gelu::<A>);
}

#[inline(always)]
fn geglu_loop<A: Arithmetic>(hidden: &[f32], gate: &[f32], out: &mut [MaybeUninit<f32>]) {
    for ((out, hidden), &gate) in out.iter_mut().zip(hidden).zip(gate) {
        out.write(hidden * math::gelu::<A>(gate));
    }
}

#[cfg(test)]
mod tests;
