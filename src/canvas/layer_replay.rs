//! What the entries make of the layers above the lowest.

use std::sync::Arc;

use super::StackLayer;
use super::entry::{EntryKind, Stroke, UnderTile};
use super::layer_tiles::LayerTile;
use super::layers::{Canvas, Floor};
use super::stroke::Touched;
use super::tile::{TileIndex, tile_rect, tiles_of};
use crate::protocol::{LOWEST_LAYER, Rect, Tool};

/// Tiles that an open stroke remembers of what lies under it.
pub(super) const OPEN_TILES: usize = 1024;

impl Stroke {
    /// True where it changes something of a layer: it lies on it, or takes the mask away, which
    /// counts for all layers.
    pub(super) fn touches(&self, layer: u64) -> bool {
        self.layer == layer || self.ink.tool == Tool::Restore
    }
}

impl Canvas {
    /// The topmost active image that a layer went into: what it had on it before is hidden.
    pub(super) fn last_image_over(&self, layer: u64) -> Option<usize> {
        self.entries.iter().rposition(|entry| match &entry.kind {
            EntryKind::Image { stack, .. } => {
                let is_in = |it: &StackLayer| it.id == layer && it.is_shown;
                entry.active && (layer == LOWEST_LAYER || stack.iter().any(is_in))
            }
            EntryKind::Stroke(_) => false,
        })
    }

    /// True for an image that something painted on another layer than the lowest has gone into.
    pub(super) fn hides_layers(&self, index: usize) -> bool {
        let EntryKind::Image { stack, .. } = &self.entries[index].kind else {
            return false;
        };
        let mut layers = stack
            .iter()
            .filter(|it| it.is_shown && it.id != LOWEST_LAYER);
        layers.any(|layer| {
            let mut below = self.entries.range(..index).map(|entry| &entry.kind);
            let is_on_it = |kind: &EntryKind| match kind {
                EntryKind::Stroke(stroke) => stroke.layer == layer.id,
                EntryKind::Image { .. } => false,
            };
            self.floor.layers.contains_key(&layer.id) || below.any(is_on_it)
        })
    }

    /// The tiles of a layer that `rect` touches as the entries before `end` make them.
    fn layer_tiles(
        &self,
        layer: u64,
        rect: &Rect,
        end: usize,
    ) -> Vec<(TileIndex, Option<Arc<LayerTile>>)> {
        let image = self.last_image_over(layer);
        let floor = self.floor.layers.get(&layer).filter(|_| image.is_none());
        let strokes = self.strokes_on(layer, image.map_or(0, |image| image + 1), end);
        let tiles = tiles_of(&rect.intersect(&self.bounds)).map(|index| {
            let under = floor.and_then(|tiles| tiles.get(index)).cloned();
            (index, drawn_on(under, &strokes, layer, index))
        });
        tiles.collect()
    }

    /// A tile of a layer as the entries before `end` make it.
    pub(super) fn layer_tile(
        &self,
        layer: u64,
        tile: TileIndex,
        end: usize,
    ) -> Option<Arc<LayerTile>> {
        let (_, tile) = self.layer_tiles(layer, &tile_rect(tile), end).pop()?;
        tile
    }

    /// The active strokes from `start` to before `end` that change something of a layer.
    fn strokes_on(&self, layer: u64, start: usize, end: usize) -> Vec<&Stroke> {
        let entries = self.entries.range(start.min(end)..end);
        let strokes = entries.filter_map(|entry| match &entry.kind {
            EntryKind::Stroke(stroke) if entry.active => Some(&**stroke),
            _ => None,
        });
        strokes.filter(|stroke| stroke.touches(layer)).collect()
    }

    /// Brings the tiles of a layer that `rect` touches up to date with all entries.
    pub(super) fn replay_layer(&mut self, layer: u64, rect: &Rect) {
        let replayed = self.layer_tiles(layer, rect, self.entries.len());
        let tiles = self.layers.entry(layer).or_default();
        replayed
            .into_iter()
            .for_each(|(index, tile)| tiles.put(index, tile));
    }

    /// The same for all layers above the lowest.
    pub(super) fn replay_layers(&mut self, rect: &Rect) {
        let layers: Vec<u64> = self.stack.iter().map(|layer| layer.id).collect();
        for layer in layers.into_iter().filter(|id| *id != LOWEST_LAYER) {
            self.replay_layer(layer, rect);
        }
    }

    /// Brings a tile up to date where a chunk of a stroke above the lowest layer drew on it.
    pub(super) fn redraw_layer_tile(&mut self, index: usize, layer: u64, touched: &Touched) {
        let (tile, end) = (touched.tile, self.entries.len());
        let known = match &self.entries[index].kind {
            EntryKind::Stroke(stroke) => stroke.under.as_ref().and_then(|it| it.get(&tile)),
            EntryKind::Image { .. } => None,
        };
        let under = match known {
            Some(UnderTile::Layer(under)) => under.clone(),
            _ => {
                let under = self.layer_tile(layer, tile, index);
                self.remember_under(index, tile, UnderTile::Layer(under.clone()));
                under
            }
        };
        let drawn = drawn_on(under, &self.strokes_on(layer, index, end), layer, tile);
        self.layers.entry(layer).or_default().put(tile, drawn);
    }

    /// Brings the masks of all other layers up to date where a stroke took the mask away.
    pub(super) fn restore_other_layers(&mut self, own: u64, part: &Rect) {
        if own != LOWEST_LAYER {
            self.replay(part, self.entries.len());
        }
        let painted: Vec<u64> = self.layers.keys().copied().collect();
        for layer in painted.into_iter().filter(|layer| *layer != own) {
            self.replay_layer(layer, part);
        }
    }

    /// Keeps what lies under an open stroke.
    pub(super) fn remember_under(&mut self, index: usize, tile: TileIndex, under: UnderTile) {
        let stroke = self.entries[index].stroke_mut();
        if let Some(known) = stroke.and_then(|stroke| stroke.under.as_mut()) {
            if known.len() >= OPEN_TILES {
                known.clear();
            }
            known.insert(tile, under);
        }
    }

    /// What a stroke covers; nothing for an image.
    pub(super) fn covers(&self, index: usize) -> Rect {
        match self.entries.get(index).map(|entry| &entry.kind) {
            Some(EntryKind::Stroke(stroke)) => stroke.coverage.bounds(),
            _ => Rect::default(),
        }
    }

    /// Where an entry changes the picture, switched on or off.
    pub(super) fn reach(&self, index: usize) -> Rect {
        let Some(EntryKind::Stroke(stroke)) = self.entries.get(index).map(|entry| &entry.kind)
        else {
            return Rect::default();
        };
        let is_over = |layer| {
            self.last_image_over(layer)
                .is_none_or(|image| index > image)
        };
        let mut touched = self.stack.iter().filter(|it| stroke.touches(it.id));
        match touched.any(|layer| is_over(layer.id)) {
            true => self.covers(index),
            false => Rect::default(),
        }
    }
}

impl Floor {
    /// A stroke above the lowest layer is too old to be undone.
    pub(super) fn fold_into_layers(&mut self, stroke: &Stroke, stack: &[StackLayer]) {
        let known = stack.iter().map(|layer| layer.id);
        for layer in known.filter(|id| *id != LOWEST_LAYER && stroke.touches(*id)) {
            let tiles = self.layers.entry(layer).or_default();
            for (index, _) in stroke.coverage.tiles() {
                let mut tile = tiles.get(index).cloned();
                draw_on(&mut tile, stroke, layer, index);
                tiles.put(index, tile);
            }
        }
        self.layers.retain(|_, tiles| !tiles.is_empty());
    }

    /// An image that layers went into is too old to be undone.
    pub(super) fn fold_image_over(&mut self, stack: &[StackLayer]) {
        for layer in stack.iter().filter(|layer| layer.is_shown) {
            self.layers.remove(&layer.id);
        }
    }
}

/// A tile of a layer with strokes drawn over it.
fn drawn_on(
    mut tile: Option<Arc<LayerTile>>,
    strokes: &[&Stroke],
    layer: u64,
    index: TileIndex,
) -> Option<Arc<LayerTile>> {
    strokes
        .iter()
        .for_each(|stroke| draw_on(&mut tile, stroke, layer, index));
    tile
}

/// Draws a stroke on a tile of a layer, if it touches it.
fn draw_on(tile: &mut Option<Arc<LayerTile>>, stroke: &Stroke, layer: u64, index: TileIndex) {
    let Some(covered) = stroke
        .coverage
        .tile(index)
        .filter(|_| stroke.touches(layer))
    else {
        return;
    };
    // What takes the mask away paints nothing new.
    if tile.is_none() && matches!(stroke.ink.tool, Tool::Restore | Tool::Erase) {
        return;
    }
    let tile = tile.get_or_insert_with(|| Arc::new(LayerTile::new()));
    Arc::make_mut(tile).compose(stroke, covered, index);
}
