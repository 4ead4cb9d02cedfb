//! Lines are what is dark in any colour: pens and brushes on paper.

use crate::canvas::Pixels;

/// Below it a colour's least part is ink: one half, as in lllyasviel's scribbles.
const INK: u8 = 127;

/// True for each pixel that is ink.
pub(super) fn lines(picture: &Pixels) -> Vec<bool> {
    let pixels = picture.data().chunks_exact(3);
    pixels
        .map(|pixel| pixel.iter().any(|part| *part < INK))
        .collect()
}
