//! The loops over tasks, channels and pixels.

use super::finish::finish;
use super::plan::{Image, Kernel, Lanes, Plan, SLACK};
use super::stage::{gather, stage};
use super::weights::Packed;
use crate::kernels::buffer::with_scratch;
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

/// A tile's pixels.
struct Pixels {
    vectors: usize,
    /// Where its vectors, or halves of vectors, start in the staged or gathered image.
    starts: [usize; 2 * MOST_VECTORS],
    /// Which of its lanes go where.
    runs: Vec<Run>,
}

/// Neighbouring lanes of a tile that are neighbours in the result.
#[derive(Clone, Copy)]
struct Run {
    lane: usize,
    length: usize,
    image: usize,
    pixel: usize,
}

/// Convolves `input` and writes every pixel of `output`.
pub(super) fn run(
    weights: &Packed,
    kernel: &Kernel,
    image: &Image,
    input: &[f32],
    sums: &Sums,
    output: Parts,
) {
    let Some(plan) = Plan::new(kernel, image, weights.set) else {
        return;
    };
    let blocks = kernel.channels_out.div_ceil(ROWS);
    threads::for_each(plan.row_tasks * plan.channel_tasks, |task| {
        let rows = plan.rows(task / plan.channel_tasks);
        let blocks = threads::share(blocks, plan.channel_tasks, task % plan.channel_tasks);
        with_scratch(kernel.channels_in * plan.channel + SLACK, |staged| {
            let mut starts = Vec::with_capacity(rows.len());
            stage(&plan, kernel, input, rows.clone(), staged, &mut starts);
            let mut call = Call {
                weights,
                kernel,
                plan: &plan,
                sums,
                output,
                pixels: Vec::new(),
            };
            if plan.lanes == Lanes::Gathered {
                let count = rows.len() * plan.out_width;
                let width = count.next_multiple_of(MOST_LANES);
                with_scratch(width * weights.depth(), |gathered| {
                    gather(&plan, staged, &starts, width, gathered);
                    let steps: Vec<u32> =
                        (0..weights.depth()).map(|k| (k * width) as u32).collect();
                    call.pixels = tiles_of_gathered(&plan, rows.start, count, weights.set.lanes());
                    call.multiply(gathered, &steps, blocks);
                });
            } else {
                call.pixels = tiles_of_rows(&plan, rows.start, &starts, weights.set.lanes());
                call.multiply(staged, &plan.steps, blocks);
            }
        });
    });
}

struct Call<'a> {
    weights: &'a Packed,
    kernel: &'a Kernel,
    plan: &'a Plan,
    sums: &'a Sums<'a>,
    output: Parts,
    pixels: Vec<Pixels>,
}

impl Call<'_> {
    /// All pixels of the task by the channels of `blocks`.
    fn multiply(&self, image: &[f32], steps: &[u32], blocks: std::ops::Range<usize>) {
        let blocks_at_once = (WEIGHTS / (ROWS * self.weights.depth()).max(1)).max(1);
        for first in blocks.clone().step_by(blocks_at_once) {
            for pixels in &self.pixels {
                for block in first..blocks.end.min(first + blocks_at_once) {
                    self.tile(image, steps, pixels, block);
                }
            }
        }
    }

    fn tile(&self, image: &[f32], steps: &[u32], pixels: &Pixels, block: usize) {
        let set = self.weights.set;
        let width = pixels.vectors * set.lanes();
        let channels = block * ROWS..self.kernel.channels_out.min((block + 1) * ROWS);
        let start = |index: usize| image.as_ptr().wrapping_add(pixels.starts[index]);
        let right = if self.plan.lanes == Lanes::Halves {
            Right::Halves(std::array::from_fn(|i| [start(2 * i), start(2 * i + 1)]))
        } else {
            Right::Vectors(std::array::from_fn(start))
        };
        let mut sums = [0.0f32; ROWS * MOST_VECTORS * MOST_LANES];
        // SAFETY: the layer's set is one that this processor has. A block has eight weights for
        // each step. Starts are pixels of staged or gathered rows, from which every step stays
        // inside the image and a vector at most `SLACK` values past it. `sums` has room for eight
        // rows of three of the widest vectors.
        unsafe {
            tile::product(
                set,
                &Tile {
                    rows: channels.len(),
                    vectors: pixels.vectors,
                    left: Left::Packed(self.weights.block(block).as_ptr()),
                    right,
                    steps,
                    out: sums.as_mut_ptr(),
                    out_stride: width,
                },
            );
        }
        let plane = self.plan.out_height * self.plan.out_width;
        for (sums, channel) in sums.chunks(width).zip(channels) {
            for run in &pixels.runs {
                let index = run.image * self.kernel.channels_out + channel;
                let place = index * plane + run.pixel;
                let mut bias = self.weights.bias()[channel];
                if let Some(per_channel) = self.sums.per_channel {
                    bias += per_channel[index];
                }
                let residual = self.sums.residual;
                let residual = residual.map(|residual| &residual[place..][..run.length]);
                // SAFETY: a pixel of a channel belongs to one task and one run, and the output
                // outlives the tasks.
                let out = unsafe { self.output.part(place, run.length) };
                let sums = &sums[run.lane..][..run.length];
                finish(set, sums, bias, residual, self.sums.relu, out);
            }
        }
    }
}

/// Tiles whose vectors, or halves of them, come from single rows of the staged image.
fn tiles_of_rows(plan: &Plan, first_row: usize, starts: &[usize], lanes: usize) -> Vec<Pixels> {
    let (part, parts_in_vector) = match plan.lanes {
        Lanes::Halves => (lanes / 2, 2),
        _ => (lanes, 1),
    };
    let mut parts = Vec::new();
    for (index, &start) in starts.iter().enumerate() {
        let row = first_row + index;
        for x in (0..plan.out_width).step_by(part) {
            let run = Run {
                lane: 0,
                length: part.min(plan.out_width - x),
                image: row / plan.out_height,
                pixel: row % plan.out_height * plan.out_width + x,
            };
            parts.push((start + x, run));
        }
    }
    let mut tiles = Vec::new();
    let mut left = parts.as_slice();
    while !left.is_empty() {
        let vectors = tile::next_width(left.len().div_ceil(parts_in_vector));
        let (now, later) = left.split_at(left.len().min(vectors * parts_in_vector));
        left = later;
        let mut pixels = Pixels {
            vectors,
            starts: [now[0].0; 2 * MOST_VECTORS],
            runs: Vec::new(),
        };
        for (index, &(start, run)) in now.iter().enumerate() {
            pixels.starts[index] = start;
            let lane = index * part;
            pixels.push(Run { lane, ..run });
        }
        tiles.push(pixels);
    }
    tiles
}

/// Tiles of `count` gathered pixels.
fn tiles_of_gathered(plan: &Plan, first_row: usize, count: usize, lanes: usize) -> Vec<Pixels> {
    let plane = plan.out_height * plan.out_width;
    let mut tiles = Vec::new();
    let mut done = 0;
    while done < count {
        let vectors = tile::next_width((count - done).div_ceil(lanes));
        let mut pixels = Pixels {
            vectors,
            starts: std::array::from_fn(|vector| done + vector.min(vectors - 1) * lanes),
            runs: Vec::new(),
        };
        let last = count.min(done + vectors * lanes);
        let mut lane = 0;
        while done + lane < last {
            let place = first_row * plan.out_width + done + lane;
            let length = (last - done - lane).min(plane - place % plane);
            pixels.push(Run {
                lane,
                length,
                image: place / plane,
                pixel: place % plane,
            });
            lane += length;
        }
        done = last;
        tiles.push(pixels);
    }
    tiles
}

impl Pixels {
    /// Adds a run, to the last one where they touch.
    fn push(&mut self, run: Run) {
        match self.runs.last_mut() {
            Some(last)
                if last.lane + last.length == run.lane
                    && last.image == run.image
                    && last.pixel + last.length == run.pixel =>
            {
                last.length += run.length;
            }
            _ => self.runs.push(run),
        }
    }
}
