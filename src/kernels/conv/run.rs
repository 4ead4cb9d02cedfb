//! The loops over tasks, channels and pixels.

use std::ops::Range;

use super::finish::finish;
use super::pixels::{Pixels, tiles_of_gathered, tiles_of_rows};
use super::plan::{Image, Kernel, Lanes, Plan, SLACK};
use super::stage::{gather, stage};
use super::weights::Packed;
use crate::kernels::buffer::with_scratch;
use crate::kernels::instructions::InstructionSet;
use crate::kernels::storage::Parts;
use crate::kernels::threads;
use crate::kernels::tile::{self, Left, MOST_LANES, MOST_VECTORS, ROWS, Right, Tile};

/// What is added to the products, as slices.
pub(super) struct Sums<'a> {
    pub per_channel: Option<&'a [f32]>,
    pub residual: Option<&'a [f32]>,
    pub relu: bool,
}

/// Weights, in values, that are worked through for all pixels of a task before the next ones.
const WEIGHTS: usize = 64 << 10;

/// The result of the widest tile.
pub(super) type Products = [f32; ROWS * MOST_VECTORS * MOST_LANES];

/// Convolves `input` and writes every pixel of `output`.
pub(super) fn run(
    weights: &Packed,
    kernel: &Kernel,
    image: &Image,
    input: &[f32],
    sums: &Sums,
    output: Parts,
) {
    let set = weights.set;
    let Some(plan) = Plan::new(kernel, image, set) else {
        return;
    };
    let plane = plan.out_height * plan.out_width;
    each_task(&plan, kernel, input, |task, blocks| {
        let pixels = task.pixels(set);
        task.with_operand(&plan.steps, |operand| {
            let mut products = [0.0; _];
            let group = |group: Range<usize>| {
                weights.with_blocks(group.clone(), |weights_of| {
                    each_tile(&pixels, &group, |pixels, block| {
                        let channels = block * ROWS..kernel.channels_out.min((block + 1) * ROWS);
                        let rows = channels.len();
                        operand.product(set, pixels, weights_of.block(block), rows, &mut products);
                        let rows = products.chunks(pixels.vectors * set.lanes());
                        for (row, channel) in rows.zip(channels) {
                            for run in &pixels.runs {
                                let index = run.image * kernel.channels_out + channel;
                                let place = index * plane + run.pixel;
                                let mut bias = weights.bias()[channel];
                                if let Some(per_channel) = sums.per_channel {
                                    bias += per_channel[index];
                                }
                                let residual = sums.residual;
                                let residual =
                                    residual.map(|residual| &residual[place..][..run.length]);
                                // SAFETY: a pixel of a channel belongs to one task and one run,
                                // and the output outlives the tasks.
                                let out = unsafe { output.part(place, run.length) };
                                let row = &row[run.lane..][..run.length];
                                finish(set, row, bias, residual, sums.relu, out);
                            }
                        }
                    });
                });
            };
            groups(blocks, &pixels, weights.depth()).for_each(group);
        });
    });
}

/// Calls `work` for each task of a plan, in parallel, with its part of the image staged and its
/// blocks of eight output channels.
pub(super) fn each_task(
    plan: &Plan,
    kernel: &Kernel,
    input: &[f32],
    work: impl Fn(&Task, Range<usize>) + Send + Sync,
) {
    let blocks = kernel.channels_out.div_ceil(ROWS);
    threads::for_each(plan.row_tasks * plan.channel_tasks, |index| {
        let rows = plan.rows(index / plan.channel_tasks);
        let blocks = threads::share(blocks, plan.channel_tasks, index % plan.channel_tasks);
        with_scratch(kernel.channels_in * plan.channel + SLACK, |staged| {
            let mut starts = Vec::with_capacity(rows.len());
            stage(plan, kernel, input, rows.clone(), staged, &mut starts);
            let task = Task {
                plan,
                rows,
                staged,
                starts,
            };
            work(&task, blocks);
        });
    });
}

/// Blocks of output channels whose weights, `depth` of them for each channel, stay in cache while
/// all pixels are worked through.
pub(super) fn groups(
    blocks: Range<usize>,
    pixels: &[Pixels],
    depth: usize,
) -> impl Iterator<Item = Range<usize>> {
    let at_once = match pixels {
        // Nothing reads them again.
        [_] => 1,
        _ => (WEIGHTS / (ROWS * depth).max(1)).max(1),
    };
    let end = blocks.end;
    blocks
        .step_by(at_once)
        .map(move |first| first..end.min(first + at_once))
}

/// Calls `work` for each tile: pixels by a block of output channels.
pub(super) fn each_tile(
    pixels: &[Pixels],
    blocks: &Range<usize>,
    mut work: impl FnMut(&Pixels, usize),
) {
    for pixels in pixels {
        for block in blocks.clone() {
            work(pixels, block);
        }
    }
}

/// Some rows of the result, and what they see of the image.
pub(super) struct Task<'a> {
    plan: &'a Plan,
    rows: Range<usize>,
    staged: &'a [f32],
    starts: Vec<usize>,
}

impl Task<'_> {
    /// The task's pixels, tile by tile.
    pub fn pixels(&self, set: InstructionSet) -> Vec<Pixels> {
        match self.plan.lanes {
            Lanes::Gathered => {
                let count = self.rows.len() * self.plan.out_width;
                tiles_of_gathered(self.plan, self.rows.start, count, set.lanes())
            }
            _ => tiles_of_rows(self.plan, self.rows.start, &self.starts, set.lanes()),
        }
    }

    /// Calls `work` with the right operand whose steps are `steps` apart in the staged image.
    pub fn with_operand<R>(&self, steps: &[u32], work: impl FnOnce(Operand) -> R) -> R {
        if self.plan.lanes != Lanes::Gathered {
            return work(Operand {
                values: self.staged,
                steps,
                halves: self.plan.lanes == Lanes::Halves,
            });
        }
        let width = (self.rows.len() * self.plan.out_width).next_multiple_of(MOST_LANES);
        with_scratch(width * steps.len(), |gathered| {
            gather(self.plan, steps, self.staged, &self.starts, width, gathered);
            let steps: Vec<u32> = (0..steps.len()).map(|step| (step * width) as u32).collect();
            work(Operand {
                values: gathered,
                steps: &steps,
                halves: false,
            })
        })
    }
}

/// The right operand of a task's tiles.
pub(super) struct Operand<'a> {
    values: &'a [f32],
    steps: &'a [u32],
    halves: bool,
}

impl Operand<'_> {
    /// The products of `rows` output channels of a block of packed weights with the pixels.
    pub fn product(
        &self,
        set: InstructionSet,
        pixels: &Pixels,
        weights: &[f32],
        rows: usize,
        products: &mut Products,
    ) {
        assert!(
            weights.len() >= self.steps.len() * ROWS,
            "weights for fewer steps"
        );
        let start = |index: usize| self.values.as_ptr().wrapping_add(pixels.starts[index]);
        let right = if self.halves {
            Right::Halves(std::array::from_fn(|i| [start(2 * i), start(2 * i + 1)]))
        } else {
            Right::Vectors(std::array::from_fn(start))
        };
        // SAFETY: the layer's set is one that this processor has. A block has eight weights for
        // each step. Starts are pixels of staged or gathered rows, from which every step stays
        // inside the image and a vector at most `SLACK` values past it. `products` has room for
        // eight rows of three of the widest vectors.
        unsafe {
            tile::product(
                set,
                &Tile {
                    rows,
                    vectors: pixels.vectors,
                    left: Left::Packed(weights.as_ptr()),
                    right,
                    steps: self.steps,
                    right_end: self.values.as_ptr_range().end,
                    out: products.as_mut_ptr(),
                    out_stride: pixels.vectors * set.lanes(),
                },
            );
        }
    }
}
