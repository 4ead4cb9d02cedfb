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

    /// Raises the pixels of `rect` to the values that `row(y)` gives for each
    /// canvas row, `rect.width` of them; larger values stay. Calls `touched`
    /// with each tile before it changes, and the part of it that may change.
    pub(super) fn raise<'a>(
        &mut self,
        rect: &Rect,
        row: impl Fn(u32) -> &'a [u8],
        mut touched: impl FnMut(TileIndex, Option<&[u8]>, &Rect),
    ) {
        self.bounds = self.bounds.union(rect);
        for index in tiles_of(rect) {
            let tile = tile_rect(index);
            let part = tile.intersect(rect);
            touched(index, self.tile(index), &part);
            let values = self
                .tiles
                .entry(index)
                .or_insert_with(|| vec![0; TILE_AREA].into_boxed_slice());
            for y in part.y..part.bottom() {
                let at = ((y - tile.y) * TILE + part.x - tile.x) as usize;
                let source = &row(y)[(part.x - rect.x) as usize..][..part.width as usize];
                for (value, new) in values[at..].iter_mut().zip(source) {
                    *value = (*value).max(*new);
                }
            }
        }
    }
}
