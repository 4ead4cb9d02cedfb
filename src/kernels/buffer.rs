//! Memory for packed operands.

use std::cell::RefCell;

/// `f32` values in one cache line.
const LINE: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Values that start on a cache line.
#[derive(Default)]
pub(super) struct Buffer {
    lines: Vec<Line>,
}

impl Buffer {
    /// `length` zeros, rounded up to whole lines.
    pub fn zeroed(length: usize) -> Self {
        let mut buffer = Self::default();
        buffer.reserve(length);
        buffer
    }

    /// Makes room for `length` values; new ones are zeros.
    pub fn reserve(&mut self, length: usize) {
        let lines = length.div_ceil(LINE);
        if lines > self.lines.len() {
            self.lines.resize(lines, Line([0.0; LINE]));
        }
    }

    /// The values.
    pub fn values(&self) -> &[f32] {
        // SAFETY: a `Line` is exactly sixteen `f32` without padding.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LINE) }
    }

    /// The values, to be written.
    pub fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe {
            std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LINE)
        }
    }
}

thread_local! {
    /// Buffers of this thread that nobody uses at the moment.
    static SPARE: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with `length` values of scratch memory that this thread keeps for the next caller.
/// What they hold is left over from the last one.
pub(super) fn with_scratch<R>(length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SPARE
        .with(|spare| spare.borrow_mut().pop())
        .unwrap_or_default();
    buffer.reserve(length);
    let result = work(&mut buffer.values_mut()[..length]);
    SPARE.with(|spare| spare.borrow_mut().push(buffer));
    result
}
