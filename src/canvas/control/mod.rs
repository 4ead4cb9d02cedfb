//! What is made of a control picture before a network reads it. Networks that want lines were
//! trained on white lines on black.

mod canny;
mod ink;
mod xdog;

#[cfg(test)]
mod tests;

use super::Pixels;
use crate::protocol::ControlPreprocess;

/// The picture as a control reads it, of the same size.
pub fn control_picture(picture: &Pixels, preprocess: ControlPreprocess) -> Pixels {
    let lines = match preprocess {
        ControlPreprocess::None => return picture.clone(),
        ControlPreprocess::Ink => ink::lines(picture),
        ControlPreprocess::Canny => canny::edges(picture),
        ControlPreprocess::Xdog => xdog::outlines(picture),
    };
    let mut drawn = Pixels::new(picture.width(), picture.height(), [0; 3]);
    for (pixel, is_line) in drawn.data_mut().chunks_exact_mut(3).zip(lines) {
        if is_line {
            pixel.fill(u8::MAX);
        }
    }
    drawn
}
