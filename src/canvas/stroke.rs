//! Points of a stroke become coverage, tile by tile.

use std::ops::Range;

use super::sweep::Sweep;
use super::tile::{Coverage, TILE, TILE_AREA, TileIndex, tile_rect, whole_tiles};
use super::tip::{DABS, SMUDGE_DABS, Tip};
use crate::protocol::{
    Brush, CanvasSize, MAX_BRUSH_SIZE, MAX_STROKE_COST, Rect, StrokePoint, Tool,
};

/// How far outside the canvas a point may be; further ones are moved here, so
/// that no segment has a length without end.
const MARGIN: f32 = 2.0 * MAX_BRUSH_SIZE;

/// What a dab costs beside its pixels: so many of them lie in a stroke that its message may say in
/// few points.
const DAB_LOOK: u64 = 64;
/// What mixing a pixel costs: each of its channels is mixed twice and divided.
pub(super) const MIX_COST: u64 = 4;
/// What a pixel of a smudge's dab costs, at most: it is mixed and its tile is looked at, and what came
/// of it is shown.
const SMUDGE_COST: u64 = MIX_COST + 2;

/// Follows one stroke, chunk after chunk. All that a later point depends on is the last one, so the
/// cut into chunks changes nothing.
#[derive(Clone, Debug)]
pub(super) struct Pen {
    pub(super) size: f32,
    pub(super) hardness: f32,
    pub(super) last: Option<StrokePoint>,
    pub(super) tip: Tip,
    /// The way to the next dab, in pixels, where the stroke is dabs.
    pub(super) until_dab: f32,
    /// It drags the paint that is there: it is dabs, whatever its tip.
    pub(super) smudges: bool,
}

/// What a pen does next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// It is put down and carries nothing from elsewhere. Said of dabs only.
    Down,
    /// It covers this.
    Sweep(Sweep),
}

impl Pen {
    /// A stroke that has no point yet. `size` is the diameter at pressure 1,
    /// above 0 and at most [`MAX_BRUSH_SIZE`]; `hardness` 0 … 1.
    pub(super) const fn new(size: f32, hardness: f32, tip: Tip) -> Self {
        Self {
            size,
            hardness,
            last: None,
            tip,
            until_dab: 0.0,
            smudges: false,
        }
    }

    /// The sweeps that `points` add. Points that are not finite are skipped.
    pub(super) fn follow(&mut self, points: &[StrokePoint], canvas: CanvasSize) -> Vec<Sweep> {
        let mut sweeps = Vec::with_capacity(points.len());
        self.walk(points, canvas, |step| {
            if let Step::Sweep(sweep) = step {
                sweeps.push(sweep);
            }
            true
        });
        sweeps
    }

    /// Goes through what `points` add as long as `each` answers true. Points that are not finite are
    /// skipped.
    pub(super) fn walk(
        &mut self,
        points: &[StrokePoint],
        canvas: CanvasSize,
        mut each: impl FnMut(Step) -> bool,
    ) {
        let hardness = self.tip.hardness(self.hardness);
        for point in points.iter().filter_map(|point| placed(point, canvas)) {
            let from = self.last.replace(point).unwrap_or(point);
            let goes_on = if let Some(dabs) = self.dabs() {
                self.dab(from, point, (hardness, dabs), &mut each)
            } else {
                let sweep = Sweep::new(from, point, self.size, hardness);
                sweep.is_none_or(|sweep| each(Step::Sweep(sweep.with_tip(self.tip))))
            };
            if !goes_on {
                return;
            }
        }
    }

    /// How many dabs lie in the length of the diameter, where the stroke is dabs.
    fn dabs(&self) -> Option<f32> {
        match self.smudges {
            true => Some(SMUDGE_DABS),
            false => self.tip.builds_up().then_some(DABS),
        }
    }

    /// The dabs between two points: where they lie depends on the way, and not on how it is cut.
    fn dab(
        &mut self,
        from: StrokePoint,
        to: StrokePoint,
        (hardness, dabs): (f32, f32),
        each: &mut impl FnMut(Step) -> bool,
    ) -> bool {
        if from[2] <= 0.0 && to[2] <= 0.0 {
            // In the air: what is pressed next begins with a dab.
            self.until_dab = 0.0;
            return true;
        }
        // Behind a dab there is always some way left to the next one.
        if self.until_dab == 0.0 && !each(Step::Down) {
            return false;
        }
        let length = (to[0] - from[0]).hypot(to[1] - from[1]);
        while self.until_dab <= length {
            let part = if length > 0.0 {
                self.until_dab / length
            } else {
                1.0
            };
            let [x, y, pressure] =
                [0, 1, 2].map(|axis| from[axis] + (to[axis] - from[axis]) * part);
            let at = [x, y, pressure];
            self.until_dab += Tip::step(self.size * pressure, dabs);
            let dab = Sweep::new(at, at, self.size, hardness);
            if !dab.is_none_or(|dab| each(Step::Sweep(dab.with_tip(self.tip)))) {
                return false;
            }
        }
        self.until_dab -= length;
        true
    }

    /// What painting `points` costs next, as [`stroke_cost`] counts; more than [`MAX_STROKE_COST`] is
    /// not counted to its end.
    pub(super) fn cost(&self, points: &[StrokePoint], canvas: CanvasSize) -> u64 {
        self.cost_up_to(MAX_STROKE_COST, points, canvas)
    }

    /// The same, where more than `most` is not counted to its end.
    pub(super) fn cost_up_to(&self, most: u64, points: &[StrokePoint], canvas: CanvasSize) -> u64 {
        let bounds = Rect::new(0, 0, canvas.width, canvas.height);
        let look = if self.dabs().is_some() { DAB_LOOK } else { 1 };
        let mut cost = 0;
        self.clone().walk(points, canvas, |step| {
            let Step::Sweep(sweep) = step else {
                return true;
            };
            let bounds = sweep.bounds(&bounds);
            if self.smudges {
                cost += look + SMUDGE_COST * bounds.area();
                return cost <= most;
            }
            let inside = if bounds.is_empty() {
                0
            } else {
                whole_tiles(&bounds).area()
            };
            let pixels = inside.min(sweep.area());
            // A sweep costs a look, even where it leaves nothing, and one for each tile of a row
            // that it comes near.
            cost += look + pixels + pixels.div_ceil(u64::from(TILE));
            cost <= most
        });
        cost
    }
}

/// What the next points of a stroke cost to paint, before they are accepted: an upper bound of the
/// pixels that are looked at, each once for every segment of the path that comes near it. So a dab
/// of a wide brush costs about its area, a long segment about its length times the brush's width,
/// and the part outside the canvas nothing; [`TILE`]s are counted whole. Each dab of a smudge counts
/// as some of its area, since it is mixed.
///
/// `brush` has numbers that are valid, `last` is the point that the stroke has come to, if it has
/// begun. [`Painting::spent`](super::Painting::spent) counts in the same unit.
pub fn stroke_cost(
    canvas: CanvasSize,
    brush: &Brush,
    last: Option<StrokePoint>,
    points: &[StrokePoint],
) -> u64 {
    let mut pen = Pen {
        smudges: brush.tool == Tool::Smudge,
        ..Pen::new(brush.size, 1.0, Tip::of(brush))
    };
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

/// The sweeps of a chunk on their way into a coverage, tile after tile, so that it can be done a
/// little at a time.
#[derive(Debug)]
pub(super) struct TileWalk {
    sweeps: Vec<(Sweep, Rect)>,
    /// Each sweep covers more of what the others left, in their order.
    builds_up: bool,
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
    pub(super) fn new(sweeps: Vec<Sweep>, builds_up: bool, canvas: &Rect) -> Self {
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
            builds_up,
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
    /// Those that build up are drawn in their order, all of them.
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
        if !self.builds_up {
            near.sort_by_key(|(most, is_full, at)| (!is_full, u8::MAX - most, *at));
        }
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
            if (self.builds_up && least == u8::MAX) || (!self.builds_up && most <= least) {
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
