//! Points of a stroke on their way onto the canvas, a little at a time.

use std::collections::VecDeque;

use super::Pixels;
use super::entry::{Entry, EntryKind, UnderTile};
use super::layers::Canvas;
use super::smudge::SmudgeWalk;
use super::smudging::SmudgePoints;
use super::stack::sketch_of;
use super::stroke::{MIX_COST, TileWalk, Touched};
use super::tile::{TILE_AREA, tile_rect};
use crate::protocol::{BlendMode, LOWEST_LAYER, Rect, StrokePoint, Tool};

/// Rows of the canvas whose result is brought up to date in one go.
const STRIP: u32 = 256;

/// The next points of a stroke while they are painted, from [`Canvas::begin_painting`] on.
#[derive(Debug)]
#[must_use = "points are painted by `Canvas::paint_some`"]
pub struct Painting {
    id: u64,
    walk: Walk,
    /// Smudges over the stroke, by their place among the entries: what lies under them is another now.
    over: VecDeque<usize>,
    /// The one of them that is being mixed anew, and the sketch there as it was.
    mixing: Option<(SmudgeWalk, Pixels)>,
    /// One of them was.
    mixed_over: bool,
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

/// What is left to be drawn of the points themselves.
#[derive(Debug)]
enum Walk {
    Nothing,
    Tiles(TileWalk),
    Smudge(Box<SmudgePoints>),
}

impl Walk {
    fn is_done(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Tiles(walk) => walk.is_done(),
            Self::Smudge(points) => points.is_done(),
        }
    }
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

    /// True where a smudge over the stroke became another by it.
    pub const fn has_mixed_over(&self) -> bool {
        self.mixed_over
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
        let index = self.part_to_extend(id);
        let walk = index.and_then(|index| self.begin_walk(index, points));
        let walk = walk.unwrap_or(Walk::Nothing);
        Painting {
            id,
            is_done: walk.is_done(),
            walk,
            over: VecDeque::new(),
            mixing: None,
            mixed_over: false,
            dirty: Rect::default(),
            drawn: Vec::new(),
            resets: false,
            unreset: None,
            spent: 0,
        }
    }

    fn begin_walk(&mut self, index: usize, points: &[StrokePoint]) -> Option<Walk> {
        let (bounds, size) = (self.bounds, self.size());
        let stroke = self.entries[index].stroke_mut()?;
        if stroke.smudge.is_some() {
            let points = self.begin_smudging(index, points)?;
            return Some(Walk::Smudge(Box::new(points)));
        }
        let builds_up = stroke.pen.tip.builds_up();
        let sweeps = stroke.pen.follow(points, size);
        Some(Walk::Tiles(TileWalk::new(sweeps, builds_up, &bounds)))
    }

    /// Paints until about `budget` is spent, in the unit of [`stroke_cost`](super::stroke_cost), or
    /// all is done: at least one tile, at most one more than the budget lets it begin.
    pub fn paint_some(&mut self, painting: &mut Painting, budget: u64) {
        let until = painting.spent.saturating_add(budget.max(1));
        while !painting.is_done && painting.spent < until {
            if !painting.walk.is_done() {
                self.paint_tile(painting);
                if painting.walk.is_done() {
                    self.look_over(painting);
                }
            } else if !painting.over.is_empty() {
                self.mix_over(painting);
            } else if painting.resets {
                self.reset_strip(painting);
            }
            let is_reset = painting.unreset.is_some_and(|rest| rest.is_empty());
            let is_painted = painting.walk.is_done() && painting.over.is_empty();
            painting.is_done |= is_painted && (!painting.resets || is_reset);
        }
    }

    /// Looks for smudges over what was drawn.
    fn look_over(&mut self, painting: &mut Painting) {
        if let Some(index) = self.part_to_extend(painting.id)
            && !painting.dirty.is_empty()
        {
            let (over, _) = self.smudges_to_mix(&[(index, painting.dirty)]);
            painting.over = over.into();
        }
    }

    /// Goes on with mixing the next smudge over the stroke anew, and shows it when that is done.
    fn mix_over(&mut self, painting: &mut Painting) {
        let Some(index) = painting.over.front().copied() else {
            return;
        };
        let bounds = self.covers(index);
        let mixing = painting.mixing.take().or_else(|| {
            let before = self.sketch().crop(&bounds);
            Some((self.begin_mixing(index)?, before))
        });
        painting.spent += 1;
        let Some((mut walk, before)) = mixing else {
            painting.over.pop_front();
            return;
        };
        if let Some(tile) = self.mix_tile(index, &mut walk, None) {
            painting.spent += MIX_COST * tile.part.area();
            painting.mixing = Some((walk, before));
            return;
        }
        painting.over.pop_front();
        painting.mixed_over = true;
        let layer = self.mixed(index);
        match layer {
            LOWEST_LAYER => self.replay(&bounds, self.entries.len()),
            layer => self.replay_layer(layer, &bounds),
        }
        self.flatten(&bounds);
        self.show_sketch(&bounds, &before);
        self.forget_under(index + 1, |tile| {
            !tile_rect(tile).intersect(&bounds).is_empty()
        });
        painting.spent += bounds.area();
        painting.dirty = painting.dirty.union(&bounds);
        painting.drawn.push(bounds);
    }

    fn paint_tile(&mut self, painting: &mut Painting) {
        let Some(index) = self.part_to_extend(painting.id) else {
            // Gone in the meantime: there is nothing to draw on.
            painting.is_done = true;
            return;
        };
        let is_active = self.entries[index].active;
        let entries = self.entries.range(index + 1..);
        let above = entries.filter(|entry| entry.active);
        // The mask stays wherever this stroke draws: the result is not the sketch there.
        let keep_mask = above.clone().all(Entry::adds_mask);
        let above = above.count() as u64;
        let Some(stroke) = self.entries[index].stroke_mut() else {
            return;
        };
        let adds_mask = stroke.ink.adds_mask();
        let (layer, tool) = (stroke.layer, stroke.ink.tool);
        let (touched, spent) = match &mut painting.walk {
            Walk::Nothing => (None, 0),
            Walk::Tiles(walk) => walk.step(&mut stroke.coverage),
            Walk::Smudge(points) => self.smudge_some(index, points),
        };
        painting.spent += spent;
        let Some(touched) = touched.filter(|_| is_active) else {
            return;
        };
        let is_top = above == 0;
        let is_layered = layer != LOWEST_LAYER || self.flattened.is_some();
        // What a smudge makes of the paint under it is shown where that is another.
        let shows_sketch = is_layered || tool == Tool::Smudge;
        let before = shows_sketch.then(|| self.sketch().crop(&touched.part));
        match layer {
            LOWEST_LAYER => self.redraw_tile(index, &touched, is_top),
            layer => self.redraw_layer_tile(index, layer, &touched),
        }
        if tool == Tool::Restore {
            self.restore_other_layers(layer, &touched.part);
        }
        self.flatten(&touched.part);
        match before {
            Some(before) if !self.lies_on_top(index) => self.show_sketch(&touched.part, &before),
            _ => self.paint_result(index, &touched),
        }
        for entry in self.entries.range_mut(index + 1..) {
            if let Some(under) = entry.stroke_mut().and_then(|stroke| stroke.under.as_mut()) {
                under.remove(&touched.tile);
            }
        }
        painting.spent += above * touched.part.area();
        painting.dirty = painting.dirty.union(&touched.part);
        painting.drawn.push(touched.part);
        painting.resets |= !adds_mask || !keep_mask;
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

    /// Brings the lowest layer up to date where a chunk drew on a tile.
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
        if let Some(UnderTile::Lowest { sketch, footprint }) = under.get(&tile) {
            let (x, y) = (touched.part.x - whole.x, touched.part.y - whole.y);
            let width = touched.part.width;
            for row in 0..touched.part.height {
                self.lowest
                    .span_mut(touched.part.x, touched.part.y + row, width)
                    .copy_from_slice(sketch.span(x, y + row, width));
                self.lowest_footprint
                    .span_mut(touched.part.x, touched.part.y + row, width)
                    .copy_from_slice(footprint.span(x, y + row, width));
            }
            self.compose(&touched.part, index, self.entries.len());
            return;
        }
        // Under a fresh tile of the topmost stroke lies what is shown now.
        if touched.before.is_some() || !is_top {
            self.replay(&whole, index);
        }
        let kept = UnderTile::Lowest {
            sketch: self.lowest.crop(&whole),
            footprint: self.lowest_footprint.crop(&whole),
        };
        self.remember_under(index, tile, kept);
        self.compose(&whole, index, self.entries.len());
    }

    /// True for a stroke that changes something of what is shown: its layer is in the picture, or it
    /// takes the mask away.
    pub fn shows_stroke(&self, id: u64) -> bool {
        let entry = self.entries.iter().rfind(|entry| entry.id == id);
        let Some(EntryKind::Stroke(stroke)) = entry.map(|entry| &entry.kind) else {
            return false;
        };
        let mut shown = self.stack.iter().filter(|layer| layer.is_shown);
        shown.any(|layer| stroke.touches(layer.id))
    }

    /// True where whoever sees a stroke's paint alone sees what it makes of the result before a render:
    /// nothing lies over it, and its layer is not blended.
    pub fn shows_as_ink(&self, id: u64) -> bool {
        let index = self.entries.iter().rposition(|entry| entry.id == id);
        index.is_some_and(|index| self.lies_on_top(index) && self.is_opaque(index))
    }

    fn is_opaque(&self, index: usize) -> bool {
        let EntryKind::Stroke(stroke) = &self.entries[index].kind else {
            return false;
        };
        let mut layers = self.stack.iter();
        layers.any(|layer| layer.id == stroke.layer && layer.opacity == u8::MAX)
    }

    /// True for a stroke whose paint nothing changes on its way into the picture, but the opacity of its
    /// layer.
    fn lies_on_top(&self, index: usize) -> bool {
        let EntryKind::Stroke(stroke) = &self.entries[index].kind else {
            return false;
        };
        let mut layers = self.stack.iter().rev().filter(|layer| layer.is_shown);
        let top = layers.find(|layer| layer.id == stroke.layer || self.has_paint(layer.id));
        let is_plain =
            top.is_some_and(|layer| layer.id == stroke.layer && layer.blend == BlendMode::Normal);
        is_plain && stroke.ink.tool == Tool::Brush && !stroke.keeps_alpha
    }

    /// The result is the sketch inside `part` wherever that is another than `before`.
    fn show_sketch(&mut self, part: &Rect, before: &Pixels) {
        let sketch = sketch_of(&self.flattened, &self.lowest);
        for y in part.y..part.bottom() {
            let before = before.span(0, y - part.y, part.width).chunks_exact(3);
            let after = sketch.span(part.x, y, part.width).chunks_exact(3);
            let row = self.result.span_mut(part.x, y, part.width);
            for (pixel, (before, after)) in row.chunks_exact_mut(3).zip(before.zip(after)) {
                if before != after {
                    pixel.copy_from_slice(after);
                }
            }
        }
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
        let layer = self.stack.iter().find(|layer| layer.id == stroke.layer);
        let opacity = layer.map_or(u8::MAX, |layer| layer.opacity);
        let nothing = [0; TILE_AREA];
        let before = touched.before.as_deref().unwrap_or(&nothing);
        let part = touched.part;
        let whole = tile_rect(tile);
        for y in part.y..part.bottom() {
            let at = ((y - whole.y) * whole.width + part.x - whole.x) as usize;
            let at = at..at + part.width as usize;
            if before[at.clone()] == after[at.clone()] {
                continue;
            }
            let base = self.base.span(part.x, y, part.width);
            let row = self.result.span_mut(part.x, y, part.width);
            let covered = before[at.clone()].iter().zip(&after[at]);
            let pixels = row.chunks_exact_mut(3).zip(base.chunks_exact(3));
            for (x, ((before, after), (pixel, base))) in (part.x..).zip(covered.zip(pixels)) {
                if before != after {
                    let covered = (*before, *after);
                    stroke.ink.paint_on((x, y), covered, opacity, base, pixel);
                }
            }
        }
    }
}
