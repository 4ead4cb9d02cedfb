//! What each client may take back: its own strokes, placements and applies.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

/// The canvas keeps this many entries undoable; older ones are part of the picture for good.
pub(super) const UNDOABLE_MOST: usize = 100;

/// Undo and redo stacks per client, over the entries that the canvas still keeps.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<u64>,
    stacks: HashMap<Uuid, Stacks>,
}

#[derive(Debug, Default)]
struct Stacks {
    done: Vec<u64>,
    undone: Vec<u64>,
}

impl History {
    /// A new entry of `client`, named by the `seq` of its first op. What the client had taken
    /// back cannot be done again after it.
    pub(super) fn push(&mut self, client: Uuid, entry: u64) {
        self.entries.push_back(entry);
        let stacks = self.stacks.entry(client).or_default();
        stacks.done.push(entry);
        stacks.undone.clear();
        if self.entries.len() > UNDOABLE_MOST
            && let Some(folded) = self.entries.pop_front()
        {
            for stacks in self.stacks.values_mut() {
                stacks.done.retain(|entry| *entry != folded);
                stacks.undone.retain(|entry| *entry != folded);
            }
            self.stacks
                .retain(|_, stacks| !stacks.done.is_empty() || !stacks.undone.is_empty());
        }
    }

    /// What `undo` would take back.
    pub(super) fn undo_target(&self, client: &Uuid) -> Option<u64> {
        self.stacks.get(client)?.done.last().copied()
    }

    /// What `redo` would do again.
    pub(super) fn redo_target(&self, client: &Uuid) -> Option<u64> {
        self.stacks.get(client)?.undone.last().copied()
    }

    /// Moves the undo target over to the redo stack.
    pub(super) fn undo(&mut self, client: &Uuid) {
        if let Some(stacks) = self.stacks.get_mut(client)
            && let Some(entry) = stacks.done.pop()
        {
            stacks.undone.push(entry);
        }
    }

    /// Moves the redo target back.
    pub(super) fn redo(&mut self, client: &Uuid) {
        if let Some(stacks) = self.stacks.get_mut(client)
            && let Some(entry) = stacks.undone.pop()
        {
            stacks.done.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_entry_ends_redo() {
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut history = History::default();
        history.push(me, 1);
        history.push(other, 2);
        history.undo(&me);
        assert_eq!(history.undo_target(&me), None);
        assert_eq!(history.undo_target(&other), Some(2));
        assert_eq!(history.redo_target(&me), Some(1));
        history.push(me, 3);
        assert_eq!(history.redo_target(&me), None);
        assert_eq!(history.undo_target(&me), Some(3));
    }

    proptest! {
        #[test]
        fn redo_brings_back_exactly_what_undo_took(pushes in 1u64..150, undos in 0usize..200) {
            let me = Uuid::from_u128(1);
            let mut history = History::default();
            (1..=pushes).for_each(|entry| history.push(me, entry));
            let mut taken = Vec::new();
            for _ in 0..undos {
                taken.extend(history.undo_target(&me));
                history.undo(&me);
            }
            let newest_first: Vec<u64> = (1..=pushes).rev().take(UNDOABLE_MOST).collect();
            prop_assert_eq!(&taken[..], &newest_first[..undos.min(newest_first.len())]);
            while let Some(entry) = taken.pop() {
                prop_assert_eq!(history.redo_target(&me), Some(entry));
                history.redo(&me);
            }
            prop_assert_eq!(history.redo_target(&me), None);
            prop_assert_eq!(history.undo_target(&me), Some(pushes));
        }
    }
}
