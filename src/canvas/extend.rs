//! Pictures and masks made larger by repeating their edges, for models that take sides of certain
//! multiples only.

use super::{Mask, Pixels};

impl Pixels {
    /// This picture with its last column repeated to the right and its last row downwards, up to
    /// this width and height; what is larger already stays as it is. Cropping to the old size
    /// gives the picture back.
    #[must_use]
    pub fn extended(&self, width: u32, height: u32) -> Pixels {
        let (width, height) = (width.max(self.width()), height.max(self.height()));
        let mut extended = Pixels::new(width, height, [0; 3]);
        if self.data().is_empty() {
            return extended;
        }
        for y in 0..height {
            let source = self.span(0, y.min(self.height() - 1), self.width());
            extend_row(extended.span_mut(0, y, width), source, 3);
        }
        extended
    }
}

impl Mask {
    /// This mask with its last column and row repeated, as [`Pixels::extended`]: a cell that is
    /// partly beyond the edge counts as what is inside of it.
    #[must_use]
    pub fn extended(&self, width: u32, height: u32) -> Mask {
        let (width, height) = (width.max(self.width()), height.max(self.height()));
        let mut extended = Mask::new(width, height, 0);
        if self.data().is_empty() {
            return extended;
        }
        for y in 0..height {
            let source = self.span(0, y.min(self.height() - 1), self.width());
            extend_row(extended.span_mut(0, y, width), source, 1);
        }
        extended
    }
}

/// Copies a row and repeats its last `channels` values to the end.
fn extend_row(row: &mut [u8], source: &[u8], channels: usize) {
    let (kept, repeated) = row.split_at_mut(source.len());
    kept.copy_from_slice(source);
    let last = source.len().saturating_sub(channels);
    for values in repeated.chunks_exact_mut(channels) {
        values.copy_from_slice(&source[last..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_repeated_and_cropping_gives_the_original() {
        let picture = Pixels::from_raw(2, 3, (0..18).collect()).unwrap();
        let extended = picture.extended(5, 4);
        assert_eq!((extended.width(), extended.height()), (5, 4));
        assert_eq!(extended.crop(&picture.bounds()), picture);
        assert_eq!(extended.pixel(4, 1), picture.pixel(1, 1));
        assert_eq!(extended.pixel(0, 3), picture.pixel(0, 2));
        assert_eq!(extended.pixel(4, 3), picture.pixel(1, 2));
        assert_eq!(picture.extended(1, 1), picture);

        let mask = Mask::from_raw(2, 1, vec![3, 200]).unwrap();
        assert_eq!(mask.extended(3, 2).data(), [3, 200, 200, 3, 200, 200]);
        assert_eq!(Pixels::new(0, 0, [1; 3]).extended(1, 1).data(), [0; 3]);
    }
}
