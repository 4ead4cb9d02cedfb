//! Whether the result has pixels that no stroke and no base can have made.

use super::layers::Canvas;

/// How far ink in the result may be from the same ink in the sketch, of 255: what is painted chunk by
/// chunk is rounded more often.
const INK_ROUNDING: u8 = 8;

impl Canvas {
    /// True where a pixel of the result is far from both the sketch's and the base's: then it is not
    /// paint alone.
    pub fn is_beyond_ink(&self) -> bool {
        let row = 3 * self.bounds.width as usize;
        let result = self.result.data().chunks_exact(row);
        let sketch = self.sketch().data().chunks_exact(row);
        let base = self.base.data().chunks_exact(row);
        let mut rows = result.zip(sketch).zip(base);
        // Most rows are the same as a whole, which is quick to see.
        rows.any(|((result, sketch), base)| {
            result != sketch && result != base && has_a_far_pixel(result, sketch, base)
        })
    }
}

/// True where a pixel of the row is far from the ones at its place in both others.
fn has_a_far_pixel(row: &[u8], one: &[u8], other: &[u8]) -> bool {
    let others = one.chunks_exact(3).zip(other.chunks_exact(3));
    row.chunks_exact(3)
        .zip(others)
        .any(|(pixel, (one, other))| is_far(pixel, one) && is_far(pixel, other))
}

fn is_far(pixel: &[u8], other: &[u8]) -> bool {
    let channels = pixel.iter().zip(other);
    channels
        .map(|(channel, other)| channel.abs_diff(*other))
        .any(|difference| difference > INK_ROUNDING)
}
