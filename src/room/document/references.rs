//! The reference pictures that settings name, as long as undo and redo may bring them back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::settings_log::SettingsLog;
use crate::{
    canvas::{Pixels, Upload},
    protocol::SettingsPatch,
};

/// Pictures by the ids of their uploads, small and square: CLIP sees no more of them.
#[derive(Clone, Debug, Default)]
pub(super) struct References {
    pictures: BTreeMap<String, Arc<Pixels>>,
}

impl References {
    /// Those of a snapshot.
    pub(super) fn of(pictures: Vec<(String, Arc<Pixels>)>) -> Self {
        Self {
            pictures: pictures.into_iter().collect(),
        }
    }

    /// All of them, for a snapshot.
    pub(super) fn pictures(&self) -> Vec<(String, Arc<Pixels>)> {
        let pictures = self.pictures.iter();
        pictures
            .map(|(id, picture)| (id.clone(), Arc::clone(picture)))
            .collect()
    }

    /// The picture of an id.
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Pixels>> {
        self.pictures.get(id)
    }

    /// The id that a change of settings names, where its picture is not here yet.
    pub(super) fn missing<'a>(&self, patch: &'a SettingsPatch) -> Option<&'a str> {
        let id = patch.reference.as_deref()?;
        let is_missing = !id.is_empty() && !self.pictures.contains_key(id);
        is_missing.then_some(id)
    }

    /// Keeps an upload.
    pub(super) fn insert(&mut self, id: &str, image: Upload) {
        let picture = Arc::new(image.into_reference());
        self.pictures.insert(id.to_owned(), picture);
    }

    /// Lets go of what no settings name any more.
    pub(super) fn forget_unnamed(&mut self, log: &SettingsLog) {
        if self.pictures.is_empty() {
            return;
        }
        let patches = log.patches().filter_map(|patch| patch.reference.as_ref());
        let named: BTreeSet<&String> = patches.chain([&log.base().reference]).collect();
        self.pictures.retain(|id, _| named.contains(id));
    }
}
