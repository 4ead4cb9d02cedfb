//! What a brush does to a pixel of the lowest layer.

use super::blend::{further_weight, mix_pixel, scale};
use super::gradient::Ramp;
use super::picture_ink::PictureInk;
use crate::protocol::Tool;

/// A brush as numbers that compose.
#[derive(Clone, Debug)]
pub(super) struct Ink {
    pub(super) tool: Tool,
    pub(super) color: [u8; 3],
    pub(super) opacity: u8,
    /// What the colour runs along.
    pub(super) ramp: Option<Ramp>,
    /// The colours are a picture's, which lets the model repaint nothing.
    pub(super) picture: Option<PictureInk>,
}

/// A row of the lowest layer, as long as what the stroke covers of it.
pub(super) struct Row<'a> {
    pub(super) covered: &'a [u8],
    pub(super) base: &'a [u8],
    pub(super) sketch: &'a mut [u8],
    pub(super) footprint: &'a mut [u8],
}

impl Ink {
    /// True when the stroke only ever adds to the footprint.
    pub(super) const fn adds_mask(&self) -> bool {
        matches!(self.tool, Tool::Brush | Tool::Mask | Tool::Smudge) && self.picture.is_none()
    }

    /// The colour at a pixel, and how much of what the brush covers of the pixel counts, 0 … 255.
    pub(super) fn at(&self, (x, y): (u32, u32)) -> ([u8; 3], u8) {
        if let Some(picture) = &self.picture {
            return (picture.at(x, y), u8::MAX);
        }
        match &self.ramp {
            Some(ramp) => {
                let level = ramp.level(x, y);
                (ramp.color(self.color, level), ramp.left(level))
            }
            None => (self.color, u8::MAX),
        }
    }

    /// How much of a pixel takes on the colour (or the base, for the eraser)
    /// where the brush covers `covered` of it; 0 for tools that do not paint.
    fn paint_weight(&self, covered: u8) -> u8 {
        match self.tool {
            Tool::Brush | Tool::Erase => scale(covered, self.opacity),
            // How much each of its dabs covers is in its colours already.
            Tool::Smudge => self.opacity,
            Tool::Mask | Tool::Restore => 0,
        }
    }

    /// Takes a pixel at a place from what it was where the brush covered `before` of it to what it is
    /// where it covers `after`, on a layer of that opacity.
    pub(super) fn paint_on(
        &self,
        place: (u32, u32),
        (before, after): (u8, u8),
        opacity: u8,
        base: &[u8],
        pixel: &mut [u8],
    ) {
        let (color, left) = self.at(place);
        let weight = |covered| scale(self.paint_weight(scale(covered, left)), opacity);
        let weight = further_weight(weight(before), weight(after));
        let is_eraser = self.tool == Tool::Erase;
        mix_pixel(pixel, if is_eraser { base } else { &color }, weight);
    }

    /// Paints a row in a smudge's own colours, straight RGBA.
    pub(super) fn compose_mixed(&self, mixed: &[u8], row: Row) {
        if self.opacity == 0 {
            return;
        }
        let own = |x: u32| {
            let at = 4 * x as usize;
            ([mixed[at], mixed[at + 1], mixed[at + 2]], u8::MAX)
        };
        self.compose_pixels(own, row);
    }

    /// `place` is that of the row's first pixel.
    pub(super) fn compose_row(&self, place: (u32, u32), row: Row) {
        if self.opacity == 0 {
            return;
        }
        let (left, y) = place;
        let from_place = |x| self.at((left + x, y));
        match self.picture.is_some() || self.ramp.is_some() {
            true => self.compose_pixels(from_place, row),
            // Compiled for itself: where many paint over one another this is most of what a room does.
            false => {
                let one_colour = |_| (self.color, u8::MAX);
                self.compose_pixels(one_colour, row);
            }
        }
    }

    /// The same, where `at` gives the colour at a pixel of the row, and how much of what the brush
    /// covers of it counts.
    #[inline(always)]
    fn compose_pixels(&self, at: impl Fn(u32) -> ([u8; 3], u8), row: Row) {
        let Row {
            covered,
            base,
            sketch,
            footprint,
        } = row;
        let pixels = sketch.chunks_exact_mut(3).zip(base.chunks_exact(3));
        let row = (0..).zip(covered).zip(footprint).zip(pixels);
        for (((x, covered), mask), (pixel, base)) in row {
            if *covered == 0 {
                continue;
            }
            let (color, left) = at(x);
            let covered = scale(*covered, left);
            let is_eraser = self.tool == Tool::Erase;
            let towards = if is_eraser { base } else { &color };
            mix_pixel(pixel, towards, self.paint_weight(covered));
            let weight = scale(covered, self.opacity);
            *mask = match self.tool {
                // A thin glaze still hands its pixels to the model: opacity
                // is about the paint, the edge of the brush about the mask.
                Tool::Brush if self.adds_mask() => (*mask).max(covered),
                Tool::Brush => *mask,
                Tool::Smudge => (*mask).max(covered),
                Tool::Mask => (*mask).max(weight),
                Tool::Erase | Tool::Restore => scale(*mask, 255 - weight),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type ComposeRow = fn(&Ink, (u32, u32), Row);

    proptest! {
        #[test]
        fn rows_of_one_colour_come_out_as_those_of_many(
            tool in prop::sample::select(vec![Tool::Brush, Tool::Erase, Tool::Mask, Tool::Restore]),
            opacity in 1..=u8::MAX,
            covered in prop::collection::vec(prop_oneof![Just(0u8), Just(255), any::<u8>()], 9),
            [base, sketch] in any::<[[u8; 27]; 2]>(),
            footprint in any::<[u8; 9]>(),
        ) {
            let ink = Ink {
                tool,
                color: [200, 30, 7],
                opacity,
                ramp: None,
                picture: None,
            };
            let composed = |row: ComposeRow| {
                let (mut sketch, mut footprint) = (sketch, footprint);
                let whole = Row {
                    covered: &covered,
                    base: &base,
                    sketch: &mut sketch,
                    footprint: &mut footprint,
                };
                row(&ink, (0, 0), whole);
                (sketch, footprint)
            };
            let varied: ComposeRow = |ink, (left, y), row| {
                let from_place = |x| ink.at((left + x, y));
                ink.compose_pixels(from_place, row);
            };
            prop_assert_eq!(composed(Ink::compose_row), composed(varied));
        }
    }
}
