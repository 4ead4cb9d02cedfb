//! The paint that a tip carries, and how it is mixed with a canvas's.

use super::blend::mix_pixel;
use super::tile::TILE;
use crate::protocol::Rect;

/// Pixels around the tip that its dabs may come near: its place is rounded, and so are its edges.
const RIM: u32 = 3;

/// Red, green and blue times alpha, and alpha, in parts of 255². In these a colour that is mixed with
/// itself stays exactly what it is.
type Paint = [u16; 4];
/// What is wholly there.
const FULL: u32 = 255 * 255;

/// The paint on a tip.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    side: u32,
    pixels: Vec<Paint>,
    /// The part of it that has paint, in its own pixels.
    pub(super) held: Rect,
}

impl Carried {
    /// Nothing, on a tip of that size at pressure 1.
    pub(super) fn new(size: f32) -> Self {
        let side = 2 * reach_of(size) + 1;
        Self {
            side,
            pixels: vec![[0; 4]; (side * side) as usize],
            held: Rect::default(),
        }
    }

    /// Mixes what is carried with the pixels of a tile inside `part`, and leaves it where the dab
    /// covers them.
    pub(super) fn mix(
        &mut self,
        corner: (i64, i64),
        (tile, part): (&Rect, &Rect),
        pixels: &mut [u8],
        covered: &[u8],
        (strength, keeps_alpha): (u8, bool),
    ) {
        let left = (i64::from(part.x) - corner.0) as u32;
        for y in part.y..part.bottom() {
            let row = (i64::from(y) - corner.1) as u32;
            let at = ((y - tile.y) * TILE + part.x - tile.x) as usize;
            let width = part.width as usize;
            let carried = &mut self.pixels[(row * self.side + left) as usize..][..width];
            let is_held_row = (self.held.y..self.held.bottom()).contains(&row);
            let places = (left..).zip(carried);
            let below = pixels[4 * at..].chunks_exact_mut(4).zip(&covered[at..]);
            for ((place, carried), (pixel, covered)) in places.zip(below) {
                let under = premultiplied(pixel);
                let is_held = is_held_row && (self.held.x..self.held.right()).contains(&place);
                *carried = match is_held {
                    true => mixed(under, *carried, strength),
                    // The tip comes here for the first time since it was put down.
                    false => under,
                };
                if *covered > 0 && *carried != under {
                    leave(pixel, under, *carried, *covered, keeps_alpha);
                }
            }
        }
    }
}

/// Half of the side of what a tip carries.
pub(super) fn reach_of(size: f32) -> u32 {
    (0.5 * size).ceil() as u32 + RIM
}

/// Mixes a pixel of straight RGBA towards another; weight 255 is that one, 0 changes nothing.
pub(super) fn mix_straight(pixel: &mut [u8], towards: &[u8], weight: u8) {
    let (from, to) = (premultiplied(pixel), premultiplied(towards));
    if from != to && weight > 0 {
        straight(mixed(from, to, weight), pixel);
    }
}

/// Leaves `carried` on a pixel of straight RGBA, which is `under`.
fn leave(pixel: &mut [u8], under: Paint, carried: Paint, covered: u8, keeps_alpha: bool) {
    if !keeps_alpha {
        straight(mixed(under, carried, covered), pixel);
        return;
    }
    let mut color = [0; 4];
    straight(carried, &mut color);
    if pixel[3] > 0 && color[3] > 0 {
        let product = u32::from(covered) * u32::from(carried[3]);
        let weight = ((product + FULL / 2) / FULL) as u8;
        mix_pixel(&mut pixel[..3], &color[..3], weight);
    }
}

fn premultiplied(pixel: &[u8]) -> Paint {
    let alpha = u16::from(pixel[3]);
    [0, 1, 2, 3].map(|channel: usize| match channel {
        3 => 255 * alpha,
        channel => u16::from(pixel[channel]) * alpha,
    })
}

/// `from` at weight 0, `to` at weight 255; rounded to nearest.
fn mixed(from: Paint, to: Paint, weight: u8) -> Paint {
    let (back, weight) = (u32::from(255 - weight), u32::from(weight));
    [0, 1, 2, 3].map(|channel: usize| {
        let sum = u32::from(from[channel]) * back + u32::from(to[channel]) * weight;
        ((sum + 127) / 255) as u16
    })
}

/// Writes paint as straight RGBA; where alpha is 0 the colours are too.
fn straight(paint: Paint, pixel: &mut [u8]) {
    let whole = u32::from(paint[3]);
    let alpha = ((whole + 127) / 255) as u8;
    for (channel, part) in pixel.iter_mut().zip(&paint[..3]) {
        *channel = match alpha {
            0 => 0,
            _ => ((u32::from(*part) * 255 + whole / 2) / whole).min(255) as u8,
        };
    }
    pixel[3] = alpha;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_mixed_with_itself_stays_what_it_is() {
        for color in [
            [0, 0, 0, 0],
            [255, 255, 255, 255],
            [200, 30, 7, 3],
            [1, 254, 128, 129],
        ] {
            let paint = premultiplied(&color);
            for weight in 0..=255 {
                assert_eq!(mixed(paint, paint, weight), paint);
            }
            let mut back = [9; 4];
            straight(paint, &mut back);
            assert_eq!(back, color);
        }
    }

    #[test]
    fn what_is_transparent_has_no_colour_to_give() {
        // Half of opaque red and half of nothing is red at half of its alpha, and not dark red.
        let mut pixel = [0, 0, 0, 0];
        mix_straight(&mut pixel, &[255, 0, 0, 255], 128);
        assert_eq!(pixel, [255, 0, 0, 128]);
        mix_straight(&mut pixel, &[0, 0, 0, 0], 255);
        assert_eq!(pixel, [0; 4]);
    }

    #[test]
    fn alpha_that_is_kept_takes_colour_on_and_nothing_else() {
        let under = premultiplied(&[0, 0, 255, 100]);
        let mut pixel = [0, 0, 255, 100];
        leave(
            &mut pixel,
            under,
            premultiplied(&[255, 0, 0, 255]),
            255,
            true,
        );
        assert_eq!(pixel, [255, 0, 0, 100]);
        let mut nothing = [0; 4];
        leave(
            &mut nothing,
            [0; 4],
            premultiplied(&[255, 0, 0, 255]),
            255,
            true,
        );
        assert_eq!(nothing, [0; 4]);
    }
}
