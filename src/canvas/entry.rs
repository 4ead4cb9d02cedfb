//! What can be undone: strokes, placed images, applied results.

use std::collections::HashMap;
use std::sync::Arc;

use super::blend::{further_weight, mix_pixel, scale};
use super::gradient::Ramp;
use super::layer_tiles::LayerTile;
use super::mask::Mask;
use super::picture_ink::PictureInk;
use super::stroke::Pen;
use super::tile::{Coverage, TILE, TILE_AREA, TileIndex, tile_rect, tiles_of};
use super::tip::Tip;
use super::{Pixels, StackLayer};
use crate::protocol::{Brush, LOWEST_LAYER, MAX_BRUSH_SIZE, MIN_BRUSH_SIZE, MIN_FLOW, Rect, Tool};

/// Why a stroke cannot begin.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CanvasError {
    /// The colour is not `#rrggbb`.
    #[error("the colour {0:?} is not valid; write it as #rrggbb")]
    InvalidColor(String),
    /// A number of the brush is not finite or out of its range.
    #[error("the brush's {field} is {value}; choose a number from {least} to {most}")]
    InvalidBrush {
        /// `size`, `hardness`, `opacity`, `angle` or `flow`.
        field: &'static str,
        /// What was asked for.
        value: f32,
        /// The smallest that is allowed.
        least: f32,
        /// The largest that is allowed.
        most: f32,
    },
    /// Something on the canvas has that id already.
    #[error("the id {0} is taken on this canvas; begin each stroke with an id of its own")]
    DuplicateId(u64),
    /// The canvas has no such layer.
    #[error("the canvas has no layer {0}; paint on one that it has")]
    UnknownLayer(u64),
    /// A picture for a layer is not as large as the canvas.
    #[error("the picture is not as large as the canvas; fit it first")]
    OtherSize,
}

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

/// One thing that can be undone.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) active: bool,
    pub(super) kind: EntryKind,
}

#[derive(Debug)]
pub(super) enum EntryKind {
    Stroke(Box<Stroke>),
    /// An image became base and sketch, and the footprint was cleared.
    Image {
        pixels: Arc<Pixels>,
        is_apply: bool,
        /// The layers at that moment: those that were shown have gone into it.
        stack: Vec<StackLayer>,
    },
}

/// A stroke, or the part of one that lies between two images; or a picture that is laid on a layer.
#[derive(Clone, Debug)]
pub(super) struct Stroke {
    pub(super) ink: Ink,
    pub(super) pen: Pen,
    pub(super) coverage: Coverage,
    /// The layer that it lies on.
    pub(super) layer: u64,
    /// It changes colours only: the layer's alpha was locked when it began.
    pub(super) keeps_alpha: bool,
    /// What lies under the stroke, kept while it is drawn.
    pub(super) under: Option<HashMap<TileIndex, UnderTile>>,
}

/// What a tile of a stroke's layer is without it and without what lies above it.
#[derive(Clone, Debug)]
pub(super) enum UnderTile {
    /// Of the lowest layer: sketch and footprint.
    Lowest { sketch: Pixels, footprint: Mask },
    /// Of another layer; none where nothing is painted.
    Layer(Option<Arc<LayerTile>>),
}

impl Entry {
    /// Bytes that undoing it needs.
    pub(super) fn bytes(&self) -> usize {
        match &self.kind {
            EntryKind::Image { pixels, .. } => pixels.data().len(),
            // What lies under an open stroke does not count: it is bounded on its own, and what is
            // folded when has to be the same in every replay.
            EntryKind::Stroke(stroke) => {
                let picture = stroke.ink.picture.as_ref();
                stroke.coverage.bytes() + picture.map_or(0, PictureInk::bytes)
            }
        }
    }

    /// True where it only ever adds to the footprint.
    pub(super) fn adds_mask(&self) -> bool {
        match &self.kind {
            EntryKind::Stroke(stroke) => stroke.ink.adds_mask(),
            EntryKind::Image { .. } => false,
        }
    }

    pub(super) fn stroke_mut(&mut self) -> Option<&mut Stroke> {
        match &mut self.kind {
            EntryKind::Stroke(stroke) => Some(stroke),
            EntryKind::Image { .. } => None,
        }
    }
}

impl Stroke {
    pub(super) fn from_brush(brush: &Brush, layer: &StackLayer) -> Result<Self, CanvasError> {
        let check = |field, value: f32, least, most| {
            if value.is_finite() && value >= least && value <= most {
                Ok(value)
            } else {
                Err(CanvasError::InvalidBrush {
                    field,
                    value,
                    least,
                    most,
                })
            }
        };
        let size = check("size", brush.size, MIN_BRUSH_SIZE, MAX_BRUSH_SIZE)?;
        let hardness = check("hardness", brush.hardness, 0.0, 1.0)?;
        let opacity = check("opacity", brush.opacity, 0.0, 1.0)?;
        let tip = Tip::of(brush);
        check("angle", tip.angle, -360.0, 360.0)?;
        check("flow", tip.flow, MIN_FLOW, 1.0)?;
        let ramp = brush.gradient.as_ref().map(|gradient| {
            Ok(Ramp {
                kind: gradient.kind,
                from: gradient.from,
                to: gradient.to,
                color: gradient.color.as_deref().map(parse_color).transpose()?,
            })
        });
        let ink = Ink {
            tool: brush.tool,
            color: parse_color(&brush.color)?,
            opacity: (opacity * 255.0).round() as u8,
            ramp: ramp.transpose()?,
            picture: None,
        };
        Ok(Self {
            ink,
            pen: Pen::new(size, hardness, tip),
            coverage: Coverage::default(),
            layer: layer.id,
            keeps_alpha: layer.keeps_alpha,
            under: Some(HashMap::new()),
        })
    }

    /// A mask on the lowest layer that covers a rectangle whole.
    pub(super) fn from_mask_rect(rect: &Rect) -> Self {
        let mut coverage = Coverage::default();
        for index in tiles_of(rect) {
            let tile = tile_rect(index);
            let part = tile.intersect(rect);
            let mut values = vec![0; TILE_AREA].into_boxed_slice();
            for y in part.y..part.bottom() {
                let at = ((y - tile.y) * TILE + part.x - tile.x) as usize;
                values[at..at + part.width as usize].fill(u8::MAX);
            }
            coverage.put(index, values, &part);
        }
        Self {
            ink: Ink {
                tool: Tool::Mask,
                color: [0; 3],
                opacity: u8::MAX,
                ramp: None,
                picture: None,
            },
            pen: Pen::new(1.0, 1.0, Tip::default()),
            coverage,
            layer: LOWEST_LAYER,
            keeps_alpha: false,
            under: None,
        }
    }

    /// The same stroke from here on, with nothing drawn yet.
    pub(super) fn continued(&self) -> Self {
        Self {
            ink: self.ink.clone(),
            pen: self.pen.clone(),
            coverage: Coverage::default(),
            layer: self.layer,
            keeps_alpha: self.keeps_alpha,
            under: Some(HashMap::new()),
        }
    }

    /// Draws the stroke inside `rect` over what is there on the lowest layer. All
    /// pictures have the size of the canvas.
    pub(super) fn compose(
        &self,
        rect: &Rect,
        base: &Pixels,
        sketch: &mut Pixels,
        footprint: &mut Mask,
    ) {
        for index in tiles_of(&rect.intersect(&self.coverage.bounds())) {
            let Some(values) = self.coverage.tile(index) else {
                continue;
            };
            let tile = tile_rect(index);
            let part = tile.intersect(rect);
            for y in part.y..part.bottom() {
                let at = ((y - tile.y) * TILE + part.x - tile.x) as usize;
                let covered = &values[at..][..part.width as usize];
                self.ink.compose_row(
                    (part.x, y),
                    covered,
                    base.span(part.x, y, part.width),
                    sketch.span_mut(part.x, y, part.width),
                    footprint.span_mut(part.x, y, part.width),
                );
            }
        }
    }
}

impl Ink {
    /// True when the stroke only ever adds to the footprint.
    pub(super) const fn adds_mask(&self) -> bool {
        matches!(self.tool, Tool::Brush | Tool::Mask) && self.picture.is_none()
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

    /// `place` is that of the row's first pixel.
    fn compose_row(
        &self,
        place: (u32, u32),
        covered: &[u8],
        base: &[u8],
        sketch: &mut [u8],
        footprint: &mut [u8],
    ) {
        if self.opacity == 0 {
            return;
        }
        let (left, y) = place;
        let from_place = |x| self.at((left + x, y));
        match self.picture.is_some() || self.ramp.is_some() {
            true => self.compose_pixels(from_place, covered, base, sketch, footprint),
            // Compiled for itself: where many paint over one another this is most of what a room does.
            false => {
                let one_colour = |_| (self.color, u8::MAX);
                self.compose_pixels(one_colour, covered, base, sketch, footprint);
            }
        }
    }

    /// The same, where `at` gives the colour at a pixel of the row, and how much of what the brush
    /// covers of it counts.
    #[inline(always)]
    fn compose_pixels(
        &self,
        at: impl Fn(u32) -> ([u8; 3], u8),
        covered: &[u8],
        base: &[u8],
        sketch: &mut [u8],
        footprint: &mut [u8],
    ) {
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
                Tool::Mask => (*mask).max(weight),
                Tool::Erase | Tool::Restore => scale(*mask, 255 - weight),
            };
        }
    }
}

fn parse_color(text: &str) -> Result<[u8; 3], CanvasError> {
    let parse = || {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some([red, green, blue])
    };
    parse().ok_or_else(|| CanvasError::InvalidColor(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type ComposeRow = fn(&Ink, (u32, u32), &[u8], &[u8], &mut [u8], &mut [u8]);

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
                row(&ink, (0, 0), &covered, &base, &mut sketch, &mut footprint);
                (sketch, footprint)
            };
            let varied: ComposeRow = |ink, (left, y), covered, base, sketch, footprint| {
                let from_place = |x| ink.at((left + x, y));
                ink.compose_pixels(from_place, covered, base, sketch, footprint);
            };
            prop_assert_eq!(composed(Ink::compose_row), composed(varied));
        }
    }

    #[test]
    fn colours_are_six_digits() {
        assert_eq!(parse_color("#0aFf01"), Ok([10, 255, 1]));
        for text in ["", "0aff01", "#fff", "#+aff01", "#0aff011", "#ééé"] {
            assert!(parse_color(text).is_err(), "{text}");
        }
    }
}
