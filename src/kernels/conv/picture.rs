//! Images with channels last, for networks that stay in that layout.

use std::ops::Range;

use crate::kernels::lanes::Lanes;
use crate::kernels::storage::Parts;
use crate::kernels::threads;

/// Rows and columns are filled up to a multiple of this: the side of [`super::winograd`]'s tiles.
const TILE: usize = 4;

/// Pixels after the last row that may be read, and mean nothing.
const SLACK: usize = 32;

/// One image with channels last, filled up to whole vectors. There is a pixel of zeros around it,
/// and more to the right and below where its sides are no multiples of 4.
#[derive(Clone, Copy)]
pub(super) struct Picture {
    start: *mut f32,
    pub height: usize,
    pub width: usize,
    /// Values in one pixel.
    pub pitch: usize,
    /// Values in one row.
    pub row: usize,
}

// SAFETY: a picture is only an address; whoever reads or writes through it says why that is sound.
unsafe impl Send for Picture {}
// SAFETY: as above.
unsafe impl Sync for Picture {}

/// Rows and columns with all that is around them.
fn padded(side: usize) -> usize {
    side.next_multiple_of(TILE) + 2
}

impl Picture {
    /// Values that a picture takes.
    pub fn size(height: usize, width: usize, pitch: usize) -> usize {
        (padded(height) * padded(width) + SLACK) * pitch
    }

    /// A picture in `memory` from `place` on.
    ///
    /// # Safety
    ///
    /// The memory outlives the picture, and nothing else uses that part of it meanwhile.
    pub unsafe fn new(
        memory: Parts,
        place: usize,
        (height, width): (usize, usize),
        pitch: usize,
    ) -> Self {
        // SAFETY: as the caller says.
        let part = unsafe { memory.part(place, Self::size(height, width, pitch)) };
        Self {
            start: part.as_mut_ptr().cast(),
            height,
            width,
            pitch,
            row: padded(width) * pitch,
        }
    }

    /// All values from row `y` on, the row of zeros being row 0.
    ///
    /// # Safety
    ///
    /// Nothing writes to the picture meanwhile.
    pub unsafe fn rows_from<'a>(&self, y: usize) -> &'a [f32] {
        let length = Self::size(self.height, self.width, self.pitch);
        // SAFETY: this is the part that the picture was made with.
        unsafe { &std::slice::from_raw_parts(self.start, length)[y * self.row..] }
    }

    /// Where a pixel lies.
    pub fn pixel(&self, y: usize, x: usize) -> *mut f32 {
        if cfg!(any(test, debug_assertions)) {
            assert!(y < self.height && x < self.width);
        }
        let place = (y + 1) * self.row + (x + 1) * self.pitch;
        self.start.wrapping_add(place)
    }

    /// Adds values, one for each channel, to every pixel and makes negative ones 0: one set after the
    /// other. What is around the image stays.
    ///
    /// # Safety
    ///
    /// Nothing else reads or writes the picture meanwhile.
    pub unsafe fn shift(&self, shifts: &[Box<[f32]>]) {
        if shifts.is_empty() {
            return;
        }
        let picture = *self;
        let values = self.width * self.pitch;
        let rows_in_task = threads::piece(self.height * values).div_ceil(values.max(1));
        threads::for_each(self.height.div_ceil(rows_in_task), |task| {
            let first = task * rows_in_task;
            for y in first..picture.height.min(first + rows_in_task) {
                // SAFETY: each row is one task's, and the caller vouches for nobody else using it.
                let row = unsafe { std::slice::from_raw_parts_mut(picture.pixel(y, 0), values) };
                for pixel in row.chunks_exact_mut(picture.pitch) {
                    for shift in shifts {
                        for (value, by) in pixel.iter_mut().zip(shift) {
                            let sum = *value + by;
                            *value = if sum < 0.0 { 0.0 } else { sum };
                        }
                    }
                }
            }
        });
    }

    /// Writes the zeros around some rows of the image.
    ///
    /// # Safety
    ///
    /// Nothing else reads or writes these pixels meanwhile.
    pub unsafe fn clear_around(&self, rows: Range<usize>) {
        let whole = |row: usize, count: usize| {
            let start = self.start.wrapping_add(row * self.row);
            // SAFETY: these rows are part of the picture, and the caller vouches for nobody else
            // using them.
            unsafe { std::slice::from_raw_parts_mut(start, count * self.row).fill(0.0) }
        };
        if rows.start == 0 {
            whole(0, 1);
        }
        if rows.end == self.height {
            whole(rows.end + 1, padded(self.height) - self.height - 1);
        }
        let after = (self.width + 1) * self.pitch;
        for y in rows {
            let row = self.start.wrapping_add((y + 1) * self.row);
            // SAFETY: as above.
            let row = unsafe { std::slice::from_raw_parts_mut(row, self.row) };
            row[..self.pitch].fill(0.0);
            row[after..].fill(0.0);
        }
    }
}

/// What a convolution writes, and what happens to its sums before.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub picture: Picture,
    /// Added to the sums.
    pub residual: Option<Picture>,
    /// Negative values become 0, after the sums.
    pub relu: bool,
}

/// What happens to the sums of a vector of channels.
#[derive(Clone, Copy)]
pub(super) struct Finish<L> {
    pub bias: L,
    pub floor: L,
    /// The same pixel of the residual, its neighbours where the result's are.
    pub residual: Option<*const f32>,
}

impl Target {
    /// For the channels from `channel` on of the pixel at `y` and `x`.
    ///
    /// # Safety
    ///
    /// As [`Lanes`]; `bias` has a vector from there.
    #[inline(always)]
    pub unsafe fn finish<L: Lanes>(
        &self,
        bias: &[f32],
        channel: usize,
        y: usize,
        x: usize,
    ) -> Finish<L> {
        let residual = self
            .residual
            .map(|residual| residual.pixel(y, x).wrapping_add(channel).cast_const());
        let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        // SAFETY: as the caller says.
        unsafe {
            Finish {
                bias: L::load(bias[channel..].as_ptr()),
                floor: L::splat(floor),
                residual,
            }
        }
    }
}

impl<L: Lanes> Finish<L> {
    /// The result for the pixel `offset` values after the first one.
    ///
    /// # Safety
    ///
    /// As [`Lanes`]; the residual has that pixel.
    #[inline(always)]
    pub unsafe fn apply(&self, sums: L, offset: usize) -> L {
        // SAFETY: as the caller says.
        unsafe {
            let mut value = sums.add(self.bias);
            if let Some(residual) = self.residual {
                value = value.add(L::load(residual.add(offset)));
            }
            value.at_least(self.floor)
        }
    }
}
