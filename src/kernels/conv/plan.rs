//! How a convolution is cut into tasks, and where each step of its product reads.

use std::ops::Range;

use super::Padding;
use crate::kernels::instructions::InstructionSet;
use crate::kernels::profile::Work;
use crate::kernels::threads;
use crate::kernels::tile::{MOST_LANES, ROWS};

/// The shape of a convolution's weights and how they move over the image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    pub channels_in: usize,
    pub channels_out: usize,
    pub height: usize,
    pub width: usize,
    pub stride: usize,
    pub padding: Padding,
}

/// The shape of the images that a convolution is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
}

impl Kernel {
    /// Height and width of the result; none if the image is smaller than the kernel.
    pub fn output_size(&self, image: &Image) -> Option<(usize, usize)> {
        let Padding {
            top,
            bottom,
            left,
            right,
        } = self.padding;
        let height = (image.height + top + bottom).checked_sub(self.height)?;
        let width = (image.width + left + right).checked_sub(self.width)?;
        Some((height / self.stride + 1, width / self.stride + 1))
    }

    /// What a run is that makes a result of `dims` from so many values.
    pub fn work(&self, values: usize, dims: [usize; 4]) -> Work {
        let [batch, channels_out, height, width] = dims;
        let pixels = batch * height * width;
        let products = self.channels_in * self.height * self.width * channels_out;
        let stride = match self.stride {
            1 => String::new(),
            stride => format!(", stride {stride}"),
        };
        Work {
            shape: format!(
                "{}×{}, {} → {channels_out} at {batch}×{height}×{width}{stride}",
                self.height, self.width, self.channels_in
            ),
            flops: 2 * products * pixels,
            values: values + products + channels_out * pixels,
        }
    }

    /// Whether it is the kind that [`super::upsample`] knows.
    pub fn is_three_by_three(&self) -> bool {
        self.is_three_by_three_with(1)
    }

    /// The same with another stride.
    pub fn is_three_by_three_with(&self, stride: usize) -> bool {
        (self.height, self.width, self.stride) == (3, 3, stride) && self.padding == Padding::all(1)
    }

    /// Whether [`super::winograd`] is the faster way for `image`, or for it `doubled`: there are
    /// enough tiles to make up for reading four times the weights, which are also kept in memory,
    /// and enough channels to make up for the transforms.
    pub fn has_fewer_products(&self, set: InstructionSet, image: &Image, doubled: bool) -> bool {
        let tiles = |side: usize| {
            if doubled {
                side.div_ceil(2)
            } else {
                side.div_ceil(4)
            }
        };
        let tiles = image.batch * tiles(image.height) * tiles(image.width);
        let most_weights = match tiles {
            0..16 => 0,
            // With wide vectors the products take less time than four times the weights.
            16..64 if !doubled && set.lanes() == MOST_LANES => 1 << 13,
            16..64 if !doubled => 1 << 15,
            16..64 => 1 << 16,
            _ => 1 << 17,
        };
        self.is_three_by_three()
            && self.channels_in >= 8
            && self.channels_out >= 3
            && self.channels_in * self.channels_out <= most_weights
    }

    /// A kernel of one pixel sees no neighbours: rows may be joined and cut elsewhere.
    fn is_pointwise(&self) -> bool {
        self.height * self.width * self.stride == 1 && self.padding == Padding::all(0)
    }
}

/// How the lanes of a vector find their pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lanes {
    /// A whole vector from one row of the staged image.
    Whole,
    /// Two halves of eight pixels, each from one row.
    Halves,
    /// From columns gathered in advance.
    Gathered,
}

/// The cut of one call.
pub(super) struct Plan {
    /// The image as it is read: rows of a pointwise convolution may have been joined.
    pub image: Image,
    pub out_height: usize,
    pub out_width: usize,
    pub lanes: Lanes,
    /// Output rows, counted through the whole batch, of each task.
    pub rows_in_task: usize,
    pub row_tasks: usize,
    pub channel_tasks: usize,
    /// Values between two rows of the staged image. A row holds, for each remainder of the column
    /// by the stride, the columns that have it.
    pub pitch: usize,
    /// Values between two such groups of columns.
    pub plane: usize,
    /// Values between two channels of the staged image.
    pub channel: usize,
    /// Where each step reads, relative to a pixel's place in the staged image.
    pub steps: Vec<u32>,
}

/// Staged values that a task aims for: half a megabyte, of a second-level cache of one. More rows at
/// once repeat fewer of them as halo.
const STAGED: usize = 128 << 10;

/// Gathered values that a task aims for.
const GATHERED: usize = 160 << 10;

/// Values past the end of the staged image that a vector may read.
pub(super) const SLACK: usize = 16;

impl Plan {
    pub fn new(kernel: &Kernel, image: &Image, set: InstructionSet) -> Option<Self> {
        let image = match join_rows(kernel, image) {
            Some(joined) => joined,
            None => *image,
        };
        let (out_height, out_width) = kernel.output_size(&image)?;
        let rows = image.batch * out_height;
        if rows * out_width * kernel.channels_out == 0 {
            return None;
        }
        let lanes = choose_lanes(kernel, out_width, set);
        let padded = (out_width - 1) * kernel.stride + kernel.width;
        let plane = padded.div_ceil(kernel.stride);
        let pitch = plane * kernel.stride;
        let depth = kernel.channels_in * kernel.height * kernel.width;

        let staged_row = (kernel.channels_in * kernel.stride * pitch).max(1);
        let halo = kernel.height.saturating_sub(kernel.stride);
        let mut fitting = (STAGED / staged_row).saturating_sub(halo).max(1);
        if lanes == Lanes::Gathered {
            fitting = fitting.min((GATHERED / (depth * out_width).max(1)).max(1));
        }
        let wanted = threads::wanted_tasks();
        let threads = rayon::current_num_threads();
        let mut row_tasks = rows.div_ceil(fitting);
        if row_tasks > 1 {
            row_tasks = row_tasks.next_multiple_of(threads).min(rows);
        }
        let rows_in_task = rows.div_ceil(row_tasks);
        let row_tasks = rows.div_ceil(rows_in_task);
        let blocks = kernel.channels_out.div_ceil(ROWS);
        // Each task gathers for itself what it reads.
        let tasks = if lanes == Lanes::Gathered {
            threads
        } else {
            wanted
        };
        let channel_tasks = tasks.div_ceil(row_tasks).min(blocks);

        // Every image that a task touches brings its own halo.
        let images = image.batch.min((rows_in_task - 1) / out_height + 2);
        let staged_rows = rows_in_task * kernel.stride + images * halo;
        // An odd number of cache lines, so that channels do not share the same few cache sets.
        let channel = ((staged_rows * pitch).div_ceil(16) | 1) * 16;
        let mut steps = Vec::with_capacity(depth);
        for input in 0..kernel.channels_in {
            for y in 0..kernel.height {
                for x in 0..kernel.width {
                    let column = x % kernel.stride * plane + x / kernel.stride;
                    steps.push((input * channel + y * pitch + column) as u32);
                }
            }
        }
        Some(Self {
            image,
            out_height,
            out_width,
            lanes,
            rows_in_task,
            row_tasks,
            channel_tasks,
            pitch,
            plane,
            channel,
            steps,
        })
    }

    /// The output rows of one row task.
    pub fn rows(&self, task: usize) -> Range<usize> {
        let first = task * self.rows_in_task;
        first..(self.image.batch * self.out_height).min(first + self.rows_in_task)
    }

    /// The pieces of `rows` that lie in one image each: the image, and rows within it.
    pub fn strips(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let height = self.out_height;
        (rows.start / height..rows.end.div_ceil(height)).map(move |image| {
            let first = rows.start.max(image * height) - image * height;
            let last = rows.end.min((image + 1) * height) - image * height;
            (image, first..last)
        })
    }
}

/// A pointwise convolution's image with rows as long as vectors like them.
fn join_rows(kernel: &Kernel, image: &Image) -> Option<Image> {
    let pixels = image.height * image.width;
    if !kernel.is_pointwise() || image.width.is_multiple_of(16) {
        return None;
    }
    let width = [64, 48, 32, 16]
        .into_iter()
        .find(|width| pixels.is_multiple_of(*width))?;
    Some(Image {
        height: pixels / width,
        width,
        ..*image
    })
}

fn choose_lanes(kernel: &Kernel, out_width: usize, set: InstructionSet) -> Lanes {
    let filled = |lanes: usize| out_width * 100 / out_width.next_multiple_of(lanes);
    let good = if kernel.channels_out <= ROWS { 50 } else { 80 };
    if filled(set.lanes()) >= good {
        Lanes::Whole
    } else if set.lanes() == 16 && filled(8) >= good {
        Lanes::Halves
    } else {
        Lanes::Gathered
    }
}
