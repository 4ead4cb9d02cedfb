//! From the decoded window to what is shown of it: in the canvas's own size, with a finish.

use crate::canvas::{Pixels, resize_bicubic};
use crate::protocol::{CanvasSize, Finish, Rect};

/// How a decoded window is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Output {
    /// Where, in canvas pixels. A window that was seen smaller is enlarged to it.
    pub rect: Rect,
    /// What it looks as if it was made with.
    pub finish: Finish,
    /// How much of the finish is seen, 0 … 1.
    pub finish_strength: f64,
}

impl Output {
    /// A rectangle of the canvas as it was decoded.
    pub fn plain(rect: Rect) -> Self {
        Self {
            rect,
            finish: Finish::None,
            finish_strength: 1.0,
        }
    }

    /// The decoded window as it is shown. The finish comes after enlarging, so that its strokes are
    /// as fine as the canvas. It is a function of canvas position, so that neighbouring windows
    /// agree.
    #[must_use]
    pub fn apply(&self, decoded: Pixels) -> Pixels {
        let Rect { width, height, .. } = self.rect;
        let scale = (width / decoded.width().max(1)).max(1);
        let pixels = if (decoded.width(), decoded.height()) == (width, height) {
            decoded
        } else {
            resize_bicubic(&decoded, CanvasSize { width, height })
        };
        let origin = (self.rect.x, self.rect.y);
        let strength = self.finish_strength as f32;
        self.finish.apply(strength, pixels, origin, scale)
    }
}
