//! What has to stay as it was: the pixels where the mask is zero.

use serde::Serialize;

use crate::canvas::{Mask, Pixels};
use crate::protocol::Rect;

/// Pixels that were compared with the photo's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// How many.
    pub pixels: u64,
    /// Bytes of them that are not the photo's.
    pub differing_bytes: u64,
    /// The first pixel with such a byte, row after row.
    pub first: Option<(u32, u32)>,
}

impl Compared {
    /// Adds another comparison to this one.
    pub fn add(&mut self, other: &Compared) {
        self.pixels += other.pixels;
        self.differing_bytes += other.differing_bytes;
        self.first = self.first.or(other.first);
    }
}

/// Compares what is shown with the photo inside `within`, wherever the mask is exactly 0. All
/// three have the size of the canvas.
pub fn compare(photo: &Pixels, shown: &Pixels, mask: &Mask, within: &Rect) -> Compared {
    let mut compared = Compared::default();
    let within = within.intersect(&photo.bounds());
    for y in within.y..within.bottom() {
        let photo = photo.span(within.x, y, within.width).chunks_exact(3);
        let shown = shown.span(within.x, y, within.width).chunks_exact(3);
        let mask = mask.span(within.x, y, within.width);
        for ((x, mask), (photo, shown)) in (within.x..).zip(mask).zip(photo.zip(shown)) {
            if *mask > 0 {
                continue;
            }
            compared.pixels += 1;
            let differ = photo.iter().zip(shown).filter(|(a, b)| a != b).count() as u64;
            if differ > 0 {
                compared.differing_bytes += differ;
                compared.first = compared.first.or(Some((x, y)));
            }
        }
    }
    compared
}

/// Pixels under the mask that are not the photo's.
pub fn changed_pixels(photo: &Pixels, shown: &Pixels, mask: &Mask) -> u64 {
    let pixels = photo
        .data()
        .chunks_exact(3)
        .zip(shown.data().chunks_exact(3));
    pixels
        .zip(mask.data())
        .filter(|((photo, shown), mask)| **mask > 0 && photo != shown)
        .count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u32 = 8;

    /// A photo, the same photo with one byte that is off by one, and a mask over its left half.
    fn scene(x: u32, y: u32) -> (Pixels, Pixels, Mask) {
        let bytes = (0..SIZE * SIZE * 3).map(|byte| (byte * 7 % 256) as u8);
        let photo = Pixels::from_raw(SIZE, SIZE, bytes.collect()).unwrap();
        let mut shown = photo.clone();
        shown.span_mut(x, y, 1)[2] ^= 1;
        let mut mask = Mask::new(SIZE, SIZE, 0);
        for row in 0..SIZE {
            mask.span_mut(0, row, SIZE / 2).fill(1);
        }
        (photo, shown, mask)
    }

    #[test]
    fn one_bit_where_the_mask_is_zero_is_found() {
        let (photo, shown, mask) = scene(6, 3);
        let found = compare(&photo, &shown, &mask, &photo.bounds());
        assert_eq!((found.pixels, found.differing_bytes), (32, 1));
        assert_eq!(found.first, Some((6, 3)));
        assert_eq!(changed_pixels(&photo, &shown, &mask), 0);
    }

    #[test]
    fn under_the_faintest_mask_bytes_may_change() {
        let (photo, shown, mask) = scene(3, 3);
        let found = compare(&photo, &shown, &mask, &photo.bounds());
        assert_eq!((found.pixels, found.differing_bytes), (32, 0));
        assert_eq!(found.first, None);
        assert_eq!(changed_pixels(&photo, &shown, &mask), 1);
        let everything = Mask::new(SIZE, SIZE, 0);
        let found = compare(&photo, &shown, &everything, &photo.bounds());
        assert_eq!((found.pixels, found.differing_bytes), (64, 1));
    }

    #[test]
    fn a_part_is_compared_alone() {
        let (photo, shown, mask) = scene(6, 3);
        let above = compare(&photo, &shown, &mask, &Rect::new(0, 0, SIZE, 3));
        assert_eq!((above.pixels, above.differing_bytes), (12, 0));
        let mut both = compare(&photo, &shown, &mask, &Rect::new(5, 3, 9, 9));
        assert_eq!((both.pixels, both.differing_bytes), (15, 1));
        both.add(&above);
        assert_eq!((both.pixels, both.differing_bytes), (27, 1));
        assert_eq!(both.first, Some((6, 3)));
    }
}
