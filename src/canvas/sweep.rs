//! The brush, swept from one point of a stroke to the next.
//!
//! The page draws the same sweep while it waits for the server's pixels: `web/src/paint/coverage.ts`
//! follows this file.

use super::avx2::with_avx2;
use super::blend::scale;
use super::tile::TILE;
use super::tip::{FLATNESS, Tip};
use crate::protocol::{BrushKind, Rect, StrokePoint};

/// A thinner brush leaves nothing; the diameter, in pixels.
const LEAST_DIAMETER: f32 = 0.25;
/// The farthest that a pixel's centre lies from its tile's, in pixels, and a little more.
const HALF_TILE: f32 = 45.0;
/// Pixels of a row that are covered in one go: two registers of AVX2.
const BLOCK: usize = 16;
/// Far below what a level of coverage is; covers what rounding adds.
const SLACK: f32 = 0.1;

/// The way of a round brush between two points; lengths in canvas pixels. The radius changes
/// evenly along it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    x: f32,
    y: f32,
    /// From the start to the end.
    dx: f32,
    dy: f32,
    /// 1 / length²; 0 where the ends are one.
    inverse: f32,
    /// At the start.
    radius: f32,
    /// To the end.
    widening: f32,
    hardness: f32,
    /// Half of the brush's diameter at pressure 1.
    full_radius: f32,
    tip: Tip,
}

impl Sweep {
    /// The way between two points with a brush of this diameter at pressure 1. `None` where it is
    /// too thin to leave anything.
    pub(super) fn new(
        from: StrokePoint,
        to: StrokePoint,
        size: f32,
        hardness: f32,
    ) -> Option<Self> {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let squared = dx * dx + dy * dy;
        let (start, end) = (0.5 * size * from[2], 0.5 * size * to[2]);
        if 2.0 * start.max(end) < LEAST_DIAMETER {
            return None;
        }
        let at = |radius, widening, inverse| Self {
            x: from[0],
            y: from[1],
            dx,
            dy,
            inverse,
            radius,
            widening,
            hardness,
            full_radius: 0.5 * size,
            tip: Tip::default(),
        };
        Some(if squared > 1e-9 {
            at(start, end - start, 1.0 / squared)
        } else {
            // Pressed harder or lifted in one place.
            at(start.max(end), 0.0, 0.0)
        })
    }

    /// Where it begins, in canvas pixels.
    pub(super) const fn start(&self) -> (f32, f32) {
        (self.x, self.y)
    }

    /// The same way of another tip.
    pub(super) const fn with_tip(self, tip: Tip) -> Self {
        Self { tip, ..self }
    }

    /// The pixels that it may cover, inside the canvas.
    pub(super) fn bounds(&self, canvas: &Rect) -> Rect {
        let ends = [(0.0, self.radius), (1.0, self.radius + self.widening)];
        let reach = |start: f32, way: f32| {
            let [(low, high), other] = ends.map(|(part, radius)| {
                let at = start + part * way;
                (at - radius - 1.0, at + radius + 1.0)
            });
            let low = low.min(other.0).floor().max(0.0) as u32;
            (low, (high.max(other.1).ceil().max(0.0) as u32).max(low))
        };
        let (left, right) = reach(self.x, self.dx);
        let (top, bottom) = reach(self.y, self.dy);
        Rect::new(left, top, right - left, bottom - top).intersect(canvas)
    }

    /// An upper bound of the pixels that painting it looks at, as if it lay alone on a canvas
    /// without end: those of the tiles that it touches.
    pub(super) fn area(&self) -> u64 {
        let length = self.dx.hypot(self.dy);
        let reach = self.radius.max(self.radius + self.widening) + 1.0 + 2.0 * HALF_TILE;
        let side = 2.0 * f64::from(reach);
        ((f64::from(length) + side) * side).ceil() as u64
    }

    /// The most that it covers of any pixel of a tile, 0 … 255, and whether it covers all of them
    /// fully.
    pub(super) fn reaches(&self, tile: &Rect) -> (u8, bool) {
        let px = tile.x as f32 + 0.5 * TILE as f32 - self.x;
        let py = tile.y as f32 + 0.5 * TILE as f32 - self.y;
        let along = ((px * self.dx + py * self.dy) * self.inverse).clamp(0.0, 1.0);
        let distance = (px - along * self.dx).hypot(py - along * self.dy);
        let (start, end) = (self.radius, self.radius + self.widening);
        let (thick, thin) = (start.max(end), start.min(end));
        let is_full = distance + HALF_TILE + 1.0 <= thin * self.hardness.min(1.0 - 1.0 / thin);
        let nearest = (distance - HALF_TILE).max(0.0);
        let mut most = edge(nearest, thick, self.hardness);
        if (1.0 - self.hardness) * thin < 1.0 {
            most = most.max((thick + 0.5 - nearest).clamp(0.0, 1.0));
        }
        (level(most, 0.5 + SLACK), is_full && self.tip.is_plain())
    }

    /// Raises the pixels of `part`, which lies inside the tile at `tile`, to what the sweep covers
    /// of them; larger values stay. `values` are the tile's, row after row.
    pub(super) fn raise(&self, values: &mut [u8], tile: &Rect, part: &Rect) {
        let first = (part.x - tile.x) as usize;
        let columns = first..first + part.width as usize;
        for y in part.y..part.bottom() {
            let row = ((y - tile.y) * TILE) as usize;
            let row = &mut values[row..row + TILE as usize];
            let row = &mut row[columns.clone()];
            if self.tip.is_plain() {
                let x = part.x as f32 + 0.5 - self.x;
                raise_row(row, x, y as f32 + 0.5 - self.y, self);
            } else {
                self.raise_row_of_tip(row, part.x, y);
            }
        }
    }
}

impl Sweep {
    /// As [`Sweep::raise`] for a row of a tip that is no plain disc, from the pixel at `x` and `y` on.
    /// Where it builds up, it covers more of what was left.
    fn raise_row_of_tip(&self, row: &mut [u8], x: u32, y: u32) {
        let nib = self.nib();
        let dab = self.tip.dab();
        for (x, value) in (x..).zip(row) {
            let (px, py) = (x as f32 + 0.5 - self.x, y as f32 + 0.5 - self.y);
            let (covered, radius) = self.covered_by(&nib, px, py);
            let pressure = radius / self.full_radius;
            let left = self.tip.left(level(covered, 0.5), pressure, x, y);
            *value = if self.tip.builds_up() {
                Tip::built_up(*value, scale(left, dab))
            } else {
                (*value).max(left)
            };
        }
    }

    fn taper(&self) -> Taper {
        let thick = self.radius.max(self.radius + self.widening);
        // The square of how much the radius grows on each pixel of the way.
        let slope = self.widening * self.widening * self.inverse;
        if self.widening == 0.0 {
            Taper::None
        } else if thick * (1.0 - self.hardness) >= 1.0 {
            Taper::Soft
        } else if slope >= 1.0 {
            let larger_end = if self.widening > 0.0 { 1.0 } else { 0.0 };
            Taper::Inside { larger_end }
        } else {
            let ahead = self.widening * self.inverse / (1.0 - slope).sqrt();
            Taper::Hard { ahead }
        }
    }

    /// The way as a flat tip sees it, for which its thickness is its width.
    fn nib(&self) -> Nib {
        let is_flat = self.tip.kind == BrushKind::Flat;
        let (sin, cos) = if is_flat {
            self.tip.angle.to_radians().sin_cos()
        } else {
            (0.0, 1.0)
        };
        let flatness = if is_flat { FLATNESS } else { 1.0 };
        let mut nib = Nib {
            sin,
            cos,
            flatness,
            way: *self,
        };
        let (dx, dy) = nib.turned(self.dx, self.dy);
        let squared = dx * dx + dy * dy;
        let inverse = if self.inverse > 0.0 && squared > 0.0 {
            1.0 / squared
        } else {
            0.0
        };
        nib.way = Self {
            dx,
            dy,
            inverse,
            ..*self
        };
        nib
    }

    /// What the tip covers of a pixel, 0 … 1, and the radius there; `x` and `y` lead from the start.
    fn covered_by(&self, nib: &Nib, x: f32, y: f32) -> (f32, f32) {
        let (u, v) = nib.turned(x, y);
        let way = &nib.way;
        let along = along(way, u, v);
        let radius = way.radius + along * way.widening;
        let (eu, ev) = (u - along * way.dx, v - along * way.dy);
        let distance = (eu * eu + ev * ev).sqrt();
        if nib.flatness == 1.0 {
            return (edge(distance, radius, self.hardness), radius);
        }
        if 2.0 * radius < LEAST_DIAMETER {
            return (0.0, radius);
        }
        // How fast that distance grows from pixel to pixel, away from the middle.
        let growth = if distance > 1e-6 {
            (eu / distance).hypot(ev / distance * nib.flatness)
        } else {
            nib.flatness
        };
        let softness = radius * (1.0 - self.hardness);
        let covered = if softness < growth {
            let most = (2.0 * radius / nib.flatness).min(1.0);
            ((radius - distance) / growth + 0.5).max(0.0).min(most)
        } else {
            let inside = ((radius - distance) / softness).clamp(0.0, 1.0);
            inside * inside * (3.0 - 2.0 * inside)
        };
        // No more than the disc that the tip turns in.
        let (ex, ey) = (x - along * self.dx, y - along * self.dy);
        let most = (radius + 0.5 - (ex * ex + ey * ey).sqrt()).clamp(0.0, 1.0);
        (covered.min(most), radius)
    }
}

/// Which disc along the way of a round brush counts for a pixel.
enum Taper {
    /// The nearest: all are of one size.
    None,
    /// The larger end's, in which all others of a brush with a hard edge lie.
    Inside { larger_end: f32 },
    /// Of a brush with a hard edge that in which the pixel lies farthest from the edge: by so much of
    /// the way for each pixel of its distance from the axis it lies ahead of the nearest.
    Hard { ahead: f32 },
    /// That in which the pixel lies deepest: see [`along`].
    Soft,
}

/// A sweep, seen so that its tip is a disc.
struct Nib {
    sin: f32,
    cos: f32,
    flatness: f32,
    way: Sweep,
}

impl Nib {
    const fn turned(&self, x: f32, y: f32) -> (f32, f32) {
        let across = self.cos * y - self.sin * x;
        (self.cos * x + self.sin * y, across * self.flatness)
    }
}

/// How far along the way the disc lies in which a pixel lies deepest, 0 … 1: the least distance /
/// radius, by its derivative.
#[inline(always)]
fn along(sweep: &Sweep, x: f32, y: f32) -> f32 {
    let taper = sweep.widening * sweep.inverse;
    let larger_end = if sweep.widening > 0.0 { 1.0 } else { 0.0 };
    // The foot of the perpendicular on the axis, and its length.
    let foot = (x * sweep.dx + y * sweep.dy) * sweep.inverse;
    let (ex, ey) = (x - foot * sweep.dx, y - foot * sweep.dy);
    let width = sweep.radius + foot * sweep.widening;
    let deepest = foot + taper * (ex * ex + ey * ey) / width.max(1e-6);
    let deepest = if width > 0.0 { deepest } else { larger_end };
    deepest.clamp(0.0, 1.0)
}

/// `x` and `y` lead from the start of the sweep to the first pixel's centre.
fn raise_row(row: &mut [u8], x: f32, y: f32, sweep: &Sweep) {
    with_avx2(|| raise_blocks(row, x, y, sweep));
}

#[inline(always)]
fn raise_blocks(row: &mut [u8], x: f32, y: f32, sweep: &Sweep) {
    let foot = |px: f32| (px * sweep.dx + y * sweep.dy) * sweep.inverse;
    match sweep.taper() {
        Taper::None => raise_along(row, x, y, sweep, |px| foot(px).clamp(0.0, 1.0)),
        Taper::Inside { larger_end } => raise_along(row, x, y, sweep, |_| larger_end),
        Taper::Hard { ahead } => raise_along(row, x, y, sweep, |px| {
            let foot = foot(px);
            let (ex, ey) = (px - foot * sweep.dx, y - foot * sweep.dy);
            (foot + ahead * (ex * ex + ey * ey).sqrt()).clamp(0.0, 1.0)
        }),
        Taper::Soft => raise_along(row, x, y, sweep, |px| along(sweep, px, y)),
    }
}

/// `along` says how far along the way the disc lies that counts for a pixel. Blocks of one length, so
/// that each is done in whole registers, however short the row.
#[inline(always)]
fn raise_along(row: &mut [u8], x: f32, y: f32, sweep: &Sweep, along: impl Fn(f32) -> f32) {
    for (block, values) in (0u16..).zip(row.chunks_mut(BLOCK)) {
        let mut covered = [0.0f32; BLOCK];
        let first = block * BLOCK as u16;
        for (offset, covered) in (first..).zip(&mut covered) {
            let px = x + f32::from(offset);
            let along = along(px);
            let (ex, ey) = (px - along * sweep.dx, y - along * sweep.dy);
            let distance = (ex * ex + ey * ey).sqrt();
            *covered = edge(
                distance,
                sweep.radius + along * sweep.widening,
                sweep.hardness,
            );
        }
        let levels = covered.map(|covered| level(covered, 0.5));
        for (value, level) in values.iter_mut().zip(levels) {
            *value = (*value).max(level);
        }
    }
}

/// How much a disc covers of a pixel at a distance from its middle, 0 … 1: all of it inside
/// `hardness`, then a smooth step down to nothing at its edge.
#[inline(always)]
fn edge(distance: f32, radius: f32, hardness: f32) -> f32 {
    let softness = radius * (1.0 - hardness);
    let inside = ((radius - distance) / softness.max(1.0)).clamp(0.0, 1.0);
    let soft = inside * inside * (3.0 - 2.0 * inside);
    // An edge thinner than a pixel is the antialiasing of a hard one; a brush thinner than a pixel
    // covers a part of it.
    let most = (2.0 * radius).min(1.0);
    let hard = (radius + 0.5 - distance).max(0.0).min(most);
    let covered = if softness < 1.0 { hard } else { soft };
    if 2.0 * radius < LEAST_DIAMETER {
        0.0
    } else {
        covered
    }
}

#[inline(always)]
fn level(covered: f32, rounding: f32) -> u8 {
    (covered * 255.0 + rounding) as u8
}
