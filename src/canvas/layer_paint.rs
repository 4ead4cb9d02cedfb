//! What a stroke does to a layer above the lowest.

use super::blend::{mix_pixel, scale};
use super::carried::mix_straight;
use super::entry::Stroke;
use super::ink::Ink;
use super::layer_tiles::LayerTile;
use super::tile::{TILE, TileIndex, tile_rect};
use crate::protocol::Tool;

impl LayerTile {
    /// Draws a stroke that covers `covered` of each pixel of the tile `index`; what does not lie on this
    /// layer only takes the mask away.
    pub(super) fn compose(&mut self, stroke: &Stroke, covered: &[u8], index: TileIndex) {
        if stroke.ink.tool == Tool::Smudge {
            let mixed = stroke.smudge.as_ref().and_then(|it| it.tile(index));
            return self.compose_mixed(stroke, covered, mixed.unwrap_or_default());
        }
        let tile = tile_rect(index);
        let places = (tile.y..).flat_map(|y| (tile.x..tile.x + TILE).map(move |x| (x, y)));
        let pixels = self.rgba.chunks_exact_mut(4);
        let pixels = pixels.zip(&mut self.footprint).zip(covered).zip(places);
        for (((pixel, mask), covered), place) in pixels {
            if *covered == 0 {
                continue;
            }
            let pixel = (pixel, mask);
            stroke
                .ink
                .compose_on_layer(place, pixel, *covered, stroke.keeps_alpha);
        }
    }

    /// Draws a smudge in its own colours, straight RGBA.
    fn compose_mixed(&mut self, stroke: &Stroke, covered: &[u8], mixed: &[u8]) {
        let opacity = stroke.ink.opacity;
        let pixels = self.rgba.chunks_exact_mut(4).zip(mixed.chunks_exact(4));
        let pixels = pixels.zip(&mut self.footprint).zip(covered);
        for (((pixel, mixed), mask), covered) in pixels {
            if *covered == 0 || opacity == 0 {
                continue;
            }
            mix_straight(pixel, mixed, opacity);
            *mask = (*mask).max(match stroke.keeps_alpha {
                true => scale(*covered, pixel[3]),
                false => *covered,
            });
        }
    }
}

impl Ink {
    /// Paints a pixel (straight RGBA) of a layer at a place, and its mask.
    fn compose_on_layer(
        &self,
        place: (u32, u32),
        (pixel, mask): (&mut [u8], &mut u8),
        covered: u8,
        keeps_alpha: bool,
    ) {
        if self.opacity == 0 {
            return;
        }
        let (ink, left) = self.at(place);
        let covered = scale(covered, left);
        let weight = scale(covered, self.opacity);
        let (color, alpha) = pixel.split_at_mut(3);
        let alpha = &mut alpha[0];
        match self.tool {
            Tool::Brush if keeps_alpha => {
                if *alpha > 0 {
                    mix_pixel(color, &ink, weight);
                    if self.adds_mask() {
                        *mask = (*mask).max(scale(covered, *alpha));
                    }
                }
            }
            Tool::Brush => {
                lay_over(color, alpha, &ink, weight);
                if self.adds_mask() {
                    *mask = (*mask).max(covered);
                }
            }
            Tool::Erase if keeps_alpha => {}
            Tool::Erase => {
                *alpha = scale(*alpha, 255 - weight);
                if *alpha == 0 {
                    color.fill(0);
                }
                *mask = scale(*mask, 255 - weight);
            }
            Tool::Mask => *mask = (*mask).max(weight),
            // It has colours of its own, see `LayerTile::compose_mixed`.
            Tool::Smudge => {}
            Tool::Restore => *mask = scale(*mask, 255 - weight),
        }
    }
}

/// Source over: colours are mixed by how much of each is seen, and rounded once.
fn lay_over(color: &mut [u8], alpha: &mut u8, above: &[u8], weight: u8) {
    let below = u32::from(*alpha) * u32::from(255 - weight);
    let weight = u32::from(weight) * 255;
    let sum = weight + below;
    if sum == 0 {
        return;
    }
    for (channel, above) in color.iter_mut().zip(above) {
        let mixed = u32::from(*above) * weight + u32::from(*channel) * below;
        *channel = ((mixed + sum / 2) / sum) as u8;
    }
    *alpha = ((sum + 127) / 255) as u8;
    if *alpha == 0 {
        color.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paint_over_paint_is_source_over() {
        // Half of red over three quarters of blue: 128/255 + 191/255·127/255 = 0.875.
        let (mut color, mut alpha) = ([0, 0, 255], 191);
        lay_over(&mut color, &mut alpha, &[255, 0, 0], 128);
        assert_eq!(alpha, 223);
        // Red has 0.502 of 0.875, blue the rest.
        assert_eq!(color, [146, 0, 109]);
        let (mut color, mut alpha) = ([9, 9, 9], 0);
        lay_over(&mut color, &mut alpha, &[1, 2, 3], 7);
        assert_eq!((color, alpha), ([1, 2, 3], 7), "nothing was there");
        lay_over(&mut color, &mut alpha, &[8, 8, 8], 255);
        assert_eq!((color, alpha), ([8, 8, 8], 255), "all is covered");
        lay_over(&mut color, &mut alpha, &[0, 0, 0], 0);
        assert_eq!((color, alpha), ([8, 8, 8], 255), "nothing is added");
    }
}
