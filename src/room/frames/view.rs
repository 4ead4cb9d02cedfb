//! What one member still has to see, and the next frame to send: the newest wins.
//!
//! A member that is slow collects dirty tiles, not frames; when its socket is ready the newest
//! pixels of some of them become one frame. A frame's `rev` is never above that of a tile in it, and
//! never below what the member was sent before for one of them.

use std::time::Instant;

use super::tiles::{Tiles, slot};
use crate::{
    canvas::{Cell, CellSet, TILE},
    protocol::{CanvasSize, FrameFormat, Layer, Rect},
};

/// The most tiles on one side of a frame.
const FRAME_TILES: u32 = 8;
/// Frames of more pixels than this are lossy while a better one is to come.
const LOSSLESS_AREA: u64 = 256 * 256;

/// A frame to cut out of a layer and to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::room) struct FramePlan {
    pub(in crate::room) layer: Layer,
    pub(in crate::room) rect: Rect,
    pub(in crate::room) rev: u64,
    pub(in crate::room) step: u32,
    pub(in crate::room) steps: u32,
    pub(in crate::room) is_final: bool,
    pub(in crate::room) format: FrameFormat,
    /// Changes whenever the layer does: plans of one version cut the same pixels.
    pub(in crate::room) version: u64,
    /// When the oldest op came in that this frame is the first to show rendered.
    pub(in crate::room) arrived: Option<Instant>,
}

/// What one member has to see.
#[derive(Debug)]
pub(super) struct View {
    dirty: [CellSet; 2],
    /// Tiles that were sent as a preview; each ends in a final frame.
    previewed: [CellSet; 2],
    sent: [Vec<u64>; 2],
    next_layer: Layer,
    cursor: [usize; 2],
}

fn other(layer: Layer) -> Layer {
    match layer {
        Layer::Result => Layer::Sketch,
        Layer::Sketch => Layer::Result,
    }
}

impl View {
    /// A member that has seen nothing: everything is dirty.
    pub(super) fn new(size: CanvasSize) -> Self {
        let tiles = CellSet::new(size, TILE);
        let mut dirty = tiles.clone();
        dirty.insert_rect(&Rect::new(0, 0, size.width, size.height));
        let sent = vec![0; tiles.columns() as usize * tiles.rows() as usize];
        Self {
            dirty: [dirty.clone(), dirty],
            previewed: [tiles.clone(), tiles],
            sent: [sent.clone(), sent],
            next_layer: Layer::Result,
            cursor: [0; 2],
        }
    }

    /// Pixels of a layer changed.
    pub(super) fn mark(&mut self, layer: Layer, rect: &Rect) {
        self.dirty[slot(layer)].insert_rect(rect);
    }

    /// What was sent as a preview within `rect` is now final.
    pub(super) fn finish(&mut self, rect: &Rect) {
        for layer in 0..2 {
            self.dirty[layer].insert_from(&self.previewed[layer], rect);
        }
    }

    /// True while a frame waits.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty.iter().any(|tiles| !tiles.is_empty())
    }

    /// The next frame, taken out of what is dirty. `seq` is the room's; `resting` says that no
    /// better picture is being made.
    pub(super) fn next_frame(
        &mut self,
        tiles: &mut Tiles,
        seq: u64,
        resting: bool,
    ) -> Option<FramePlan> {
        let layer = if self.dirty[slot(self.next_layer)].is_empty() {
            other(self.next_layer)
        } else {
            self.next_layer
        };
        let (first, last) = self.next_group(tiles, layer, seq)?;
        let slot = slot(layer);
        let state = tiles.state(layer, first, seq);
        let rect = tiles.grid.rect_of(first, last);
        let is_final = match layer {
            Layer::Result => state.is_final || resting,
            Layer::Sketch => resting || rect.area() <= LOSSLESS_AREA,
        };
        let format = if is_final || rect.area() <= LOSSLESS_AREA {
            FrameFormat::Png
        } else {
            FrameFormat::Jpeg
        };
        let mut rev = u64::MAX;
        for tile in tiles.touching(&rect) {
            rev = rev.min(tiles.state(layer, tile, seq).rev);
        }
        for tile in tiles.touching(&rect) {
            self.dirty[slot].remove(tile);
            self.sent[slot][tiles.grid.index(tile)] = rev;
            if is_final {
                self.previewed[slot].remove(tile);
            } else {
                self.previewed[slot].insert(tile);
            }
        }
        self.next_layer = other(layer);
        self.cursor[slot] = tiles.grid.index(last) + 1;
        let version = tiles.versions[slot];
        let (step, steps) = (state.step, state.steps);
        Some(FramePlan {
            layer,
            rect,
            rev,
            step,
            steps,
            is_final,
            format,
            version,
            arrived: match layer {
                Layer::Result => tiles.take_arrived(&rect),
                Layer::Sketch => None,
            },
        })
    }

    /// The next dirty tile after the last frame's, and the rectangle of dirty tiles from it that
    /// can go out in one frame.
    fn next_group(&self, tiles: &Tiles, layer: Layer, seq: u64) -> Option<(Cell, Cell)> {
        let dirty = &self.dirty[slot(layer)];
        let from = self.cursor[slot(layer)];
        let index = |cell: &Cell| dirty.index(*cell);
        let first = dirty
            .cells()
            .find(|cell| index(cell) >= from)
            .or_else(|| dirty.cells().next())?;
        let mut group = Group::of(self, tiles, layer, seq, first)?;
        let mut last = first;
        while last.0 + 1 < dirty.columns() && last.0 - first.0 + 1 < FRAME_TILES {
            let column = last.0 + 1;
            let Some(wider) = group.with(self, tiles, layer, seq, [(column, first.1)]) else {
                break;
            };
            group = wider;
            last.0 = column;
        }
        while last.1 + 1 < dirty.rows() && last.1 - first.1 + 1 < FRAME_TILES {
            let row = last.1 + 1;
            let cells = (first.0..=last.0).map(|column| (column, row));
            let Some(taller) = group.with(self, tiles, layer, seq, cells) else {
                break;
            };
            group = taller;
            last.1 = row;
        }
        Some((first, last))
    }
}

/// Tiles that can share one frame: one render made them, and one `rev` is true for all of them.
#[derive(Clone, Copy)]
struct Group {
    lowest_rev: u64,
    highest_sent: u64,
    made_by: (u32, u32, bool),
}

impl Group {
    fn of(view: &View, tiles: &Tiles, layer: Layer, seq: u64, tile: Cell) -> Option<Self> {
        if !view.dirty[slot(layer)].contains(tile) {
            return None;
        }
        let state = tiles.state(layer, tile, seq);
        Some(Self {
            lowest_rev: state.rev,
            highest_sent: view.sent[slot(layer)][tiles.grid.index(tile)],
            made_by: (state.step, state.steps, state.is_final),
        })
    }

    fn with(
        mut self,
        view: &View,
        tiles: &Tiles,
        layer: Layer,
        seq: u64,
        more: impl IntoIterator<Item = Cell>,
    ) -> Option<Self> {
        for tile in more {
            let next = Self::of(view, tiles, layer, seq, tile)?;
            self.lowest_rev = self.lowest_rev.min(next.lowest_rev);
            self.highest_sent = self.highest_sent.max(next.highest_sent);
            if next.made_by != self.made_by || self.highest_sent > self.lowest_rev {
                return None;
            }
        }
        Some(self)
    }
}
