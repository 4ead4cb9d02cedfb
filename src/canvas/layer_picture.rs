//! Pictures that are laid on a layer.

use std::sync::Arc;

use super::entry::{CanvasError, EntryKind, Stroke};
use super::ink::Ink;
use super::layers::Canvas;
use super::picture_ink::PictureInk;
use super::stroke::Pen;
use super::tile::{Coverage, TILE, TILE_AREA, tile_rect, tiles_of};
use super::tip::Tip;
use super::{LayerPixels, StackLayer};
use crate::protocol::{LOWEST_LAYER, Rect, Tool};

impl Canvas {
    /// Lays a picture as large as the canvas on a layer, over what is there; `id` is the `seq` of its
    /// op. The mask stays as it is, and where it lies the result is the sketch until the model has seen
    /// it. Returns where pixels may have changed.
    ///
    /// # Errors
    /// [`CanvasError`] when the id is taken, there is no such layer, or the picture has another size.
    pub fn lay_picture(
        &mut self,
        id: u64,
        layer: u64,
        picture: &LayerPixels,
    ) -> Result<Rect, CanvasError> {
        if self.entries.iter().any(|entry| entry.id == id) {
            return Err(CanvasError::DuplicateId(id));
        }
        if picture.color.bounds() != self.bounds {
            return Err(CanvasError::OtherSize);
        }
        let mut layers = self.stack.iter();
        let layer = layers
            .find(|it| it.id == layer)
            .ok_or(CanvasError::UnknownLayer(layer))?;
        let (stroke, layer) = (Stroke::from_picture(picture, layer), layer.id);
        let rect = stroke.coverage.bounds();
        let before = self.sketch().crop(&rect);
        self.push(id, EntryKind::Stroke(Box::new(stroke)));
        let end = self.entries.len();
        match layer {
            LOWEST_LAYER => self.compose(&rect, end - 1, end),
            layer => self.replay_layer(layer, &rect),
        }
        self.flatten(&rect);
        Ok(rect.union(&self.reset_result(&rect, Some((&before, None)))))
    }
}

impl Stroke {
    /// A stroke that covers what a picture does, in the picture's colours.
    fn from_picture(picture: &LayerPixels, layer: &StackLayer) -> Self {
        let painted = picture.painted();
        let mut coverage = Coverage::default();
        let mut pixels = picture.color.crop(&painted);
        for index in tiles_of(&painted) {
            let tile = tile_rect(index);
            let part = tile.intersect(&painted);
            let mut values = vec![0; TILE_AREA].into_boxed_slice();
            for y in part.y..part.bottom() {
                let at = ((y - tile.y) * TILE + part.x - tile.x) as usize;
                let from = (y * picture.color.width() + part.x) as usize;
                let width = part.width as usize;
                let alpha = &picture.alpha[from..from + width];
                values[at..at + width].copy_from_slice(alpha);
                // What nobody sees of the colours may differ where the same picture comes back.
                let row = pixels.span_mut(part.x - painted.x, y - painted.y, part.width);
                for (pixel, _) in row.chunks_exact_mut(3).zip(alpha).filter(|it| *it.1 == 0) {
                    pixel.fill(0);
                }
            }
            if values.iter().any(|value| *value > 0) {
                coverage.put(index, values, &part);
            }
        }
        // A part of it may be empty.
        coverage.extend_bounds(&painted);
        Self {
            ink: Ink {
                tool: Tool::Brush,
                color: [0; 3],
                opacity: u8::MAX,
                ramp: None,
                picture: PictureInk::new(painted, Arc::new(pixels)),
            },
            pen: Pen::new(1.0, 1.0, Tip::default()),
            coverage,
            layer: layer.id,
            keeps_alpha: layer.keeps_alpha,
            under: None,
            smudge: None,
        }
    }
}
