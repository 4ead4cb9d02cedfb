//! What the layers of a canvas come to.

use super::blend::mix_pixel;
use super::blend_mode::blend_pixel;
use super::layer_tiles::LayerTiles;
use super::layers::Canvas;
use super::stack::Flattened;
use super::tile::{tile_rect, tiles_of};
use super::{LayerCopy, Pixels, StackLayer};
use crate::protocol::{LOWEST_LAYER, Rect};

impl Canvas {
    /// The layers, the lowest first.
    pub fn stack(&self) -> &[StackLayer] {
        &self.stack
    }

    /// True where both stacks make the same picture of the same pixels.
    pub(super) fn looks_like(&self, other: &[StackLayer]) -> bool {
        let shown = |layers: &[StackLayer]| -> Vec<StackLayer> {
            let shown = layers.iter().filter(|layer| layer.is_shown);
            shown.copied().collect()
        };
        let (own, other) = (shown(&self.stack), shown(other));
        let mut pairs = own.iter().zip(&other);
        own.len() == other.len() && pairs.all(|(own, other)| own.looks_like(other))
    }

    /// Bytes held for there being several layers: theirs, and those of what they come to.
    pub fn bytes_for_layers(&self) -> usize {
        let flattened = self.flattened.as_ref().map_or(0, |flat| {
            flat.sketch.data().len() + flat.footprint.data().len()
        });
        self.layer_bytes() + flattened
    }

    /// Bytes of the layers above the lowest.
    pub fn layer_bytes(&self) -> usize {
        let layers = self.layers.values().chain(self.floor.layers.values());
        layers.map(LayerTiles::bytes).sum()
    }

    /// What is painted on a layer above the lowest; none for others.
    pub fn layer_copy(&self, layer: u64) -> Option<LayerCopy> {
        let is_known = self.stack.iter().any(|it| it.id == layer);
        (is_known && layer != LOWEST_LAYER).then(|| LayerCopy {
            tiles: self.layers.get(&layer).cloned().unwrap_or_default(),
            canvas: self.bounds,
        })
    }

    /// The base with the lowest layer's paint on it, whatever else is shown.
    pub const fn lowest(&self) -> &Pixels {
        &self.lowest
    }

    /// Changes how the layers lie and look: the lowest is the first, and what is not among them is
    /// gone for good. Returns where the sketch or the mask may have changed; there the result falls
    /// back to the sketch, as in [`Canvas::switch`].
    pub fn set_stack(&mut self, stack: Vec<StackLayer>) -> Rect {
        let before = std::mem::replace(&mut self.stack, stack);
        let dirty = self.restacked(&before);
        let keeps = |id: &u64| self.stack.iter().any(|layer| layer.id == *id);
        self.layers.retain(|id, _| keeps(id));
        self.floor.layers.retain(|id, _| keeps(id));
        if dirty.is_empty() {
            return dirty;
        }
        let sketch = self.sketch().crop(&dirty);
        self.flatten(&dirty);
        dirty.union(&self.reset_result(&dirty, Some((&sketch, None))))
    }

    /// Where the picture may be another than with an earlier stack.
    fn restacked(&self, before: &[StackLayer]) -> Rect {
        let shown = |layers: &[StackLayer]| -> Vec<StackLayer> {
            let shown = layers.iter().filter(|layer| layer.is_shown);
            shown
                .filter(|layer| self.has_paint(layer.id))
                .copied()
                .collect()
        };
        let (before, after) = (shown(before), shown(&self.stack));
        let is_same = |(one, other): &(&StackLayer, &StackLayer)| one.looks_like(other);
        let under = before.iter().zip(&after).take_while(is_same).count();
        let rest = before[under..]
            .iter()
            .rev()
            .zip(after[under..].iter().rev());
        let over = rest.take_while(is_same).count();
        let changed = before[under..before.len() - over].iter();
        let changed = changed.chain(&after[under..after.len() - over]);
        changed.fold(Rect::default(), |dirty, layer| match layer.id {
            LOWEST_LAYER => self.bounds,
            id => dirty.union(
                &self
                    .layers
                    .get(&id)
                    .map_or(Rect::default(), LayerTiles::bounds),
            ),
        })
    }

    pub(super) fn has_paint(&self, layer: u64) -> bool {
        let painted = self.layers.get(&layer);
        layer == LOWEST_LAYER || painted.is_some_and(|tiles| !tiles.is_empty())
    }

    /// True where the sketch is the lowest layer alone, as it is.
    fn is_lowest_alone(&self) -> bool {
        self.stack.iter().all(|layer| match layer.id {
            LOWEST_LAYER => layer.is_shown && layer.opacity == u8::MAX,
            id => !layer.is_shown || !self.has_paint(id),
        })
    }

    /// Brings sketch and footprint inside `rect` up to date with the layers.
    pub(super) fn flatten(&mut self, rect: &Rect) {
        if self.is_lowest_alone() {
            self.flattened = None;
            return;
        }
        let (mut flat, rect) = match self.flattened.take() {
            Some(flat) => (flat, *rect),
            None => {
                let sketch = self.lowest.clone();
                let footprint = self.lowest_footprint.clone();
                (Box::new(Flattened { sketch, footprint }), self.bounds)
            }
        };
        for index in tiles_of(&rect) {
            let part = tile_rect(index).intersect(&rect);
            self.flatten_lowest(&mut flat, &part);
            for layer in self.stack.iter().filter(|layer| layer.is_shown) {
                if let Some(tiles) = self.layers.get(&layer.id) {
                    flat.lay(layer, tiles, &part);
                }
            }
        }
        self.flattened = Some(flat);
    }

    fn flatten_lowest(&self, flat: &mut Flattened, part: &Rect) {
        let lowest = self.stack.iter().find(|layer| layer.id == LOWEST_LAYER);
        let opacity = lowest.filter(|layer| layer.is_shown).map(|it| it.opacity);
        for y in part.y..part.bottom() {
            let painted = self.lowest.span(part.x, y, part.width);
            let base = self.base.span(part.x, y, part.width);
            let row = flat.sketch.span_mut(part.x, y, part.width);
            match opacity {
                Some(u8::MAX) => row.copy_from_slice(painted),
                opacity => {
                    row.copy_from_slice(base);
                    mix_pixel(row, painted, opacity.unwrap_or(0));
                }
            }
            let mask = flat.footprint.span_mut(part.x, y, part.width);
            match opacity {
                Some(_) => {
                    mask.copy_from_slice(self.lowest_footprint.span(part.x, y, part.width));
                }
                None => mask.fill(0),
            }
        }
    }
}

impl Flattened {
    /// Lays a layer over what is there inside `part`, which lies in one tile.
    fn lay(&mut self, layer: &StackLayer, tiles: &LayerTiles, part: &Rect) {
        let Some(index) = tiles_of(part).next() else {
            return;
        };
        let Some(tile) = tiles.get(index) else {
            return;
        };
        let whole = tile_rect(index);
        let (left, opacity) = (part.x - whole.x, u32::from(layer.opacity));
        for y in part.y..part.bottom() {
            let pixels = tile.row(left, y - whole.y, part.width).chunks_exact(4);
            let row = self.sketch.span_mut(part.x, y, part.width);
            for (below, above) in row.chunks_exact_mut(3).zip(pixels) {
                if above[3] > 0 {
                    let weight = u32::from(above[3]) * opacity;
                    blend_pixel(below, &above[..3], weight, layer.blend);
                }
            }
            let masks = tile.footprint_row(left, y - whole.y, part.width);
            let row = self.footprint.span_mut(part.x, y, part.width);
            for (below, above) in row.iter_mut().zip(masks) {
                *below = (*below).max(*above);
            }
        }
    }
}
