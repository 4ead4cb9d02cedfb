//! Undo and redo: entries are switched off and on.

use super::Canvas;
use super::entry::EntryKind;
use super::tile::tile_rect;
use crate::protocol::Rect;

/// What [`Canvas::switch`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switched {
    /// Where pixels may have changed.
    pub rect: Rect,
    /// True when the result is the one again that an undone apply had flattened: the model
    /// has painted it already.
    pub is_result_back: bool,
}

impl Canvas {
    /// Takes strokes, placements and applies back (`false`) or does them again
    /// (`true`), all at once. What is too old to be undone, or unknown, stays
    /// as it is.
    ///
    /// The result falls back to the sketch where the sketch changed or the
    /// mask became 0; undoing an apply, and nothing below it, brings the
    /// applied result back.
    pub fn switch(&mut self, switches: &[(u64, bool)]) -> Switched {
        let image_before = self.last_image();
        let mut changed = Vec::new();
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let wanted = switches.iter().find(|(id, _)| *id == entry.id);
            if let Some((_, active)) = wanted
                && entry.active != *active
            {
                entry.active = *active;
                changed.push(index);
            }
        }
        let Some(first) = changed.first().copied() else {
            return Switched::default();
        };
        let image_after = self.last_image();
        let hides_layers = changed.iter().any(|index| self.hides_layers(*index));
        if image_before != image_after || hides_layers {
            return self.change_base(image_before, image_after, first);
        }
        let reached = changed.iter().map(|index| self.reach(*index));
        let dirty = reached.fold(Rect::default(), |dirty, rect| dirty.union(&rect));
        let changes = changed.iter().map(|index| (*index, self.covers(*index)));
        let changes: Vec<_> = changes.collect();
        let (to_mix, mixed) = self.smudges_to_mix(&changes);
        let dirty = dirty.union(&mixed);
        if dirty.is_empty() {
            return Switched::default();
        }
        let before = self.sketch().crop(&dirty);
        for index in to_mix {
            self.mix_anew(index);
        }
        self.replay(&dirty, self.entries.len());
        self.replay_layers(&dirty);
        self.flatten(&dirty);
        self.forget_under(first + 1, |tile| {
            !tile_rect(tile).intersect(&dirty).is_empty()
        });
        Switched {
            rect: dirty.union(&self.reset_result(&dirty, Some((&before, None)))),
            is_result_back: false,
        }
    }

    /// The ids of what became too old to be undone since the last call.
    pub fn take_folded(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.folded)
    }

    /// Shows another image as the base, after images were undone or redone.
    /// `first` is the lowest entry that was switched.
    fn change_base(
        &mut self,
        before: Option<usize>,
        after: Option<usize>,
        first: usize,
    ) -> Switched {
        let image_at = |index: Option<usize>| match &self.entries.get(index?)?.kind {
            EntryKind::Image {
                pixels,
                is_apply,
                stack,
            } => Some((pixels.clone(), *is_apply && self.looks_like(stack))),
            EntryKind::Stroke(_) => None,
        };
        // What was applied is the result to return to, unless something is
        // painted over it, or what it was made of changed as well, or the layers.
        let is_undone = before > after && before == Some(first);
        let is_top = before
            .is_some_and(|before| self.entries.range(before + 1..).all(|entry| !entry.active));
        let applied = image_at(before)
            .filter(|(_, is_apply)| *is_apply && is_undone && is_top)
            .map(|(pixels, _)| pixels);
        self.base = image_at(after).map_or_else(|| self.floor.base.clone(), |(pixels, _)| pixels);
        let sketch = self.sketch().clone();
        let everywhere = self.bounds;
        self.mix_all_anew();
        self.replay(&everywhere, self.entries.len());
        self.replay_layers(&everywhere);
        self.flatten(&everywhere);
        self.forget_under(0, |_| true);
        self.reset_result(&everywhere, Some((&sketch, applied.as_deref())));
        Switched {
            rect: self.bounds,
            is_result_back: applied.is_some(),
        }
    }
}
