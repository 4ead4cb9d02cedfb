//! Brushes that are no plain disc: what their tip leaves of a pixel that it comes near.
//!
//! The page draws the same while it waits for the server's pixels: `web/src/paint/tip.ts` follows
//! this file.

use serde::{Deserialize, Serialize};

use super::blend::scale;
use crate::protocol::{Brush, BrushKind};

/// How many times wider a flat tip is than thick.
pub(super) const FLATNESS: f32 = 4.0;
/// Dabs of a brush with flow in the length of its diameter.
pub(super) const DABS: f32 = 6.0;
/// Dabs of a smudge in that length.
pub(super) const SMUDGE_DABS: f32 = 8.0;
/// The shortest way from one dab to the next, in pixels.
const LEAST_STEP: f32 = 1.0;
/// What the lightest touch of chalk or a pencil leaves of the heaviest one.
const LIGHTEST: f32 = 0.4;
/// Side of a grain of the rough paper, in pixels, as a power of two.
const ROUGH: u32 = 1;

/// The tip of a brush.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tip {
    pub(super) kind: BrushKind,
    /// Of a flat one, in degrees.
    pub(super) angle: f32,
    /// Above 0 … 1; 1 covers at once and never more.
    pub(super) flow: f32,
}

impl Default for Tip {
    fn default() -> Self {
        Self {
            kind: BrushKind::Round,
            angle: 0.0,
            flow: 1.0,
        }
    }
}

impl Tip {
    pub(super) fn of(brush: &Brush) -> Self {
        Self {
            kind: brush.kind.unwrap_or_default(),
            angle: brush.angle.unwrap_or(0.0),
            flow: brush.flow.unwrap_or(1.0),
        }
    }

    /// A disc that covers at once: nothing of this file concerns it.
    pub(super) fn is_plain(&self) -> bool {
        self.kind == BrushKind::Round && self.flow >= 1.0
    }

    /// The stroke covers more where it goes over itself: it is dabs, one after the other.
    pub(super) fn builds_up(&self) -> bool {
        self.flow < 1.0
    }

    /// The hardness that counts.
    pub(super) fn hardness(&self, hardness: f32) -> f32 {
        match self.kind {
            BrushKind::Airbrush => 0.0,
            _ => hardness,
        }
    }

    /// How far it is from a dab of that diameter to the next one, in pixels, where `dabs` lie in its
    /// length.
    pub(super) fn step(diameter: f32, dabs: f32) -> f32 {
        (diameter / dabs).max(LEAST_STEP)
    }

    /// What one dab covers, 1 … 255: as many as lie over a place leave `flow` of it together.
    pub(super) fn dab(&self) -> u8 {
        let once = 1.0 - (1.0 - self.flow).powf(1.0 / DABS);
        ((once * 255.0).round() as u8).max(1)
    }

    /// What is covered of a pixel, of which `before` was, once a dab covers `more` of what was left:
    /// rounded up, so that dabs without end cover all of it.
    #[inline]
    pub(super) fn built_up(before: u8, more: u8) -> u8 {
        let left = u32::from(u8::MAX - before) * u32::from(more);
        before + left.div_ceil(255) as u8
    }

    /// What a pixel takes on of `covered` (0 … 255) at a pressure, on the paper.
    #[inline]
    pub(super) fn left(&self, covered: u8, pressure: f32, x: u32, y: u32) -> u8 {
        let pressed = |least: f32| {
            let part = least + (1.0 - least) * pressure.clamp(0.0, 1.0);
            scale(covered, (part * 255.0).round() as u8)
        };
        match self.kind {
            BrushKind::Round | BrushKind::Flat => covered,
            BrushKind::Airbrush => pressed(0.0),
            BrushKind::Chalk => grained(pressed(LIGHTEST), rough(x, y), 256),
            BrushKind::Pencil => grained(pressed(LIGHTEST), grain(x, y), 160),
        }
    }
}

/// What paint leaves on paper: nothing where it is too thin to reach down to the hollow, and all
/// where it fills it twice. `depth` is how deep the deepest hollow is, in parts of 256.
#[inline]
fn grained(covered: u8, hollow: u8, depth: u32) -> u8 {
    let over = u32::from(covered).saturating_sub((u32::from(hollow) * depth) >> 8);
    (2 * over).min(u32::from(covered)) as u8
}

/// How hollow fine paper is at a pixel: a hash of its place.
#[inline]
fn grain(x: u32, y: u32) -> u8 {
    let mut hash = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77);
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
    hash = (hash ^ (hash >> 12)).wrapping_mul(0x297a_2d39);
    ((hash ^ (hash >> 15)) & 0xff) as u8
}

/// How hollow rough paper is: the grains around a pixel, each two pixels wide, and a fine one.
#[inline]
fn rough(x: u32, y: u32) -> u8 {
    let (column, row) = (x >> ROUGH, y >> ROUGH);
    let coarse =
        u32::from(grain(column, row ^ 0x5bd1)) + u32::from(grain(column + 1, row ^ 0x5bd1));
    ((3 * coarse + 2 * u32::from(grain(x, y))) >> 3) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paper_has_hollows_of_every_depth() {
        for paper in [grain, rough] {
            let mut counts = [0; 8];
            for y in 0..256 {
                for x in 0..256 {
                    counts[usize::from(paper(x, y) >> 5)] += 1;
                }
            }
            assert!(counts.iter().all(|count| *count > 300), "{counts:?}");
        }
    }

    #[test]
    fn more_paint_leaves_more() {
        for kind in [BrushKind::Chalk, BrushKind::Pencil, BrushKind::Airbrush] {
            let tip = Tip {
                kind,
                ..Tip::default()
            };
            for at in 0..64u32 {
                let left: Vec<u8> = (0..=255).map(|it| tip.left(it, 1.0, at * 7, at)).collect();
                assert!(left.is_sorted(), "{kind:?}");
                assert!((0..=255).zip(&left).all(|(most, left)| *left <= most));
            }
        }
    }

    #[test]
    fn dabs_without_end_cover_everything() {
        for more in [1, 7, 255] {
            let covered = (0..=255).fold(0, |covered, _| Tip::built_up(covered, more));
            assert_eq!(covered, 255, "{more}");
        }
        assert_eq!(Tip::built_up(100, 0), 100);
    }

    #[test]
    fn dabs_over_each_other_leave_the_flow() {
        for flow in [0.05f32, 0.3, 0.8] {
            let tip = Tip {
                flow,
                ..Tip::default()
            };
            let one = f32::from(tip.dab()) / 255.0;
            let left = 1.0 - (1.0 - one).powf(DABS);
            assert!((left - flow).abs() < 0.02, "{flow}: {left}");
        }
    }
}
