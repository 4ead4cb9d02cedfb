//! The canvas: base, sketch, footprint and result, and what can be undone.

use std::collections::VecDeque;
use std::sync::Arc;

use super::entry::{CanvasError, Entry, EntryKind, Stroke};
use super::mask::Mask;
use super::stack::{Flattened, LayerMap, sketch_of};
use super::{Pixels, StackLayer, fit_to};
use crate::protocol::{Brush, CanvasSize, LOWEST_LAYER, MAX_SMUDGE_COST, MAX_SPREAD, Rect};

/// The most strokes, images and applied results that can be undone.
pub const MAX_UNDO_ENTRIES: usize = 100;
/// The most bytes that undoing may hold, on top of the canvas itself.
pub const MAX_UNDO_BYTES: usize = 128 << 20;
/// The most that the smudges which can be undone may cost to be mixed anew, all of them: one undo may
/// change what lies under each.
pub(super) const MAX_UNDO_COST: u64 = 2 * MAX_SMUDGE_COST;

/// Strokes that are drawn at the same time without being replayed.
const OPEN_STROKES: usize = 8;

/// Everything that a room's picture is made of.
///
/// The **sketch** is what the active strokes make of the **base**, in the
/// order in which they began, each on its layer, and the layers that are shown
/// in the order in which they lie. The **footprint** says where strokes let the
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
    /// The base with what is painted on the lowest layer.
    pub(super) lowest: Pixels,
    /// Where strokes on the lowest layer let the model repaint.
    pub(super) lowest_footprint: Mask,
    /// The other layers, whether they are shown or not.
    pub(super) layers: LayerMap,
    /// How all layers lie, the lowest first.
    pub(super) stack: Vec<StackLayer>,
    /// What the layers come to; none where that is the lowest alone.
    pub(super) flattened: Option<Box<Flattened>>,
    pub(super) result: Pixels,
}

/// What is too old to be undone.
#[derive(Debug)]
pub(super) struct Floor {
    pub(super) base: Arc<Pixels>,
    /// The image that the base is, by its id.
    pub(super) base_id: Option<u64>,
    /// The base with what is painted on the lowest layer.
    pub(super) sketch: Arc<Pixels>,
    pub(super) footprint: Mask,
    /// The other layers.
    pub(super) layers: LayerMap,
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
                layers: LayerMap::new(),
            },
            entries: VecDeque::new(),
            folded: Vec::new(),
            base,
            lowest: paper.clone(),
            lowest_footprint: footprint,
            layers: LayerMap::new(),
            stack: vec![StackLayer::LOWEST],
            flattened: None,
            result: paper,
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

    /// What people painted, over the base: the layers that are shown.
    pub fn sketch(&self) -> &Pixels {
        sketch_of(&self.flattened, &self.lowest)
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
    pub fn footprint(&self) -> &Mask {
        let flattened = self.flattened.as_ref();
        flattened.map_or(&self.lowest_footprint, |flat| &flat.footprint)
    }

    /// How far beyond the footprint the model may repaint, in pixels.
    pub const fn dilation(&self) -> u32 {
        self.dilation
    }

    /// Changes the dilation (at most [`MAX_SPREAD`]; larger ones count as that)
    /// and returns where the mask may have changed. Where it became 0 the
    /// result falls back to the sketch.
    pub fn set_dilation(&mut self, dilation: u32) -> Rect {
        let dilation = dilation.min(MAX_SPREAD);
        let before = std::mem::replace(&mut self.dilation, dilation);
        if before == dilation {
            return Rect::default();
        }
        let dirty = self
            .footprint()
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
    /// [`CanvasError`] when the brush is not valid, the id is taken, or there is no such layer.
    pub fn begin_stroke(&mut self, id: u64, brush: &Brush) -> Result<(), CanvasError> {
        if self.entries.iter().any(|entry| entry.id == id) {
            return Err(CanvasError::DuplicateId(id));
        }
        let id_of_layer = brush.layer.unwrap_or(LOWEST_LAYER);
        let mut layers = self.stack.iter();
        let layer = layers.find(|layer| layer.id == id_of_layer);
        let layer = layer.ok_or(CanvasError::UnknownLayer(id_of_layer))?;
        let stroke = Stroke::from_brush(brush, layer)?;
        self.push(id, EntryKind::Stroke(Box::new(stroke)));
        let open = self.entries.iter_mut().rev().filter_map(Entry::stroke_mut);
        for stroke in open.skip(OPEN_STROKES) {
            stroke.close();
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
        self.flatten(&rect);
        Ok(rect)
    }

    /// Says that a stroke gets no more points, which frees what was kept to
    /// draw it quickly. Points that come all the same are still drawn.
    pub fn end_stroke(&mut self, id: u64) {
        for entry in self.entries.iter_mut().filter(|entry| entry.id == id) {
            if let Some(stroke) = entry.stroke_mut() {
                stroke.close();
            }
        }
    }

    /// An image becomes base, sketch and result, and the mask is cleared: what
    /// was on the layers that are shown is hidden by it. Returns where pixels
    /// may have changed: everywhere. An image of another size is fitted as by
    /// [`fit_to`].
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

    /// The result becomes base and sketch, and the mask is cleared: the layers
    /// that are shown have gone into it and are empty. Returns where the sketch
    /// or the mask may have changed.
    pub fn apply(&mut self, id: u64) -> Rect {
        let dirty = self
            .footprint()
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
        self.footprint()
            .crop(&around)
            .dilate(self.dilation)
            .crop(&inside)
    }

    /// Adds an entry; the oldest make room.
    pub(super) fn push(&mut self, id: u64, kind: EntryKind) {
        self.entries.push_back(Entry {
            id,
            active: true,
            kind,
        });
        self.fold();
    }

    fn lay_image(&mut self, id: u64, image: Pixels, is_apply: bool) {
        let pixels = Arc::new(image);
        self.lowest.copy_rect(&pixels, &self.bounds);
        self.lowest_footprint.data_mut().fill(0);
        self.base = pixels.clone();
        for layer in self.stack.iter().filter(|layer| layer.is_shown) {
            self.layers.remove(&layer.id);
        }
        self.flatten(&self.bounds.clone());
        self.forget_under(0, |_| true);
        let stack = self.stack.clone();
        self.push(
            id,
            EntryKind::Image {
                pixels,
                is_apply,
                stack,
            },
        );
    }

    /// The entry that new points of a stroke go to. Where an image was laid
    /// over the stroke since it began, the rest of it goes on top of the image.
    pub(super) fn part_to_extend(&mut self, id: u64) -> Option<usize> {
        let is_part = |entry: &Entry| entry.id == id && matches!(entry.kind, EntryKind::Stroke(_));
        let index = self.entries.iter().rposition(is_part)?;
        let layer = self.entries[index].stroke_mut()?.layer;
        let is_covered = self
            .last_image_over(layer)
            .is_some_and(|image| image > index);
        if !is_covered || !self.entries[index].active {
            return Some(index);
        }
        let rest = self.entries[index].stroke_mut()?.continued();
        self.push(id, EntryKind::Stroke(Box::new(rest)));
        Some(self.entries.len() - 1)
    }
}
