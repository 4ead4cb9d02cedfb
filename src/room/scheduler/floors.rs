//! Which renders are too old to be shown where.

use crate::{
    canvas::{CellSet, Mask, TILE},
    protocol::{CanvasSize, Rect},
};

/// For each tile of the canvas the oldest `rev` of a render that may still change it.
#[derive(Debug)]
pub(super) struct Floors {
    grid: CellSet,
    revs: Vec<u64>,
}

/// What may be shown of a render.
#[derive(Debug)]
pub(super) struct Admissible {
    /// The render's mask, 0 where a newer op or render stands.
    pub(super) mask: Mask,
    /// The parts that are shown, one for each tile.
    pub(super) shown: Vec<Rect>,
    /// The parts that are too old, one for each tile.
    pub(super) stale: Vec<Rect>,
}

impl Floors {
    pub(super) fn new(size: CanvasSize) -> Self {
        let grid = CellSet::new(size, TILE);
        let tiles = grid.columns() as usize * grid.rows() as usize;
        Self {
            grid,
            revs: vec![0; tiles],
        }
    }

    /// Renders that do not know the op `rev` may not change these pixels.
    pub(super) fn raise(&mut self, rect: &Rect, rev: u64) {
        for tile in self.grid.cells_touching(rect) {
            let index = self.grid.index(tile);
            self.revs[index] = self.revs[index].max(rev);
        }
    }

    /// What may be shown of a render of a window that knows the op `rev`; nothing older is shown
    /// there any more. Tiles where its mask is 0 are neither shown nor too old.
    pub(super) fn admit(&mut self, window: &Rect, mask: &Mask, rev: u64) -> Admissible {
        let mut mask = mask.clone();
        let (mut shown, mut stale) = (Vec::new(), Vec::new());
        for tile in self.grid.cells_touching(window) {
            let part = self.grid.cell_rect(tile).intersect(window);
            let local = Rect::new(
                part.x - window.x,
                part.y - window.y,
                part.width,
                part.height,
            );
            if mask.crop(&local).bounds().is_empty() {
                continue;
            }
            let index = self.grid.index(tile);
            if self.revs[index] <= rev {
                self.revs[index] = rev;
                shown.push(part);
                continue;
            }
            for row in local.y..local.bottom() {
                mask.span_mut(local.x, row, local.width).fill(0);
            }
            stale.push(part);
        }
        Admissible { mask, shown, stale }
    }
}
