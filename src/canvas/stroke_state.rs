//! A stroke as plain data, to be kept and made again.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Pixels;
use super::entry::Stroke;
use super::gradient::Ramp;
use super::ink::Ink;
use super::picture_ink::PictureInk;
use super::smudge::{Smudge, size_of};
use super::stroke::Pen;
use super::tile::{Coverage, TILE_AREA, tile_rect};
use super::tip::Tip;
use crate::protocol::{
    LOWEST_LAYER, MAX_BRUSH_SIZE, MAX_SMUDGE_COST, MIN_BRUSH_SIZE, MIN_FLOW, Rect, StrokePoint,
    Tool,
};

/// A state that no canvas can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kept canvas does not fit together: {0}")]
pub struct CanvasStateError(pub(super) &'static str);

/// A stroke and what it covers.
#[derive(Clone, Debug, PartialEq)]
pub struct StrokeState {
    /// All but its tiles.
    pub facts: StrokeFacts,
    /// Tiles of [`super::TILE`]² bytes that say how much of each pixel it covers, by column and
    /// row.
    pub tiles: Vec<((u32, u32), Vec<u8>)>,
    /// Of a picture that is laid on a layer: its colours inside the bounds.
    pub picture: Option<Arc<Pixels>>,
    /// Of a smudge: all points so far.
    pub points: Vec<StrokePoint>,
}

/// What a stroke does, and how far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrokeFacts {
    /// What it does.
    pub tool: Tool,
    /// Red, green, blue.
    pub color: [u8; 3],
    /// 0 … 255.
    pub opacity: u8,
    /// Diameter at pressure 1, in pixels.
    pub size: f32,
    /// 0 … 1.
    pub hardness: f32,
    /// The point that it has come to.
    pub last: Option<StrokePoint>,
    /// More points may come.
    pub is_open: bool,
    /// The smallest rectangle around what it covers.
    pub bounds: Rect,
    /// The layer that it lies on.
    #[serde(default, skip_serializing_if = "is_lowest")]
    pub layer: u64,
    /// It changes colours only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps_alpha: bool,
    /// The tip, where it is no plain disc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tip: Option<TipState>,
    /// What its colour runs along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ramp: Option<Ramp>,
    /// Of a smudge: all but its points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) smudge: Option<SmudgeState>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_lowest(layer: &u64) -> bool {
    *layer == LOWEST_LAYER
}

/// A tip, and how far it is to its next dab.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TipState {
    tip: Tip,
    /// In pixels.
    until_dab: f32,
}

/// What a smudge carries on, and where it had come to before its first point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SmudgeState {
    /// 0 … 255.
    strength: u8,
    from: Option<StrokePoint>,
    /// In pixels.
    until_dab: f32,
}

impl TipState {
    fn is_valid(&self) -> bool {
        (MIN_FLOW..=1.0).contains(&self.tip.flow)
            && self.tip.angle.is_finite()
            && is_way(self.until_dab)
    }
}

/// Whether it can be the way to a next dab.
fn is_way(until_dab: f32) -> bool {
    until_dab.is_finite() && until_dab >= 0.0
}

impl Stroke {
    /// What it is made of.
    pub(super) fn state(&self) -> StrokeState {
        let mut tiles: Vec<_> = self
            .coverage
            .tiles()
            .map(|(index, values)| (index, values.to_vec()))
            .collect();
        // The same canvas is the same state.
        tiles.sort_unstable_by_key(|((column, row), _)| (*row, *column));
        let facts = StrokeFacts {
            tool: self.ink.tool,
            color: self.ink.color,
            opacity: self.ink.opacity,
            size: self.pen.size,
            hardness: self.pen.hardness,
            last: self.pen.last,
            is_open: self.under.is_some(),
            bounds: self.coverage.bounds(),
            tip: (!self.pen.tip.is_plain()).then_some(TipState {
                tip: self.pen.tip,
                until_dab: self.pen.until_dab,
            }),
            ramp: self.ink.ramp.clone(),
            layer: self.layer,
            keeps_alpha: self.keeps_alpha,
            smudge: self.smudge.as_ref().map(|it| SmudgeState {
                strength: it.strength,
                from: it.start.last,
                until_dab: it.start.until_dab,
            }),
        };
        let points = self.smudge.as_ref().map(|it| it.points().to_vec());
        let picture = self.ink.picture.as_ref();
        let picture = picture.map(|picture| picture.pixels().clone());
        StrokeState {
            facts,
            tiles,
            picture,
            points: points.unwrap_or_default(),
        }
    }

    /// The stroke that had this state; a smudge of which nothing is mixed yet.
    pub(super) fn from_state(state: StrokeState, canvas: &Rect) -> Result<Self, CanvasStateError> {
        let StrokeState {
            facts,
            tiles,
            picture,
            points,
        } = state;
        let from = facts.smudge.iter().filter_map(|it| it.from);
        let places = points.iter().copied().chain(from).chain(facts.last);
        let is_pen = (MIN_BRUSH_SIZE..=MAX_BRUSH_SIZE).contains(&facts.size)
            && (0.0..=1.0).contains(&facts.hardness)
            && places.flatten().all(f32::is_finite)
            && facts.tip.is_none_or(|it| it.is_valid())
            && facts.smudge.is_none_or(|it| is_way(it.until_dab));
        if !is_pen {
            return Err(CanvasStateError("a stroke has a brush that there is not"));
        }
        let is_smudge = facts.tool == Tool::Smudge;
        if is_smudge != facts.smudge.is_some() || (!is_smudge && !points.is_empty()) {
            return Err(CanvasStateError(
                "a stroke drags paint and does not say how",
            ));
        }
        if !canvas.contains(&facts.bounds) {
            return Err(CanvasStateError("a stroke lies outside"));
        }
        let picture = match picture {
            Some(pixels) => Some(
                PictureInk::new(facts.bounds, pixels)
                    .ok_or(CanvasStateError("a picture on a layer has another size"))?,
            ),
            None => None,
        };
        let mut coverage = Coverage::default();
        for (index, values) in tiles {
            let is_inside = index.0 < canvas.width && index.1 < canvas.height;
            if values.len() != TILE_AREA || !is_inside || !canvas.contains(&tile_rect(index)) {
                return Err(CanvasStateError("a tile of a stroke has another size"));
            }
            coverage.put(index, values.into_boxed_slice(), &Rect::default());
        }
        coverage.extend_bounds(&facts.bounds);
        let tip = facts.tip.map_or_else(Tip::default, |it| it.tip);
        let mut pen = Pen {
            last: facts.last,
            until_dab: facts.tip.map_or(0.0, |it| it.until_dab),
            smudges: is_smudge,
            ..Pen::new(facts.size, facts.hardness, tip)
        };
        let smudge = facts.smudge.map(|it| {
            let start = Pen {
                last: it.from,
                until_dab: it.until_dab,
                ..pen.clone()
            };
            let size = size_of(canvas);
            let cost = start.cost_up_to(MAX_SMUDGE_COST, &points, size);
            if cost > MAX_SMUDGE_COST {
                return Err(CanvasStateError("a smudge is longer than any"));
            }
            // Where it has come to is what its points say.
            pen = start.clone();
            pen.walk(&points, size, |_| true);
            Ok(Smudge::from_points(it.strength, start, points, cost))
        });
        let smudge = smudge.transpose()?;
        Ok(Self {
            ink: Ink {
                tool: facts.tool,
                color: facts.color,
                opacity: facts.opacity,
                ramp: facts.ramp,
                picture,
            },
            pen,
            smudge,
            coverage,
            layer: facts.layer,
            keeps_alpha: facts.keeps_alpha,
            under: facts.is_open.then(HashMap::new),
        })
    }
}
