//! Points of a stroke on their way onto the canvas, a little at a time.

use super::entry::{EntryKind, UnderTile};
use super::layers::Canvas;
use super::stroke::{TileWalk, Touched};
use super::tile::{TILE_AREA, tile_rect};
use crate::protocol::{Rect, StrokePoint};

/// Tiles that an open stroke remembers of what lies under it.
const OPEN_TILES: usize = 1024;
/// Rows of the canvas whose result is brought up to date in one go.
const STRIP: u32 = 256;

/// The next points of a stroke while they are painted, from [`Canvas::begin_painting`] on.
#[derive(Debug)]
#[must_use = "points are painted by `Canvas::paint_some`"]
pub struct Painting {
    id: u64,
    walk: TileWalk,
    /// Where pixels may have changed so far.
    dirty: Rect,
    /// What was drawn on each tile.
    drawn: Vec<Rect>,
    /// Something was drawn that may have taken from the mask, or lies under other strokes.
    resets: bool,
    /// Where the result is still to be reset, when all tiles are painted.
    unreset: Option<Rect>,
    spent: u64,
    is_done: bool,
}

impl Painting {
    /// Whether all is painted.
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Where pixels may have changed so far: see [`Canvas::extend_stroke`].
    pub const fn dirty(&self) -> Rect {
        self.dirty
    }

    /// Rectangles that hold all pixels that may have changed, at most one for each tile of the canvas:
    /// closer to the shape of the stroke than [`Painting::dirty`], where nothing else changed.
    pub fn parts(&self) -> Vec<Rect> {
        match self.unreset {
            Some(_) => vec![self.dirty],
            None => self.drawn.clone(),
        }
    }

    /// What it has cost so far, in the unit of [`stroke_cost`](super::stroke_cost). What lies over
    /// the stroke and has to be drawn again is counted too, a pixel for each stroke and pixel.
    pub const fn spent(&self) -> u64 {
        self.spent
    }
}

impl Canvas {
    /// Draws the next points of a stroke and returns where pixels may have
    /// changed: for brush and mask strokes the footprint of these points; the
    /// eraser and the restore brush add what they took from the mask around it.
    ///
    /// Where the stroke adds paint, the result is painted over too, until the
    /// model has seen it. An unknown id, one that is too old to be undone, or
    /// a stroke that is undone at the moment changes no pixel.
    pub fn extend_stroke(&mut self, id: u64, points: &[StrokePoint]) -> Rect {
        let mut painting = self.begin_painting(id, points);
        while !painting.is_done() {
            self.paint_some(&mut painting, u64::MAX);
        }
        painting.dirty()
    }

    /// What painting these points next would cost, at most: [`stroke_cost`](super::stroke_cost) from
    /// where the stroke has come to. 0 for an unknown id.
    pub fn next_cost(&self, id: u64, points: &[StrokePoint]) -> u64 {
        let parts = self.entries.iter().rev().filter(|entry| entry.id == id);
        let mut pens = parts.filter_map(|entry| match &entry.kind {
            EntryKind::Stroke(stroke) => Some(&stroke.pen),
            EntryKind::Image { .. } => None,
        });
        pens.next().map_or(0, |pen| pen.cost(points, self.size()))
    }

    /// Begins what [`Canvas::extend_stroke`] does, for [`Canvas::paint_some`] to go on with. Nothing
    /// is drawn yet. Until it is done nothing else may change the canvas.
    pub fn begin_painting(&mut self, id: u64, points: &[StrokePoint]) -> Painting {
        let (bounds, size) = (self.bounds, self.size());
        let stroke = self
            .part_to_extend(id)
            .and_then(|index| self.entries[index].stroke_mut());
        let sweeps = stroke.map(|stroke| {
            let sweeps = stroke.pen.follow(points, size);
            (sweeps, stroke.pen.tip.builds_up())
        });
        let (sweeps, builds_up) = sweeps.unwrap_or_default();
        let walk = TileWalk::new(sweeps, builds_up, &bounds);
        Painting {
            id,
            is_done: walk.is_done(),
            walk,
            dirty: Rect::default(),
            drawn: Vec::new(),
            resets: false,
            unreset: None,
            spent: 0,
        }
    }

    /// Paints until about `budget` is spent, in the unit of [`stroke_cost`](super::stroke_cost), or
    /// all is done: at least one tile, at most one more than the budget lets it begin.
    pub fn paint_some(&mut self, painting: &mut Painting, budget: u64) {
        let until = painting.spent.saturating_add(budget.max(1));
        while !painting.is_done && painting.spent < until {
            if !painting.walk.is_done() {
                self.paint_tile(painting);
            } else if painting.resets {
                self.reset_strip(painting);
            }
            let is_reset = painting.unreset.is_some_and(|rest| rest.is_empty());
            painting.is_done = painting.walk.is_done() && (!painting.resets || is_reset);
        }
    }

    fn paint_tile(&mut self, painting: &mut Painting) {
        let Some(index) = self.part_to_extend(painting.id) else {
            // Gone in the meantime: there is nothing to draw on.
            painting.is_done = true;
            return;
        };
        let is_active = self.entries[index].active;
        let above = self.entries.range(index + 1..);
        let above = above.filter(|entry| entry.active).count() as u64;
        let Some(stroke) = self.entries[index].stroke_mut() else {
            return;
        };
        let adds_mask = stroke.ink.adds_mask();
        let (touched, spent) = painting.walk.step(&mut stroke.coverage);
        painting.spent += spent;
        let Some(touched) = touched.filter(|_| is_active) else {
            return;
        };
        let is_top = above == 0;
        self.redraw_tile(index, &touched, is_top);
        self.paint_result(index, &touched);
        for entry in self.entries.range_mut(index + 1..) {
            if let Some(under) = entry.stroke_mut().and_then(|stroke| stroke.under.as_mut()) {
                under.remove(&touched.tile);
            }
        }
        painting.spent += above * touched.part.area();
        painting.dirty = painting.dirty.union(&touched.part);
        painting.drawn.push(touched.part);
        painting.resets |= !adds_mask || !is_top;
    }

    /// Puts the sketch back into the result in the next rows of what was drawn, where the mask does
    /// not reach any more.
    fn reset_strip(&mut self, painting: &mut Painting) {
        let rest = painting.unreset.unwrap_or(painting.dirty);
        let height = rest.height.min(STRIP);
        let strip = Rect::new(rest.x, rest.y, rest.width, height);
        let changed = self.reset_result(&strip, None);
        painting.dirty = painting.dirty.union(&changed);
        painting.spent += strip.inflate_within(self.dilation, &self.bounds).area();
        let rest = Rect::new(rest.x, rest.y + height, rest.width, rest.height - height);
        painting.unreset = Some(rest);
    }

    /// Brings sketch and footprint up to date where a chunk drew on a tile.
    fn redraw_tile(&mut self, index: usize, touched: &Touched, is_top: bool) {
        let tile = touched.tile;
        let whole = tile_rect(tile).intersect(&self.bounds);
        let Some(under) = self.entries[index]
            .stroke_mut()
            .and_then(|s| s.under.as_mut())
        else {
            self.replay(&touched.part, self.entries.len());
            return;
        };
        if let Some(under) = under.get(&tile) {
            let (x, y) = (touched.part.x - whole.x, touched.part.y - whole.y);
            let width = touched.part.width;
            for row in 0..touched.part.height {
                self.sketch
                    .span_mut(touched.part.x, touched.part.y + row, width)
                    .copy_from_slice(under.sketch.span(x, y + row, width));
                self.footprint
                    .span_mut(touched.part.x, touched.part.y + row, width)
                    .copy_from_slice(under.footprint.span(x, y + row, width));
            }
            self.compose(&touched.part, index, self.entries.len());
            return;
        }
        if under.len() >= OPEN_TILES {
            under.clear();
        }
        // Under a fresh tile of the topmost stroke lies what is shown now.
        if touched.before.is_some() || !is_top {
            self.replay(&whole, index);
        }
        let kept = UnderTile {
            sketch: self.sketch.crop(&whole),
            footprint: self.footprint.crop(&whole),
        };
        if let Some(under) = self.entries[index]
            .stroke_mut()
            .and_then(|s| s.under.as_mut())
        {
            under.insert(tile, kept);
        }
        self.compose(&whole, index, self.entries.len());
    }

    /// Paints what a chunk added over the result.
    fn paint_result(&mut self, index: usize, touched: &Touched) {
        let tile = touched.tile;
        let EntryKind::Stroke(stroke) = &self.entries[index].kind else {
            return;
        };
        let Some(after) = stroke.coverage.tile(tile) else {
            return;
        };
        let nothing = [0; TILE_AREA];
        let before = touched.before.as_deref().unwrap_or(&nothing);
        let part = touched.part;
        let whole = tile_rect(tile);
        for y in part.y..part.bottom() {
            let at = ((y - whole.y) * whole.width + part.x - whole.x) as usize;
            let base = self.base.span(part.x, y, part.width);
            let row = self.result.span_mut(part.x, y, part.width);
            let covered = before[at..].iter().zip(&after[at..]);
            let pixels = row.chunks_exact_mut(3).zip(base.chunks_exact(3));
            for (x, ((before, after), (pixel, base))) in (part.x..).zip(covered.zip(pixels)) {
                if before != after {
                    let covered = (*before, *after);
                    stroke.ink.paint_on((x, y), covered, base, pixel);
                }
            }
        }
    }
}
