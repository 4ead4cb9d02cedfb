//! Sets of square cells of the canvas: what is dirty, for frames and for renders.

use crate::protocol::{CanvasSize, Rect};

/// A set of cells in a grid over the canvas. Its memory does not grow with what is marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellSet {
    side: u32,
    size: CanvasSize,
    columns: u32,
    rows: u32,
    marked: Vec<bool>,
    count: usize,
}

/// Column and row of a cell.
pub type Cell = (u32, u32);

impl CellSet {
    /// No cell of a canvas of `size`, in cells of `side` pixels.
    pub fn new(size: CanvasSize, side: u32) -> Self {
        let columns = size.width.div_ceil(side);
        let rows = size.height.div_ceil(side);
        let marked = vec![false; columns as usize * rows as usize];
        Self {
            side,
            size,
            columns,
            rows,
            marked,
            count: 0,
        }
    }

    /// Pixels along a side of a cell.
    pub fn side(&self) -> u32 {
        self.side
    }

    /// Cells side by side.
    pub fn columns(&self) -> u32 {
        self.columns
    }

    /// Cells one below the other.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// True when no cell is marked.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The position of a cell in arrays of one value per cell.
    pub fn index(&self, (column, row): Cell) -> usize {
        row as usize * self.columns as usize + column as usize
    }

    /// The cell at a position in arrays of one value per cell.
    pub fn cell(&self, index: usize) -> Cell {
        let columns = self.columns as usize;
        ((index % columns) as u32, (index / columns) as u32)
    }

    /// True when the cell is marked.
    pub fn contains(&self, cell: Cell) -> bool {
        cell.0 < self.columns && cell.1 < self.rows && self.marked[self.index(cell)]
    }

    /// Marks a cell.
    pub fn insert(&mut self, cell: Cell) {
        let index = self.index(cell);
        self.count += usize::from(!self.marked[index]);
        self.marked[index] = true;
    }

    /// Takes a cell's mark away.
    pub fn remove(&mut self, cell: Cell) {
        let index = self.index(cell);
        self.count -= usize::from(self.marked[index]);
        self.marked[index] = false;
    }

    /// Takes all marks away.
    pub fn clear(&mut self) {
        self.marked.fill(false);
        self.count = 0;
    }

    /// Canvas pixels of a cell.
    pub fn cell_rect(&self, (column, row): Cell) -> Rect {
        self.rect_of((column, row), (column, row))
    }

    /// Canvas pixels of the cells from `first` to `last`, both inclusive.
    pub fn rect_of(&self, first: Cell, last: Cell) -> Rect {
        let canvas = Rect::new(0, 0, self.size.width, self.size.height);
        Rect::new(
            first.0 * self.side,
            first.1 * self.side,
            (last.0 - first.0 + 1) * self.side,
            (last.1 - first.1 + 1) * self.side,
        )
        .intersect(&canvas)
    }

    /// Every cell that shares a pixel with `rect`.
    pub fn cells_touching(&self, rect: &Rect) -> impl Iterator<Item = Cell> + use<> {
        let rect = rect.intersect(&Rect::new(0, 0, self.size.width, self.size.height));
        let side = self.side;
        let columns = rect.x / side..rect.right().div_ceil(side);
        let rows = rect.y / side..rect.bottom().div_ceil(side);
        rows.flat_map(move |row| columns.clone().map(move |column| (column, row)))
            .filter(move |_| !rect.is_empty())
    }

    /// Marks every cell that shares a pixel with `rect`.
    pub fn insert_rect(&mut self, rect: &Rect) {
        for cell in self.cells_touching(rect) {
            self.insert(cell);
        }
    }

    /// Marks every cell that `other` marks, where it shares a pixel with `within`.
    pub fn insert_from(&mut self, other: &CellSet, within: &Rect) {
        for cell in self.cells_touching(within) {
            if other.contains(cell) {
                self.insert(cell);
            }
        }
    }

    /// Removes the cells whose centre is inside `rect`: of rectangles that lie side by side,
    /// exactly one takes each cell.
    pub fn remove_centred_in(&mut self, rect: &Rect) {
        for cell in self.cells_touching(rect) {
            if self.is_centred_in(cell, rect) {
                self.remove(cell);
            }
        }
    }

    /// True when a marked cell has its centre inside `rect`.
    pub fn any_centred_in(&self, rect: &Rect) -> bool {
        self.cells_touching(rect)
            .any(|cell| self.contains(cell) && self.is_centred_in(cell, rect))
    }

    fn is_centred_in(&self, cell: Cell, rect: &Rect) -> bool {
        let pixels = self.cell_rect(cell);
        rect.contains(&Rect::new(
            pixels.x + pixels.width / 2,
            pixels.y + pixels.height / 2,
            1,
            1,
        ))
    }

    /// The marked cells.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        self.marked
            .iter()
            .enumerate()
            .filter(|(_, marked)| **marked)
            .map(|(i, _)| self.cell(i))
    }

    /// The rectangle around the marked cells that hang together (diagonals count) with the one
    /// nearest to `focus`, in canvas pixels; none when no cell is marked.
    pub fn region_nearest(&self, focus: (f32, f32)) -> Option<Rect> {
        let nearest = self.cells().min_by(|a, b| {
            let near = |cell: &Cell| squared_distance(&self.cell_rect(*cell), focus);
            near(a).total_cmp(&near(b))
        })?;
        let mut seen = vec![false; self.marked.len()];
        seen[self.index(nearest)] = true;
        let mut waiting = vec![nearest];
        let (mut first, mut last) = (nearest, nearest);
        while let Some((column, row)) = waiting.pop() {
            first = (first.0.min(column), first.1.min(row));
            last = (last.0.max(column), last.1.max(row));
            for next_row in row.saturating_sub(1)..=(row + 1).min(self.rows - 1) {
                for next_column in column.saturating_sub(1)..=(column + 1).min(self.columns - 1) {
                    let index = self.index((next_column, next_row));
                    if self.marked[index] && !seen[index] {
                        seen[index] = true;
                        waiting.push((next_column, next_row));
                    }
                }
            }
        }
        Some(self.rect_of(first, last))
    }
}

/// From a point to the nearest pixel of a rectangle, squared; 0 inside.
pub fn squared_distance(rect: &Rect, (x, y): (f32, f32)) -> f32 {
    let across = (rect.x as f32 - x).max(x - rect.right() as f32).max(0.0);
    let down = (rect.y as f32 - y).max(y - rect.bottom() as f32).max(0.0);
    across * across + down * down
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: CanvasSize = CanvasSize {
        width: 128,
        height: 192,
    };

    #[test]
    fn finds_the_region_that_hangs_together() {
        let mut cells = CellSet::new(SIZE, 16);
        cells.insert_rect(&Rect::new(0, 0, 20, 10));
        cells.insert_rect(&Rect::new(40, 30, 3, 3));
        cells.insert_rect(&Rect::new(100, 150, 28, 42));
        assert_eq!(
            cells.region_nearest((120.0, 190.0)),
            Some(Rect::new(96, 144, 32, 48))
        );
        // 0…32 × 0…16 touches 32…48 × 16…48 at a corner.
        assert_eq!(
            cells.region_nearest((0.0, 0.0)),
            Some(Rect::new(0, 0, 48, 48))
        );
        cells.clear();
        assert_eq!(cells.region_nearest((0.0, 0.0)), None);
    }

    proptest! {
        #[test]
        fn marks_exactly_the_cells_that_share_a_pixel(
            x in 0u32..140, y in 0u32..200, width in 0u32..80, height in 0u32..80,
        ) {
            let rect = Rect::new(x, y, width, height);
            let mut cells = CellSet::new(SIZE, 16);
            cells.insert_rect(&rect);
            let empty = CellSet::new(SIZE, 16);
            for index in 0..empty.marked.len() {
                let cell = empty.cell(index);
                let shares = !empty.cell_rect(cell).intersect(&rect).is_empty();
                prop_assert_eq!(cells.contains(cell), shares);
            }
            prop_assert_eq!(cells.cells().count(), cells.count);
        }

        #[test]
        fn neighbours_take_each_cell_once(split in 1u32..128) {
            let mut cells = CellSet::new(SIZE, 16);
            cells.insert_rect(&Rect::new(0, 0, 128, 192));
            let all = cells.count;
            cells.remove_centred_in(&Rect::new(0, 0, split, 192));
            let left = cells.clone();
            cells.remove_centred_in(&Rect::new(split, 0, 128 - split, 192));
            prop_assert!(cells.is_empty());
            prop_assert!(left.count <= all);
        }
    }
}
