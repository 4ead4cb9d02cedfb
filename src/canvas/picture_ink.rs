//! The colours of a picture that is laid on a layer.

use std::sync::Arc;

use super::Pixels;
use crate::protocol::Rect;

/// The part of a picture that has something to show, and where it lies on the canvas.
#[derive(Clone, Debug)]
pub(super) struct PictureInk {
    rect: Rect,
    pixels: Arc<Pixels>,
}

impl PictureInk {
    /// Pixels that lie in a rectangle of the canvas; none where they do not fill it, or there are none.
    pub(super) fn new(rect: Rect, pixels: Arc<Pixels>) -> Option<Self> {
        let fits = (pixels.width(), pixels.height()) == (rect.width, rect.height);
        (fits && !rect.is_empty()).then_some(Self { rect, pixels })
    }

    /// The colour at a place of the canvas; black outside of the picture.
    pub(super) fn at(&self, x: u32, y: u32) -> [u8; 3] {
        match self.rect.contains(&Rect::new(x, y, 1, 1)) {
            true => self.pixels.pixel(x - self.rect.x, y - self.rect.y),
            false => [0; 3],
        }
    }

    /// Its pixels.
    pub(super) const fn pixels(&self) -> &Arc<Pixels> {
        &self.pixels
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.pixels.data().len()
    }
}
