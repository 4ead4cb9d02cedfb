//! Which strokes a pixel belongs to: strokes may have prompts of their own, and a window may hold
//! several.

use super::Mask;
use super::entry::EntryKind;
use super::layers::Canvas;
use super::tile::{TILE, tile_rect, tiles_of};
use crate::protocol::Rect;

impl Canvas {
    /// The active strokes that let the model repaint something inside `rect`, by their ids: those of
    /// the lowest layer first, on each layer the oldest first. What lies under an image, or is too old to be undone, is not among them.
    pub fn strokes_in(&self, rect: &Rect) -> Vec<u64> {
        let around = rect.inflate_within(self.dilation, &self.bounds);
        let mut ids = Vec::new();
        for entry in self.strokes_on_top() {
            if let EntryKind::Stroke(stroke) = &entry.kind
                && !stroke.coverage.bounds().intersect(&around).is_empty()
                && ids.last() != Some(&entry.id)
            {
                ids.push(entry.id);
            }
        }
        ids
    }

    /// How much of each pixel of `rect` (cut to the canvas) belongs to each of `groups` groups of
    /// strokes: 0 … 255, at most 255 over all groups together. A stroke takes what it covers from
    /// those below it; around them what the dilation adds goes to the nearest, mixed where several
    /// are near. A stroke for which `group_of` names no group belongs to none.
    pub fn region_masks(
        &self,
        rect: &Rect,
        groups: usize,
        group_of: impl Fn(u64) -> Option<usize>,
    ) -> Vec<Mask> {
        let rect = rect.intersect(&self.bounds);
        let around = rect.inflate_within(self.dilation, &self.bounds);
        let mut masks = vec![Mask::new(around.width, around.height, 0); groups];
        for entry in self.strokes_on_top() {
            let EntryKind::Stroke(stroke) = &entry.kind else {
                continue;
            };
            let group = group_of(entry.id);
            for index in tiles_of(&around.intersect(&stroke.coverage.bounds())) {
                let Some(values) = stroke.coverage.tile(index) else {
                    continue;
                };
                let tile = tile_rect(index);
                let part = tile.intersect(&around);
                for y in part.y..part.bottom() {
                    let at = ((y - tile.y) * TILE + part.x - tile.x) as usize;
                    let covered = &values[at..][..part.width as usize];
                    for (number, mask) in masks.iter_mut().enumerate() {
                        let row = mask.span_mut(part.x - around.x, y - around.y, part.width);
                        cover(row, covered, group == Some(number));
                    }
                }
            }
        }
        let inside = Rect::new(
            rect.x - around.x,
            rect.y - around.y,
            rect.width,
            rect.height,
        );
        let grown = masks.iter().map(|mask| mask.dilate(self.dilation));
        let mut masks: Vec<Mask> = grown.map(|mask| mask.crop(&inside)).collect();
        divide(&mut masks);
        masks
    }

    /// The active entries that add to the mask of a layer in the picture, and that no image hides:
    /// those of the lowest layer first.
    fn strokes_on_top(&self) -> impl Iterator<Item = &super::entry::Entry> {
        let shown = self.stack.iter().filter(|layer| layer.is_shown);
        shown.flat_map(|layer| {
            let image = self.last_image_over(layer.id);
            let entries = self.entries.range(image.map_or(0, |image| image + 1)..);
            entries.filter(|entry| match &entry.kind {
                EntryKind::Stroke(stroke) => {
                    entry.active && stroke.layer == layer.id && stroke.ink.adds_mask()
                }
                EntryKind::Image { .. } => false,
            })
        })
    }
}

/// A stroke covers a row of a mask: it adds to its own and takes from others.
fn cover(row: &mut [u8], covered: &[u8], is_own: bool) {
    for (mask, covered) in row.iter_mut().zip(covered) {
        let rest = (u16::from(*mask) * u16::from(255 - covered) + 127) / 255;
        let added = if is_own { u16::from(*covered) } else { 0 };
        *mask = (rest + added).min(255) as u8;
    }
}

/// Brings pixels that belong to several back to 255 in all.
fn divide(masks: &mut [Mask]) {
    let pixels = masks.first().map_or(0, |mask| mask.data().len());
    for pixel in 0..pixels {
        let total: u32 = masks.iter().map(|mask| u32::from(mask.data()[pixel])).sum();
        if total <= 255 {
            continue;
        }
        for mask in masks.iter_mut() {
            let value = &mut mask.data_mut()[pixel];
            *value = (u32::from(*value) * 255 / total) as u8;
        }
    }
}
