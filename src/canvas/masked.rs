//! Where the mask is.

use super::layers::Canvas;
use super::tile::{tile_rect, tiles_of};
use crate::protocol::Rect;

impl Canvas {
    /// Rectangles around what the mask covers inside `within`: at most one for each tile.
    pub fn masked_rects(&self, within: &Rect) -> Vec<Rect> {
        let within = within.intersect(&self.bounds);
        let around = within.inflate_within(self.dilation, &self.bounds);
        tiles_of(&around)
            .filter_map(|index| {
                let tile = tile_rect(index).intersect(&self.bounds);
                let painted = self.footprint().crop(&tile).bounds();
                let painted = Rect::new(
                    tile.x + painted.x,
                    tile.y + painted.y,
                    painted.width,
                    painted.height,
                );
                let masked = painted
                    .inflate_within(self.dilation, &self.bounds)
                    .intersect(&within);
                (!masked.is_empty()).then_some(masked)
            })
            .collect()
    }
}
