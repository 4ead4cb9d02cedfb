//! Memory that a thread keeps from one picture to the next. To get pages from the system and to
//! give them back costs as much as a filter.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// The most that a thread keeps, in values: 16 MiB. A band of a window of 512² takes up to 14.
const MOST_KEPT: usize = 4 << 20;

thread_local! {
    /// What this thread does not use at the moment, that which was used last at the end.
    static SPARE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Values that go back to their thread when they are dropped.
#[derive(Debug)]
pub(super) struct Memory {
    /// At least as many as are in use.
    values: Vec<f32>,
    length: usize,
}

impl Memory {
    /// `length` values, left over from earlier: each is to be written before it is read.
    pub(super) fn new(length: usize) -> Self {
        let spare = SPARE.with_borrow_mut(|spare| {
            let fits = |index: &usize| spare[*index].len() >= length;
            let best = (0..spare.len())
                .filter(fits)
                .min_by_key(|index| spare[*index].len());
            best.map(|index| spare.remove(index))
        });
        let values = spare.unwrap_or_else(|| vec![0.0; length]);
        Self { values, length }
    }

    /// Only the first `length` values.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        // A thread that ends keeps nothing.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            spare.push(values);
            let mut kept: usize = spare.iter().map(Vec::len).sum();
            while kept > MOST_KEPT {
                kept -= spare.remove(0).len();
            }
        });
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        let mut clone = Self::new(self.length);
        clone.copy_from_slice(self);
        clone
    }
}

impl Deref for Memory {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[..self.length]
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> usize {
        SPARE.with_borrow(|spare| spare.iter().map(Vec::len).sum())
    }

    #[test]
    fn what_was_dropped_is_used_again() {
        let mut first = Memory::new(100);
        first.fill(7.0);
        let place = first.as_ptr();
        drop(first);
        let second = Memory::new(80);
        assert_eq!((second.as_ptr(), &second[..]), (place, &[7.0; 80][..]));
        let third = Memory::new(80);
        assert_ne!(third.as_ptr(), place);
    }

    #[test]
    fn a_thread_keeps_so_much_and_no_more() {
        for length in [MOST_KEPT + 1, MOST_KEPT / 2, MOST_KEPT / 2, MOST_KEPT / 3] {
            let pieces = [Memory::new(length), Memory::new(length)];
            drop(pieces);
            assert!(kept() <= MOST_KEPT);
        }
        assert_eq!(Memory::new(0).len(), 0);
    }
}
