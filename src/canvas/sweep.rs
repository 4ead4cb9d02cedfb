//! The brush, swept from one point of a stroke to the next.
//!
//! The page draws the same sweep while it waits for the server's pixels: `web/src/paint/coverage.ts`
//! follows this file.

use super::avx2::with_avx2;
use super::tile::TILE;
use crate::protocol::{Rect, StrokePoint};

/// A thinner brush leaves nothing; the diameter, in pixels.
const LEAST_DIAMETER: f32 = 0.25;
/// The farthest that a pixel's centre lies from its tile's, in pixels, and a little more.
const HALF_TILE: f32 = 45.0;
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
        };
        Some(if squared > 1e-9 {
            at(start, end - start, 1.0 / squared)
        } else {
            // Pressed harder or lifted in one place.
            at(start.max(end), 0.0, 0.0)
        })
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
        (level(most, 0.5 + SLACK), is_full)
    }

    /// Raises the pixels of `part`, which lies inside the tile at `tile`, to what the sweep covers
    /// of them; larger values stay. `values` are the tile's, row after row.
    pub(super) fn raise(&self, values: &mut [u8], tile: &Rect, part: &Rect) {
        let first = (part.x - tile.x) as usize;
        let columns = first..first + part.width as usize;
        for y in part.y..part.bottom() {
            let row = ((y - tile.y) * TILE) as usize;
            let row = &mut values[row..row + TILE as usize];
            let x = part.x as f32 + 0.5 - self.x;
            raise_row(&mut row[columns.clone()], x, y as f32 + 0.5 - self.y, self);
        }
    }
}

/// `x` and `y` lead from the start of the sweep to the first pixel's centre.
fn raise_row(row: &mut [u8], x: f32, y: f32, sweep: &Sweep) {
    with_avx2(|| {
        let mut covered = [0.0f32; TILE as usize];
        let taper = sweep.widening * sweep.inverse;
        let larger_end = if sweep.widening > 0.0 { 1.0 } else { 0.0 };
        for (offset, covered) in (0u16..).zip(&mut covered) {
            let px = x + f32::from(offset);
            // The foot of the perpendicular on the axis, and its length.
            let foot = (px * sweep.dx + y * sweep.dy) * sweep.inverse;
            let (ex, ey) = (px - foot * sweep.dx, y - foot * sweep.dy);
            let width = sweep.radius + foot * sweep.widening;
            // Of all the discs along the way the one counts in which the pixel lies deepest: the least
            // distance / radius, by its derivative.
            let deepest = foot + taper * (ex * ex + ey * ey) / width.max(1e-6);
            let deepest = if width > 0.0 { deepest } else { larger_end };
            let along = deepest.clamp(0.0, 1.0);
            let (ex, ey) = (px - along * sweep.dx, y - along * sweep.dy);
            let distance = (ex * ex + ey * ey).sqrt();
            *covered = edge(
                distance,
                sweep.radius + along * sweep.widening,
                sweep.hardness,
            );
        }
        for (value, covered) in row.iter_mut().zip(&covered) {
            *value = (*value).max(level(*covered, 0.5));
        }
    });
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
