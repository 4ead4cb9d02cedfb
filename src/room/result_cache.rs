//! Results by what they were made from: going back shows the same bytes, and needs no render.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::document::{Document, PictureKey};
use crate::{
    canvas::{Cell, CellSet, Pixels, TILE},
    protocol::Rect,
};

/// The newest results of a room that were final when something else took their place.
#[derive(Debug)]
pub(super) struct ResultCache {
    /// The newest last.
    results: VecDeque<CachedResult>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct CachedResult {
    key: PictureKey,
    /// What the mask covers; elsewhere a result is its sketch. Equal tiles of neighbours are one.
    tiles: BTreeMap<Cell, Arc<Pixels>>,
}

impl ResultCache {
    /// A cache of `bytes_max` bytes of pixels.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            results: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Keeps the document's result, where it is final.
    pub(super) fn keep(&mut self, document: &Document) {
        if !document.is_rendered() {
            return;
        }
        let (canvas, key) = (document.canvas(), document.picture_key());
        let mut masked = CellSet::new(canvas.size(), TILE);
        for rect in canvas.masked_rects(&canvas.bounds()) {
            masked.insert_rect(&rect);
        }
        let tile_bytes = (TILE * TILE * 3) as usize;
        if masked.cells().count() * tile_bytes > self.bytes_max {
            return;
        }
        let newest = self.results.back();
        let mut added = 0;
        let tiles = masked.cells().map(|cell| {
            let pixels = canvas.result().crop(&masked.cell_rect(cell));
            let same = newest
                .and_then(|result| result.tiles.get(&cell))
                .filter(|before| ***before == pixels);
            let tile = same.cloned().unwrap_or_else(|| {
                added += pixels.data().len();
                Arc::new(pixels)
            });
            (cell, tile)
        });
        let tiles = tiles.collect();
        self.bytes += added;
        if let Some(before) = self.results.iter().position(|result| result.key == key) {
            let before = self.results.remove(before);
            self.forget(before);
        }
        self.results.push_back(CachedResult { key, tiles });
        while self.bytes > self.bytes_max {
            let oldest = self.results.pop_front();
            self.forget(oldest);
        }
    }

    /// Where the document's result is another than the one that is kept of it, with that one's
    /// pixels; none where none is kept.
    pub(super) fn differences(&self, document: &Document) -> Option<Vec<(Rect, &Pixels)>> {
        let key = document.picture_key();
        let kept = self.results.iter().find(|result| result.key == key)?;
        let canvas = document.canvas();
        let grid = CellSet::new(canvas.size(), TILE);
        let tiles = kept.tiles.iter();
        let tiles = tiles.map(|(cell, tile)| (grid.cell_rect(*cell), &**tile));
        let differing = tiles.filter(|(rect, tile)| canvas.result().crop(rect) != **tile);
        Some(differing.collect())
    }

    fn forget(&mut self, result: Option<CachedResult>) {
        for (_, tile) in result.into_iter().flat_map(|result| result.tiles) {
            if let Ok(pixels) = Arc::try_unwrap(tile) {
                self.bytes -= pixels.data().len();
            }
        }
    }
}
