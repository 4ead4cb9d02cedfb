//! The picture as a client puts it together from frames.

use bytes::Bytes;

use crate::canvas::{ImageLimits, Pixels, decode_image};
use crate::cli::Failure;
use crate::protocol::{CanvasSize, FrameHeader, Layer};

/// The result of a room, as far as frames have told.
#[derive(Debug)]
pub struct CanvasView {
    pixels: Pixels,
    /// Of each pixel's newest frame.
    revs: Vec<u64>,
    /// Whether a better one of it is to come.
    is_preview: Vec<bool>,
}

impl CanvasView {
    /// Nothing has come yet.
    pub fn new(size: CanvasSize) -> Self {
        let area = size.width as usize * size.height as usize;
        Self {
            pixels: Pixels::new(size.width, size.height, [255; 3]),
            revs: vec![0; area],
            is_preview: vec![true; area],
        }
    }

    /// Shows a frame of the result; older ones than what is shown, and other layers, change
    /// nothing.
    ///
    /// # Errors
    /// When it is no picture of its rectangle, or lies outside the canvas.
    pub fn show(&mut self, header: &FrameHeader, image: &Bytes) -> Result<(), Failure> {
        if header.layer != Layer::Result {
            return Ok(());
        }
        let rect = header.rect;
        let picture = decode_image(image, &ImageLimits::default()).map_err(|cause| {
            Failure::broken(format!(
                "the server sends a frame that cannot be read: {cause}"
            ))
        })?;
        let sides = (picture.width(), picture.height());
        if sides != (rect.width, rect.height) || !self.pixels.bounds().contains(&rect) {
            return Err(Failure::broken(format!(
                "the server sends {sides:?} pixels as the frame {rect:?}"
            )));
        }
        for y in 0..rect.height {
            for x in 0..rect.width {
                let (at_x, at_y) = (rect.x + x, rect.y + y);
                let at = at_y as usize * self.pixels.width() as usize + at_x as usize;
                if header.rev < self.revs[at] {
                    continue;
                }
                self.revs[at] = header.rev;
                self.is_preview[at] = !header.is_final;
                let pixel = self.pixels.span_mut(at_x, at_y, 1);
                pixel.copy_from_slice(picture.span(x, y, 1));
            }
        }
        Ok(())
    }

    /// What is shown.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// True when every pixel is there and none is a preview.
    pub fn is_final(&self) -> bool {
        !self.is_preview.contains(&true)
    }

    /// True when every pixel includes the op `seq`.
    pub fn includes(&self, seq: u64) -> bool {
        self.revs.iter().all(|rev| *rev >= seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::encode_image;
    use crate::protocol::{FrameFormat, Rect};

    const SIZE: CanvasSize = CanvasSize {
        width: 64,
        height: 64,
    };

    fn frame(rev: u64, rect: Rect, is_final: bool, color: [u8; 3]) -> (FrameHeader, Bytes) {
        let header = FrameHeader {
            rev,
            rect,
            step: 1,
            steps: 1,
            is_final,
            format: FrameFormat::Png,
            layer: Layer::Result,
        };
        let picture = Pixels::new(rect.width, rect.height, color);
        let image = encode_image(&picture, FrameFormat::Png, 100).unwrap();
        (header, image.into())
    }

    #[test]
    fn the_newest_frame_of_each_pixel_is_shown() {
        let mut view = CanvasView::new(SIZE);
        let mut show = |rev, rect, is_final, color| {
            let (header, image) = frame(rev, rect, is_final, color);
            view.show(&header, &image).unwrap();
            (view.is_final(), view.includes(3), view.pixels().clone())
        };
        let everything = Rect::new(0, 0, 64, 64);
        let corner = Rect::new(32, 32, 32, 32);
        let (is_final, includes, _) = show(3, corner, true, [3; 3]);
        assert!(!is_final && !includes, "most has not come yet");
        let (is_final, includes, pixels) = show(2, everything, true, [2; 3]);
        assert!(is_final && !includes);
        assert_eq!(
            (pixels.pixel(31, 31), pixels.pixel(32, 32)),
            ([2; 3], [3; 3])
        );
        let (is_final, includes, _) = show(4, everything, false, [4; 3]);
        assert!(!is_final && includes, "a preview");
        let (is_final, _, pixels) = show(4, everything, true, [5; 3]);
        assert!(is_final);
        assert_eq!(pixels.pixel(40, 40), [5; 3]);
    }

    #[test]
    fn frames_that_cannot_be_are_refused() {
        let mut view = CanvasView::new(SIZE);
        let (header, image) = frame(1, Rect::new(32, 32, 64, 8), true, [1; 3]);
        assert!(view.show(&header, &image).is_err(), "outside the canvas");
        let (mut header, image) = frame(1, Rect::new(0, 0, 8, 8), true, [1; 3]);
        header.rect.width = 9;
        assert!(view.show(&header, &image).is_err(), "of another size");
        header.rect.width = 8;
        assert!(view.show(&header, &image.slice(..9)).is_err(), "cut off");
        header.layer = Layer::Sketch;
        view.show(&header, &image).unwrap();
        assert_eq!(view.pixels().pixel(0, 0), [255; 3]);
    }
}
