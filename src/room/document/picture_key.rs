//! What a picture was made from, as a value that can be compared.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::{canvas::StackLayer, protocol::Settings};

/// What the model painted from. Where two moments of a room have the same key, sketch, mask and
/// settings are the same, so that a result of one is a result of the other.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::room) struct PictureKey {
    pub(super) entries: u64,
    /// The layers that are shown, and how.
    pub(super) stack: Vec<StackLayer>,
    /// Without what makes no difference to the picture.
    pub(super) settings: Settings,
}

/// The layers of a stack that are in the picture, without what makes no difference to it.
pub(super) fn shown_of(stack: &[StackLayer]) -> Vec<StackLayer> {
    let shown = stack.iter().filter(|layer| layer.is_shown);
    let shown = shown.map(|layer| StackLayer {
        keeps_alpha: false,
        ..*layer
    });
    shown.collect()
}

/// The entries of the canvas that are in the picture, as one number: the exclusive or of a hash of
/// each. What is folded away stays in it, since its pixels stay in the picture.
#[derive(Debug, Default)]
pub(super) struct EntriesHash {
    sum: u64,
    /// The hash of each entry that can still be switched.
    hashes: BTreeMap<u64, u64>,
}

impl EntriesHash {
    /// All entries of a document that comes back; `active` are those in the picture.
    pub(super) fn of(entries: impl Iterator<Item = (u64, bool)>) -> Self {
        let mut all = Self::default();
        for (entry, is_active) in entries {
            all.change(entry, entry, is_active);
        }
        all
    }

    /// The op `seq` brought an entry, or went on with it.
    pub(super) fn change(&mut self, entry: u64, seq: u64, is_active: bool) {
        let mut hasher = DefaultHasher::new();
        (entry, seq).hash(&mut hasher);
        let hash = hasher.finish();
        let before = self.hashes.insert(entry, hash).unwrap_or(0);
        if is_active {
            self.sum ^= before ^ hash;
        }
    }

    /// An entry went into the picture, or out of it.
    pub(super) fn switch(&mut self, entry: u64) {
        self.sum ^= self.hashes.get(&entry).copied().unwrap_or(0);
    }

    /// An entry can be switched no more.
    pub(super) fn forget(&mut self, entry: u64) {
        self.hashes.remove(&entry);
    }

    /// The number.
    pub(super) fn sum(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_back_gives_the_same_number_and_painting_another() {
        let mut entries = EntriesHash::default();
        entries.change(1, 1, true);
        let one = entries.sum();
        entries.change(2, 2, true);
        let two = entries.sum();
        entries.change(2, 3, true);
        assert_ne!(entries.sum(), two, "the stroke went on");
        let longer = entries.sum();
        entries.switch(2);
        assert_eq!(entries.sum(), one);
        entries.change(2, 4, false);
        assert_eq!(entries.sum(), one, "it is not in the picture");
        entries.switch(2);
        assert_ne!(entries.sum(), longer);
        entries.forget(1);
        entries.switch(2);
        assert_eq!(entries.sum(), one, "what is folded stays in the picture");
    }
}
