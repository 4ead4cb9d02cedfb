//! 3×3 convolutions between images with channels last, by the definition: for strides at which
//! [`super::winograd`] saves nothing.

use std::ops::Range;

use super::blocks::{Blocks, WIDTH};
use super::picture::{Picture, Target};
use super::product::{Operands, product};
use crate::kernels::buffer::with_scratch;
use crate::kernels::instructions::InstructionSet;
use crate::kernels::lanes::{Lanes, Plain};
use crate::kernels::threads;

/// Pixels that are worked on at once, which all sets' products divide.
const PIXELS: usize = 12;

/// One call.
struct Job<'a> {
    weights: &'a Blocks,
    stride: usize,
    from: Picture,
    to: Target,
}

/// Convolves `from` with one zero all around, and writes all of the target.
pub(super) fn run(weights: &Blocks, stride: usize, from: Picture, to: Target) {
    let job = Job {
        weights,
        stride,
        from,
        to,
    };
    let height = to.picture.height;
    let tasks = threads::wanted_tasks().min(height);
    threads::for_each(tasks, |task| {
        let rows = threads::share(height, tasks, task);
        with_scratch(PIXELS * weights.across, |sums| {
            // SAFETY: an instruction set is only ever one that the processor has.
            unsafe {
                match weights.set {
                    #[cfg(target_arch = "x86_64")]
                    InstructionSet::Avx512 => avx512(&job, rows, sums),
                    #[cfg(target_arch = "x86_64")]
                    InstructionSet::Avx2 => avx2(&job, rows, sums),
                    InstructionSet::Portable => work::<Plain, 4>(&job, rows, sums),
                }
            }
        });
    });
}

/// # Safety
///
/// As [`work`], on a processor with AVX-512F, AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn avx512(job: &Job, rows: Range<usize>, sums: &mut [f32]) {
    // SAFETY: as the caller says.
    unsafe { work::<crate::kernels::lanes::Avx512, 12>(job, rows, sums) }
}

/// # Safety
///
/// As [`work`], on a processor with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(job: &Job, rows: Range<usize>, sums: &mut [f32]) {
    // SAFETY: as the caller says.
    unsafe { work::<crate::kernels::lanes::Avx2, 6>(job, rows, sums) }
}

/// Makes some rows.
///
/// # Safety
///
/// As [`Lanes`]; `sums` has room for [`PIXELS`].
#[inline(always)]
unsafe fn work<L: Lanes, const ROWS: usize>(job: &Job, rows: Range<usize>, sums: &mut [f32]) {
    let Job {
        weights, from, to, ..
    } = job;
    let (across, pitch) = (weights.across, to.picture.pitch);
    let pieces: [usize; 9] = std::array::from_fn(|tap| tap / 3 * from.row + tap % 3 * from.pitch);
    // SAFETY: nothing writes to the source while it is read.
    let source = unsafe { from.rows_from(0) };
    for y in rows.clone() {
        let mut x = 0;
        while x < to.picture.width {
            let count = ROWS.min(to.picture.width - x);
            let left = source[(y * from.row + x * from.pitch) * job.stride..].as_ptr();
            for block in (0..across).step_by(WIDTH * L::COUNT) {
                let operands = Operands {
                    left,
                    left_stride: job.stride * from.pitch,
                    pieces: &pieces,
                    piece: weights.depth / 9,
                    right: weights.block(0, block).as_ptr(),
                    out: sums[block..].as_mut_ptr(),
                    out_stride: across,
                };
                let vectors = (across - block).min(WIDTH * L::COUNT) / L::COUNT;
                // SAFETY: pixels past the end of a row lie in the next one or in the slack after
                // the last.
                unsafe { product::<L, ROWS>(operands, count, vectors) };
            }
            for channel in (0..across).step_by(L::COUNT) {
                // SAFETY: these pixels belong to this task alone.
                unsafe {
                    let finish = to.finish::<L>(weights.bias(), channel, y, x);
                    let out = to.picture.pixel(y, x).add(channel);
                    for pixel in 0..count {
                        let value = L::load(sums[pixel * across + channel..].as_ptr());
                        let value = finish.apply(value, pixel * pitch);
                        value.store(out.add(pixel * pitch));
                    }
                }
            }
            x += count;
        }
    }
    // SAFETY: as above.
    unsafe { to.picture.clear_around(rows) };
}
