//! Softmax attention.
//!
//! A task takes one head of one batch row and some of its queries. It turns the head's keys once,
//! so that keys lie across a tile's lanes, and copies the head's values together; then, for eight
//! queries at a time, scores, softmax and the weighted sum stay in cache. The softmax is divided
//! by its sum last, on the result.

use std::mem::MaybeUninit;
use std::ops::Range;

use candle_core::{Result, Tensor};

use super::buffer::with_scratch;
use super::instructions::InstructionSet;
use super::math::{self, Arithmetic, for_each_set};
use super::profile::Work;
use super::storage::{Output, Parts, Values, is_cpu_f32};
use super::tile::{self, Left, ROWS, Right, Tile};
use super::{interrupt, profile, stock, threads};

/// `softmax(scale · q kᵀ + mask) v` for each head, heads lying side by side in the last dimension.
///
/// `query` is `[batch, queries, heads · dim]`, `key` and `value` are `[batch, keys, heads · dim]`,
/// the result is shaped like `query`. `mask` is added to the scores and broadcasts to
/// `[batch, heads, queries, keys]`; −∞ shuts a key out, and every query must keep one key.
pub fn attention(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    heads: usize,
    scale: f64,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let set = InstructionSet::best();
    attention_for_set(set, query, key, value, heads, scale, mask)
}

fn attention_for_set(
    set: InstructionSet,
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    heads: usize,
    scale: f64,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    interrupt::check()?;
    let (batch, queries, width) = query.dims3()?;
    let (key_batch, keys, key_width) = key.dims3()?;
    if key.shape() != value.shape()
        || key_batch != batch
        || key_width != width
        || heads == 0
        || width % heads != 0
    {
        candle_core::bail!(
            "{heads} heads of attention were given queries {:?}, keys {:?} and values {:?}",
            query.shape(),
            key.shape(),
            value.shape()
        );
    }
    let _span = profile::span("attention", || Work {
        shape: format!(
            "{heads} heads of {}, {batch}×{queries} over {keys}",
            width / heads
        ),
        flops: 4 * batch * queries * keys * width,
        values: 2 * query.elem_count() + 2 * key.elem_count(),
    });
    let here = is_cpu_f32(query) && is_cpu_f32(key) && is_cpu_f32(value);
    if !here || !mask.is_none_or(is_cpu_f32) || query.elem_count() * keys == 0 {
        return stock::attention(query, key, value, heads, scale, mask);
    }
    let (query, key, value) = (query.contiguous()?, key.contiguous()?, value.contiguous()?);
    let mask = mask
        .map(|mask| {
            mask.broadcast_as((batch, heads, queries, keys))?
                .contiguous()
        })
        .transpose()?;
    let (query_values, key_values, value_values) =
        (Values::of(&query)?, Values::of(&key)?, Values::of(&value)?);
    let mask = mask.as_ref().map(Values::of).transpose()?;
    let operands = Operands {
        set,
        query: &query_values,
        key: &key_values,
        value: &value_values,
        mask: mask.as_deref(),
        scale: scale as f32,
        heads,
        queries,
        keys,
        dim: width / heads,
        keys_across: keys.next_multiple_of(tile::MOST_LANES),
        dim_across: (width / heads).next_multiple_of(tile::MOST_LANES),
    };
    let mut output = Output::new(query_values.len());
    let parts = output.parts();
    let pairs = batch * heads;
    let blocks = queries.div_ceil(ROWS);
    let query_tasks = threads::wanted_tasks().div_ceil(pairs).clamp(1, blocks);
    threads::for_each(pairs * query_tasks, |task| {
        let (pair, task) = (task / query_tasks, task % query_tasks);
        let blocks = threads::share(blocks, query_tasks, task);
        let head = Head {
            row: pair / heads,
            head: pair % heads,
        };
        operands.run(head, blocks, parts);
    });
    // SAFETY: the tasks wrote every query of every head.
    unsafe { output.into_tensor(query.shape()) }
}

struct Operands<'a> {
    set: InstructionSet,
    query: &'a [f32],
    key: &'a [f32],
    value: &'a [f32],
    mask: Option<&'a [f32]>,
    scale: f32,
    heads: usize,
    queries: usize,
    keys: usize,
    dim: usize,
    /// Keys and entries of a head, filled up to whole vectors.
    keys_across: usize,
    dim_across: usize,
}

/// One head of one batch row.
#[derive(Clone, Copy)]
struct Head {
    row: usize,
    head: usize,
}

impl Operands<'_> {
    /// Where token `token` of `tokens` in a batch row has the entries of a head.
    fn place(&self, head: Head, tokens: usize, token: usize) -> usize {
        ((head.row * tokens + token) * self.heads + head.head) * self.dim
    }

    /// Blocks of eight queries of one head.
    fn run(&self, head: Head, blocks: Range<usize>, parts: Parts) {
        let key_steps: Vec<u32> = (0..self.dim)
            .map(|step| (step * self.keys_across) as u32)
            .collect();
        let value_steps: Vec<u32> = (0..self.keys)
            .map(|step| (step * self.dim_across) as u32)
            .collect();
        let keys = self.dim * self.keys_across;
        let values = self.keys * self.dim_across;
        let scores = ROWS * self.keys_across;
        let result = ROWS * self.dim_across;
        with_scratch(keys + values + scores + result, |scratch| {
            let (keys, scratch) = scratch.split_at_mut(keys);
            let (values, scratch) = scratch.split_at_mut(values);
            let (scores, result) = scratch.split_at_mut(scores);
            self.pack(head, keys, values);
            for block in blocks {
                let queries = block * ROWS..self.queries.min((block + 1) * ROWS);
                self.score(head, &queries, keys, &key_steps, scores);
                let mut sums = [1.0; ROWS];
                for ((query, scores), sum) in queries
                    .clone()
                    .zip(scores.chunks_mut(self.keys_across))
                    .zip(&mut sums)
                {
                    let scores = &mut scores[..self.keys];
                    let mask = self.mask.map(|mask| {
                        let pair = head.row * self.heads + head.head;
                        &mask[(pair * self.queries + query) * self.keys..][..self.keys]
                    });
                    *sum = soften(self.set, scores, self.scale, mask);
                }
                self.weigh(queries.len(), scores, values, &value_steps, result);
                for ((query, result), sum) in queries.zip(result.chunks(self.dim_across)).zip(sums)
                {
                    let start = self.place(head, self.queries, query);
                    // SAFETY: a query of a head belongs to one task, and the output outlives the
                    // tasks.
                    let out = unsafe { parts.part(start, self.dim) };
                    divide(self.set, &result[..self.dim], 1.0 / sum, out);
                }
            }
        });
    }

    /// Turns the head's keys and copies its values together.
    fn pack(&self, head: Head, keys: &mut [f32], values: &mut [f32]) {
        for token in 0..self.keys {
            let start = self.place(head, self.keys, token);
            for (entry, &value) in self.key[start..][..self.dim].iter().enumerate() {
                keys[entry * self.keys_across + token] = value;
            }
            let value = &self.value[start..][..self.dim];
            values[token * self.dim_across..][..self.dim].copy_from_slice(value);
        }
    }

    /// The products of up to eight queries with all keys.
    fn score(
        &self,
        head: Head,
        queries: &Range<usize>,
        keys: &[f32],
        steps: &[u32],
        scores: &mut [f32],
    ) {
        let left = std::array::from_fn(|row| {
            let query = queries.start + row.min(queries.len() - 1);
            let start = self.place(head, self.queries, query);
            self.query[start..][..self.dim].as_ptr()
        });
        // SAFETY: `left` has `dim` values in each row, `keys` has `keys_across` at each of `dim`
        // steps, `scores` has eight rows of `keys_across`.
        unsafe { self.tiles(queries.len(), left, keys, steps, scores, self.keys_across) }
    }

    /// The sums of all values by up to eight rows of weights.
    fn weigh(
        &self,
        rows: usize,
        weights: &[f32],
        values: &[f32],
        steps: &[u32],
        result: &mut [f32],
    ) {
        let left = std::array::from_fn(|row| {
            weights[row.min(rows - 1) * self.keys_across..][..self.keys].as_ptr()
        });
        // SAFETY: `left` has `keys` values in each row, `values` has `dim_across` at each of
        // `keys` steps, `result` has eight rows of `dim_across`.
        unsafe { self.tiles(rows, left, values, steps, result, self.dim_across) }
    }

    /// Tiles side by side until the result is `width` wide.
    ///
    /// # Safety
    ///
    /// Each row of `left` has a value for every step, `right` has `width` values at every step,
    /// and `out` has eight rows of `width`.
    unsafe fn tiles(
        &self,
        rows: usize,
        left: [*const f32; ROWS],
        right: &[f32],
        steps: &[u32],
        out: &mut [f32],
        width: usize,
    ) {
        let lanes = self.set.lanes();
        let mut done = 0;
        while done < width {
            let vectors = tile::next_width((width - done) / lanes);
            let starts =
                std::array::from_fn(|vector| right.as_ptr().wrapping_add(done + vector * lanes));
            // SAFETY: by the caller's promise; the set is one that this processor has.
            unsafe {
                tile::product(
                    self.set,
                    &Tile {
                        rows,
                        vectors,
                        left: Left::Rows(left),
                        right: Right::Vectors(starts),
                        steps,
                        right_end: right.as_ptr_range().end,
                        out: out.as_mut_ptr().add(done),
                        out_stride: width,
                    },
                );
            }
            done += vectors * lanes;
        }
    }
}

for_each_set! {
    /// Replaces scores by `exp(scale · score + mask − greatest)` and returns the sum of those.
    fn soften(scores: &mut [f32], scale: f32, mask: Option<&[f32]>) -> f32 = soften_loop;
}
for_each_set! {
    fn divide(result: &[f32], factor: f32, out: &mut [MaybeUninit<f32>]) = divide_loop;
}

#[inline(always)]
fn soften_loop<A: Arithmetic>(scores: &mut [f32], scale: f32, mask: Option<&[f32]>) -> f32 {
    match mask {
        Some(mask) => {
            for (score, mask) in scores.iter_mut().zip(mask) {
                *score = A::mul_add(*score, scale, *mask);
            }
        }
        None => {
            for score in scores.iter_mut() {
                *score *= scale;
            }
        }
    }
    const LANES: usize = tile::MOST_LANES;
    let (chunks, rest) = scores.as_chunks::<LANES>();
    let greater = |a: f32, b: f32| if a > b { a } else { b };
    let mut greatest = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (greatest, &score) in greatest.iter_mut().zip(chunk) {
            *greatest = greater(score, *greatest);
        }
    }
    let greatest = greatest
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, greater);
    let (chunks, rest) = scores.as_chunks_mut::<LANES>();
    let mut sums = [0.0f32; LANES];
    for chunk in chunks {
        for (sum, score) in sums.iter_mut().zip(chunk) {
            *score = math::exp::<A>(*score - greatest);
            *sum += *score;
        }
    }
    for (sum, score) in sums.iter_mut().zip(rest) {
        *score = math::exp::<A>(*score - greatest);
        *sum += *score;
    }
    sums.iter().sum()
}

#[inline(always)]
fn divide_loop<A: Arithmetic>(result: &[f32], factor: f32, out: &mut [MaybeUninit<f32>]) {
    for (out, &value) in out.iter_mut().zip(result) {
        out.write(value * factor);
    }
}

#[cfg(test)]
mod tests;
