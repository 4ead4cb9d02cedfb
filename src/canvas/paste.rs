//! Where the model's pixels meet the canvas.

use super::blend::mix_pixel;
use super::mask::Mask;
use super::{Canvas, Pixels};
use crate::protocol::Rect;

impl Canvas {
    /// What the pixels of `window` are where the model does not paint: the
    /// `known` of an edit whose mask is `mask` (window size; `soft` or less),
    /// where `soft` is the window's [`Canvas::repaint_mask`].
    ///
    /// With it, `known·(1 − mask) + model·mask` mixes the model's pixels with
    /// the sketch along the soft edge of the strokes, and with the result of
    /// earlier renders where a window fades out. Rendering again and again
    /// therefore does not make soft edges creep towards hard ones. Where the
    /// mask is full nothing is known but the sketch: a picture does not depend
    /// on the one that it replaces.
    pub fn known(&self, window: &Rect, mask: &Mask, soft: &Mask) -> Pixels {
        let window = window.intersect(&self.bounds);
        let mut known = self.result.crop(&window);
        let height = window.height.min(mask.height());
        let width = window.width.min(mask.width());
        for y in 0..height {
            let sketch = self.sketch().span(window.x, window.y + y, width);
            let masks = mask.span(0, y, width).iter().zip(soft.span(0, y, width));
            let row = known.span_mut(0, y, width);
            let pixels = row.chunks_exact_mut(3).zip(sketch.chunks_exact(3));
            for ((mask, soft), (pixel, sketch)) in masks.zip(pixels) {
                mix_pixel(pixel, sketch, sketch_weight(*mask, *soft));
            }
        }
        known
    }

    /// Makes the result `known·(1 − mask) + rendered·mask`, with [`Canvas::known`] of this
    /// moment. `rendered` and `mask` have the window's size. Returns the smallest rectangle
    /// around what changed.
    ///
    /// Only pixels change that have a `mask` above 0 and that strokes (grown
    /// by the dilation) still cover: what was undone while the model worked
    /// stays undone. Pasting the same render twice is pasting it once.
    pub fn paste_result(&mut self, window: &Rect, rendered: &Pixels, mask: &Mask) -> Rect {
        let window = Rect::new(
            window.x,
            window.y,
            window.width.min(rendered.width()).min(mask.width()),
            window.height.min(rendered.height()).min(mask.height()),
        )
        .intersect(&self.bounds);
        let allowed = self.repaint_mask(&window);
        let known = self.known(&window, mask, &allowed);
        let mut dirty = Rect::default();
        for y in 0..window.height {
            let masks = mask
                .span(0, y, window.width)
                .iter()
                .zip(allowed.span(0, y, window.width));
            let wanted = known
                .span(0, y, window.width)
                .chunks_exact(3)
                .zip(rendered.span(0, y, window.width).chunks_exact(3));
            let row = self.result.span_mut(window.x, window.y + y, window.width);
            let mut first = None;
            let mut last = 0;
            let pixels = row.chunks_exact_mut(3).zip(wanted);
            for (x, ((mask, allowed), (pixel, (known, rendered)))) in
                (window.x..).zip(masks.zip(pixels))
            {
                if *mask == 0 || *allowed == 0 {
                    continue;
                }
                let mut mixed = [known[0], known[1], known[2]];
                mix_pixel(&mut mixed, rendered, *mask);
                if pixel == mixed {
                    continue;
                }
                pixel.copy_from_slice(&mixed);
                first = first.or(Some(x));
                last = x;
            }
            if let Some(first) = first {
                dirty = dirty.union(&Rect::new(first, window.y + y, last - first + 1, 1));
            }
        }
        dirty
    }
}

impl Pixels {
    /// Makes this picture `self·(1 − mask) + edited·mask`, over what all three cover. Where the
    /// mask is 0 not a bit changes; where it is 255 the pixels are those of `edited`.
    pub fn paste_inside(&mut self, edited: &Pixels, mask: &Mask) {
        let width = self.width().min(edited.width()).min(mask.width());
        let height = self.height().min(edited.height()).min(mask.height());
        for y in 0..height {
            let pixels = self.span_mut(0, y, width).chunks_exact_mut(3);
            let edited = edited.span(0, y, width).chunks_exact(3);
            for ((pixel, edited), weight) in pixels.zip(edited).zip(mask.span(0, y, width)) {
                mix_pixel(pixel, edited, *weight);
            }
        }
    }
}

/// The weight of the sketch against the earlier result. With `soft` = s and
/// `mask` = f·s, the picture wanted is `(1 − f)·result + f·((1 − s)·sketch +
/// s·model)`; this is the sketch's share of what is not the model's.
fn sketch_weight(mask: u8, soft: u8) -> u8 {
    if soft == 0 {
        return 0;
    }
    // Nothing but the model's shows there, and the encoder must not see what was painted before.
    if mask == 255 {
        return 255;
    }
    let (mask, soft) = (u32::from(mask.min(soft)), u32::from(soft));
    (mask * (255 - soft) * 255 / (soft * (255 - mask)).max(1)).min(255) as u8
}
