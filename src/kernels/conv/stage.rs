//! Copies of parts of an image in the order in which tiles read them.

use std::ops::Range;

use super::plan::{Image, Kernel, Plan};

/// Copies what the output rows `rows` of the batch see, with the zeros around it, into `staged`,
/// and pushes where each output row's pixels start.
pub(super) fn stage(
    plan: &Plan,
    kernel: &Kernel,
    input: &[f32],
    rows: Range<usize>,
    staged: &mut [f32],
    starts: &mut Vec<usize>,
) {
    let Image { height, width, .. } = plan.image;
    let mut first_row = 0;
    for (image, strip) in plan.strips(rows) {
        let count = (strip.len() - 1) * kernel.stride + kernel.height;
        for channel in 0..kernel.channels_in {
            let from = (image * kernel.channels_in + channel) * height * width;
            let from = &input[from..][..height * width];
            for row in 0..count {
                let place = channel * plan.channel + (first_row + row) * plan.pitch;
                let out = &mut staged[place..][..plan.pitch];
                match (strip.start * kernel.stride + row).checked_sub(kernel.padding.top) {
                    Some(y) if y < height => {
                        let from = &from[y * width..][..width];
                        match kernel.stride {
                            1 => plain_row(from, kernel.padding.left, out),
                            2 => halved_row(plan, kernel.padding.left, from, out),
                            _ => any_row(plan, kernel, from, out),
                        }
                    }
                    _ => out.fill(0.0),
                }
            }
        }
        starts.extend((0..strip.len()).map(|row| (first_row + row * kernel.stride) * plan.pitch));
        first_row += count;
    }
}

/// Zeros, the row, zeros; or as much of them as there is room for.
fn plain_row(from: &[f32], left: usize, out: &mut [f32]) {
    let left = left.min(out.len());
    let (zeros, out) = out.split_at_mut(left);
    zeros.fill(0.0);
    let width = from.len().min(out.len());
    let (middle, zeros) = out.split_at_mut(width);
    copy(&from[..width], middle);
    zeros.fill(0.0);
}

/// Even columns of the row with its zeros, then odd ones.
fn halved_row(plan: &Plan, left: usize, from: &[f32], out: &mut [f32]) {
    for (remainder, out) in out.chunks_exact_mut(plan.plane).enumerate() {
        let before = left.saturating_sub(remainder).div_ceil(2).min(out.len());
        let (zeros, out) = out.split_at_mut(before);
        zeros.fill(0.0);
        let first = (2 * before + remainder).saturating_sub(left);
        let from = from.get(first..).unwrap_or_default();
        let inside = from.len().div_ceil(2).min(out.len());
        let (inside, zeros) = out.split_at_mut(inside);
        zeros.fill(0.0);
        let (pairs, last) = from.as_chunks::<2>();
        for (out, pair) in inside.iter_mut().zip(pairs) {
            *out = pair[0];
        }
        if let (Some(out), &[last]) = (inside.get_mut(pairs.len()), last) {
            *out = last;
        }
    }
}

/// For each remainder of the column by the stride, the columns of the row with its zeros that
/// have it.
fn any_row(plan: &Plan, kernel: &Kernel, from: &[f32], out: &mut [f32]) {
    for (remainder, out) in out.chunks_exact_mut(plan.plane).enumerate() {
        for (index, out) in out.iter_mut().enumerate() {
            let column = index * kernel.stride + remainder;
            let inside = column.checked_sub(kernel.padding.left);
            *out = inside.and_then(|x| from.get(x)).copied().unwrap_or(0.0);
        }
    }
}

/// Gathers, for each of `steps`, the pixels of all rows side by side: `width` values a step.
pub(super) fn gather(
    plan: &Plan,
    steps: &[u32],
    staged: &[f32],
    starts: &[usize],
    width: usize,
    gathered: &mut [f32],
) {
    let columns = plan.out_width;
    for (&step, gathered) in steps.iter().zip(gathered.chunks_exact_mut(width)) {
        for (&start, out) in starts.iter().zip(gathered.chunks_exact_mut(columns)) {
            copy(&staged[start + step as usize..][..columns], out);
        }
    }
}

/// Copies slices of the same length, which are short: a call to `memcpy` would cost more than
/// the copy.
#[inline(always)]
fn copy(from: &[f32], to: &mut [f32]) {
    let (from, to) = copy_chunks::<8>(from, to);
    let (from, to) = copy_chunks::<4>(from, to);
    copy_chunks::<1>(from, to);
}

/// Copies whole chunks; what is left is returned.
#[inline(always)]
fn copy_chunks<'a, const SIZE: usize>(
    from: &'a [f32],
    to: &'a mut [f32],
) -> (&'a [f32], &'a mut [f32]) {
    let (from_chunks, from_rest) = from.as_chunks::<SIZE>();
    let (to_chunks, to_rest) = to.as_chunks_mut::<SIZE>();
    for (from, to) in from_chunks.iter().zip(to_chunks) {
        *to = *from;
    }
    (from_rest, to_rest)
}
