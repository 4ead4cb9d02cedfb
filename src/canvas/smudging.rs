//! Smudges on the canvas: what lies under them, and mixing them anew when that becomes something else.

use std::collections::BTreeMap;

use super::entry::{Entry, EntryKind, Stroke, UnderTile};
use super::layer_tiles::LayerTiles;
use super::layers::{Canvas, Floor};
use super::smudge::{DabTile, Smudge, SmudgeWalk};
use super::stroke::{MIX_COST, Touched};
use super::tile::{Coverage, TILE_AREA, TileIndex, tile_rect, whole_tiles};
use super::{Mask, Pixels, StackLayer};
use crate::protocol::{LOWEST_LAYER, Rect, StrokePoint, Tool};

/// The next points of a smudge on their way onto the canvas: all dabs are mixed before any of them is
/// shown.
#[derive(Debug)]
pub(super) struct SmudgePoints {
    walk: SmudgeWalk,
    /// Nothing in the picture lies over the stroke.
    is_top: bool,
    /// What is mixed and not shown yet, and how many pixels dabs came near of it.
    touched: BTreeMap<TileIndex, (Touched, u64)>,
}

impl SmudgePoints {
    pub(super) fn is_done(&self) -> bool {
        self.walk.is_done() && self.touched.is_empty()
    }
}

impl Canvas {
    /// What mixing a whole smudge anew costs, in the unit of [`stroke_cost`](super::stroke_cost); 0 for
    /// what is none.
    pub fn smudge_cost(&self, id: u64) -> u64 {
        let parts = self.entries.iter().filter(|entry| entry.id == id);
        parts.map(Entry::mixing_cost).sum()
    }

    /// What mixing all smudges anew costs that can be undone, in that unit.
    pub fn smudges_cost(&self) -> u64 {
        self.entries.iter().map(Entry::mixing_cost).sum()
    }

    /// What mixing anew costs, at most, when a stroke goes on: the smudges over it, and the stroke itself
    /// where what its tip carried was put away.
    pub fn mixing_cost(&self, id: u64) -> u64 {
        let Some(index) = self.entries.iter().rposition(|entry| entry.id == id) else {
            return 0;
        };
        let over = self.entries.range(index + 1..).map(Entry::mixing_cost);
        let own = match &self.entries[index].kind {
            EntryKind::Stroke(stroke) => stroke.smudge.as_ref().filter(|it| !it.goes_on()),
            EntryKind::Image { .. } => None,
        };
        over.sum::<u64>() + own.map_or(0, Smudge::cost)
    }

    /// Begins to mix the next points of a smudge.
    pub(super) fn begin_smudging(
        &mut self,
        index: usize,
        points: &[StrokePoint],
    ) -> Option<SmudgePoints> {
        let is_active = self.entries[index].active;
        if is_active && !self.smudge_at(index)?.goes_on() {
            // What its tip carries was put away.
            self.mix_whole(index);
        }
        let (bounds, size) = (self.bounds, self.size());
        let is_top = self.entries.range(index + 1..).all(|entry| !entry.active);
        let stroke = self.entries[index].stroke_mut()?;
        let walk = stroke.smudge.as_mut()?.extend(&stroke.pen, points, &bounds);
        stroke.pen.walk(points, size, |_| true);
        Some(SmudgePoints {
            walk,
            is_top,
            touched: BTreeMap::new(),
        })
    }

    /// Mixes a tile of the next dab, or answers what is to be shown of what was mixed; and what that
    /// cost.
    pub(super) fn smudge_some(
        &mut self,
        index: usize,
        points: &mut SmudgePoints,
    ) -> (Option<Touched>, u64) {
        let Some(dab) = self.mix_tile(index, &mut points.walk, Some(points.is_top)) else {
            let Some((_, (touched, near))) = points.touched.pop_first() else {
                return (None, 0);
            };
            // What lies between small dabs is not looked at for long.
            let spent = touched.part.area().min(near);
            return (Some(touched), spent);
        };
        let spent = MIX_COST * dab.part.area() + 1;
        let Some(stroke) = self.entries[index].stroke_mut() else {
            return (None, spent);
        };
        cover(&mut stroke.coverage, &mut points.touched, &dab);
        (None, spent)
    }

    /// The smudges that have to be mixed anew, in their order, and where they change the picture, since
    /// the entries `changes` changed their layers inside rectangles: these entries themselves, and those
    /// over them. What is not in the picture is only marked.
    pub(super) fn smudges_to_mix(&mut self, changes: &[(usize, Rect)]) -> (Vec<usize>, Rect) {
        let (mut to_mix, mut dirty) = (Vec::new(), Rect::default());
        let Some(first) = changes.iter().map(|(index, _)| *index).min() else {
            return (to_mix, dirty);
        };
        let images = self.images_over_layers();
        let mut reached: BTreeMap<u64, Rect> = BTreeMap::new();
        let mut is_other_image = false;
        for (index, entry) in self.entries.iter_mut().enumerate().skip(first) {
            let own = changes.iter().find(|(it, _)| *it == index);
            let own = own.map(|(_, rect)| *rect);
            let stroke = match &mut entry.kind {
                EntryKind::Stroke(stroke) => stroke,
                EntryKind::Image { .. } => {
                    is_other_image |= own.is_some();
                    continue;
                }
            };
            let reach = reached.entry(stroke.layer).or_default();
            let bounds = stroke.coverage.bounds();
            if let Some(smudge) = &mut stroke.smudge {
                let is_hidden = images.get(&stroke.layer).is_some_and(|it| *it > index);
                // It has copies of whole tiles, into which it may come further.
                let is_reached = !whole_tiles(&bounds).intersect(reach).is_empty();
                if !entry.active || (is_hidden && (is_reached || is_other_image)) {
                    smudge.forget();
                } else if !is_hidden && (is_reached || !smudge.is_mixed()) {
                    to_mix.push(index);
                    dirty = dirty.union(&bounds);
                    *reach = reach.union(&bounds);
                }
            }
            if let Some(rect) = own.filter(|_| stroke.paints()) {
                *reach = reach.union(&rect);
            }
        }
        (to_mix, dirty)
    }

    /// Mixes all smudges anew that are in the picture. None of that is shown yet.
    pub(super) fn mix_all_anew(&mut self) {
        for stroke in self.entries.iter_mut().filter_map(Entry::stroke_mut) {
            stroke.smudge.iter_mut().for_each(Smudge::forget);
        }
        let all: Vec<_> = (0..self.entries.len())
            .map(|index| (index, Rect::default()))
            .collect();
        for index in self.smudges_to_mix(&all).0 {
            self.mix_anew(index);
        }
    }

    /// Mixes a smudge anew, which is not shown yet.
    pub(super) fn mix_anew(&mut self, index: usize) {
        self.mix_whole(index);
        self.mixed(index);
    }

    fn mix_whole(&mut self, index: usize) {
        if let Some(mut walk) = self.begin_mixing(index) {
            while self.mix_tile(index, &mut walk, None).is_some() {}
        }
    }

    /// Begins what [`Canvas::mix_anew`] does.
    pub(super) fn begin_mixing(&mut self, index: usize) -> Option<SmudgeWalk> {
        let bounds = self.bounds;
        let stroke = self.entries[index].stroke_mut()?;
        Some(stroke.smudge.as_mut()?.begin_anew(&bounds))
    }

    /// A smudge is mixed anew, and will hardly go on where its stroke was ended. Answers its layer.
    pub(super) fn mixed(&mut self, index: usize) -> u64 {
        let Some(stroke) = self.entries[index].stroke_mut() else {
            return LOWEST_LAYER;
        };
        if stroke.under.is_none() {
            stroke.close();
        }
        stroke.layer
    }

    /// Mixes the next tile of a dab; none when all is mixed. `is_top` is known of points that come for
    /// the first time, where nothing in the picture lies over the stroke.
    pub(super) fn mix_tile(
        &mut self,
        index: usize,
        walk: &mut SmudgeWalk,
        is_top: Option<bool>,
    ) -> Option<DabTile> {
        let stroke = self.entries[index].stroke_mut()?;
        let (layer, keeps_alpha) = (stroke.layer, stroke.keeps_alpha);
        // It is no part of what lies under it.
        let mut smudge = stroke.smudge.take()?;
        let tile = smudge.step(walk, keeps_alpha, |tile| {
            self.under_smudge(index, layer, tile, is_top)
        });
        self.entries[index].stroke_mut()?.smudge = Some(smudge);
        tile
    }

    fn smudge_at(&mut self, index: usize) -> Option<&mut Smudge> {
        self.entries[index].stroke_mut()?.smudge.as_mut()
    }

    /// A tile of a layer without the smudge `index`, which has not come there yet, and without what
    /// lies over it; straight RGBA.
    fn under_smudge(
        &mut self,
        index: usize,
        layer: u64,
        tile: TileIndex,
        is_top: Option<bool>,
    ) -> Box<[u8]> {
        let whole = tile_rect(tile);
        if layer != LOWEST_LAYER {
            let under = self.layer_tile(layer, tile, index);
            let pixels = under.as_ref().map(|under| under.rgba.clone());
            if is_top.is_some() {
                self.remember_under(index, tile, UnderTile::Layer(under));
            }
            return pixels.unwrap_or_else(nothing);
        }
        let shown = (self.lowest.crop(&whole), self.lowest_footprint.crop(&whole));
        // On top of all, what is shown lies under it.
        let (sketch, footprint) = match is_top {
            Some(true) => shown,
            _ => self.lowest_under(&whole, index, &shown),
        };
        let pixels = opaque(&sketch, &sketch.bounds());
        if is_top.is_some() {
            let kept = UnderTile::Lowest { sketch, footprint };
            self.remember_under(index, tile, kept);
        }
        pixels
    }

    /// A part of the lowest layer, and of its mask, as the entries before `end` make it; what is
    /// `shown` there stays.
    fn lowest_under(
        &mut self,
        part: &Rect,
        end: usize,
        (sketch, footprint): &(Pixels, Mask),
    ) -> (Pixels, Mask) {
        self.replay(part, end);
        let under = (self.lowest.crop(part), self.lowest_footprint.crop(part));
        self.lowest.paste(sketch, part.x, part.y);
        for y in part.y..part.bottom() {
            let row = self.lowest_footprint.span_mut(part.x, y, part.width);
            row.copy_from_slice(footprint.span(0, y - part.y, part.width));
        }
        under
    }

    /// For each layer, the topmost active image that it went into.
    fn images_over_layers(&self) -> BTreeMap<u64, usize> {
        let layers = self.stack.iter().map(|layer| layer.id);
        layers
            .filter_map(|layer| Some((layer, self.last_image_over(layer)?)))
            .collect()
    }
}

impl Stroke {
    /// True where it changes the paint of its layer, and not only the mask.
    fn paints(&self) -> bool {
        matches!(self.ink.tool, Tool::Brush | Tool::Erase | Tool::Smudge)
    }
}

impl Floor {
    /// Mixes a smudge that is about to become a part of the floor, if that was not done.
    pub(super) fn mix(&self, stroke: &mut Stroke, stack: &[StackLayer]) {
        let (layer, keeps_alpha) = (stroke.layer, stroke.keeps_alpha);
        let is_known = stack.iter().any(|it| it.id == layer);
        let Some(smudge) = stroke.smudge.as_mut().filter(|it| !it.is_mixed()) else {
            return;
        };
        if !is_known {
            return;
        }
        let tiles = self.layers.get(&layer);
        smudge.mix_all(&self.sketch.bounds(), keeps_alpha, |index| match layer {
            LOWEST_LAYER => opaque(&self.sketch, &tile_rect(index)),
            _ => {
                let tile = tiles.and_then(|tiles: &LayerTiles| tiles.get(index));
                tile.map_or_else(nothing, |tile| tile.rgba.clone())
            }
        });
    }
}

/// Adds what a dab covers to what the stroke does, and writes down where it is to be shown.
fn cover(
    coverage: &mut Coverage,
    touched: &mut BTreeMap<TileIndex, (Touched, u64)>,
    dab: &DabTile,
) {
    let DabTile {
        index,
        part,
        covered,
    } = dab;
    // The tip takes paint up from there, whether it covers anything or not.
    coverage.extend_bounds(part);
    if covered.iter().all(|value| *value == 0) {
        return;
    }
    let (touched, near) = touched.entry(*index).or_insert_with(|| {
        let touched = Touched {
            tile: *index,
            before: coverage.tile(*index).map(Box::<[u8]>::from),
            part: Rect::default(),
        };
        (touched, 0)
    });
    touched.part = touched.part.union(part);
    *near += part.area();
    coverage.raise(*index, covered, part);
}

fn nothing() -> Box<[u8]> {
    vec![0; 4 * TILE_AREA].into_boxed_slice()
}

/// A tile of an opaque picture as straight RGBA.
fn opaque(picture: &Pixels, tile: &Rect) -> Box<[u8]> {
    let rows = tile.y..tile.bottom();
    let pixels = rows.flat_map(|y| picture.span(tile.x, y, tile.width).chunks_exact(3));
    let pixels = pixels.flat_map(|pixel| [pixel[0], pixel[1], pixel[2], u8::MAX]);
    pixels.collect()
}
