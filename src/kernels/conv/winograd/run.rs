//! The loops over tasks, bands of rows and tiles.

use std::ops::Range;

use super::super::blocks::WIDTH;
use super::super::picture::{Finish, Picture, Target};
use super::super::plan::Image;
use super::super::product::{Operands, product};
use super::super::run::Sums;
use super::stage::{Staged, stage};
use super::store::{PIXELS, Pixels, Store, TILES as AT_ONCE};
use super::transform::{Factors, SEEN, TILE};
use super::weights::Transformed;
use crate::kernels::buffer::with_scratch;
use crate::kernels::instructions::InstructionSet;
use crate::kernels::lanes::{Lanes, Plain};
use crate::kernels::storage::Parts;
use crate::kernels::threads;

/// Staged values that a task aims for: they share the second-level cache with the transforms.
const STAGED: usize = 32 << 10;

/// Transformed values, pixels and products together, that a task aims for.
const TRANSFORMED: usize = 56 << 10;

/// Tiles are worked through in multiples of this, which all sets' products divide.
const TILES: usize = 12;

/// What is convolved.
#[derive(Clone, Copy)]
pub(in super::super) enum Source<'a> {
    /// Images plane by plane.
    Planes { image: Image, values: &'a [f32] },
    /// One image, channels last.
    Picture(Picture),
}

/// Where the result goes.
#[derive(Clone, Copy)]
pub(in super::super) enum Sink<'a> {
    /// Images plane by plane.
    Planes { sums: &'a Sums<'a>, output: Parts },
    /// One image, channels last.
    Picture(Target),
}

/// One call.
struct Job<'a> {
    weights: &'a Transformed,
    source: Source<'a>,
    sink: Sink<'a>,
    /// The size of the result.
    size: (usize, usize),
    /// Tiles in one column and in one row of the result.
    tiles: (usize, usize),
}

/// What one task makes, and how its buffers are cut.
struct Task {
    /// Rows of tiles, counted through the whole batch.
    rows: Range<usize>,
    /// Output channels, from the first of a block.
    channels: Range<usize>,
    /// Values in one pixel: its channels, filled up to whole vectors.
    pitch: usize,
    /// Rows and columns of the image from one tile to the next.
    step: usize,
    /// Values in one row of the band.
    row: usize,
    /// Rows of tiles in a band.
    tile_rows: usize,
    /// Values in the copy of a band; none of a source that is read in place.
    buffered: usize,
    /// Tiles that are transformed at once.
    at_once: usize,
    /// Values from one place of the pixels' transform to the next.
    pixels: usize,
    /// The same of the products'.
    products: usize,
}

struct Buffers<'a> {
    staged: &'a mut [f32],
    pixels: &'a mut [f32],
    products: &'a mut [f32],
}

/// Convolves the source, or what it is with every pixel doubled in both directions if the weights
/// were transformed for that, with one zero all around, and writes all of the sink.
pub(in super::super) fn run(weights: &Transformed, source: Source, sink: Sink) {
    let scale = if weights.doubled { 2 } else { 1 };
    let (batch, height, width) = match source {
        Source::Planes { image, .. } => (image.batch, image.height, image.width),
        Source::Picture(picture) => (1, picture.height, picture.width),
    };
    let size = (height * scale, width * scale);
    let tiles = (size.0.div_ceil(TILE), size.1.div_ceil(TILE));
    let job = Job {
        weights,
        source,
        sink,
        size,
        tiles,
    };
    let rows = batch * tiles.0;
    let wanted = threads::wanted_tasks();
    let row_tasks = (rows * tiles.1 / (2 * TILES)).clamp(1, wanted).min(rows);
    let across = weights.blocks.across;
    let width = WIDTH * weights.blocks.set.lanes();
    let blocks = across.div_ceil(width);
    let channel_tasks = match sink {
        // A task clears what is around its rows, for all channels.
        Sink::Picture(_) => 1,
        Sink::Planes { .. } => (rayon::current_num_threads() / row_tasks).clamp(1, blocks),
    };
    threads::for_each(row_tasks * channel_tasks, |index| {
        let blocks = threads::share(blocks, channel_tasks, index % channel_tasks);
        let task = Task::new(
            &job,
            threads::share(rows, row_tasks, index / channel_tasks),
            blocks.start * width..across.min(blocks.end * width),
        );
        with_scratch(task.buffered, |staged| {
            with_scratch(task.transformed(&job), |transformed| {
                let (pixels, products) =
                    transformed.split_at_mut(weights.blocks.places * task.pixels);
                let buffers = Buffers {
                    staged,
                    pixels,
                    products,
                };
                // SAFETY: an instruction set is only ever one that the processor has, and these
                // are the buffers that the task asked for.
                unsafe {
                    match weights.blocks.set {
                        #[cfg(target_arch = "x86_64")]
                        InstructionSet::Avx512 => avx512(&job, &task, buffers),
                        #[cfg(target_arch = "x86_64")]
                        InstructionSet::Avx2 => avx2(&job, &task, buffers),
                        InstructionSet::Portable => work::<Plain, 4>(&job, &task, buffers),
                    }
                }
            });
        });
    });
}

impl Task {
    fn new(job: &Job, rows: Range<usize>, channels: Range<usize>) -> Self {
        let weights = job.weights;
        let pitch = weights
            .blocks
            .depth
            .next_multiple_of(weights.blocks.set.lanes());
        let step = if weights.doubled { TILE / 2 } else { TILE };
        let row = match job.source {
            Source::Planes { .. } => (job.tiles.1 * step + 2) * pitch,
            Source::Picture(picture) => picture.row,
        };
        let tile_rows = (STAGED / (step * row)).clamp(1, rows.len().max(1));
        let (tile_rows, buffered) = match job.source {
            Source::Planes { .. } => (tile_rows, (tile_rows * step + 2) * row),
            Source::Picture(_) => (rows.len(), 0),
        };
        let most = (tile_rows * job.tiles.1).next_multiple_of(TILES).max(TILES);
        let at_once = TRANSFORMED / (weights.blocks.places * (pitch + channels.len()));
        let at_once = (at_once / TILES * TILES).clamp(TILES, most);
        // An odd number of cache lines, so that places do not share the same few cache sets.
        let odd_lines = |values: usize| (values.div_ceil(16) | 1) * 16;
        Self {
            pitch,
            step,
            row,
            tile_rows,
            buffered,
            at_once,
            pixels: odd_lines(at_once * pitch),
            products: odd_lines(at_once * channels.len()),
            rows,
            channels,
        }
    }

    /// Values in the transforms of pixels and of products.
    fn transformed(&self, job: &Job) -> usize {
        job.weights.blocks.places * (self.pixels + self.products)
    }
}

/// # Safety
///
/// As [`work`], on a processor with AVX-512F, AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn avx512(job: &Job, task: &Task, buffers: Buffers) {
    // SAFETY: as the caller says.
    unsafe { work::<crate::kernels::lanes::Avx512, 12>(job, task, buffers) }
}

/// # Safety
///
/// As [`work`], on a processor with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(job: &Job, task: &Task, buffers: Buffers) {
    // SAFETY: as the caller says.
    unsafe { work::<crate::kernels::lanes::Avx2, 6>(job, task, buffers) }
}

/// What is done for each set. Nothing here or below may be a closure that computes: it would be
/// compiled without the set's instructions.
///
/// # Safety
///
/// As [`Lanes`]; the buffers are as large as the task says.
#[inline(always)]
unsafe fn work<L: Lanes, const ROWS: usize>(job: &Job, task: &Task, buffers: Buffers) {
    let Buffers {
        staged,
        pixels,
        products,
    } = buffers;
    let (down, across) = job.tiles;
    let mut first = task.rows.start;
    let mut known = 0;
    while first < task.rows.end {
        let (image, y) = (first / down, first % down);
        let count = task.tile_rows.min(task.rows.end - first).min(down - y);
        // SAFETY: the caller vouches for the processor and the buffers, which have room for a band
        // of `tile_rows` rows of tiles, and for `at_once` tiles at each place. Nothing writes to
        // the source while it is read.
        unsafe {
            let band = match job.source {
                Source::Planes {
                    image: size,
                    values,
                } => {
                    let band = Staged {
                        image,
                        first: y * task.step,
                        rows: count * task.step + 2,
                        row: task.row,
                        pitch: task.pitch,
                    };
                    stage::<L>(
                        &size,
                        job.weights.blocks.depth,
                        values,
                        &band,
                        known,
                        staged,
                    );
                    &*staged
                }
                Source::Picture(picture) => picture.rows_from(y * task.step),
            };
            let mut tile = 0;
            while tile < count * across {
                let tiles = tile..(tile + task.at_once).min(count * across);
                tile = tiles.end;
                transform::<L>(job, task, tiles.clone(), band, pixels);
                multiply::<L, ROWS>(job, task, tiles.len(), pixels, products);
                match job.sink {
                    Sink::Planes { sums, output } => {
                        let store = Store {
                            sums,
                            bias: &job.weights.blocks.bias()[..job.weights.blocks.channels],
                            output,
                            height: job.size.0,
                            width: job.size.1,
                        };
                        store_planes::<L>(job, task, &store, (image, y), tiles, products);
                    }
                    Sink::Picture(target) => {
                        store_picture::<L>(job, task, &target, y, tiles, products);
                    }
                }
            }
        }
        first += count;
        known = if first.is_multiple_of(down) { 0 } else { 2 };
        if known > 0 && task.buffered > 0 {
            let end = (count * task.step + 2) * task.row;
            staged.copy_within(end - known * task.row..end, 0);
        }
    }
    if let Sink::Picture(target) = job.sink {
        let rows = task.rows.start * TILE..job.size.0.min(task.rows.end * TILE);
        // SAFETY: these rows belong to this task alone.
        unsafe { target.picture.clear_around(rows) };
    }
}

/// Transforms what tiles of a band see.
///
/// # Safety
///
/// As [`work`].
#[inline(always)]
unsafe fn transform<L: Lanes>(
    job: &Job,
    task: &Task,
    tiles: Range<usize>,
    band: &[f32],
    pixels: &mut [f32],
) {
    let across = job.tiles.1;
    // SAFETY: the caller vouches for the processor.
    let factors = unsafe { Factors::<L>::new(job.weights.points) };
    for tile in tiles.clone() {
        let offset = (tile / across * task.row + tile % across * task.pitch) * task.step;
        for channel in (0..task.pitch).step_by(L::COUNT) {
            let from = band[offset + channel..].as_ptr();
            let to = pixels[(tile - tiles.start) * task.pitch + channel..].as_mut_ptr();
            // SAFETY: the band holds all that the tile sees, and the transform has room for the
            // tile at each place.
            unsafe {
                if job.weights.doubled {
                    transform_tile::<L, true>(&factors, from, task, to);
                } else {
                    transform_tile::<L, false>(&factors, from, task, to);
                }
            }
        }
    }
}

/// The columns or rows of the source that those of a doubled image are.
const HALVED: [usize; SEEN] = [0, 1, 1, 2, 2, 3];

/// # Safety
///
/// As [`Lanes`]; what the tile sees must be readable in the band, and its places writable.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn transform_tile<L: Lanes, const DOUBLED: bool>(
    factors: &Factors<L>,
    from: *const f32,
    task: &Task,
    to: *mut f32,
) {
    // SAFETY: the caller vouches for the processor and the memory.
    unsafe {
        let mut columns = [[L::splat(0.0); SEEN]; SEEN];
        for x in 0..if DOUBLED { 4 } else { SEEN } {
            let mut seen = [L::splat(0.0); SEEN];
            for y in 0..SEEN {
                let row = if DOUBLED { HALVED[y] } else { y };
                seen[y] = L::load(from.add(row * task.row + x * task.pitch));
            }
            columns[x] = factors.of_pixels(seen);
        }
        let mut to = to;
        for y in 0..SEEN {
            if DOUBLED && y == 2 {
                continue;
            }
            let mut row = [L::splat(0.0); SEEN];
            for x in 0..SEEN {
                row[x] = columns[if DOUBLED { HALVED[x] } else { x }][y];
            }
            let row = factors.of_pixels(row);
            for x in 0..SEEN {
                if DOUBLED && x == 2 {
                    continue;
                }
                row[x].store(to);
                to = to.wrapping_add(task.pixels);
            }
        }
    }
}

/// The products of all places.
///
/// # Safety
///
/// As [`work`].
#[inline(always)]
unsafe fn multiply<L: Lanes, const ROWS: usize>(
    job: &Job,
    task: &Task,
    tiles: usize,
    pixels: &[f32],
    products: &mut [f32],
) {
    for slot in 0..job.weights.blocks.places {
        for block in task.channels.clone().step_by(WIDTH * L::COUNT) {
            let out = &mut products[slot * task.products + block - task.channels.start..];
            let operands = Operands {
                left: pixels[slot * task.pixels..].as_ptr(),
                left_stride: task.pitch,
                pieces: &[0],
                piece: job.weights.blocks.depth,
                right: job.weights.blocks.block(slot, block).as_ptr(),
                out: out.as_mut_ptr(),
                out_stride: task.channels.len(),
            };
            let vectors = (task.channels.end - block).min(WIDTH * L::COUNT) / L::COUNT;
            // SAFETY: a place has room for all tiles, rounded up to a multiple of `ROWS`.
            unsafe { product::<L, ROWS>(operands, tiles, vectors) };
        }
    }
}

/// Transforms products back, and writes the pixels as planes.
///
/// # Safety
///
/// As [`work`].
#[inline(always)]
unsafe fn store_planes<L: Lanes>(
    job: &Job,
    task: &Task,
    store: &Store,
    (image, first_row): (usize, usize),
    tiles: Range<usize>,
    products: &[f32],
) {
    // SAFETY: the caller vouches for the processor.
    let factors = unsafe { Factors::<L>::new(job.weights.points) };
    let across = job.tiles.1;
    let mut pixels = Pixels::new();
    let mut tile = tiles.start;
    while tile < tiles.end {
        let (y, x) = (tile / across, tile % across);
        let count = AT_ONCE.min(across - x).min(tiles.end - tile);
        for channel in (0..task.channels.len()).step_by(L::COUNT) {
            for index in 0..count {
                let from = (tile - tiles.start + index) * task.channels.len() + channel;
                let from = products[from..].as_ptr();
                let to = Places {
                    start: pixels.values[index * TILE * L::COUNT..].as_mut_ptr(),
                    row: PIXELS * L::COUNT,
                    pixel: L::COUNT,
                };
                // SAFETY: the products of the tile are there at each place.
                unsafe { back(job, &factors, from, task.products, to, None) };
            }
            // SAFETY: these pixels of these channels belong to this task alone.
            unsafe {
                store.write::<L>(
                    &mut pixels,
                    image,
                    ((first_row + y) * TILE, x * TILE),
                    count * TILE,
                    task.channels.start + channel,
                );
            }
        }
        tile += count;
    }
}

/// Transforms products back, and writes the pixels of one image, channels last.
///
/// # Safety
///
/// As [`work`].
#[inline(always)]
unsafe fn store_picture<L: Lanes>(
    job: &Job,
    task: &Task,
    target: &Target,
    first_row: usize,
    tiles: Range<usize>,
    products: &[f32],
) {
    // SAFETY: the caller vouches for the processor.
    let factors = unsafe { Factors::<L>::new(job.weights.points) };
    let (across, picture) = (job.tiles.1, &target.picture);
    for tile in tiles.clone() {
        let (y, x) = ((first_row + tile / across) * TILE, tile % across * TILE);
        for channel in task.channels.clone().step_by(L::COUNT) {
            let from = (tile - tiles.start) * task.channels.len() + channel - task.channels.start;
            let to = Places {
                start: picture.pixel(y, x).wrapping_add(channel),
                row: picture.row,
                pixel: picture.pitch,
            };
            // SAFETY: the products of the tile are there at each place, and a picture has room for
            // whole tiles, this one of this task alone; the residual is as large.
            unsafe {
                let finish = target.finish::<L>(job.weights.blocks.bias(), channel, y, x);
                let from = products[from..].as_ptr();
                back(job, &factors, from, task.products, to, Some(finish));
            }
        }
    }
}

/// Where the pixels of a tile go.
struct Places {
    start: *mut f32,
    /// Values from one row to the next.
    row: usize,
    /// Values from one pixel to the next.
    pixel: usize,
}

/// Transforms the products of a tile back.
///
/// # Safety
///
/// As [`Lanes`]; places `place` apart must be readable, and four pixels in each of four rows
/// writable.
#[inline(always)]
unsafe fn back<L: Lanes>(
    job: &Job,
    factors: &Factors<L>,
    from: *const f32,
    place: usize,
    to: Places,
    finish: Option<Finish<L>>,
) {
    // SAFETY: as the caller says.
    unsafe {
        if job.weights.doubled {
            back_from::<L, true>(factors, from, place, to, finish);
        } else {
            back_from::<L, false>(factors, from, place, to, finish);
        }
    }
}

/// # Safety
///
/// As [`back`].
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn back_from<L: Lanes, const DOUBLED: bool>(
    factors: &Factors<L>,
    from: *const f32,
    place: usize,
    to: Places,
    finish: Option<Finish<L>>,
) {
    // SAFETY: the caller vouches for the processor and the memory.
    unsafe {
        let mut rows = [[L::splat(0.0); TILE]; SEEN];
        let mut from = from;
        for y in 0..SEEN {
            if DOUBLED && y == 2 {
                continue;
            }
            let mut products = [L::splat(0.0); SEEN];
            for x in 0..SEEN {
                if DOUBLED && x == 2 {
                    continue;
                }
                products[x] = L::load(from);
                from = from.wrapping_add(place);
            }
            rows[y] = factors.of_products(products);
        }
        for x in 0..TILE {
            let mut column = [L::splat(0.0); SEEN];
            for y in 0..SEEN {
                column[y] = rows[y][x];
            }
            let column = factors.of_products(column);
            for y in 0..TILE {
                let offset = y * to.row + x * to.pixel;
                let value = match finish {
                    Some(finish) => finish.apply(column[y], offset),
                    None => column[y],
                };
                value.store(to.start.add(offset));
            }
        }
    }
}
