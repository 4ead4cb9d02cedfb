//! What undo, redo and going back change: on the canvas, in the settings and in the layers.

use super::{changed::Changed, history::EntryKind, state::Document};
use crate::protocol::Switch;

impl Document {
    /// Takes what the history switched into the picture, or out of it.
    pub(super) fn switch(&mut self, switches: Vec<Switch>) -> Changed {
        let of_settings = self.switch_settings(&switches);
        let of_layers = self.switch_layers(&switches);
        let of_canvas = self.switch_on_canvas(&switches);
        Changed {
            switches: switches.clone(),
            ..of_canvas.and(of_settings).and(of_layers)
        }
    }

    fn switch_settings(&mut self, switches: &[Switch]) -> Changed {
        if !self.are_among(switches, EntryKind::Settings) {
            return Changed::default();
        }
        let changed = self.follow_settings();
        Changed {
            settings: Some(Box::new(self.settings.clone())),
            ..changed
        }
    }

    fn switch_layers(&mut self, switches: &[Switch]) -> Changed {
        match self.are_among(switches, EntryKind::Layer) {
            true => self.follow_layers(),
            false => Changed::default(),
        }
    }

    fn are_among(&self, switches: &[Switch], kind: EntryKind) -> bool {
        let mut kinds = switches.iter().map(|it| self.history.kind(it.entry));
        kinds.any(|it| it == Some(kind))
    }

    fn switch_on_canvas(&mut self, switches: &[Switch]) -> Changed {
        let base_before = self.canvas.base_id();
        for Switch { entry, active } in switches {
            if !active {
                self.strokes.end(*entry);
            }
            self.entries_hash.switch(*entry);
            if self.history.kind(*entry) == Some(EntryKind::Apply) {
                self.epoch = match active {
                    true => self.epoch + 1,
                    false => self.epoch.saturating_sub(1),
                };
            }
        }
        let pairs: Vec<(u64, bool)> = switches.iter().map(|it| (it.entry, it.active)).collect();
        let switched = self.canvas.switch(&pairs);
        let mut changed = self.other_sketch(&switched.rect);
        if switched.is_result_back {
            // What an apply had flattened is there again.
            changed.mask.clear();
        }
        match self.canvas.base_id() == base_before {
            true => changed,
            false => Changed {
                sketch: changed.sketch,
                result: changed.result,
                mask: changed.mask,
                ..self.other_base()
            },
        }
    }
}
