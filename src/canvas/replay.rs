//! Replaying entries over what lies under them, and folding the oldest away.

use std::sync::Arc;

use super::Pixels;
use super::entry::{Entry, EntryKind};
use super::layers::{Canvas, MAX_UNDO_BYTES, MAX_UNDO_COST, MAX_UNDO_ENTRIES};
use super::stack::sketch_of;
use super::tile::TileIndex;
use crate::protocol::{LOWEST_LAYER, Rect};

impl Canvas {
    /// The topmost active image: everything below it is hidden.
    pub(super) fn last_image(&self) -> Option<usize> {
        self.entries
            .iter()
            .rposition(|entry| entry.active && matches!(entry.kind, EntryKind::Image { .. }))
    }

    /// The lowest layer inside `rect` as the entries before `end` make it.
    pub(super) fn replay(&mut self, rect: &Rect, end: usize) {
        let image = self.last_image();
        if image.is_some() {
            self.lowest.copy_rect(&self.base, rect);
        } else {
            self.lowest.copy_rect(&self.floor.sketch, rect);
        }
        for y in rect.y..rect.bottom() {
            let row = self.lowest_footprint.span_mut(rect.x, y, rect.width);
            if image.is_some() {
                row.fill(0);
            } else {
                row.copy_from_slice(self.floor.footprint.span(rect.x, y, rect.width));
            }
        }
        self.compose(rect, image.map_or(0, |image| image + 1), end);
    }

    /// Draws the active strokes of the lowest layer from `start` to before `end` inside `rect`.
    pub(super) fn compose(&mut self, rect: &Rect, start: usize, end: usize) {
        for entry in self
            .entries
            .range(start.min(end)..end)
            .filter(|entry| entry.active)
        {
            if let EntryKind::Stroke(stroke) = &entry.kind
                && stroke.touches(LOWEST_LAYER)
            {
                stroke.compose(
                    rect,
                    &self.base,
                    &mut self.lowest,
                    &mut self.lowest_footprint,
                );
            }
        }
    }

    /// Drops what open strokes from entry `start` on know of the tiles that
    /// changed under them.
    pub(super) fn forget_under(&mut self, start: usize, changed: impl Fn(TileIndex) -> bool) {
        let start = start.min(self.entries.len());
        for stroke in self
            .entries
            .range_mut(start..)
            .filter_map(Entry::stroke_mut)
        {
            if let Some(under) = &mut stroke.under {
                under.retain(|tile, _| !changed(*tile));
            }
        }
    }

    /// Puts the sketch back into the result: everywhere that the mask does not
    /// reach, within the dilation around `rect`; and, where `changed` gives the
    /// sketch inside `rect` as it was before, wherever it differs now. A
    /// second picture there, of canvas size, is the result where the mask is
    /// above 0. Returns where the result changed.
    pub(super) fn reset_result(
        &mut self,
        rect: &Rect,
        changed: Option<(&Pixels, Option<&Pixels>)>,
    ) -> Rect {
        let region = rect.inflate_within(self.dilation, &self.bounds);
        let mask = self.repaint_mask(&region);
        let sketched = sketch_of(&self.flattened, &self.lowest);
        let mut dirty = Rect::default();
        for y in region.y..region.bottom() {
            let mask = mask.span(0, y - region.y, region.width);
            let mut first = None;
            let mut last = region.x;
            for (x, mask) in (region.x..).zip(mask) {
                let sketch = sketched.span(x, y, 1);
                let is_inside = rect.contains(&Rect::new(x, y, 1, 1));
                let source = match changed {
                    _ if *mask == 0 => sketch,
                    Some((_, Some(instead))) if is_inside => instead.span(x, y, 1),
                    Some((before, None))
                        if is_inside && before.span(x - rect.x, y - rect.y, 1) != sketch =>
                    {
                        sketch
                    }
                    _ => continue,
                };
                let result = self.result.span_mut(x, y, 1);
                if result != source {
                    result.copy_from_slice(source);
                    first = first.or(Some(x));
                    last = x;
                }
            }
            if let Some(first) = first {
                dirty = dirty.union(&Rect::new(first, y, last - first + 1, 1));
            }
        }
        dirty
    }

    /// Makes the oldest entries permanent while there are too many of them.
    /// What is undone at that moment can no longer be redone.
    pub(super) fn fold(&mut self) {
        let mut bytes: usize = self.entries.iter().map(Entry::bytes).sum();
        let mut cost: u64 = self.entries.iter().map(Entry::mixing_cost).sum();
        while self.entries.len() > MAX_UNDO_ENTRIES
            || ((bytes > MAX_UNDO_BYTES || cost > MAX_UNDO_COST) && self.entries.len() > 1)
        {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            bytes -= oldest.bytes();
            cost -= oldest.mixing_cost();
            self.folded.push(oldest.id);
            if !oldest.active {
                continue;
            }
            match oldest.kind {
                EntryKind::Stroke(mut stroke) => {
                    self.floor.mix(&mut stroke, &self.stack);
                    if stroke.touches(LOWEST_LAYER) {
                        stroke.compose(
                            &stroke.coverage.bounds(),
                            &self.floor.base,
                            Arc::make_mut(&mut self.floor.sketch),
                            &mut self.floor.footprint,
                        );
                    }
                    self.floor.fold_into_layers(&stroke, &self.stack);
                }
                EntryKind::Image { pixels, stack, .. } => {
                    self.floor.fold_image_over(&stack);
                    self.floor.base = pixels.clone();
                    self.floor.base_id = Some(oldest.id);
                    self.floor.sketch = pixels;
                    self.floor.footprint.data_mut().fill(0);
                }
            }
        }
    }
}
