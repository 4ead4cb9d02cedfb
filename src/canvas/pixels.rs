//! RGB pictures.

use crate::protocol::Rect;

/// A buffer whose length does not fit its width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {width}×{height} picture needs {expected} bytes but got {actual}; pass all its rows")]
pub struct BufferLengthError {
    /// Width asked for, in pixels.
    pub width: u32,
    /// Height asked for, in pixels.
    pub height: u32,
    /// Bytes that it needs.
    pub expected: u64,
    /// Bytes that were given.
    pub actual: usize,
}

/// Checks that `actual` bytes are `width`×`height` pixels of `channels` bytes.
pub(super) fn check_length(
    width: u32,
    height: u32,
    channels: u64,
    actual: usize,
) -> Result<(), BufferLengthError> {
    let expected = u64::from(width) * u64::from(height) * channels;
    if expected == actual as u64 {
        return Ok(());
    }
    Err(BufferLengthError {
        width,
        height,
        expected,
        actual,
    })
}

/// A picture: RGB, 8 bits a channel, row-major, no alpha, no padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Pixels {
    /// A picture in one colour.
    pub fn new(width: u32, height: u32, color: [u8; 3]) -> Self {
        Self {
            width,
            height,
            data: color.repeat(width as usize * height as usize),
        }
    }

    /// A picture from `width`·`height`·3 bytes, RGB, row after row.
    ///
    /// # Errors
    /// [`BufferLengthError`] when the length is another.
    pub fn from_raw(width: u32, height: u32, data: Vec<u8>) -> Result<Self, BufferLengthError> {
        check_length(width, height, 3, data.len())?;
        Ok(Self {
            width,
            height,
            data,
        })
    }

    /// Width in pixels.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// The whole picture as a rectangle at the origin.
    pub const fn bounds(&self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }

    /// All bytes, RGB, row after row.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// All bytes, to be written.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// All bytes, without a copy.
    pub fn into_raw(self) -> Vec<u8> {
        self.data
    }

    /// The colour at a place.
    ///
    /// # Panics
    /// When the place is outside the picture.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = self.offset(x, y);
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// The bytes of `width` pixels of row `y` from column `x`.
    ///
    /// # Panics
    /// When they are not all inside the picture.
    pub fn span(&self, x: u32, y: u32, width: u32) -> &[u8] {
        let at = self.offset(x, y);
        &self.data[at..at + width as usize * 3]
    }

    /// The same bytes as [`Pixels::span`], to be written.
    ///
    /// # Panics
    /// When they are not all inside the picture.
    pub fn span_mut(&mut self, x: u32, y: u32, width: u32) -> &mut [u8] {
        let at = self.offset(x, y);
        &mut self.data[at..at + width as usize * 3]
    }

    /// True when every pixel is white paper.
    pub fn is_white(&self) -> bool {
        self.data.iter().all(|value| *value == u8::MAX)
    }

    /// The part inside `rect`, which is first cut to the picture.
    pub fn crop(&self, rect: &Rect) -> Pixels {
        let rect = rect.intersect(&self.bounds());
        let mut data = Vec::with_capacity(rect.area() as usize * 3);
        for y in rect.y..rect.bottom() {
            data.extend_from_slice(self.span(rect.x, y, rect.width));
        }
        Pixels {
            width: rect.width,
            height: rect.height,
            data,
        }
    }

    /// Lays `other` over this picture with its top left corner at `(x, y)`;
    /// what would fall outside is left out.
    pub fn paste(&mut self, other: &Pixels, x: u32, y: u32) {
        let target = Rect::new(x, y, other.width, other.height).intersect(&self.bounds());
        for row in target.y..target.bottom() {
            self.span_mut(target.x, row, target.width)
                .copy_from_slice(other.span(0, row - y, target.width));
        }
    }

    /// Copies the pixels inside `rect` from a picture of the same size.
    pub(super) fn copy_rect(&mut self, other: &Pixels, rect: &Rect) {
        for y in rect.y..rect.bottom() {
            self.span_mut(rect.x, y, rect.width)
                .copy_from_slice(other.span(rect.x, y, rect.width));
        }
    }

    fn offset(&self, x: u32, y: u32) -> usize {
        (y as usize * self.width as usize + x as usize) * 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_buffer_is_refused() {
        let error = Pixels::from_raw(2, 2, vec![0; 11]).unwrap_err();
        assert_eq!((error.expected, error.actual), (12, 11));
        assert!(Pixels::from_raw(2, 2, vec![0; 12]).is_ok());
    }

    #[test]
    fn crop_and_paste_are_inverse() {
        let mut picture = Pixels::from_raw(5, 4, (0..60).collect()).unwrap();
        let original = picture.clone();
        let part = picture.crop(&Rect::new(1, 2, 3, 2));
        assert_eq!((part.width(), part.height()), (3, 2));
        assert_eq!(part.pixel(0, 0), original.pixel(1, 2));
        picture.paste(&Pixels::new(3, 2, [0; 3]), 1, 2);
        assert_eq!(picture.pixel(3, 3), [0; 3]);
        picture.paste(&part, 1, 2);
        assert_eq!(picture, original);
    }

    #[test]
    fn what_falls_outside_is_left_out() {
        let mut picture = Pixels::new(4, 4, [1; 3]);
        picture.paste(&Pixels::new(4, 4, [2; 3]), 3, 3);
        assert_eq!(picture.pixel(3, 3), [2; 3]);
        assert_eq!(picture.pixel(2, 3), [1; 3]);
        picture.paste(&Pixels::new(4, 4, [2; 3]), 9, 9);
        assert_eq!(
            picture.crop(&Rect::new(3, 3, 9, 9)).bounds(),
            Rect::new(0, 0, 1, 1)
        );
    }
}
