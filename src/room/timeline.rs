//! Which entries are in the picture, and which were after each op that is remembered.

use std::collections::{BTreeMap, VecDeque};

/// The most changes that are remembered. A revert makes as many as it switches entries, and
/// the canvas keeps a hundred: the newest 80 reverts and more can be looked behind.
const CHANGES_MOST: usize = 8192;

/// What can be taken back and done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// A stroke.
    Stroke,
    /// A placed image.
    Place,
    /// A flattened result.
    Apply,
    /// Going back to an earlier picture. The canvas knows nothing of it: it is the changes
    /// that it made to other entries.
    Revert,
}

/// An entry and whether it is in the picture, or should be.
pub(super) type Switch = (u64, bool);

#[derive(Debug)]
struct Entry {
    kind: EntryKind,
    is_active: bool,
}

/// The op `seq` took an entry into the picture, or out of it.
#[derive(Clone, Copy, Debug)]
struct Change {
    seq: u64,
    entry: u64,
    is_active: bool,
}

/// The entries that can be switched, named by the `seq` of their first op.
#[derive(Debug)]
pub(super) struct Timeline {
    entries: BTreeMap<u64, Entry>,
    /// In the order of their `seq`, all after `oldest`.
    changes: VecDeque<Change>,
    /// `seq` of the oldest op whose picture is remembered.
    oldest: u64,
}

impl Timeline {
    /// A picture without entries, as it stands after the op `seq`.
    pub(super) fn new(seq: u64) -> Self {
        Self {
            entries: BTreeMap::new(),
            changes: VecDeque::new(),
            oldest: seq,
        }
    }

    /// The op `id` brought a new entry into the picture.
    pub(super) fn push(&mut self, id: u64, kind: EntryKind) {
        let is_active = false;
        self.entries.insert(id, Entry { kind, is_active });
        self.switch(id, &[(id, true)]);
    }

    /// True while the entry is in the picture.
    pub(super) fn is_active(&self, id: u64) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.is_active)
    }

    /// What the entry is; none when it is too old to be switched.
    pub(super) fn kind(&self, id: u64) -> Option<EntryKind> {
        self.entries.get(&id).map(|entry| entry.kind)
    }

    /// The op `seq` switches entries. Returns those that it changed.
    pub(super) fn switch(&mut self, seq: u64, switches: &[Switch]) -> Vec<Switch> {
        let mut changed = Vec::new();
        for (id, is_active) in switches.iter().copied() {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            if std::mem::replace(&mut entry.is_active, is_active) != is_active {
                changed.push((id, is_active));
                self.changes.push_back(Change {
                    seq,
                    entry: id,
                    is_active,
                });
            }
        }
        changed
    }

    /// What is to be switched so that an entry is in the picture, or out of it. For a revert
    /// that is also everything that it switched itself.
    pub(super) fn switches_of(&self, id: u64, is_active: bool) -> Vec<Switch> {
        let with_it = self
            .changes
            .iter()
            .filter(|change| change.seq == id && change.entry != id)
            .map(|change| (change.entry, change.is_active == is_active));
        std::iter::once((id, is_active)).chain(with_it).collect()
    }

    /// What is to be switched so that the picture is as it was after the op `seq`: nothing when
    /// it is. A stroke that had begun by then counts whole. None when that is too long ago.
    pub(super) fn switches_back_to(&self, seq: u64) -> Option<Vec<Switch>> {
        if seq < self.oldest {
            return None;
        }
        let since = self
            .changes
            .iter()
            .rev()
            .take_while(|change| change.seq > seq);
        let then: BTreeMap<u64, bool> = since
            .map(|change| (change.entry, !change.is_active))
            .collect();
        let differs = |id: u64, was_active: bool| {
            let entry = self.entries.get(&id);
            entry.is_some_and(|entry| entry.is_active != was_active)
        };
        let switches: Vec<Switch> = then
            .into_iter()
            .filter(|(id, was_active)| differs(*id, *was_active))
            .collect();
        let shows = switches
            .iter()
            .any(|(id, _)| self.kind(*id) != Some(EntryKind::Revert));
        Some(if shows { switches } else { Vec::new() })
    }

    /// Entries became part of the picture for good, or were left out of it for good. Returns
    /// them and the reverts that cannot be taken back without them.
    pub(super) fn forget(&mut self, folded: &[u64]) -> Vec<u64> {
        if folded.is_empty() && self.changes.len() <= CHANGES_MOST {
            return Vec::new();
        }
        for id in folded {
            let last = self.changes.iter().rev().find(|change| change.entry == *id);
            self.oldest = self.oldest.max(last.map_or(0, |change| change.seq));
        }
        if let Some(excess) = self.changes.len().checked_sub(CHANGES_MOST + 1)
            && let Some(change) = self.changes.get(excess)
        {
            self.oldest = self.oldest.max(change.seq);
        }
        self.changes.retain(|change| change.seq > self.oldest);
        let is_past = |id: u64, kind| kind == EntryKind::Revert && id <= self.oldest;
        let gone: Vec<u64> = self
            .entries
            .iter()
            .filter(|(id, entry)| folded.contains(id) || is_past(**id, entry.kind))
            .map(|(id, _)| *id)
            .collect();
        for id in &gone {
            self.entries.remove(id);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Strokes at 1, 2 and 3; the second is taken back by the op 4.
    fn painted() -> Timeline {
        let mut timeline = Timeline::new(0);
        (1..=3).for_each(|id| timeline.push(id, EntryKind::Stroke));
        timeline.switch(4, &[(2, false)]);
        timeline
    }

    fn revert(timeline: &mut Timeline, at: u64, to: u64) {
        let switches = timeline.switches_back_to(to).unwrap();
        timeline.push(at, EntryKind::Revert);
        timeline.switch(at, &switches);
    }

    fn shown(timeline: &Timeline) -> Vec<u64> {
        let strokes = timeline
            .entries
            .iter()
            .filter(|(_, entry)| entry.is_active && entry.kind != EntryKind::Revert);
        strokes.map(|(id, _)| *id).collect()
    }

    #[test]
    fn a_revert_is_taken_back_and_done_again_like_any_entry() {
        let mut timeline = painted();
        assert_eq!(shown(&timeline), [1, 3]);
        revert(&mut timeline, 5, 2);
        assert_eq!(shown(&timeline), [1, 2]);
        let back = timeline.switches_of(5, false);
        timeline.switch(6, &back);
        assert_eq!(shown(&timeline), [1, 3]);
        let again = timeline.switches_of(5, true);
        timeline.switch(7, &again);
        assert_eq!(shown(&timeline), [1, 2]);
        revert(&mut timeline, 8, 6);
        assert_eq!(shown(&timeline), [1, 3]);
        assert!(
            !timeline.is_active(5),
            "it is not in the picture after op 6"
        );
    }

    #[test]
    fn a_picture_that_is_there_already_needs_no_switch() {
        let mut timeline = painted();
        assert_eq!(timeline.switches_back_to(4), Some(Vec::new()));
        revert(&mut timeline, 5, 2);
        assert_eq!(
            timeline.switches_back_to(2),
            Some(Vec::new()),
            "only the revert differs"
        );
    }

    #[test]
    fn what_was_folded_cannot_be_gone_back_before() {
        let mut timeline = painted();
        revert(&mut timeline, 5, 2);
        assert_eq!(timeline.forget(&[1]), [1]);
        assert_eq!(timeline.switches_back_to(0), None);
        assert_eq!(
            timeline.switches_back_to(1),
            Some(vec![(2, false), (5, false)])
        );
        // The revert switched the second stroke last: for good, like the stroke.
        assert_eq!(timeline.forget(&[2]), [2, 5]);
        assert_eq!(timeline.switches_back_to(4), None);
        assert_eq!(timeline.switches_back_to(5), Some(Vec::new()));
    }

    #[test]
    fn memory_is_bounded() {
        let mut timeline = Timeline::new(0);
        timeline.push(1, EntryKind::Stroke);
        let ops = 2..4 * CHANGES_MOST as u64;
        for seq in ops.clone() {
            timeline.switch(seq, &[(1, seq % 2 == 1)]);
            timeline.forget(&[]);
        }
        assert_eq!(timeline.changes.len(), CHANGES_MOST);
        assert_eq!(timeline.oldest, ops.end - 1 - CHANGES_MOST as u64);
    }

    proptest! {
        #[test]
        fn every_remembered_picture_comes_back(
            ops in prop::collection::vec((0u8..4, any::<prop::sample::Index>()), 1..60),
            folds in 0usize..4,
        ) {
            let mut timeline = Timeline::new(0);
            let mut pictures: Vec<BTreeSet<u64>> = vec![BTreeSet::new()];
            let mut folded = BTreeMap::new();
            for (at, (kind, pick)) in ops.iter().enumerate() {
                let seq = at as u64 + 1;
                let known: Vec<u64> = timeline.entries.keys().copied().collect();
                match kind {
                    1 if !known.is_empty() => {
                        let id = known[pick.index(known.len())];
                        let switches = timeline.switches_of(id, !timeline.is_active(id));
                        timeline.switch(seq, &switches);
                    }
                    2 => {
                        let to = pick.index(pictures.len()) as u64;
                        if timeline.switches_back_to(to).is_some() {
                            revert(&mut timeline, seq, to);
                        }
                    }
                    _ => timeline.push(seq, EntryKind::Stroke),
                }
                let for_good = folded.iter().filter(|(_, is_active)| **is_active);
                pictures.push(for_good.map(|(id, _)| *id).chain(shown(&timeline)).collect());
                if folded.len() < folds && at % 7 == 6 {
                    let oldest = timeline
                        .entries
                        .iter()
                        .find(|(_, entry)| entry.kind == EntryKind::Stroke)
                        .map(|(id, entry)| (*id, entry.is_active));
                    folded.extend(oldest);
                    timeline.forget(oldest.map(|(id, _)| id).as_slice());
                }
            }
            for (seq, picture) in pictures.iter().enumerate() {
                let Some(switches) = timeline.switches_back_to(seq as u64) else {
                    prop_assert!(!folded.is_empty(), "without folds every picture is remembered");
                    continue;
                };
                let for_good = folded.iter().filter(|(_, is_active)| **is_active);
                let mut now: BTreeSet<u64> = for_good.map(|(id, _)| *id).collect();
                now.extend(shown(&timeline));
                for (id, is_active) in switches {
                    if timeline.kind(id) == Some(EntryKind::Revert) {
                        continue;
                    }
                    if is_active {
                        now.insert(id);
                    } else {
                        now.remove(&id);
                    }
                }
                prop_assert_eq!(&now, picture, "after op {}", seq);
            }
        }
    }
}
