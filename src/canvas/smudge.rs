//! Paint that is dragged along: what a tip carries is mixed with what lies under each of its dabs.
//!
//! At each dab the tip takes up `1 − strength` of what lies under it and keeps `strength` of what it
//! carried, and where it covers the canvas it leaves that. All of it is integers, so that it comes out
//! the same wherever and however often it is done.
//!
//! The page draws the same while it waits for the server's pixels: `web/src/paint/smudge.ts` follows
//! this file.

use std::collections::{HashMap, VecDeque};
use std::vec::IntoIter;

use super::carried::{Carried, reach_of};
use super::stroke::{Pen, Step};
use super::sweep::Sweep;
use super::tile::{TILE_AREA, TileIndex, tile_rect, tiles_of};
use crate::protocol::{CanvasSize, Rect, StrokePoint};

/// What belongs to a stroke that drags the paint under it.
#[derive(Clone, Debug)]
pub(super) struct Smudge {
    /// How much is carried on from dab to dab, 0 … 255.
    pub(super) strength: u8,
    /// The pen before the first point.
    pub(super) start: Pen,
    /// All points so far: what lies under them may become something else.
    points: Vec<StrokePoint>,
    /// What mixing them costs, as [`stroke_cost`](super::stroke_cost) counts.
    cost: u64,
    /// What it makes of the tiles that it went over, straight RGBA; none where that is not known.
    mixed: Option<HashMap<TileIndex, Box<[u8]>>>,
    /// What the tip carries; none where that is not known.
    carried: Option<Carried>,
}

/// Dabs on their way onto the canvas, tile after tile.
#[derive(Debug)]
pub(super) struct SmudgeWalk {
    pen: Pen,
    canvas: Rect,
    points: IntoIter<StrokePoint>,
    steps: VecDeque<Step>,
    dab: Option<Dab>,
}

#[derive(Debug)]
struct Dab {
    sweep: Sweep,
    bounds: Rect,
    /// Where the carried picture's corner lies on the canvas.
    corner: (i64, i64),
    /// What is left of it.
    tiles: VecDeque<TileIndex>,
}

/// What a dab covers of a tile.
#[derive(Debug)]
pub(super) struct DabTile {
    pub(super) index: TileIndex,
    /// The part of the tile that the dab comes near.
    pub(super) part: Rect,
    /// The tile's values.
    pub(super) covered: Box<[u8]>,
}

impl Smudge {
    /// A smudge without a point; `strength` is 0 … 255.
    pub(super) fn new(strength: u8, start: Pen) -> Self {
        Self {
            strength,
            start,
            points: Vec::new(),
            cost: 0,
            mixed: Some(HashMap::new()),
            carried: None,
        }
    }

    /// One that has come so far, of which nothing is mixed yet. `cost` is what [`Smudge::cost`] was.
    pub(super) fn from_points(
        strength: u8,
        start: Pen,
        points: Vec<StrokePoint>,
        cost: u64,
    ) -> Self {
        Self {
            points,
            cost,
            mixed: None,
            ..Self::new(strength, start)
        }
    }

    /// All points so far.
    pub(super) fn points(&self) -> &[StrokePoint] {
        &self.points
    }

    /// What mixing it anew costs.
    pub(super) const fn cost(&self) -> u64 {
        self.cost
    }

    /// Bytes that its points and, at most, its colours take, of a stroke whose coverage takes so many.
    /// Whether the colours are known does not count: what is folded when has to be the same in every
    /// replay.
    pub(super) fn bytes(&self, coverage: usize) -> usize {
        4 * coverage + size_of_val(&self.points[..])
    }

    /// What it makes of a tile, straight RGBA, row after row; none where it does not go.
    pub(super) fn tile(&self, index: TileIndex) -> Option<&[u8]> {
        let tile = self.mixed.as_ref()?.get(&index)?;
        Some(tile)
    }

    /// True where its colours are those of what lies under it.
    pub(super) const fn is_mixed(&self) -> bool {
        self.mixed.is_some()
    }

    /// True where more points can be mixed as they come.
    pub(super) fn goes_on(&self) -> bool {
        self.is_mixed() && (self.carried.is_some() || self.points.is_empty())
    }

    /// What lies under it is another, or it is not in the picture: its colours are not known any more.
    pub(super) fn forget(&mut self) {
        self.mixed = None;
        self.carried = None;
    }

    /// No more points are expected: what the tip carries needs no memory.
    pub(super) fn put_away(&mut self) {
        self.carried = None;
    }

    /// Begins to mix the next points. `pen` has come to the one before them.
    pub(super) fn extend(
        &mut self,
        pen: &Pen,
        points: &[StrokePoint],
        canvas: &Rect,
    ) -> SmudgeWalk {
        self.points.extend_from_slice(points);
        self.cost = self.cost.saturating_add(pen.cost(points, size_of(canvas)));
        let walk = SmudgeWalk::new(pen.clone(), points.to_vec(), canvas);
        self.started(walk)
    }

    /// Begins to mix all points anew.
    pub(super) fn begin_anew(&mut self, canvas: &Rect) -> SmudgeWalk {
        self.mixed = Some(HashMap::new());
        self.carried = None;
        let walk = SmudgeWalk::new(self.start.clone(), self.points.clone(), canvas);
        self.started(walk)
    }

    /// Mixes all points over the tiles that `under` answers, straight RGBA.
    pub(super) fn mix_all(
        &mut self,
        canvas: &Rect,
        keeps_alpha: bool,
        mut under: impl FnMut(TileIndex) -> Box<[u8]>,
    ) {
        let mut walk = self.begin_anew(canvas);
        while self.step(&mut walk, keeps_alpha, &mut under).is_some() {}
    }

    /// Mixes the next tile of a dab, and answers what the dab covers of it; none when all is mixed.
    /// `under` is asked for a tile that the smudge comes to for the first time. Where its colours are
    /// not known they stay so.
    pub(super) fn step(
        &mut self,
        walk: &mut SmudgeWalk,
        keeps_alpha: bool,
        under: impl FnOnce(TileIndex) -> Box<[u8]>,
    ) -> Option<DabTile> {
        let dab = walk.dab.as_mut()?;
        let index = dab.tiles.pop_front()?;
        let tile = tile_rect(index);
        let part = dab.bounds.intersect(&tile);
        let mut covered = vec![0; TILE_AREA].into_boxed_slice();
        dab.sweep.raise(&mut covered, &tile, &part);
        if let (Some(mixed), Some(carried)) = (&mut self.mixed, &mut self.carried) {
            let pixels = mixed.entry(index).or_insert_with(|| under(index));
            let rule = (self.strength, keeps_alpha);
            carried.mix(dab.corner, (&tile, &part), pixels, &covered, rule);
        }
        if dab.tiles.is_empty() {
            if let Some(carried) = &mut self.carried {
                carried.held = dab.held();
            }
            walk.dab = None;
            self.find_dab(walk);
        }
        Some(DabTile {
            index,
            part,
            covered,
        })
    }

    fn started(&mut self, mut walk: SmudgeWalk) -> SmudgeWalk {
        if self.is_mixed() && self.carried.is_none() {
            self.carried = Some(Carried::new(self.start.size));
        }
        self.find_dab(&mut walk);
        walk
    }

    /// Goes on to the next dab that comes near the canvas.
    fn find_dab(&mut self, walk: &mut SmudgeWalk) {
        while walk.dab.is_none() {
            let bounds = match walk.steps.pop_front() {
                Some(Step::Down) => Rect::default(),
                Some(Step::Sweep(sweep)) => {
                    let bounds = sweep.bounds(&walk.canvas);
                    walk.dab = Dab::new(sweep, bounds, self.start.size);
                    bounds
                }
                None => match walk.points.next() {
                    Some(point) => {
                        walk.follow(point);
                        continue;
                    }
                    None => return,
                },
            };
            if bounds.is_empty()
                && let Some(carried) = &mut self.carried
            {
                carried.held = Rect::default();
            }
        }
    }
}

impl SmudgeWalk {
    fn new(pen: Pen, points: Vec<StrokePoint>, canvas: &Rect) -> Self {
        Self {
            pen,
            canvas: *canvas,
            points: points.into_iter(),
            steps: VecDeque::new(),
            dab: None,
        }
    }

    /// Whether all is mixed.
    pub(super) const fn is_done(&self) -> bool {
        self.dab.is_none()
    }

    /// One point at a time: a stroke may have millions of dabs.
    fn follow(&mut self, point: StrokePoint) {
        let steps = &mut self.steps;
        self.pen.walk(&[point], size_of(&self.canvas), |step| {
            steps.push_back(step);
            true
        });
    }
}

impl Dab {
    /// A dab of a tip of that size at pressure 1; none where it does not come near the canvas.
    fn new(sweep: Sweep, bounds: Rect, size: f32) -> Option<Self> {
        let (x, y) = sweep.start();
        let reach = i64::from(reach_of(size));
        let corner = |at: f32| at.floor() as i64 - reach;
        (!bounds.is_empty()).then(|| Self {
            sweep,
            bounds,
            corner: (corner(x), corner(y)),
            tiles: tiles_of(&bounds).collect(),
        })
    }

    /// Its bounds in the pixels of what is carried.
    fn held(&self) -> Rect {
        let Rect {
            x,
            y,
            width,
            height,
        } = self.bounds;
        let (left, top) = (i64::from(x) - self.corner.0, i64::from(y) - self.corner.1);
        Rect::new(left as u32, top as u32, width, height)
    }
}

/// The size of a rectangle.
pub(super) const fn size_of(canvas: &Rect) -> CanvasSize {
    CanvasSize {
        width: canvas.width,
        height: canvas.height,
    }
}
