//! Soft masks.

use crate::protocol::Rect;

use super::blend::scale;
use super::pixels::check_length;
use super::{BufferLengthError, Pixels};

/// A soft mask: one byte a pixel, row-major, 0 (keep) … 255 (change).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Mask {
    /// A mask with one value everywhere.
    pub fn new(width: u32, height: u32, value: u8) -> Self {
        Self {
            width,
            height,
            data: vec![value; width as usize * height as usize],
        }
    }

    /// A mask from `width`·`height` bytes, row after row.
    ///
    /// # Errors
    /// [`BufferLengthError`] when the length is another.
    pub fn from_raw(width: u32, height: u32, data: Vec<u8>) -> Result<Self, BufferLengthError> {
        check_length(width, height, 1, data.len())?;
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

    /// All values, row after row.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// All values, to be written.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The value at a place.
    ///
    /// # Panics
    /// When the place is outside the mask.
    pub fn value(&self, x: u32, y: u32) -> u8 {
        self.data[self.offset(x, y)]
    }

    /// `width` values of row `y` from column `x`.
    ///
    /// # Panics
    /// When they are not all inside the mask.
    pub fn span(&self, x: u32, y: u32, width: u32) -> &[u8] {
        let at = self.offset(x, y);
        &self.data[at..at + width as usize]
    }

    /// The same values as [`Mask::span`], to be written.
    ///
    /// # Panics
    /// When they are not all inside the mask.
    pub fn span_mut(&mut self, x: u32, y: u32, width: u32) -> &mut [u8] {
        let at = self.offset(x, y);
        &mut self.data[at..at + width as usize]
    }

    /// The smallest rectangle around all values above 0; empty when there are none.
    pub fn bounds(&self) -> Rect {
        let mut bounds = Rect::default();
        for y in 0..self.height {
            let row = self.span(0, y, self.width);
            if is_zero(row) {
                continue;
            }
            let first = row.iter().position(|value| *value != 0).unwrap_or(0) as u32;
            let last = row.iter().rposition(|value| *value != 0).unwrap_or(0) as u32;
            bounds = bounds.union(&Rect::new(first, y, last - first + 1, 1));
        }
        bounds
    }

    /// The part inside `rect`, which is first cut to the mask.
    pub fn crop(&self, rect: &Rect) -> Mask {
        let rect = rect.intersect(&Rect::new(0, 0, self.width, self.height));
        let mut data = Vec::with_capacity(rect.area() as usize);
        for y in rect.y..rect.bottom() {
            data.extend_from_slice(self.span(rect.x, y, rect.width));
        }
        Mask {
            width: rect.width,
            height: rect.height,
            data,
        }
    }

    /// The mask times another one of its size, 255 being one.
    #[must_use]
    pub fn times(mut self, other: &Mask) -> Mask {
        for (value, other) in self.data.iter_mut().zip(&other.data) {
            *value = scale(*value, *other);
        }
        self
    }

    /// The mask as a grey picture, white where it is 255.
    pub fn to_pixels(&self) -> Pixels {
        let mut pixels = Pixels::new(self.width, self.height, [0; 3]);
        for (pixel, value) in pixels.data_mut().chunks_exact_mut(3).zip(&self.data) {
            pixel.fill(*value);
        }
        pixels
    }

    /// The mask that a picture stands for: white may change, black stays (Rec. 601 luma).
    pub fn from_brightness(picture: &Pixels) -> Self {
        let mut mask = Self::new(picture.width(), picture.height(), 0);
        for (value, pixel) in mask.data.iter_mut().zip(picture.data().chunks_exact(3)) {
            if let [red, green, blue] = *pixel {
                let luma = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
                *value = u8::try_from((luma + 500) / 1000).unwrap_or(u8::MAX);
            }
        }
        mask
    }

    /// The mask `times` smaller: each value is the mean of `times`·`times`, rounded down, so that
    /// masks that share out 255 still do. What is left over on the right and below falls away.
    pub fn shrunk(&self, times: u32) -> Mask {
        let times = times.max(1);
        let mut small = Mask::new(self.width / times, self.height / times, 0);
        let area = times * times;
        for y in 0..small.height {
            for x in 0..small.width {
                let rows = (0..times).map(|row| self.span(x * times, y * times + row, times));
                let sum: u32 = rows.flatten().map(|value| u32::from(*value)).sum();
                small.span_mut(x, y, 1)[0] = (sum / area) as u8;
            }
        }
        small
    }

    fn offset(&self, x: u32, y: u32) -> usize {
        y as usize * self.width as usize + x as usize
    }
}

/// True when no value is above 0; looks at many values at a time.
pub(super) fn is_zero(values: &[u8]) -> bool {
    values
        .chunks(64)
        .all(|chunk| chunk.iter().fold(0, |all, value| all | value) == 0)
}
