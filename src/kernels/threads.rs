//! How work is spread over the rayon pool.

use std::ops::Range;

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// Below this many values a cheap operation is done before another thread would have woken up.
const WORTH_WAKING: usize = 1 << 15;

/// Runs `task` for every number below `count`, in parallel when there is more than one.
pub(super) fn for_each(count: usize, task: impl Fn(usize) + Send + Sync) {
    if count <= 1 {
        (0..count).for_each(task);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(task);
    }
}

/// How many tasks to aim for: some more than threads, so that one that is late delays little.
pub(super) fn wanted_tasks() -> usize {
    match rayon::current_num_threads() {
        1 => 1,
        threads => 2 * threads,
    }
}

/// The length of the pieces that `length` values of elementwise work are cut into.
pub(super) fn piece(length: usize) -> usize {
    if length < WORTH_WAKING {
        length.max(1)
    } else {
        length.div_ceil(wanted_tasks()).next_multiple_of(1024)
    }
}

/// The `index`-th of `parts` nearly equal parts of `0..length`.
pub(super) fn share(length: usize, parts: usize, index: usize) -> Range<usize> {
    length * index / parts..length * (index + 1) / parts
}
