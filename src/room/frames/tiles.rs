//! The tiles of a room's picture, the same for every member: what made them, and what they show.

use std::time::Instant;

use crate::{
    canvas::{Cell, CellSet, TILE},
    protocol::{CanvasSize, Layer, Rect},
};

/// What is known of a tile of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ResultTile {
    /// `seq` of the last op that its pixels include.
    pub(super) rev: u64,
    /// The step that made it, 0 before any.
    pub(super) step: u32,
    /// Steps of the render that made it.
    pub(super) steps: u32,
    /// True once no better render of it is planned.
    pub(super) is_final: bool,
}

/// The tiles of a room's picture.
#[derive(Debug)]
pub(super) struct Tiles {
    pub(super) grid: CellSet,
    result: Vec<ResultTile>,
    /// Where a render shows an op for the first time: when the op came in. Whoever gets the tile
    /// first takes it.
    arrived: Vec<Option<Instant>>,
    pub(super) versions: [u64; 2],
}

/// The place of a layer in arrays of one value per layer.
pub(super) fn slot(layer: Layer) -> usize {
    match layer {
        Layer::Result => 0,
        Layer::Sketch => 1,
    }
}

impl Tiles {
    pub(super) fn new(size: CanvasSize) -> Self {
        let grid = CellSet::new(size, TILE);
        let tiles = grid.columns() as usize * grid.rows() as usize;
        Self {
            grid,
            result: vec![ResultTile::default(); tiles],
            arrived: vec![None; tiles],
            versions: [0; 2],
        }
    }

    /// The tiles that share a pixel with `rect`.
    pub(super) fn touching(&self, rect: &Rect) -> impl Iterator<Item = Cell> + use<> {
        self.grid.cells_touching(rect)
    }

    /// Canvas pixels of a tile.
    pub(super) fn rect(&self, tile: Cell) -> Rect {
        self.grid.cell_rect(tile)
    }

    pub(super) fn result(&self, tile: Cell) -> &ResultTile {
        &self.result[self.grid.index(tile)]
    }

    pub(super) fn result_mut(&mut self, tile: Cell) -> &mut ResultTile {
        let index = self.grid.index(tile);
        &mut self.result[index]
    }

    /// The layer's pixels changed somewhere.
    pub(super) fn touch(&mut self, layer: Layer) {
        self.versions[slot(layer)] += 1;
    }

    pub(super) fn state(&self, layer: Layer, tile: Cell, seq: u64) -> ResultTile {
        match layer {
            Layer::Result => *self.result(tile),
            // The sketch is a replay of every op, so the last one is always in it.
            Layer::Sketch => ResultTile {
                rev: seq,
                is_final: true,
                ..ResultTile::default()
            },
        }
    }

    /// A render shows an op in this tile that came in then.
    pub(super) fn set_arrived(&mut self, tile: Cell, arrived: Instant) {
        let waiting = &mut self.arrived[self.grid.index(tile)];
        *waiting = Some(waiting.map_or(arrived, |before| before.min(arrived)));
    }

    /// When the oldest op came in that these tiles show for the first time.
    pub(super) fn take_arrived(&mut self, rect: &Rect) -> Option<Instant> {
        let tiles = self.touching(rect);
        let arrived = tiles.filter_map(|tile| self.arrived[self.grid.index(tile)].take());
        arrived.min()
    }
}
