//! Sets of cells as masks whose edges fade.

use super::cells::CellSet;
use super::mask::Mask;
use crate::protocol::Rect;

impl CellSet {
    /// The marked cells without those at the edge of the set; where it ends with the canvas, it has no
    /// edge. The set as it is where nothing would be left.
    #[must_use]
    pub fn without_edge(&self) -> CellSet {
        let mut inner = self.clone();
        for (column, row) in self.cells() {
            let columns = column.saturating_sub(1)..=(column + 1).min(self.columns() - 1);
            let mut rows = row.saturating_sub(1)..=(row + 1).min(self.rows() - 1);
            let is_inside =
                rows.all(|row| columns.clone().all(|column| self.contains((column, row))));
            if !is_inside {
                inner.remove((column, row));
            }
        }
        match inner.is_empty() {
            true => self.clone(),
            false => inner,
        }
    }

    /// The marked cells inside `rect` as a mask of its size: 255 in them, falling smoothly to 0
    /// within `fade` cells around them. Two rectangles agree where they overlap.
    pub fn softened(&self, rect: &Rect, fade: u32) -> Mask {
        let mut mask = Mask::new(rect.width, rect.height, 0);
        if rect.is_empty() {
            return mask;
        }
        let first = (rect.x / self.side(), rect.y / self.side());
        let last = (
            (rect.right() - 1) / self.side(),
            (rect.bottom() - 1) / self.side(),
        );
        let across = (last.0 - first.0 + 2) as usize;
        let corners: Vec<f32> = (first.1..=last.1 + 1)
            .flat_map(|y| (first.0..=last.0 + 1).map(move |x| (x, y)))
            .map(|corner| self.nearness(corner, fade))
            .collect();
        let side = self.side() as f32;
        for y in 0..rect.height {
            let down = (rect.y + y) as f32 + 0.5;
            let row = ((rect.y + y) / self.side() - first.1) as usize * across;
            let below = (down / side).fract();
            for (x, value) in mask.span_mut(0, y, rect.width).iter_mut().enumerate() {
                let at = rect.x + x as u32;
                let left = row + (at / self.side() - first.0) as usize;
                let beside = ((at as f32 + 0.5) / side).fract();
                let mix = |at: usize| corners[at] + (corners[at + 1] - corners[at]) * beside;
                let (above, under) = (mix(left), mix(left + across));
                let weight = above + (under - above) * below;
                *value = (255.0 * weight * weight * (3.0 - 2.0 * weight)).round() as u8;
            }
        }
        mask
    }

    /// 1 at a corner of a marked cell, 0 where the nearest is `fade` cells away or more.
    fn nearness(&self, (x, y): (u32, u32), fade: u32) -> f32 {
        let columns = x.saturating_sub(fade + 1)..(x + fade + 1).min(self.columns());
        let rows = y.saturating_sub(fade + 1)..(y + fade + 1).min(self.rows());
        let gap = |at: u32, cell: u32| (cell as f32 - at as f32).max(at as f32 - cell as f32 - 1.0);
        let nearest = rows
            .flat_map(|row| columns.clone().map(move |column| (column, row)))
            .filter(|cell| self.contains(*cell))
            .map(|cell| gap(x, cell.0).max(0.0).hypot(gap(y, cell.1).max(0.0)))
            .fold(f32::INFINITY, f32::min);
        (1.0 - nearest / fade.max(1) as f32).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::CanvasSize;

    const SIZE: CanvasSize = CanvasSize {
        width: 160,
        height: 128,
    };
    const SIDE: u32 = 16;
    const FADE: u32 = 2;

    proptest! {
        #[test]
        fn is_full_in_marked_cells_and_nothing_far_from_them(
            marked in prop::collection::vec((0u32..10, 0u32..8), 0..6),
            x in 0u32..150, y in 0u32..120, width in 1u32..160, height in 1u32..128,
        ) {
            let mut cells = CellSet::new(SIZE, SIDE);
            marked.iter().for_each(|cell| cells.insert(*cell));
            let rect = Rect::new(x, y, width, height)
                .intersect(&Rect::new(0, 0, SIZE.width, SIZE.height));
            let mask = cells.softened(&rect, FADE);
            let whole = cells.softened(&Rect::new(0, 0, SIZE.width, SIZE.height), FADE);
            prop_assert_eq!(&whole.crop(&rect), &mask);
            for down in 0..rect.height {
                for across in 0..rect.width {
                    let (column, row) = ((rect.x + across) / SIDE, (rect.y + down) / SIDE);
                    let value = mask.value(across, down);
                    if cells.contains((column, row)) {
                        prop_assert_eq!(value, 255);
                    }
                    let near = |cell: &(u32, u32)| {
                        cell.0.abs_diff(column) <= FADE && cell.1.abs_diff(row) <= FADE
                    };
                    if !marked.iter().any(near) {
                        prop_assert_eq!(value, 0);
                    }
                }
            }
        }
    }

    #[test]
    fn the_edge_goes_where_something_is_left() {
        let mut cells = CellSet::new(SIZE, SIDE);
        cells.insert_rect(&Rect::new(0, 32, 64, 64));
        let inner: Vec<_> = cells.without_edge().cells().collect();
        assert_eq!(inner, [(0, 3), (1, 3), (2, 3), (0, 4), (1, 4), (2, 4)]);
        let mut thin = CellSet::new(SIZE, SIDE);
        thin.insert_rect(&Rect::new(32, 32, 64, 32));
        assert_eq!(thin.without_edge(), thin);
    }

    #[test]
    fn falls_from_one_cell_to_the_next() {
        let mut cells = CellSet::new(SIZE, SIDE);
        cells.insert((2, 2));
        let mask = cells.softened(&Rect::new(0, 0, SIZE.width, SIZE.height), FADE);
        let row: Vec<u8> = (48..96).map(|x| mask.value(x, 40)).collect();
        assert!(row.is_sorted_by(|a, b| a >= b), "{row:?}");
        assert!(row[0] > 250 && row[8] > 128 && row[24] < 128 && row[31] < 5);
        assert_eq!(row[32], 0);
    }
}
