//! What each client may take back: its own strokes, placements, applies and reverts.

use std::collections::HashMap;

use uuid::Uuid;

/// Each client's own entries, named by the `seq` of their first op, and what it took back.
///
/// Whether an entry is in the picture is the timeline's to know: somebody else's revert may
/// have switched it. So what can be taken back is the newest own entry that is in the picture.
#[derive(Debug, Default)]
pub(super) struct History {
    clients: HashMap<Uuid, OwnEntries>,
}

#[derive(Debug, Default)]
struct OwnEntries {
    /// The oldest first.
    entries: Vec<u64>,
    /// Taken back by the client itself, the latest last.
    undone: Vec<u64>,
}

impl History {
    /// A new entry of `client`. What the client had taken back cannot be done again after it.
    pub(super) fn push(&mut self, client: Uuid, entry: u64) {
        let own = self.clients.entry(client).or_default();
        own.entries.push(entry);
        own.undone.clear();
    }

    /// An entry is too old to be taken back or done again.
    pub(super) fn forget(&mut self, entry: u64) {
        for own in self.clients.values_mut() {
            own.entries.retain(|known| *known != entry);
            own.undone.retain(|known| *known != entry);
        }
        self.clients.retain(|_, own| !own.entries.is_empty());
    }

    /// What `undo` would take back.
    pub(super) fn undo_target(
        &self,
        client: &Uuid,
        is_active: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let mut own = self.clients.get(client)?.entries.iter().rev().copied();
        own.find(|entry| is_active(*entry))
    }

    /// What `redo` would do again.
    pub(super) fn redo_target(
        &self,
        client: &Uuid,
        is_active: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let mut undone = self.clients.get(client)?.undone.iter().rev().copied();
        undone.find(|entry| !is_active(*entry))
    }

    /// The client took an entry of its own back.
    pub(super) fn undo(&mut self, client: &Uuid, entry: u64) {
        self.redo(client, entry);
        if let Some(own) = self.clients.get_mut(client) {
            own.undone.push(entry);
        }
    }

    /// The client did an entry of its own again.
    pub(super) fn redo(&mut self, client: &Uuid, entry: u64) {
        if let Some(own) = self.clients.get_mut(client) {
            own.undone.retain(|undone| *undone != entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_entry_ends_redo() {
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut history = History::default();
        history.push(me, 1);
        history.push(other, 2);
        history.undo(&me, 1);
        let is_active = |entry| entry != 1;
        assert_eq!(history.undo_target(&me, is_active), None);
        assert_eq!(history.undo_target(&other, is_active), Some(2));
        assert_eq!(history.redo_target(&me, is_active), Some(1));
        history.push(me, 3);
        assert_eq!(history.redo_target(&me, is_active), None);
        assert_eq!(history.undo_target(&me, is_active), Some(3));
    }

    #[test]
    fn what_somebody_else_switched_is_passed_over() {
        let me = Uuid::from_u128(1);
        let mut history = History::default();
        (1..=3).for_each(|entry| history.push(me, entry));
        history.undo(&me, 3);
        // A revert of somebody else brought 3 back and hid 2.
        let is_active = |entry| entry != 2;
        assert_eq!(history.redo_target(&me, is_active), None);
        assert_eq!(history.undo_target(&me, is_active), Some(3));
        history.undo(&me, 3);
        let is_active = |entry| entry == 1;
        assert_eq!(history.undo_target(&me, is_active), Some(1));
        assert_eq!(history.redo_target(&me, is_active), Some(3));
        history.redo(&me, 3);
        assert_eq!(
            history.redo_target(&me, is_active),
            None,
            "2 was not taken back by me"
        );
    }

    proptest! {
        #[test]
        fn redo_brings_back_exactly_what_undo_took(
            pushes in 1u64..150,
            folded in 0u64..150,
            undos in 0usize..200,
        ) {
            let me = Uuid::from_u128(1);
            let folded = folded.min(pushes - 1);
            let mut history = History::default();
            (1..=pushes).for_each(|entry| history.push(me, entry));
            (1..=folded).for_each(|entry| history.forget(entry));
            let mut active: HashSet<u64> = (1..=pushes).collect();
            let mut taken = Vec::new();
            for _ in 0..undos {
                let Some(entry) = history.undo_target(&me, |entry| active.contains(&entry)) else {
                    break;
                };
                active.remove(&entry);
                history.undo(&me, entry);
                taken.push(entry);
            }
            let newest_first: Vec<u64> = (folded + 1..=pushes).rev().collect();
            prop_assert_eq!(&taken[..], &newest_first[..undos.min(newest_first.len())]);
            while let Some(entry) = taken.pop() {
                let target = history.redo_target(&me, |entry| active.contains(&entry));
                prop_assert_eq!(target, Some(entry));
                active.insert(entry);
                history.redo(&me, entry);
            }
            prop_assert_eq!(history.redo_target(&me, |entry| active.contains(&entry)), None);
            prop_assert_eq!(history.undo_target(&me, |entry| active.contains(&entry)), Some(pushes));
        }
    }
}
