//! Which tiles of two pictures differ.

use super::Pixels;
use super::tile::{TILE, tile_rect, tiles_of};
use crate::protocol::Rect;

/// The 64-pixel tiles (aligned to the canvas, cut to `within`) in which two
/// pictures of the same size differ, neighbours merged into larger
/// rectangles. The rectangles do not overlap; top to bottom, left to right.
pub fn changed_rects(before: &Pixels, after: &Pixels, within: &Rect) -> Vec<Rect> {
    let within = within
        .intersect(&before.bounds())
        .intersect(&after.bounds());
    let mut done: Vec<Rect> = Vec::new();
    let mut above: Vec<Rect> = Vec::new();
    let mut row: Vec<Rect> = Vec::new();
    let mut row_of_tiles = within.y / TILE;
    for (column, tile_row) in tiles_of(&within) {
        if tile_row != row_of_tiles {
            row_of_tiles = tile_row;
            let merged = merge_rows(&mut done, &above, &row);
            above = merged;
            row.clear();
        }
        let part = tile_rect((column, tile_row)).intersect(&within);
        let differs = (part.y..part.bottom())
            .any(|y| before.span(part.x, y, part.width) != after.span(part.x, y, part.width));
        if !differs {
            continue;
        }
        match row.last_mut() {
            Some(left) if left.right() == part.x => left.width += part.width,
            _ => row.push(part),
        }
    }
    let last = merge_rows(&mut done, &above, &row);
    done.extend(last);
    done.sort_by_key(|rect| (rect.y, rect.x));
    done
}

/// Joins runs of `row` to equal runs that end just above; runs above that
/// find no partner are done.
fn merge_rows(done: &mut Vec<Rect>, above: &[Rect], row: &[Rect]) -> Vec<Rect> {
    let mut open = row.to_vec();
    for upper in above {
        let lower = open.iter_mut().find(|lower| {
            lower.x == upper.x && lower.width == upper.width && lower.y == upper.bottom()
        });
        match lower {
            Some(lower) => *lower = lower.union(upper),
            None => done.push(*upper),
        }
    }
    open
}
