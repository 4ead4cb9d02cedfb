//! Sparse tiles.

use std::collections::HashMap;

use crate::protocol::Rect;

/// Side of a tile, in pixels.
pub const TILE: u32 = 64;

/// Bytes of one tile of coverage.
pub(super) const TILE_AREA: usize = (TILE * TILE) as usize;

/// Column and row of a tile on the canvas.
pub(super) type TileIndex = (u32, u32);

/// The pixels of a tile.
pub(super) const fn tile_rect((column, row): TileIndex) -> Rect {
    Rect::new(column * TILE, row * TILE, TILE, TILE)
}

/// The tiles that a rectangle touches, row after row.
pub(super) fn tiles_of(rect: &Rect) -> impl Iterator<Item = TileIndex> + use<> {
    let rect = *rect;
    let rows = if rect.is_empty() {
        0..0
    } else {
        rect.y / TILE..(rect.bottom() - 1) / TILE + 1
    };
    let columns = if rect.is_empty() {
        0..0
    } else {
        rect.x / TILE..(rect.right() - 1) / TILE + 1
    };
    rows.flat_map(move |row| columns.clone().map(move |column| (column, row)))
}

/// The tiles around a rectangle, as one.
pub(super) fn whole_tiles(rect: &Rect) -> Rect {
    let (left, top) = (rect.x / TILE * TILE, rect.y / TILE * TILE);
    let right = rect.right().next_multiple_of(TILE);
    let bottom = rect.bottom().next_multiple_of(TILE);
    Rect::new(left, top, right - left, bottom - top)
}

/// How much of each pixel a stroke covers, 0 … 255, in tiles that exist only
/// where the stroke went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Coverage {
    tiles: HashMap<TileIndex, Box<[u8]>>,
    bounds: Rect,
}

impl Coverage {
    /// The smallest rectangle around all that was covered.
    pub(super) const fn bounds(&self) -> Rect {
        self.bounds
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.tiles.len() * TILE_AREA
    }

    /// A tile's values, row after row, if the stroke went there.
    pub(super) fn tile(&self, index: TileIndex) -> Option<&[u8]> {
        self.tiles.get(&index).map(|tile| &**tile)
    }

    /// Every tile and its values, in no order that means anything.
    pub(super) fn tiles(&self) -> impl Iterator<Item = (TileIndex, &[u8])> {
        self.tiles.iter().map(|(index, values)| (*index, &**values))
    }

    /// Says that the stroke reaches so far.
    pub(super) fn extend_bounds(&mut self, rect: &Rect) {
        self.bounds = self.bounds.union(rect);
    }

    /// Raises a tile's values inside `part` to these, where they are larger.
    pub(super) fn raise(&mut self, index: TileIndex, values: &[u8], part: &Rect) {
        self.bounds = self.bounds.union(part);
        let tile = self.tiles.entry(index);
        let tile = tile.or_insert_with(|| vec![0; TILE_AREA].into_boxed_slice());
        for (value, raised) in tile.iter_mut().zip(values) {
            *value = (*value).max(*raised);
        }
    }

    /// Puts a tile's values, of which those in `part` may have been raised.
    pub(super) fn put(&mut self, index: TileIndex, values: Box<[u8]>, part: &Rect) {
        self.bounds = self.bounds.union(part);
        self.tiles.insert(index, values);
    }
}
