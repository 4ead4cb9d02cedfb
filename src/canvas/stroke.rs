//! Points of a stroke become coverage, tile by tile.

use std::ops::Range;

use super::sweep::Sweep;
use super::tile::{Coverage, TILE, TILE_AREA, TileIndex, tile_rect};
use crate::protocol::{CanvasSize, MAX_BRUSH_SIZE, Rect, StrokePoint};

/// How far outside the canvas a point may be; further ones are moved here, so
/// that no segment has a length without end.
const MARGIN: f32 = 2.0 * MAX_BRUSH_SIZE;

/// Follows one stroke, chunk after chunk. All that a later point depends on is the last one, so the
/// cut into chunks changes nothing.
#[derive(Clone, Debug)]
pub(super) struct Pen {
    pub(super) size: f32,
    pub(super) hardness: f32,
    pub(super) last: Option<StrokePoint>,
}

impl Pen {
    /// A stroke that has no point yet. `size` is the diameter at pressure 1,
    /// above 0 and at most [`MAX_BRUSH_SIZE`]; `hardness` 0 … 1.
    pub(super) const fn new(size: f32, hardness: f32) -> Self {
        Self {
            size,
            hardness,
            last: None,
        }
    }

    /// The sweeps that `points` add. Points that are not finite are skipped.
    pub(super) fn follow(&mut self, points: &[StrokePoint], canvas: CanvasSize) -> Vec<Sweep> {
        let mut sweeps = Vec::with_capacity(points.len());
        for point in points.iter().filter_map(|point| placed(point, canvas)) {
            let from = self.last.replace(point).unwrap_or(point);
            sweeps.extend(Sweep::new(from, point, self.size, self.hardness));
        }
        sweeps
    }

    /// What painting `points` costs next, as [`stroke_cost`] counts.
    pub(super) fn cost(&self, points: &[StrokePoint], canvas: CanvasSize) -> u64 {
        let sweeps = self.clone().follow(points, canvas);
        let bounds = Rect::new(0, 0, canvas.width, canvas.height);
        let costs = sweeps.iter().map(|sweep| {
            let bounds = sweep.bounds(&bounds);
            let inside = if bounds.is_empty() {
                0
            } else {
                whole_tiles(&bounds).area()
            };
            let pixels = inside.min(sweep.area());
            // A sweep costs a look, even where it leaves nothing, and one for each tile of a row
            // that it comes near.
            1 + pixels + pixels.div_ceil(u64::from(TILE))
        });
        costs.sum()
    }
}

/// What the next points of a stroke cost to paint, before they are accepted: an upper bound of the
/// pixels that are looked at, each once for every segment of the path that comes near it. So a dab
/// of a wide brush costs about its area, a long segment about its length times the brush's width,
/// and the part outside the canvas nothing; [`TILE`]s are counted whole.
///
/// `size` is the brush's diameter in canvas pixels, `last` the point that the stroke has come to,
/// if it has begun. [`Painting::spent`](super::Painting::spent) counts in the same unit.
pub fn stroke_cost(
    canvas: CanvasSize,
    size: f32,
    last: Option<StrokePoint>,
    points: &[StrokePoint],
) -> u64 {
    let mut pen = Pen::new(size, 1.0);
    pen.last = last.and_then(|point| placed(&point, canvas));
    pen.cost(points, canvas)
}

fn placed(point: &StrokePoint, canvas: CanvasSize) -> Option<StrokePoint> {
    let [x, y, pressure] = *point;
    point.iter().all(|value| value.is_finite()).then(|| {
        [
            x.clamp(-MARGIN, canvas.width as f32 + MARGIN),
            y.clamp(-MARGIN, canvas.height as f32 + MARGIN),
            pressure.clamp(0.0, 1.0),
        ]
    })
}

/// The tiles around a rectangle, as one.
fn whole_tiles(rect: &Rect) -> Rect {
    let (left, top) = (rect.x / TILE * TILE, rect.y / TILE * TILE);
    let right = rect.right().next_multiple_of(TILE);
    let bottom = rect.bottom().next_multiple_of(TILE);
    Rect::new(left, top, right - left, bottom - top)
}

/// The sweeps of a chunk on their way into a coverage, tile after tile, so that it can be done a
/// little at a time.
#[derive(Debug)]
pub(super) struct TileWalk {
    sweeps: Vec<(Sweep, Rect)>,
    /// Those that come near the row of tiles that is being painted.
    near: Vec<usize>,
    columns: Range<u32>,
    rows: Range<u32>,
    column: u32,
}

/// A tile that a chunk drew on.
#[derive(Debug)]
pub(super) struct Touched {
    pub(super) tile: TileIndex,
    /// The coverage before; `None` when the stroke was not there yet.
    pub(super) before: Option<Box<[u8]>>,
    /// The part that may have changed.
    pub(super) part: Rect,
}

impl TileWalk {
    pub(super) fn new(sweeps: Vec<Sweep>, canvas: &Rect) -> Self {
        let sweeps: Vec<_> = sweeps
            .into_iter()
            .map(|sweep| (sweep, sweep.bounds(canvas)))
            .filter(|(_, bounds)| !bounds.is_empty())
            .collect();
        let all = sweeps
            .iter()
            .fold(Rect::default(), |all, (_, bounds)| all.union(bounds));
        let tiles = |from: u32, to: u32| from / TILE..to.div_ceil(TILE);
        let mut walk = Self {
            sweeps,
            near: Vec::new(),
            columns: tiles(all.x, all.right()),
            rows: tiles(all.y, all.bottom()),
            column: 0,
        };
        walk.enter_row();
        walk
    }

    pub(super) fn is_done(&self) -> bool {
        self.rows.is_empty()
    }

    fn enter_row(&mut self) {
        self.column = self.columns.start;
        let row = Rect::new(
            self.columns.start * TILE,
            self.rows.start * TILE,
            u32::MAX / 2,
            TILE,
        );
        self.near.clear();
        let near = self.sweeps.iter().enumerate();
        let near = near.filter(|(_, (_, bounds))| !bounds.intersect(&row).is_empty());
        self.near.extend(near.map(|(index, _)| index));
    }

    /// Paints the next tile. Returns what it drew on, if anything, and what it cost, in the unit of
    /// [`stroke_cost`].
    ///
    /// Of the sweeps that come near a tile the one that covers most is drawn first. One that cannot
    /// raise any pixel any more is left out, so that what lies under others costs next to nothing.
    pub(super) fn step(&mut self, coverage: &mut Coverage) -> (Option<Touched>, u64) {
        if self.is_done() {
            return (None, 0);
        }
        let index = (self.column, self.rows.start);
        let tile = tile_rect(index);
        let mut near: Vec<(u8, bool, usize)> = self
            .near
            .iter()
            .filter(|at| !self.sweeps[**at].1.intersect(&tile).is_empty())
            .map(|at| {
                let (most, is_full) = self.sweeps[*at].0.reaches(&tile);
                (most, is_full, *at)
            })
            .filter(|(most, ..)| *most > 0)
            .collect();
        near.sort_by_key(|(most, is_full, at)| (!is_full, u8::MAX - most, *at));
        let mut spent = self.near.len() as u64;
        self.column += 1;
        if self.column == self.columns.end {
            self.rows.start += 1;
            if !self.is_done() {
                self.enter_row();
            }
        }
        if near.is_empty() {
            return (None, spent);
        }
        let before = coverage.tile(index).map(Box::<[u8]>::from);
        let mut values = match &before {
            Some(values) => values.clone(),
            None => vec![0; TILE_AREA].into_boxed_slice(),
        };
        let mut part = Rect::default();
        let mut least = least_of(&values);
        for (most, is_full, at) in near {
            if most <= least {
                continue;
            }
            let (sweep, bounds) = &self.sweeps[at];
            let bounds = bounds.intersect(&tile);
            if is_full {
                values.fill(u8::MAX);
            } else {
                sweep.raise(&mut values, &tile, &bounds);
            }
            spent += bounds.area();
            part = part.union(&bounds);
            least = least_of(&values);
        }
        let has_changed = match &before {
            Some(before) => *before != values,
            None => values.iter().any(|value| *value > 0),
        };
        if !has_changed {
            return (None, spent);
        }
        coverage.put(index, values, &part);
        let touched = Touched {
            tile: index,
            before,
            part,
        };
        (Some(touched), spent)
    }
}

fn least_of(values: &[u8]) -> u8 {
    values.iter().copied().min().unwrap_or_default()
}
