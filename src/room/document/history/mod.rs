//! The history of a room: which entries are in the picture, and which were after each op that is
//! remembered; what each client may undo and redo; going back.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::protocol::Switch;

/// The most changes that are remembered. A revert makes as many as it switches entries, and
/// the canvas keeps a hundred: the newest 80 reverts and more can be looked behind.
const CHANGES_MOST: usize = 8192;

/// What can be undone and redone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum EntryKind {
    /// A stroke, or a mask.
    Stroke,
    /// A placed image.
    Place,
    /// An image that was laid on a layer.
    Picture,
    /// A flattened result.
    Apply,
    /// A change of settings. The canvas knows nothing of it.
    Settings,
    /// A change of layers. The canvas has no entry for it.
    Layer,
    /// Going back to an earlier picture. The canvas knows nothing of it: it is the changes
    /// that it made to other entries.
    Revert,
}

impl EntryKind {
    /// True for what the canvas has an entry of its own for.
    pub(super) fn is_on_canvas(self) -> bool {
        matches!(
            self,
            Self::Stroke | Self::Place | Self::Picture | Self::Apply
        )
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    author: Uuid,
    kind: EntryKind,
    is_active: bool,
    /// The entry that this one goes on with: undo and redo take both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leader: Option<u64>,
}

/// The op `seq` took an entry into the picture, or out of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Change {
    seq: u64,
    switch: Switch,
}

/// The entries that can be switched, named by the `seq` of their first op.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::room) struct History {
    entries: BTreeMap<u64, Entry>,
    /// What each client undid itself, the latest last.
    undone: BTreeMap<Uuid, Vec<u64>>,
    /// In the order of their `seq`, all after `oldest`.
    changes: VecDeque<Change>,
    /// `seq` of the oldest op whose picture is remembered.
    oldest: u64,
}

impl History {
    /// A picture without entries, as it stands after the op `seq`.
    pub(super) fn new(seq: u64) -> Self {
        Self {
            entries: BTreeMap::new(),
            undone: BTreeMap::new(),
            changes: VecDeque::new(),
            oldest: seq,
        }
    }

    /// The op `id` of `author` brought a new entry into the picture. What the author had undone
    /// cannot be redone after it.
    pub(super) fn push(&mut self, id: u64, author: Uuid, kind: EntryKind) {
        self.push_after(None, id, author, kind);
    }

    /// The same, for an entry that goes on with `leader`, where there is one.
    pub(super) fn push_after(
        &mut self,
        leader: Option<u64>,
        id: u64,
        author: Uuid,
        kind: EntryKind,
    ) {
        let entry = Entry {
            author,
            kind,
            is_active: false,
            leader,
        };
        self.entries.insert(id, entry);
        self.undone.remove(&author);
        self.switch(id, &[on(id)]);
    }

    /// True while the entry is in the picture.
    pub(super) fn is_active(&self, id: u64) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.is_active)
    }

    /// True while an entry of that kind is in the picture.
    pub(super) fn has_active(&self, kind: EntryKind) -> bool {
        let mut entries = self.entries.values();
        entries.any(|entry| entry.kind == kind && entry.is_active)
    }

    /// The entries that the canvas has, and whether they are in the picture.
    pub(super) fn on_canvas(&self) -> impl Iterator<Item = (u64, bool)> + '_ {
        let entries = self.entries.iter();
        let on_canvas = entries.filter(|(_, entry)| entry.kind.is_on_canvas());
        on_canvas.map(|(id, entry)| (*id, entry.is_active))
    }

    /// What the entry is; none when it is too old to be switched.
    pub(super) fn kind(&self, id: u64) -> Option<EntryKind> {
        self.entries.get(&id).map(|entry| entry.kind)
    }

    /// What `undo` of an author takes out of the picture: its newest entry that is in it. Somebody
    /// else's revert may have switched others.
    pub(super) fn undo_target(&self, author: &Uuid) -> Option<u64> {
        let mut own = self.entries.iter().rev();
        own.find(|(_, entry)| entry.author == *author && entry.is_active && entry.leader.is_none())
            .map(|(id, _)| *id)
    }

    /// The entry that another one goes on with.
    pub(super) fn leader(&self, id: u64) -> Option<u64> {
        self.entries.get(&id)?.leader
    }

    /// What `redo` of an author brings back: what it undid last and is still out.
    pub(super) fn redo_target(&self, author: &Uuid) -> Option<u64> {
        let mut undone = self.undone.get(author)?.iter().rev().copied();
        undone.find(|entry| !self.is_active(*entry))
    }

    /// The op `seq`, an undo of an entry by its author. Answers what it switched.
    pub(super) fn undo(&mut self, seq: u64, author: &Uuid, target: u64) -> Vec<Switch> {
        self.forget_undone(author, target);
        if self.entries.contains_key(&target) {
            self.undone.entry(*author).or_default().push(target);
        }
        self.switch(seq, &self.switches_of(target, false))
    }

    /// The op `seq`, a redo of an entry by its author. Answers what it switched.
    pub(super) fn redo(&mut self, seq: u64, author: &Uuid, target: u64) -> Vec<Switch> {
        self.forget_undone(author, target);
        self.switch(seq, &self.switches_of(target, true))
    }

    /// The op `at` of an author goes back to the picture after the op `to`. Answers what it
    /// switched: nothing when that is too long ago.
    pub(super) fn revert(&mut self, at: u64, author: Uuid, to: u64) -> Vec<Switch> {
        let switches = self.switches_back_to(to).unwrap_or_default();
        self.push(at, author, EntryKind::Revert);
        self.switch(at, &switches)
    }

    fn forget_undone(&mut self, author: &Uuid, target: u64) {
        if let Some(undone) = self.undone.get_mut(author) {
            undone.retain(|entry| *entry != target);
            if undone.is_empty() {
                self.undone.remove(author);
            }
        }
    }

    /// The op `seq` switches entries. Answers those that it changed.
    fn switch(&mut self, seq: u64, switches: &[Switch]) -> Vec<Switch> {
        let mut changed = Vec::new();
        for switch in switches.iter().copied() {
            let Some(entry) = self.entries.get_mut(&switch.entry) else {
                continue;
            };
            if std::mem::replace(&mut entry.is_active, switch.active) != switch.active {
                changed.push(switch);
                self.changes.push_back(Change { seq, switch });
            }
        }
        changed
    }

    /// What is to be switched so that an entry is in the picture, or out of it: with what goes on
    /// with it, and for a revert with everything that it switched itself.
    fn switches_of(&self, id: u64, active: bool) -> Vec<Switch> {
        let with_it = self
            .changes
            .iter()
            .filter(|change| change.seq == id && change.switch.entry != id)
            .map(|change| Switch {
                entry: change.switch.entry,
                active: change.switch.active == active,
            });
        let later = self.entries.range(id + 1..);
        let followers = later.filter(|(_, entry)| entry.leader == Some(id));
        let followers = followers.map(|(entry, _)| Switch {
            entry: *entry,
            active,
        });
        std::iter::once(Switch { entry: id, active })
            .chain(followers)
            .chain(with_it)
            .collect()
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
            .map(|change| (change.switch.entry, !change.switch.active))
            .collect();
        let differs = |id: u64, was_active: bool| {
            let entry = self.entries.get(&id);
            entry.is_some_and(|entry| entry.is_active != was_active)
        };
        let switches: Vec<Switch> = then
            .into_iter()
            .filter(|(id, was_active)| differs(*id, *was_active))
            .map(|(entry, active)| Switch { entry, active })
            .collect();
        let shows = switches
            .iter()
            .any(|switch| self.kind(switch.entry) != Some(EntryKind::Revert));
        Some(if shows { switches } else { Vec::new() })
    }

    /// Entries became part of the picture for good, or were left out of it for good. Answers
    /// them and the reverts that cannot be undone without them.
    pub(super) fn forget(&mut self, folded: &[u64]) -> Vec<u64> {
        if folded.is_empty() && self.changes.len() <= CHANGES_MOST {
            return Vec::new();
        }
        for id in folded {
            let mut changes = self.changes.iter().rev();
            let last = changes.find(|change| change.switch.entry == *id);
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
        for undone in self.undone.values_mut() {
            undone.retain(|id| !gone.contains(id));
        }
        self.undone.retain(|_, undone| !undone.is_empty());
        gone
    }
}

const fn on(entry: u64) -> Switch {
    Switch {
        entry,
        active: true,
    }
}

#[cfg(test)]
mod tests;
