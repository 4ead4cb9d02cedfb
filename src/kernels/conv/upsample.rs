//! A 3×3 convolution of an image whose height and width were doubled by repeating pixels, without
//! the larger image.
//!
//! Under each place of the kernel some of the nine pixels are copies of each other. For output
//! pixels of one kind, in even or odd rows and even or odd columns, they are always the same ones,
//! so each kind is a 2×2 convolution of the small image with sums of the weights: four products
//! where there were nine.

use super::finish::finish_pairs;
use super::pixels::Pixels;
use super::plan::{Image, Kernel, Plan};
use super::run::{Sums, each_task, each_tile, groups};
use super::weights::Packed;
use crate::kernels::instructions::InstructionSet;
use crate::kernels::storage::Parts;
use crate::kernels::tile::ROWS;

/// The weights of the four kinds of output pixels: even rows and columns, even rows and odd
/// columns, odd rows and even columns, odd rows and columns.
pub(super) struct Phases([Packed; 4]);

impl Phases {
    /// From the weights of a 3×3 convolution.
    pub fn new(weights: &Packed) -> Self {
        Self([(0, 0), (0, 1), (1, 0), (1, 1)].map(|phase| weights.of_phase(phase)))
    }
}

/// Convolves the doubled `input`, with a `kernel` of 3×3, stride 1 and one zero all around, and
/// writes every pixel of `output`.
pub(super) fn run_upsampled(
    phases: &Phases,
    kernel: &Kernel,
    image: &Image,
    input: &[f32],
    sums: &Sums,
    output: Parts,
) {
    let Phases(phases) = phases;
    let set = phases[0].set;
    let Some(plan) = Plan::new(kernel, image, set) else {
        return;
    };
    let steps: [Vec<u32>; 4] = std::array::from_fn(|phase| {
        let place = |step: usize| {
            let (y, x) = (phase / 2 + step % 4 / 2, phase % 2 + step % 2);
            (step / 4 * plan.channel + y * plan.pitch + x) as u32
        };
        (0..4 * kernel.channels_in).map(place).collect()
    });
    let job = Job {
        channels_out: kernel.channels_out,
        width: plan.out_width,
        plane: plan.out_height * plan.out_width,
        bias: phases[0].bias(),
        sums,
        output,
        set,
    };
    each_task(&plan, kernel, input, |task, blocks| {
        let pixels = task.pixels(set);
        let (mut even, mut odd) = ([0.0; _], [0.0; _]);
        for row_phase in 0..2 {
            let (left, right) = (2 * row_phase, 2 * row_phase + 1);
            task.with_operand(&steps[left], |left_operand| {
                task.with_operand(&steps[right], |right_operand| {
                    let depth = 2 * phases[0].depth();
                    for group in groups(blocks.clone(), &pixels, depth) {
                        phases[left].with_blocks(group.clone(), |left_weights| {
                            phases[right].with_blocks(group.clone(), |right_weights| {
                                each_tile(&pixels, &group, |pixels, block| {
                                    let channels =
                                        block * ROWS..kernel.channels_out.min((block + 1) * ROWS);
                                    let rows = channels.len();
                                    let weights = left_weights.block(block);
                                    left_operand.product(set, pixels, weights, rows, &mut even);
                                    let weights = right_weights.block(block);
                                    right_operand.product(set, pixels, weights, rows, &mut odd);
                                    let across = pixels.vectors * set.lanes();
                                    let rows = even.chunks(across).zip(odd.chunks(across));
                                    for ((even, odd), channel) in rows.zip(channels) {
                                        let row = PhaseRow {
                                            channel,
                                            row_phase,
                                            even,
                                            odd,
                                        };
                                        write_row(&job, pixels, &row);
                                    }
                                });
                            });
                        });
                    }
                });
            });
        }
    });
}

/// Where results go, and what is added to them.
struct Job<'a> {
    channels_out: usize,
    /// Width of the small image.
    width: usize,
    /// Pixels of the small image.
    plane: usize,
    bias: &'a [f32],
    sums: &'a Sums<'a>,
    output: Parts,
    set: InstructionSet,
}

/// Products of one output channel, in even or odd rows of the result.
struct PhaseRow<'a> {
    channel: usize,
    row_phase: usize,
    even: &'a [f32],
    odd: &'a [f32],
}

fn write_row(job: &Job, pixels: &Pixels, row: &PhaseRow) {
    let width = job.width;
    for run in pixels.runs.iter().flat_map(|run| run.by_row(width)) {
        let index = run.image * job.channels_out + row.channel;
        let y = 2 * (run.pixel / width) + row.row_phase;
        let x = 2 * (run.pixel % width);
        let place = 4 * index * job.plane + 2 * width * y + x;
        let mut bias = job.bias[row.channel];
        if let Some(per_channel) = job.sums.per_channel {
            bias += per_channel[index];
        }
        let length = 2 * run.length;
        let residual = job.sums.residual;
        let residual = residual.map(|residual| &residual[place..][..length]);
        // SAFETY: a pixel of a channel belongs to one task and one run, its four output pixels to
        // nothing else, and the output outlives the tasks.
        let out = unsafe { job.output.part(place, length) };
        let even = &row.even[run.lane..][..run.length];
        let odd = &row.odd[run.lane..][..run.length];
        finish_pairs(job.set, even, odd, bias, residual, job.sums.relu, out);
    }
}
