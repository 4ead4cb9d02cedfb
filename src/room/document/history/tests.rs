//! Undo, redo and going back, alone.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const ME: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

const fn off(entry: u64) -> Switch {
    Switch {
        entry,
        active: false,
    }
}

/// Strokes at 1, 2 and 3; the second is undone by the op 4.
fn painted() -> History {
    let mut history = History::new(0);
    (1..=3).for_each(|id| history.push(id, ME, EntryKind::Stroke));
    assert_eq!(history.undo(4, &ME, 2), [off(2)]);
    history
}

fn shown(history: &History) -> Vec<u64> {
    let strokes = history
        .entries
        .iter()
        .filter(|(_, entry)| entry.is_active && entry.kind != EntryKind::Revert);
    strokes.map(|(id, _)| *id).collect()
}

#[test]
fn a_new_entry_ends_redo() {
    let mut history = History::new(0);
    history.push(1, ME, EntryKind::Stroke);
    history.push(2, OTHER, EntryKind::Stroke);
    history.undo(3, &ME, 1);
    assert_eq!(history.undo_target(&ME), None);
    assert_eq!(history.undo_target(&OTHER), Some(2));
    assert_eq!(history.redo_target(&ME), Some(1));
    history.push(4, ME, EntryKind::Stroke);
    assert_eq!(history.redo_target(&ME), None);
    assert_eq!(history.undo_target(&ME), Some(4));
}

#[test]
fn what_somebody_else_switched_is_passed_over() {
    let mut history = History::new(0);
    (1..=2).for_each(|id| history.push(id, ME, EntryKind::Stroke));
    history.push(3, OTHER, EntryKind::Stroke);
    history.push(4, ME, EntryKind::Stroke);
    history.undo(5, &ME, 4);
    // Somebody else goes back to before the second stroke and, from there, to after the fourth.
    assert_eq!(history.revert(6, OTHER, 1), [off(2), off(3)]);
    assert_eq!(history.redo_target(&ME), Some(4));
    assert_eq!(history.undo_target(&ME), Some(1));
    assert_eq!(history.revert(7, OTHER, 4), [on(2), on(3), on(4), off(6)]);
    assert_eq!(history.redo_target(&ME), None, "it is in the picture");
    assert_eq!(history.undo_target(&ME), Some(4));
    history.undo(8, &ME, 4);
    history.undo(9, &ME, 2);
    assert_eq!(history.undo_target(&ME), Some(1));
    assert_eq!(history.redo_target(&ME), Some(2));
    history.redo(10, &ME, 2);
    assert_eq!(history.redo_target(&ME), Some(4));
}

#[test]
fn a_revert_is_undone_and_redone_like_any_entry() {
    let mut history = painted();
    assert_eq!(shown(&history), [1, 3]);
    history.revert(5, ME, 2);
    assert_eq!(shown(&history), [1, 2]);
    assert_eq!(history.undo(6, &ME, 5), [off(5), off(2), on(3)]);
    assert_eq!(shown(&history), [1, 3]);
    history.redo(7, &ME, 5);
    assert_eq!(shown(&history), [1, 2]);
    history.revert(8, ME, 6);
    assert_eq!(shown(&history), [1, 3]);
    assert!(!history.is_active(5), "it is not in the picture after op 6");
}

#[test]
fn a_picture_that_is_there_already_needs_no_switch() {
    let mut history = painted();
    assert_eq!(history.switches_back_to(4), Some(Vec::new()));
    history.revert(5, ME, 2);
    assert_eq!(
        history.switches_back_to(2),
        Some(Vec::new()),
        "only the revert differs"
    );
}

#[test]
fn what_was_folded_cannot_be_gone_back_before() {
    let mut history = painted();
    history.revert(5, ME, 2);
    assert_eq!(history.forget(&[1]), [1]);
    assert_eq!(history.switches_back_to(0), None);
    assert_eq!(history.switches_back_to(1), Some(vec![off(2), off(5)]));
    // The revert switched the second stroke last: for good, like the stroke.
    assert_eq!(history.forget(&[2]), [2, 5]);
    assert_eq!(history.redo_target(&ME), None);
    assert_eq!(history.switches_back_to(4), None);
    assert_eq!(history.switches_back_to(5), Some(Vec::new()));
}

#[test]
fn memory_is_bounded() {
    let mut history = History::new(0);
    history.push(1, ME, EntryKind::Stroke);
    let ops = 2..4 * CHANGES_MOST as u64;
    for seq in ops.clone() {
        let switched = match seq % 2 {
            1 => history.redo(seq, &ME, 1),
            _ => history.undo(seq, &ME, 1),
        };
        assert_eq!(switched.len(), 1);
        history.forget(&[]);
    }
    assert_eq!(history.changes.len(), CHANGES_MOST);
    assert_eq!(history.oldest, ops.end - 1 - CHANGES_MOST as u64);
}

proptest! {
    #[test]
    fn redo_brings_back_exactly_what_undo_took(
        pushes in 1u64..150,
        folded in 0u64..150,
        undos in 0usize..200,
    ) {
        let folded = folded.min(pushes - 1);
        let mut history = History::new(0);
        (1..=pushes).for_each(|id| history.push(id, ME, EntryKind::Stroke));
        (1..=folded).for_each(|id| {
            history.forget(&[id]);
        });
        let mut seq = pushes;
        let mut taken = Vec::new();
        for _ in 0..undos {
            let Some(entry) = history.undo_target(&ME) else {
                break;
            };
            seq += 1;
            history.undo(seq, &ME, entry);
            taken.push(entry);
        }
        let newest_first: Vec<u64> = (folded + 1..=pushes).rev().collect();
        prop_assert_eq!(&taken[..], &newest_first[..undos.min(newest_first.len())]);
        while let Some(entry) = taken.pop() {
            prop_assert_eq!(history.redo_target(&ME), Some(entry));
            seq += 1;
            history.redo(seq, &ME, entry);
        }
        prop_assert_eq!(history.redo_target(&ME), None);
        prop_assert_eq!(history.undo_target(&ME), Some(pushes));
    }

    #[test]
    fn every_remembered_picture_comes_back(
        ops in prop::collection::vec((0u8..4, any::<prop::sample::Index>()), 1..60),
        folds in 0usize..4,
    ) {
        let mut history = History::new(0);
        let mut pictures: Vec<BTreeSet<u64>> = vec![BTreeSet::new()];
        let mut folded = BTreeMap::new();
        for (at, (kind, pick)) in ops.iter().enumerate() {
            let seq = at as u64 + 1;
            let known: Vec<u64> = history.entries.keys().copied().collect();
            match kind {
                1 if !known.is_empty() => {
                    let id = known[pick.index(known.len())];
                    if history.is_active(id) {
                        history.undo(seq, &ME, id);
                    } else {
                        history.redo(seq, &ME, id);
                    }
                }
                2 => {
                    let to = pick.index(pictures.len()) as u64;
                    if history.switches_back_to(to).is_some() {
                        history.revert(seq, ME, to);
                    }
                }
                _ => history.push(seq, ME, EntryKind::Stroke),
            }
            let for_good = folded.iter().filter(|(_, is_active)| **is_active);
            pictures.push(for_good.map(|(id, _)| *id).chain(shown(&history)).collect());
            if folded.len() < folds && at % 7 == 6 {
                let oldest = history
                    .entries
                    .iter()
                    .find(|(_, entry)| entry.kind == EntryKind::Stroke)
                    .map(|(id, entry)| (*id, entry.is_active));
                folded.extend(oldest);
                history.forget(oldest.map(|(id, _)| id).as_slice());
            }
        }
        for (seq, picture) in pictures.iter().enumerate() {
            let Some(switches) = history.switches_back_to(seq as u64) else {
                prop_assert!(!folded.is_empty(), "without folds every picture is remembered");
                continue;
            };
            let for_good = folded.iter().filter(|(_, is_active)| **is_active);
            let mut now: BTreeSet<u64> = for_good.map(|(id, _)| *id).collect();
            now.extend(shown(&history));
            for Switch { entry, active } in switches {
                if history.kind(entry) == Some(EntryKind::Revert) {
                    continue;
                }
                if active {
                    now.insert(entry);
                } else {
                    now.remove(&entry);
                }
            }
            prop_assert_eq!(&now, picture, "after op {}", seq);
        }
    }
}
