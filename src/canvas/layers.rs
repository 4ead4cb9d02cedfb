//! The canvas: base, sketch, footprint and result, and what can be undone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::blend::{further_weight, mix_pixel};
use super::entry::{CanvasError, Entry, EntryKind, Stroke, UnderTile};
use super::mask::Mask;
use super::tile::{TILE_AREA, TileIndex, tile_rect};
use super::{Pixels, fit_to};
use crate::protocol::{Brush, CanvasSize, Rect, StrokePoint};

/// The largest dilation, in canvas pixels.
pub const MAX_DILATION: u32 = 256;
/// The most strokes, images and applied results that can be undone.
pub const MAX_UNDO_ENTRIES: usize = 100;
/// The most bytes that undoing may hold, on top of the canvas itself.
pub const MAX_UNDO_BYTES: usize = 128 << 20;

/// Strokes that are drawn at the same time without being replayed.
const OPEN_STROKES: usize = 8;
/// Tiles that an open stroke remembers of what lies under it.
const OPEN_TILES: usize = 1024;

/// Everything that a room's picture is made of.
///
/// The **sketch** is what the active strokes make of the **base**, in the
/// order in which they began. The **footprint** says where strokes let the
/// model repaint; dilated it is the mask. The **result** is what
/// the model made; it equals the sketch, byte for byte, wherever the mask is 0.
#[derive(Debug)]
pub struct Canvas {
    pub(super) bounds: Rect,
    pub(super) dilation: u32,
    pub(super) floor: Floor,
    pub(super) entries: VecDeque<Entry>,
    /// What was folded since somebody asked.
    pub(super) folded: Vec<u64>,
    pub(super) base: Arc<Pixels>,
    pub(super) sketch: Pixels,
    pub(super) result: Pixels,
    pub(super) footprint: Mask,
}

/// What is too old to be undone.
#[derive(Debug)]
pub(super) struct Floor {
    pub(super) base: Arc<Pixels>,
    /// The image that the base is, by its id.
    pub(super) base_id: Option<u64>,
    pub(super) sketch: Arc<Pixels>,
    pub(super) footprint: Mask,
}

/// A tile that a chunk drew on.
struct Touched {
    /// The coverage before; `None` when the stroke was not there yet.
    before: Option<Box<[u8]>>,
    /// The part that may have changed.
    part: Rect,
}

impl Canvas {
    /// White paper with dilation 0. Both sides of `size` are multiples of 64,
    /// from 64 to 4096.
    pub fn new(size: CanvasSize) -> Self {
        let paper = Pixels::new(size.width, size.height, [255; 3]);
        let footprint = Mask::new(size.width, size.height, 0);
        let base = Arc::new(paper.clone());
        Self {
            bounds: paper.bounds(),
            dilation: 0,
            floor: Floor {
                base: base.clone(),
                base_id: None,
                sketch: base.clone(),
                footprint: footprint.clone(),
            },
            entries: VecDeque::new(),
            folded: Vec::new(),
            base,
            sketch: paper.clone(),
            result: paper,
            footprint,
        }
    }

    /// Width and height in pixels.
    pub const fn size(&self) -> CanvasSize {
        CanvasSize {
            width: self.bounds.width,
            height: self.bounds.height,
        }
    }

    /// The whole canvas as a rectangle at the origin.
    pub const fn bounds(&self) -> Rect {
        self.bounds
    }

    /// What people painted, over the base.
    pub const fn sketch(&self) -> &Pixels {
        &self.sketch
    }

    /// The image that people paint on.
    pub fn base(&self) -> &Pixels {
        &self.base
    }

    /// Which placed image or applied result the base is; none for white paper.
    pub fn base_id(&self) -> Option<u64> {
        match self.last_image() {
            Some(index) => self.entries.get(index).map(|entry| entry.id),
            None => self.floor.base_id,
        }
    }

    /// What the model made of the sketch.
    pub const fn result(&self) -> &Pixels {
        &self.result
    }

    /// Where strokes let the model repaint, before it is dilated.
    pub const fn footprint(&self) -> &Mask {
        &self.footprint
    }

    /// How far beyond the footprint the model may repaint, in pixels.
    pub const fn dilation(&self) -> u32 {
        self.dilation
    }

    /// Changes the dilation (at most [`MAX_DILATION`]; larger ones count as that)
    /// and returns where the mask may have changed. Where it became 0 the
    /// result falls back to the sketch.
    pub fn set_dilation(&mut self, dilation: u32) -> Rect {
        let dilation = dilation.min(MAX_DILATION);
        let before = std::mem::replace(&mut self.dilation, dilation);
        if before == dilation {
            return Rect::default();
        }
        let dirty = self
            .footprint
            .bounds()
            .inflate_within(before.max(dilation), &self.bounds);
        if dilation < before {
            self.reset_result(&dirty, None);
        }
        dirty
    }

    /// Begins a stroke; `id` is the `seq` of its first op.
    ///
    /// # Errors
    /// [`CanvasError`] when the brush is not valid or the id is taken.
    pub fn begin_stroke(&mut self, id: u64, brush: &Brush) -> Result<(), CanvasError> {
        if self.entries.iter().any(|entry| entry.id == id) {
            return Err(CanvasError::DuplicateId(id));
        }
        let stroke = Stroke::from_brush(brush)?;
        self.push(id, EntryKind::Stroke(Box::new(stroke)));
        let open = self.entries.iter_mut().rev().filter_map(Entry::stroke_mut);
        for stroke in open.skip(OPEN_STROKES) {
            stroke.under = None;
        }
        Ok(())
    }

    /// Lets the model repaint a rectangle (cut to the canvas), as a mask stroke that covers exactly
    /// it; `id` is the `seq` of its op. Returns where the mask changed.
    ///
    /// # Errors
    /// [`CanvasError::DuplicateId`] when the id is taken.
    pub fn mask_rect(&mut self, id: u64, rect: &Rect) -> Result<Rect, CanvasError> {
        if self.entries.iter().any(|entry| entry.id == id) {
            return Err(CanvasError::DuplicateId(id));
        }
        let rect = rect.intersect(&self.bounds);
        let stroke = Stroke::from_mask_rect(&rect);
        self.push(id, EntryKind::Stroke(Box::new(stroke)));
        // It lies on top, and a mask only ever adds.
        let end = self.entries.len();
        self.compose(&rect, end - 1, end);
        Ok(rect)
    }

    /// Draws the next points of a stroke and returns where pixels may have
    /// changed: for brush and mask strokes the footprint of these points; the
    /// eraser and the restore brush add what they took from the mask around it.
    ///
    /// Where the stroke adds paint, the result is painted over too, until the
    /// model has seen it. An unknown id, one that is too old to be undone, or
    /// a stroke that is undone at the moment changes no pixel.
    pub fn extend_stroke(&mut self, id: u64, points: &[StrokePoint]) -> Rect {
        let Some(index) = self.part_to_extend(id) else {
            return Rect::default();
        };
        let mut touched: BTreeMap<TileIndex, Touched> = BTreeMap::new();
        let entry = &mut self.entries[index];
        let is_active = entry.active;
        let Some(stroke) = entry.stroke_mut() else {
            return Rect::default();
        };
        let adds_mask = stroke.ink.adds_mask();
        stroke.rasteriser.draw(
            points,
            &self.bounds,
            &mut stroke.coverage,
            |index, before, part| {
                touched
                    .entry(index)
                    .and_modify(|touched| touched.part = touched.part.union(part))
                    .or_insert_with(|| Touched {
                        before: before.map(Into::into),
                        part: *part,
                    });
            },
        );
        if !is_active {
            return Rect::default();
        }
        let is_top = self.entries.range(index + 1..).all(|entry| !entry.active);
        let mut dirty = Rect::default();
        for (tile, touched) in &touched {
            self.redraw_tile(index, *tile, touched, is_top);
            self.paint_result(index, *tile, touched);
            dirty = dirty.union(&touched.part);
        }
        self.forget_under(index + 1, |tile| touched.contains_key(&tile));
        if !adds_mask || !is_top {
            dirty = dirty.union(&self.reset_result(&dirty, None));
        }
        dirty
    }

    /// Says that a stroke gets no more points, which frees what was kept to
    /// draw it quickly. Points that come all the same are still drawn.
    pub fn end_stroke(&mut self, id: u64) {
        for entry in self.entries.iter_mut().filter(|entry| entry.id == id) {
            if let Some(stroke) = entry.stroke_mut() {
                stroke.under = None;
            }
        }
    }

    /// An image becomes base, sketch and result, and the mask is cleared.
    /// Returns where pixels may have changed: everywhere. An image of another
    /// size is fitted as by [`fit_to`].
    pub fn place(&mut self, id: u64, image: Pixels) -> Rect {
        let fits = image.bounds() == self.bounds;
        let image = if fits {
            image
        } else {
            fit_to(&image, self.size())
        };
        self.result.copy_rect(&image, &self.bounds);
        self.lay_image(id, image, false);
        self.bounds
    }

    /// The result becomes base and sketch, and the mask is cleared. Returns
    /// where the sketch or the mask may have changed.
    pub fn apply(&mut self, id: u64) -> Rect {
        let dirty = self
            .footprint
            .bounds()
            .inflate_within(self.dilation, &self.bounds);
        self.lay_image(id, self.result.clone(), true);
        dirty
    }

    /// The mask inside `rect` (cut to the canvas): the footprint grown by the
    /// dilation, 0 … 255, exactly 0 further than the dilation from any stroke.
    pub fn repaint_mask(&self, rect: &Rect) -> Mask {
        let rect = rect.intersect(&self.bounds);
        let around = rect.inflate_within(self.dilation, &self.bounds);
        let inside = Rect::new(
            rect.x - around.x,
            rect.y - around.y,
            rect.width,
            rect.height,
        );
        self.footprint
            .crop(&around)
            .dilate(self.dilation)
            .crop(&inside)
    }

    /// Adds an entry; the oldest make room.
    fn push(&mut self, id: u64, kind: EntryKind) {
        self.entries.push_back(Entry {
            id,
            active: true,
            kind,
        });
        self.fold();
    }

    fn lay_image(&mut self, id: u64, image: Pixels, is_apply: bool) {
        let pixels = Arc::new(image);
        self.sketch.copy_rect(&pixels, &self.bounds);
        self.footprint.data_mut().fill(0);
        self.base = pixels.clone();
        self.forget_under(0, |_| true);
        self.push(id, EntryKind::Image { pixels, is_apply });
    }

    /// The entry that new points of a stroke go to. Where an image was laid
    /// over the stroke since it began, the rest of it goes on top of the image.
    fn part_to_extend(&mut self, id: u64) -> Option<usize> {
        let is_part = |entry: &Entry| entry.id == id && matches!(entry.kind, EntryKind::Stroke(_));
        let index = self.entries.iter().rposition(is_part)?;
        let is_covered = self.last_image().is_some_and(|image| image > index);
        if !is_covered || !self.entries[index].active {
            return Some(index);
        }
        let rest = self.entries[index].stroke_mut()?.continued();
        self.push(id, EntryKind::Stroke(Box::new(rest)));
        Some(self.entries.len() - 1)
    }

    /// Brings sketch and footprint up to date where a chunk drew on a tile.
    fn redraw_tile(&mut self, index: usize, tile: TileIndex, touched: &Touched, is_top: bool) {
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
    fn paint_result(&mut self, index: usize, tile: TileIndex, touched: &Touched) {
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
            for ((before, after), (pixel, base)) in covered.zip(pixels) {
                if before != after {
                    let (before, after) = (
                        stroke.ink.paint_weight(*before),
                        stroke.ink.paint_weight(*after),
                    );
                    let weight = further_weight(before, after);
                    mix_pixel(pixel, stroke.ink.paint_color(base), weight);
                }
            }
        }
    }
}
