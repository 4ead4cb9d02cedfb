//! The pixels of a layer above the lowest: only where something is painted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Pixels;
use super::tile::{TILE, TILE_AREA, TileIndex, tile_rect};
use crate::protocol::{CanvasSize, Rect};

/// Bytes of one tile of a layer: red, green, blue, alpha, and the mask.
pub(super) const LAYER_TILE_BYTES: usize = TILE_AREA * 5;

/// A tile of a layer: straight RGBA, and where the layer's strokes let the model repaint. Where alpha
/// is 0 the colours are too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LayerTile {
    pub(super) rgba: Box<[u8]>,
    pub(super) footprint: Box<[u8]>,
}

/// The tiles of a layer that have something on them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LayerTiles(BTreeMap<TileIndex, Arc<LayerTile>>);

/// What is painted on a layer at one moment. The tiles are shared, so that it takes no memory.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerCopy {
    pub(super) tiles: LayerTiles,
    pub(super) canvas: Rect,
}

/// A picture with transparency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerPixels {
    /// The colours; black where it is wholly transparent.
    pub color: Pixels,
    /// How opaque each pixel is, row after row.
    pub alpha: Vec<u8>,
}

impl LayerTile {
    /// Nothing.
    pub(super) fn new() -> Self {
        Self {
            rgba: vec![0; TILE_AREA * 4].into_boxed_slice(),
            footprint: vec![0; TILE_AREA].into_boxed_slice(),
        }
    }

    /// True where it has neither paint nor mask.
    fn is_empty(&self) -> bool {
        // Whole slices at once: colours are 0 where alpha is.
        self.rgba.iter().chain(&self.footprint).all(|it| *it == 0)
    }

    /// Colour and alpha of a row inside the tile, `width` pixels from column `x`.
    pub(super) fn row(&self, x: u32, y: u32, width: u32) -> &[u8] {
        let at = ((y * TILE + x) * 4) as usize;
        &self.rgba[at..at + width as usize * 4]
    }

    /// The mask of such a row.
    pub(super) fn footprint_row(&self, x: u32, y: u32, width: u32) -> &[u8] {
        let at = (y * TILE + x) as usize;
        &self.footprint[at..at + width as usize]
    }
}

impl LayerTiles {
    /// The tile, where something is on it.
    pub(super) fn get(&self, index: TileIndex) -> Option<&Arc<LayerTile>> {
        self.0.get(&index)
    }

    /// Puts a tile; one that is empty is left out.
    pub(super) fn put(&mut self, index: TileIndex, tile: Option<Arc<LayerTile>>) {
        match tile.filter(|tile| !tile.is_empty()) {
            Some(tile) => self.0.insert(index, tile),
            None => self.0.remove(&index),
        };
    }

    /// True where nothing is painted.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All tiles, by column and row.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TileIndex, &Arc<LayerTile>)> {
        self.0.iter().map(|(index, tile)| (*index, tile))
    }

    /// The smallest rectangle of whole tiles around all of them.
    pub(super) fn bounds(&self) -> Rect {
        let tiles = self.0.keys().map(|index| tile_rect(*index));
        tiles.fold(Rect::default(), |all, tile| all.union(&tile))
    }

    /// Bytes held, each tile counted whoever else has it.
    pub(super) fn bytes(&self) -> usize {
        self.0.len() * LAYER_TILE_BYTES
    }
}

impl LayerPixels {
    /// Red, green, blue and alpha of each pixel, row after row.
    pub fn to_rgba(&self) -> Vec<u8> {
        let colors = self.color.data().chunks_exact(3).zip(&self.alpha);
        colors
            .flat_map(|(color, alpha)| [color[0], color[1], color[2], *alpha])
            .collect()
    }

    /// A picture of such bytes; none where they do not fill it.
    pub fn from_rgba(size: CanvasSize, rgba: &[u8]) -> Option<Self> {
        let pixels = || rgba.chunks_exact(4);
        let colors = pixels().flat_map(|pixel| match pixel[3] {
            0 => [0; 3],
            _ => [pixel[0], pixel[1], pixel[2]],
        });
        let color = Pixels::from_raw(size.width, size.height, colors.collect()).ok()?;
        let alpha = pixels().map(|pixel| pixel[3]).collect();
        Some(Self { color, alpha })
    }
}

impl LayerCopy {
    /// Its pixels.
    pub fn to_pixels(&self) -> LayerPixels {
        let canvas = &self.canvas;
        let mut color = Pixels::new(canvas.width, canvas.height, [0; 3]);
        let mut alpha = vec![0; canvas.area() as usize];
        for (index, tile) in self.tiles.iter() {
            let rect = tile_rect(index);
            for y in 0..rect.height {
                let at = ((rect.y + y) * canvas.width + rect.x) as usize;
                let colors = color.span_mut(rect.x, rect.y + y, rect.width);
                let alphas = &mut alpha[at..at + rect.width as usize];
                let pixels = tile.row(0, y, rect.width).chunks_exact(4);
                for (pixel, (color, alpha)) in pixels.zip(colors.chunks_exact_mut(3).zip(alphas)) {
                    color.copy_from_slice(&pixel[..3]);
                    *alpha = pixel[3];
                }
            }
        }
        LayerPixels { color, alpha }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_tile_takes_no_memory() {
        let mut tiles = LayerTiles::default();
        tiles.put((1, 2), Some(Arc::new(LayerTile::new())));
        assert!(tiles.is_empty());
        let mut painted = LayerTile::new();
        painted.rgba[3] = 1;
        tiles.put((1, 2), Some(Arc::new(painted)));
        assert_eq!(tiles.bytes(), LAYER_TILE_BYTES);
        assert_eq!(tiles.bounds(), Rect::new(TILE, 2 * TILE, TILE, TILE));
    }
}
