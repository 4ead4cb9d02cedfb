//! How a photo is cut into patches that are inverted one by one.

use super::WindowRules;
use crate::protocol::Rect;

/// Fraction of a patch's side that are context, on each side where the photo goes on.
const CONTEXT_FRACTION: u32 = 4;

/// A part of a photo that is inverted in one piece, in canvas pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhotoPatch {
    /// What the model sees: as large as its windows may be, or as the canvas where that is less.
    pub rect: Rect,
    /// The part that is kept.
    pub core: Rect,
}

/// The patches of a photo as large as `canvas`, which lies at the origin, row after row. Their cores
/// partition it; each core has context around it where the photo goes on. The same canvas and
/// rules give the same patches, and every edge lies on the rules' grid as far as the canvas's does.
/// A photo is seen as large as it is: the rules' zoom does not count.
pub fn photo_patches(canvas: &Rect, rules: &WindowRules) -> Vec<PhotoPatch> {
    let grid = rules.grid.max(1);
    let most = (rules.maximum / grid * grid).max(grid);
    let context = most / CONTEXT_FRACTION / grid * grid;
    let columns = extents(canvas.width, most, context);
    let rows = extents(canvas.height, most, context);
    let rect = |x: (u32, u32), y: (u32, u32)| Rect::new(x.0, y.0, x.1 - x.0, y.1 - y.0);
    rows.iter()
        .flat_map(|row| {
            columns.iter().map(|column| PhotoPatch {
                rect: rect(column.0, row.0),
                core: rect(column.1, row.1),
            })
        })
        .collect()
}

/// Start and end of each patch and of its core, along one axis.
type Extent = ((u32, u32), (u32, u32));

fn extents(side: u32, most: u32, context: u32) -> Vec<Extent> {
    let mut extents = Vec::new();
    let mut from = 0;
    while from < side {
        // The last patch is moved back so that it is as large as the others.
        let start = from.saturating_sub(context).min(side.saturating_sub(most));
        let end = (start + most).min(side);
        let to = if end == side { side } else { end - context };
        extents.push(((start, end), (from, to)));
        from = to;
    }
    extents
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cores_partition_the_photo_and_lie_in_their_patches(
            columns in 1u32..20,
            rows in 1u32..20,
            halvings in 0u32..4,
            sides in 1u32..9,
        ) {
            let grid = 8 << halvings;
            let rules = WindowRules { zoom: 1, grid, context: 16, minimum: grid, maximum: grid * sides };
            let canvas = Rect::new(0, 0, 64 * columns, 64 * rows);
            let mut covered = vec![0u8; (columns * rows * 64) as usize];
            for PhotoPatch { rect, core } in photo_patches(&canvas, &rules) {
                prop_assert!(canvas.contains(&rect) && rect.contains(&core) && !core.is_empty());
                prop_assert!(rect.width == canvas.width.min(rules.maximum));
                prop_assert!(rect.height == canvas.height.min(rules.maximum));
                prop_assert!([core.x, core.y, rect.x, rect.y].iter().all(|edge| edge % 8 == 0));
                // In cells of 8 pixels.
                for y in (core.y..core.bottom()).step_by(8) {
                    for x in (core.x..core.right()).step_by(8) {
                        let cell = y / 8 * columns * 8 + x / 8;
                        covered[cell as usize] += 1;
                    }
                }
            }
            prop_assert!(covered.iter().all(|times| *times == 1), "each cell has one core");
        }
    }

    #[test]
    fn context_is_a_quarter_of_a_patch_on_the_grid() {
        let rules = WindowRules {
            zoom: 1,
            grid: 64,
            context: 16,
            minimum: 128,
            maximum: 256,
        };
        let patches = photo_patches(&Rect::new(0, 0, 512, 64), &rules);
        let along: Vec<_> = patches
            .iter()
            .map(|patch| {
                (
                    patch.rect.x,
                    patch.core.x,
                    patch.core.right(),
                    patch.rect.right(),
                )
            })
            .collect();
        assert_eq!(
            along,
            [(0, 0, 192, 256), (128, 192, 320, 384), (256, 320, 512, 512)]
        );
    }
}
