//! What the base of a picture is made of: whether a picture was brought along, and whether a model
//! had a part in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::canvas::MAX_UNDO_ENTRIES;

/// What a base is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ground {
    /// A picture that was brought along is in it.
    pub(super) has_photo: bool,
    /// Pixels that a model made are in it.
    pub(super) has_model: bool,
}

/// The grounds of placed pictures and applied results, by the op that made them the base.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Grounds(BTreeMap<u64, Ground>);

impl Grounds {
    /// The ground of the base that an op made; none where the op is older than this is kept.
    pub(super) fn of(&self, base: u64) -> Option<Ground> {
        self.0.get(&base).copied()
    }

    /// The op `seq` places a picture.
    pub(super) fn place(&mut self, seq: u64) {
        let ground = Ground {
            has_photo: true,
            has_model: false,
        };
        self.0.insert(seq, ground);
    }

    /// The op `seq` applies a result of this ground.
    pub(super) fn apply(&mut self, seq: u64, ground: Ground) {
        self.0.insert(seq, ground);
    }

    /// Forgets what can be undone no more; the base itself may be one more than can be.
    pub(super) fn fold(&mut self) {
        while self.0.len() > MAX_UNDO_ENTRIES + 1 {
            self.0.pop_first();
        }
    }
}
