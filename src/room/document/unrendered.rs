//! Where the model still has to paint: what a room that comes back from disk asks for again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::protocol::Rect;

/// Side of the cells that are counted, in pixels: the render queue's, so that a render answers for
/// whole ones.
const CELL: u32 = 16;

/// Cells whose pixels no final render shows yet, by row and column, with the last op that asked
/// for one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(u32, u32, u64)>", into = "Vec<(u32, u32, u64)>")]
pub(in crate::room) struct Unrendered(BTreeMap<(u32, u32), u64>);

impl Unrendered {
    /// The op `seq` wants a rectangle rendered.
    pub(super) fn insert(&mut self, rect: &Rect, seq: u64) {
        for cell in cells_touching(rect) {
            self.0.insert(cell, seq);
        }
    }

    /// A final render that knows the op `seq` answers for a rectangle. Of rectangles side by side
    /// exactly one takes each cell.
    pub(super) fn settle(&mut self, rect: &Rect, seq: u64) {
        for cell in cells_touching(rect) {
            let (row, column) = cell;
            let centre = Rect::new(column * CELL + CELL / 2, row * CELL + CELL / 2, 1, 1);
            if rect.contains(&centre) && self.0.get(&cell).is_some_and(|wanted| *wanted <= seq) {
                self.0.remove(&cell);
            }
        }
    }

    /// Nothing has to be rendered.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// True when nothing has to be rendered.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when every cell that shares a pixel with a rectangle has to be rendered.
    pub(super) fn covers(&self, rect: &Rect) -> bool {
        cells_touching(rect).all(|cell| self.0.contains_key(&cell))
    }

    /// The cells, in canvas pixels.
    pub(super) fn rects(&self) -> impl Iterator<Item = Rect> + '_ {
        let cells = self.0.keys();
        cells.map(|(row, column)| Rect::new(column * CELL, row * CELL, CELL, CELL))
    }
}

impl From<Vec<(u32, u32, u64)>> for Unrendered {
    fn from(cells: Vec<(u32, u32, u64)>) -> Self {
        let cells = cells.into_iter();
        Self(
            cells
                .map(|(row, column, seq)| ((row, column), seq))
                .collect(),
        )
    }
}

impl From<Unrendered> for Vec<(u32, u32, u64)> {
    fn from(unrendered: Unrendered) -> Self {
        let cells = unrendered.0.into_iter();
        cells
            .map(|((row, column), seq)| (row, column, seq))
            .collect()
    }
}

fn cells_touching(rect: &Rect) -> impl Iterator<Item = (u32, u32)> + use<> {
    let rect = *rect;
    let rows = rect.y / CELL..rect.bottom().div_ceil(CELL);
    let columns = rect.x / CELL..rect.right().div_ceil(CELL);
    rows.flat_map(move |row| columns.clone().map(move |column| (row, column)))
        .filter(move |_| !rect.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_render_that_knows_the_op_settles_it() {
        let mut unrendered = Unrendered::default();
        unrendered.insert(&Rect::new(10, 2, 20, 10), 3);
        assert_eq!(unrendered.rects().count(), 2);
        assert!(unrendered.covers(&Rect::new(15, 0, 17, 16)));
        assert!(!unrendered.covers(&Rect::new(15, 0, 18, 16)));
        unrendered.settle(&Rect::new(0, 0, 64, 64), 2);
        assert_eq!(unrendered.rects().count(), 2, "it is older");
        unrendered.insert(&Rect::new(20, 10, 1, 1), 5);
        unrendered.settle(&Rect::new(0, 0, 64, 64), 4);
        assert_eq!(
            unrendered.rects().collect::<Vec<_>>(),
            [Rect::new(16, 0, 16, 16)]
        );
        let kept = serde_json::to_string(&unrendered).unwrap();
        assert_eq!(
            serde_json::from_str::<Unrendered>(&kept).unwrap(),
            unrendered
        );
    }
}
