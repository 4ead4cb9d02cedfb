//! How a render meets the picture where the mask is soft.

use crate::canvas::{Mask, Pixels};

/// What to paste, under `mask`, so that the result becomes `known·(1 − mask) + model·mask`.
///
/// Pasting the model's pixels themselves would mix them with those of the render before, and a
/// soft edge would harden with every render. So each pixel is pushed past the model's by as much
/// as pasting will hold it back: `result + (wanted − result) / mask`, cut to 0 … 255. All four
/// pictures have the window's size; where the mask is 0 nothing is pasted anyway.
pub(super) fn pixels_to_paste(
    result: &Pixels,
    known: &Pixels,
    model: &Pixels,
    mask: &Mask,
) -> Pixels {
    let mut paste = model.clone();
    let pixels = paste.data_mut().chunks_exact_mut(3);
    let results = result.data().chunks_exact(3);
    let knowns = known.data().chunks_exact(3);
    for (((pixel, result), known), mask) in pixels.zip(results).zip(knowns).zip(mask.data()) {
        if *mask == 0 || *mask == 255 {
            continue;
        }
        let weight = f32::from(*mask) / 255.0;
        for ((value, result), known) in pixel.iter_mut().zip(result).zip(known) {
            let (result, known) = (f32::from(*result), f32::from(*known));
            let wanted = known + (f32::from(*value) - known) * weight;
            *value = (result + (wanted - result) / weight)
                .round()
                .clamp(0.0, 255.0) as u8;
        }
    }
    paste
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(value: u8) -> Pixels {
        Pixels::new(4, 4, [value; 3])
    }

    #[test]
    fn a_first_render_is_pasted_as_it_is() {
        for mask in [1, 64, 128, 255] {
            let paste = pixels_to_paste(&flat(90), &flat(90), &flat(200), &Mask::new(4, 4, mask));
            assert_eq!(paste, flat(200));
        }
    }

    #[test]
    fn the_same_render_again_changes_nothing() {
        // Half of 100 and half of 200.
        let settled = flat(150);
        let mask = Mask::new(4, 4, 128);
        let paste = pixels_to_paste(&settled, &flat(100), &flat(200), &mask);
        assert!(paste.data().iter().all(|value| value.abs_diff(150) <= 1));
    }
}
