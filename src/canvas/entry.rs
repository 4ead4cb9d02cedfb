//! What can be undone: strokes, placed images, applied results.

use std::collections::HashMap;
use std::sync::Arc;

use super::gradient::Ramp;
use super::ink::{Ink, Row};
use super::layer_tiles::LayerTile;
use super::mask::Mask;
use super::picture_ink::PictureInk;
use super::smudge::Smudge;
use super::stroke::Pen;
use super::tile::{Coverage, TILE, TILE_AREA, TileIndex, tile_rect, tiles_of};
use super::tip::Tip;
use super::{Pixels, StackLayer};
use crate::protocol::{
    Brush, DEFAULT_SMUDGE_STRENGTH, LOWEST_LAYER, MAX_BRUSH_SIZE, MIN_BRUSH_SIZE, MIN_FLOW, Rect,
    Tool,
};

/// Why a stroke cannot begin.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CanvasError {
    /// The colour is not `#rrggbb`.
    #[error("the colour {0:?} is not valid; write it as #rrggbb")]
    InvalidColor(String),
    /// A number of the brush is not finite or out of its range.
    #[error("the brush's {field} is {value}; choose a number from {least} to {most}")]
    InvalidBrush {
        /// `size`, `hardness`, `opacity`, `angle`, `flow` or `strength`.
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
    /// Of a smudge: what it drags.
    pub(super) smudge: Option<Smudge>,
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
                let picture = stroke.ink.picture.as_ref().map_or(0, PictureInk::bytes);
                let coverage = stroke.coverage.bytes();
                let smudge = stroke.smudge.as_ref();
                coverage + picture + smudge.map_or(0, |it| it.bytes(coverage))
            }
        }
    }

    /// What bringing it up to date costs when something under it changes, beside what it covers.
    pub(super) fn mixing_cost(&self) -> u64 {
        match &self.kind {
            EntryKind::Stroke(stroke) => stroke.smudge.as_ref().map_or(0, Smudge::cost),
            EntryKind::Image { .. } => 0,
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
        let strength = brush.strength.unwrap_or(DEFAULT_SMUDGE_STRENGTH);
        let strength = check("strength", strength, 0.0, 1.0)?;
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
        let smudges = brush.tool == Tool::Smudge;
        let pen = Pen {
            smudges,
            ..Pen::new(size, hardness, tip)
        };
        Ok(Self {
            ink,
            smudge: smudges.then(|| Smudge::new((strength * 255.0).round() as u8, pen.clone())),
            pen,
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
            smudge: None,
        }
    }

    /// The same stroke from here on, with nothing drawn yet.
    pub(super) fn continued(&self) -> Self {
        let smudge = self.smudge.as_ref();
        Self {
            ink: self.ink.clone(),
            smudge: smudge.map(|it| Smudge::new(it.strength, self.pen.clone())),
            pen: self.pen.clone(),
            coverage: Coverage::default(),
            layer: self.layer,
            keeps_alpha: self.keeps_alpha,
            under: Some(HashMap::new()),
        }
    }

    /// No more points are expected: what was kept to draw them quickly is not needed.
    pub(super) fn close(&mut self) {
        self.under = None;
        if let Some(smudge) = &mut self.smudge {
            smudge.put_away();
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
            let mixed = self.smudge.as_ref().and_then(|it| it.tile(index));
            if self.ink.tool == Tool::Smudge && mixed.is_none() {
                continue;
            }
            let tile = tile_rect(index);
            let part = tile.intersect(rect);
            for y in part.y..part.bottom() {
                let at = ((y - tile.y) * TILE + part.x - tile.x) as usize;
                let row = Row {
                    covered: &values[at..][..part.width as usize],
                    base: base.span(part.x, y, part.width),
                    sketch: sketch.span_mut(part.x, y, part.width),
                    footprint: footprint.span_mut(part.x, y, part.width),
                };
                match mixed {
                    Some(mixed) => self.ink.compose_mixed(&mixed[4 * at..], row),
                    None => self.ink.compose_row((part.x, y), row),
                }
            }
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
    use super::*;

    #[test]
    fn colours_are_six_digits() {
        assert_eq!(parse_color("#0aFf01"), Ok([10, 255, 1]));
        for text in ["", "0aff01", "#fff", "#+aff01", "#0aff011", "#ééé"] {
            assert!(parse_color(text).is_err(), "{text}");
        }
    }
}
