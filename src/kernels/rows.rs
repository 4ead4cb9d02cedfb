//! Work on the rows of a tensor, each alone.

use std::mem::MaybeUninit;

use candle_core::{Result, Tensor};

use super::storage::{Output, Values};
use super::threads;

/// A tensor shaped like `input`, contiguous, of whose rows of `width` values `fill` writes each,
/// given its number.
pub(super) fn by_rows(
    input: &Tensor,
    width: usize,
    fill: impl Fn(usize, &[f32], &mut [MaybeUninit<f32>]) + Send + Sync,
) -> Result<Tensor> {
    let values = Values::of(input)?;
    let values: &[f32] = &values;
    let rows = values.len() / width.max(1);
    let mut output = Output::new(values.len());
    let parts = output.parts();
    let rows_in_task = threads::piece(values.len()).div_ceil(width.max(1));
    threads::for_each(rows.div_ceil(rows_in_task), |task| {
        let first = task * rows_in_task;
        for index in first..rows.min(first + rows_in_task) {
            let row = &values[index * width..][..width];
            // SAFETY: every row belongs to one task, and the output outlives the tasks.
            fill(index, row, unsafe { parts.part(index * width, width) });
        }
    });
    // SAFETY: the tasks wrote all rows.
    unsafe { output.into_tensor(input.shape()) }
}
