//! Operations that move elements without changing them.

use std::mem::MaybeUninit;

use candle_core::{Result, Tensor};

use super::storage::{Output, Values, is_cpu_f32};
use super::{profile, stock, threads};

/// Doubles height and width of `[batch, channels, height, width]` by repeating pixels.
pub fn upsample_nearest_2x(input: &Tensor) -> Result<Tensor> {
    let _span = profile::pass("enlarging", input);
    let (batch, channels, height, width) = input.dims4()?;
    if !is_cpu_f32(input) || input.elem_count() == 0 {
        return stock::upsample_nearest_2x(input);
    }
    let input = input.contiguous()?;
    let values = Values::of(&input)?;
    let rows = batch * channels * height;
    let mut output = Output::new(4 * values.len());
    let parts = output.parts();
    let rows_in_task = threads::piece(4 * values.len()).div_ceil(4 * width);
    threads::for_each(rows.div_ceil(rows_in_task), |task| {
        let first = task * rows_in_task;
        for row in first..rows.min(first + rows_in_task) {
            // SAFETY: every input row writes its own two output rows, and the output outlives the
            // tasks.
            let out = unsafe { parts.part(row * 4 * width, 4 * width) };
            let (upper, lower) = out.split_at_mut(2 * width);
            let (pairs, _) = upper.as_chunks_mut::<2>();
            for (pair, &value) in pairs.iter_mut().zip(&values[row * width..][..width]) {
                *pair = [MaybeUninit::new(value); 2];
            }
            lower.copy_from_slice(upper);
        }
    });
    // SAFETY: the tasks wrote every pair of rows.
    unsafe { output.into_tensor((batch, channels, 2 * height, 2 * width)) }
}

/// `[batch, channels, height, width]` to `[batch, height · width, channels]`.
pub fn tokens_from_image(image: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = image.dims4()?;
    transpose(&image.reshape((batch, channels, height * width))?)
}

/// `[batch, height · width, channels]` to `[batch, channels, height, width]`.
pub fn image_from_tokens(tokens: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (batch, _, channels) = tokens.dims3()?;
    transpose(tokens)?.reshape((batch, channels, height, width))
}

/// Rows and columns of the blocks that are turned at once: one cache line.
const BLOCK: usize = 16;

/// `[batch, rows, columns]` to `[batch, columns, rows]`.
fn transpose(input: &Tensor) -> Result<Tensor> {
    let _span = profile::pass("turning", input);
    if !is_cpu_f32(input) || input.elem_count() == 0 {
        return input.transpose(1, 2)?.contiguous();
    }
    let (batch, rows, columns) = input.dims3()?;
    let input = input.contiguous()?;
    let values = Values::of(&input)?;
    let mut output = Output::new(values.len());
    let parts = output.parts();
    // Strips of columns: each becomes whole rows of the result.
    let strips = columns.div_ceil(BLOCK);
    let strips_in_task = threads::piece(values.len()).div_ceil(rows * BLOCK);
    let tasks = strips.div_ceil(strips_in_task);
    threads::for_each(batch * tasks, |task| {
        let (image, task) = (task / tasks, task % tasks);
        let first = task * strips_in_task * BLOCK;
        let last = columns.min(first + strips_in_task * BLOCK);
        let from = &values[image * rows * columns..][..rows * columns];
        // SAFETY: every strip belongs to one task, and the output outlives the tasks.
        let out = unsafe { parts.part((image * columns + first) * rows, (last - first) * rows) };
        turn(from, rows, columns, first..last, out);
    });
    // SAFETY: the strips cover the output, and each task writes all of its own.
    unsafe { output.into_tensor((batch, columns, rows)) }
}

/// Writes columns `range` of a matrix as rows.
fn turn(
    from: &[f32],
    rows: usize,
    columns: usize,
    range: std::ops::Range<usize>,
    out: &mut [MaybeUninit<f32>],
) {
    for left in range.clone().step_by(BLOCK) {
        let width = BLOCK.min(range.end - left);
        for top in (0..rows).step_by(BLOCK) {
            let height = BLOCK.min(rows - top);
            let mut block = [[0.0f32; BLOCK]; BLOCK];
            for row in 0..height {
                let line = &from[(top + row) * columns + left..][..width];
                for (column, &value) in line.iter().enumerate() {
                    block[column][row] = value;
                }
            }
            for (column, line) in block.iter().enumerate().take(width) {
                let out = &mut out[(left - range.start + column) * rows + top..][..height];
                for (out, &value) in out.iter_mut().zip(line) {
                    out.write(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
