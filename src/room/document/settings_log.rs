//! The room's settings: the changes to them that are in the picture, over what can be undone no more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::history::History;
use crate::{
    canvas::MAX_UNDO_ENTRIES,
    protocol::{Settings, SettingsPatch},
};

/// Changes of settings by the `seq` of their first op; which are in the picture, the history knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::room) struct SettingsLog {
    base: Settings,
    patches: BTreeMap<u64, SettingsPatch>,
}

impl SettingsLog {
    /// Settings that nobody has changed.
    pub(super) fn new(base: Settings) -> Self {
        Self {
            base,
            patches: BTreeMap::new(),
        }
    }

    /// The settings with all changes that are in the picture.
    pub(super) fn settings(&self, history: &History) -> Settings {
        self.active(history)
            .fold(self.base.clone(), |settings, (_, patch)| {
                settings.patched(patch)
            })
    }

    /// The newest change that is in the picture.
    pub(super) fn newest(&self, history: &History) -> Option<u64> {
        self.active(history).next_back().map(|(id, _)| *id)
    }

    fn active<'a>(
        &'a self,
        history: &'a History,
    ) -> impl DoubleEndedIterator<Item = (&'a u64, &'a SettingsPatch)> {
        let patches = self.patches.iter();
        patches.filter(|(id, _)| history.is_active(**id))
    }

    /// A new change.
    pub(super) fn push(&mut self, id: u64, patch: SettingsPatch) {
        self.patches.insert(id, patch);
    }

    /// A change goes on.
    pub(super) fn extend(&mut self, id: u64, patch: &SettingsPatch) {
        if let Some(before) = self.patches.get_mut(&id) {
            *before = before.merged(patch);
        }
    }

    /// A change that cannot be undone: no other change has a say in its fields any more.
    pub(super) fn change_for_good(&mut self, patch: &SettingsPatch) {
        self.base = self.base.patched(patch);
        for other in self.patches.values_mut() {
            *other = other.without(patch);
        }
    }

    /// The changes of which more can be undone than [`MAX_UNDO_ENTRIES`] become part of what lies
    /// under them. Answers their ids.
    pub(super) fn fold(&mut self, history: &History) -> Vec<u64> {
        let mut folded = Vec::new();
        while self.patches.len() > MAX_UNDO_ENTRIES
            && let Some((id, patch)) = self.patches.pop_first()
        {
            if history.is_active(id) {
                self.base = self.base.patched(&patch);
            }
            folded.push(id);
        }
        folded
    }

    /// All values that undo and redo may bring back.
    pub(super) fn patches(&self) -> impl Iterator<Item = &SettingsPatch> {
        self.patches.values()
    }

    /// What lies under all changes.
    pub(super) fn base(&self) -> &Settings {
        &self.base
    }
}
