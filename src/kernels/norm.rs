//! Normalisation layers.

use std::mem::MaybeUninit;

use candle_core::{D, Result, Tensor};

use super::instructions::InstructionSet;
use super::math::{self, Arithmetic, for_each_set};
use super::rows::by_rows;
use super::storage::{Output, Values, is_cpu_f32};
use super::{profile, stock, threads};

/// Normalises each group of channels of an image to zero mean and unit variance, then scales and
/// shifts each channel (Wu and He, "Group Normalization", 2018).
#[derive(Clone)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    /// A layer over `groups` equal groups of channels; `weight` and `bias` are `[channels]`, and
    /// `eps` is added to the variance.
    pub fn new(weight: Tensor, bias: Tensor, groups: usize, eps: f64) -> Result<Self> {
        let channels = weight.dims1()?;
        if bias.dims1()? != channels || groups == 0 || channels % groups != 0 {
            candle_core::bail!(
                "{channels} channels with {} biases do not form {groups} groups: check the norm's \
                 number of groups",
                bias.elem_count()
            );
        }
        Ok(Self {
            weight: weight.contiguous()?,
            bias: bias.contiguous()?,
            groups,
            eps,
        })
    }

    /// `[batch, channels, …]` to the same shape.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        if self.runs_here(input) {
            self.run(InstructionSet::best(), input, shift_values)
        } else {
            stock::group_norm(input, &self.weight, &self.bias, self.groups, self.eps)
        }
    }

    /// [`GroupNorm::forward`] followed by SiLU, in one go.
    pub fn forward_silu(&self, input: &Tensor) -> Result<Tensor> {
        if self.runs_here(input) {
            self.run(InstructionSet::best(), input, shift_and_silu_values)
        } else {
            stock::silu(&self.forward(input)?)
        }
    }

    fn runs_here(&self, input: &Tensor) -> bool {
        is_cpu_f32(input) && is_cpu_f32(&self.weight) && is_cpu_f32(&self.bias)
    }

    fn run(&self, set: InstructionSet, input: &Tensor, apply: Apply) -> Result<Tensor> {
        let _span = profile::pass("group norm", input);
        let (batch, channels) = (input.dim(0)?, input.dim(1)?);
        if channels != self.weight.dims1()? {
            candle_core::bail!(
                "a norm over {} channels was given {:?}",
                self.weight.dims1()?,
                input.shape()
            );
        }
        let input = input.contiguous()?;
        let values = Values::of(&input)?;
        let (weight, bias) = (Values::of(&self.weight)?, Values::of(&self.bias)?);
        let in_group = channels / self.groups;
        let plane = values.len() / (batch * channels).max(1);
        let length = in_group * plane;
        let mut output = Output::new(values.len());
        let parts = output.parts();
        let all = batch * self.groups;
        let groups_in_task = threads::piece(values.len()).div_ceil(length.max(1));
        threads::for_each(all.div_ceil(groups_in_task), |task| {
            let first = task * groups_in_task;
            for index in first..all.min(first + groups_in_task) {
                let group = &values[index * length..][..length];
                let (mean, deviation) = mean_and_deviation(set, group, self.eps);
                // SAFETY: every group belongs to one task, and the output outlives the tasks.
                let out = unsafe { parts.part(index * length, length) };
                for channel in 0..in_group {
                    let parameter = index % self.groups * in_group + channel;
                    let factor = weight[parameter] / deviation;
                    let pixels = channel * plane..(channel + 1) * plane;
                    apply(
                        set,
                        &group[pixels.clone()],
                        factor,
                        bias[parameter] - mean * factor,
                        &mut out[pixels],
                    );
                }
            }
        });
        // SAFETY: the tasks wrote every channel of every group.
        unsafe { output.into_tensor(input.shape()) }
    }
}

/// Normalises the last dimension to zero mean and unit variance, then scales and shifts each of
/// its entries (Ba et al., "Layer Normalization", 2016).
#[derive(Clone)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// A layer with `weight` and `bias` `[width]`; `eps` is added to the variance.
    pub fn new(weight: Tensor, bias: Tensor, eps: f64) -> Result<Self> {
        let width = weight.dims1()?;
        if bias.dims1()? != width {
            candle_core::bail!(
                "a norm over {width} entries has {} biases",
                bias.elem_count()
            );
        }
        Ok(Self {
            weight: weight.contiguous()?,
            bias: bias.contiguous()?,
            eps,
        })
    }

    /// `[…, width]` to the same shape.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        if is_cpu_f32(input) && is_cpu_f32(&self.weight) && is_cpu_f32(&self.bias) {
            self.run(InstructionSet::best(), input)
        } else {
            stock::layer_norm(input, &self.weight, &self.bias, self.eps)
        }
    }

    fn run(&self, set: InstructionSet, input: &Tensor) -> Result<Tensor> {
        let _span = profile::pass("layer norm", input);
        let width = input.dim(D::Minus1)?;
        if width != self.weight.dims1()? {
            candle_core::bail!(
                "a norm over {} entries was given {:?}",
                self.weight.dims1()?,
                input.shape()
            );
        }
        let input = input.contiguous()?;
        let (weight, bias) = (Values::of(&self.weight)?, Values::of(&self.bias)?);
        by_rows(&input, width, |_, row, out| {
            let (mean, deviation) = mean_and_deviation(set, row, self.eps);
            normal_row(set, row, mean, 1.0 / deviation, &weight, &bias, out);
        })
    }
}

/// [`LayerNorm`] of tokens `[batch, tokens, width]` whose weight is `1 + scale` and whose bias is
/// `shift`, both `[batch, width]`: how a diffusion transformer is told its timestep (Peebles and
/// Xie, "Scalable Diffusion Models with Transformers", 2022).
pub fn modulated_layer_norm(
    input: &Tensor,
    shift: &Tensor,
    scale: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    let (batch, tokens, width) = input.dims3()?;
    if shift.dims() != [batch, width] || scale.dims() != [batch, width] {
        candle_core::bail!(
            "tokens {:?} cannot be modulated by {:?} and {:?}",
            input.shape(),
            shift.shape(),
            scale.shape()
        );
    }
    let _span = profile::pass("layer norm", input);
    let weight = (scale + 1.0)?;
    if !(is_cpu_f32(input) && is_cpu_f32(shift) && is_cpu_f32(scale)) {
        return stock::modulated_layer_norm(input, shift, &weight, eps);
    }
    let (input, weight, bias) = (
        input.contiguous()?,
        weight.contiguous()?,
        shift.contiguous()?,
    );
    let (weight, bias) = (Values::of(&weight)?, Values::of(&bias)?);
    let set = InstructionSet::best();
    by_rows(&input, width, |index, row, out| {
        let (mean, deviation) = mean_and_deviation(set, row, eps);
        let own = index / tokens * width;
        let (weight, bias) = (&weight[own..][..width], &bias[own..][..width]);
        normal_row(set, row, mean, 1.0 / deviation, weight, bias, out);
    })
}

/// Divides each `width` neighbours of the last dimension by the root of their mean square, then
/// scales each (Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019).
#[derive(Clone)]
pub struct RmsNorm {
    weight: Tensor,
    zeros: Tensor,
    eps: f64,
}

impl RmsNorm {
    /// A layer with `weight` `[width]`; `eps` is added to the mean square.
    pub fn new(weight: Tensor, eps: f64) -> Result<Self> {
        weight.dims1()?;
        Ok(Self {
            zeros: weight.zeros_like()?,
            weight: weight.contiguous()?,
            eps,
        })
    }

    /// `[…, n · width]` to the same shape: each head of attention is normalised alone.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let _span = profile::pass("rms norm", input);
        let width = self.weight.dims1()?;
        if input.dim(D::Minus1)? % width != 0 {
            candle_core::bail!("a norm over {width} entries was given {:?}", input.shape());
        }
        if !(is_cpu_f32(input) && is_cpu_f32(&self.weight)) {
            return stock::rms_norm(input, &self.weight, self.eps);
        }
        let input = input.contiguous()?;
        let (weight, zeros) = (Values::of(&self.weight)?, Values::of(&self.zeros)?);
        let set = InstructionSet::best();
        by_rows(&input, width, |_, row, out| {
            let square = squares_around(set, row, 0.0) / width as f64;
            let factor = 1.0 / (square + self.eps).sqrt() as f32;
            normal_row(set, row, 0.0, factor, &weight, &zeros, out);
        })
    }
}

/// Writes `factor · x + shift`, or a function of it.
type Apply = fn(InstructionSet, &[f32], f32, f32, &mut [MaybeUninit<f32>]);

/// The mean, and the root of the variance plus `eps`. Two passes: the values are in cache, and
/// squares of centred values do not cancel.
fn mean_and_deviation(set: InstructionSet, values: &[f32], eps: f64) -> (f32, f32) {
    let count = values.len().max(1) as f64;
    let mean = (sum_values(set, values) / count) as f32;
    let variance = squares_around(set, values, mean) / count;
    (mean, (variance + eps).sqrt() as f32)
}

for_each_set! {
    fn sum_values(values: &[f32]) -> f64 = sum_loop;
}
for_each_set! {
    fn squares_around(values: &[f32], mean: f32) -> f64 = squares_loop;
}
for_each_set! {
    fn shift_values(input: &[f32], factor: f32, shift: f32, out: &mut [MaybeUninit<f32>]) = shift_loop;
}
for_each_set! {
    fn shift_and_silu_values(
        input: &[f32], factor: f32, shift: f32, out: &mut [MaybeUninit<f32>],
    ) = shift_and_silu_loop;
}
for_each_set! {
    fn normal_row(
        row: &[f32], mean: f32, factor: f32, weight: &[f32], bias: &[f32],
        out: &mut [MaybeUninit<f32>],
    ) = normal_loop;
}

/// Independent sums, enough to fill the vector units.
const SUMS: usize = 64;

/// Values that are added in `f32` before their sum goes to `f64`.
const BLOCK: usize = 64 * SUMS;

/// The sum of `term` over all values.
#[inline(always)]
fn blockwise(values: &[f32], term: impl Fn(f32, f32) -> f32) -> f64 {
    let mut total = 0.0;
    for block in values.chunks(BLOCK) {
        let (chunks, rest) = block.as_chunks::<SUMS>();
        let mut sums = [0.0f32; SUMS];
        for chunk in chunks {
            for (sum, &value) in sums.iter_mut().zip(chunk) {
                *sum = term(value, *sum);
            }
        }
        let mut tail = 0.0;
        for &value in rest {
            tail = term(value, tail);
        }
        total += sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + f64::from(tail);
    }
    total
}

#[inline(always)]
fn sum_loop<A: Arithmetic>(values: &[f32]) -> f64 {
    blockwise(values, |value, sum| sum + value)
}

#[inline(always)]
fn squares_loop<A: Arithmetic>(values: &[f32], mean: f32) -> f64 {
    blockwise(values, |value, sum| {
        let centred = value - mean;
        A::mul_add(centred, centred, sum)
    })
}

#[inline(always)]
fn shift_loop<A: Arithmetic>(input: &[f32], factor: f32, shift: f32, out: &mut [MaybeUninit<f32>]) {
    for (out, &value) in out.iter_mut().zip(input) {
        out.write(A::mul_add(value, factor, shift));
    }
}

#[inline(always)]
fn shift_and_silu_loop<A: Arithmetic>(
    input: &[f32],
    factor: f32,
    shift: f32,
    out: &mut [MaybeUninit<f32>],
) {
    for (out, &value) in out.iter_mut().zip(input) {
        out.write(math::silu::<A>(A::mul_add(value, factor, shift)));
    }
}

#[inline(always)]
fn normal_loop<A: Arithmetic>(
    row: &[f32],
    mean: f32,
    factor: f32,
    weight: &[f32],
    bias: &[f32],
    out: &mut [MaybeUninit<f32>],
) {
    for (((out, value), &weight), &bias) in out.iter_mut().zip(row).zip(weight).zip(bias) {
        out.write(A::mul_add((value - mean) * factor, weight, bias));
    }
}

#[cfg(test)]
mod tests;
