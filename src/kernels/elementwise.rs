//! Sums and products that networks need between their layers.

use std::mem::MaybeUninit;

use candle_core::{Result, Tensor};

use super::instructions::InstructionSet;
use super::math::{Arithmetic, for_each_set};
use super::storage::{Output, Values, is_cpu_f32};
use super::{profile, stock, threads};

/// The sum of two tensors of the same shape.
pub fn add(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let _span = profile::pass("sum", left);
    if !is_cpu_f32(left) || !is_cpu_f32(right) || left.shape() != right.shape() {
        return left + right;
    }
    let (left, right) = (left.contiguous()?, right.contiguous()?);
    let (a, b) = (Values::of(&left)?, Values::of(&right)?);
    let set = InstructionSet::best();
    by_piece(&left, a.len(), threads::piece(a.len()), |start, out| {
        add_values(set, &a[start..], &b[start..], out);
    })
}

/// Adds `bias` `[batch, channels]` to every pixel of `input` `[batch, channels, height, width]`:
/// how a residual block takes its timestep embedding.
pub fn add_per_channel(input: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let _span = profile::pass("sum", input);
    let (batch, channels, height, width) = input.dims4()?;
    let bias = bias.reshape((batch, channels, 1, 1))?;
    if !is_cpu_f32(input) || !is_cpu_f32(&bias) || height * width == 0 {
        return input.broadcast_add(&bias);
    }
    let (input, bias) = (input.contiguous()?, bias.contiguous()?);
    let (pixels, biases) = (Values::of(&input)?, Values::of(&bias)?);
    let set = InstructionSet::best();
    let plane = height * width;
    let piece = threads::piece(pixels.len()).next_multiple_of(plane);
    by_piece(&input, pixels.len(), piece, |start, out| {
        for (index, out) in out.chunks_mut(plane).enumerate() {
            let channel = start / plane + index;
            let pixels = &pixels[channel * plane..][..plane];
            affine_values(set, pixels, 1.0, biases[channel], out);
        }
    })
}

/// `residual + gate · input` for tokens `[batch, tokens, width]` and a gate `[batch, width]`.
pub fn add_gated(residual: &Tensor, gate: &Tensor, input: &Tensor) -> Result<Tensor> {
    let _span = profile::pass("sum", input);
    let (batch, tokens, width) = input.dims3()?;
    let here = is_cpu_f32(residual) && is_cpu_f32(gate) && is_cpu_f32(input);
    if !here || residual.shape() != input.shape() || gate.dims() != [batch, width] || width == 0 {
        return stock::add_gated(residual, gate, input);
    }
    let (residual, gate, input) = (
        residual.contiguous()?,
        gate.contiguous()?,
        input.contiguous()?,
    );
    let (kept, gates, values) = (
        Values::of(&residual)?,
        Values::of(&gate)?,
        Values::of(&input)?,
    );
    let set = InstructionSet::best();
    let piece = threads::piece(values.len()).next_multiple_of(width);
    by_piece(&input, values.len(), piece, |start, out| {
        for (index, out) in out.chunks_mut(width).enumerate() {
            let row = start / width + index;
            let place = row * width;
            let gate = &gates[row / tokens * width..][..width];
            gated_values(set, &kept[place..], gate, &values[place..], out);
        }
    })
}

/// Every element times `factor`.
pub fn scale(input: &Tensor, factor: f64) -> Result<Tensor> {
    let _span = profile::pass("scale", input);
    if !is_cpu_f32(input) {
        return input * factor;
    }
    let input = input.contiguous()?;
    let values = Values::of(&input)?;
    let set = InstructionSet::best();
    let piece = threads::piece(values.len());
    by_piece(&input, values.len(), piece, |start, out| {
        affine_values(set, &values[start..], factor as f32, 0.0, out);
    })
}

/// A tensor shaped like `like` whose pieces `fill` writes: all of each piece, given its start.
fn by_piece(
    like: &Tensor,
    length: usize,
    piece: usize,
    fill: impl Fn(usize, &mut [MaybeUninit<f32>]) + Send + Sync,
) -> Result<Tensor> {
    let mut output = Output::new(length);
    let parts = output.parts();
    threads::for_each(length.div_ceil(piece), |task| {
        let start = task * piece;
        // SAFETY: pieces do not overlap, and the output outlives the tasks.
        fill(start, unsafe {
            parts.part(start, piece.min(length - start))
        });
    });
    // SAFETY: the pieces cover the output, and `fill` writes all of each.
    unsafe { output.into_tensor(like.shape()) }
}

for_each_set! {
    fn add_values(left: &[f32], right: &[f32], out: &mut [MaybeUninit<f32>]) = add_loop;
}
for_each_set! {
    fn gated_values(
        residual: &[f32], gate: &[f32], input: &[f32], out: &mut [MaybeUninit<f32>],
    ) = gated_loop;
}
for_each_set! {
    fn affine_values(input: &[f32], factor: f32, bias: f32, out: &mut [MaybeUninit<f32>]) = affine_loop;
}

#[inline(always)]
fn add_loop<A: Arithmetic>(left: &[f32], right: &[f32], out: &mut [MaybeUninit<f32>]) {
    for ((out, left), right) in out.iter_mut().zip(left).zip(right) {
        out.write(left + right);
    }
}

#[inline(always)]
fn gated_loop<A: Arithmetic>(
    residual: &[f32],
    gate: &[f32],
    input: &[f32],
    out: &mut [MaybeUninit<f32>],
) {
    for (((out, residual), gate), input) in out.iter_mut().zip(residual).zip(gate).zip(input) {
        out.write(A::mul_add(*gate, *input, *residual));
    }
}

#[inline(always)]
fn affine_loop<A: Arithmetic>(input: &[f32], factor: f32, bias: f32, out: &mut [MaybeUninit<f32>]) {
    for (out, &value) in out.iter_mut().zip(input) {
        out.write(A::mul_add(value, factor, bias));
    }
}

#[cfg(test)]
mod tests;
