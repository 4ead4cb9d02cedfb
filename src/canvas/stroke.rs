//! Points of a stroke become coverage: overlapping dabs along the path.

use tiny_skia::{
    BlendMode, Color, FillRule, GradientStop, Paint, PathBuilder, Pixmap, Point, RadialGradient,
    SpreadMode, Transform,
};

use super::tile::{Coverage, TileIndex};
use crate::protocol::{Rect, StrokePoint};

/// The largest diameter of a brush, in canvas pixels.
pub const MAX_BRUSH_SIZE: f32 = 1024.0;

/// Distance between dabs as a part of their diameter: the scallops that a
/// hard edge gets from it stay below a hundredth of the radius.
const SPACING: f32 = 1.0 / 12.0;
/// The least distance between dabs, in pixels.
const LEAST_SPACING: f32 = 0.5;
/// A thinner dab is not drawn, in pixels.
const LEAST_DIAMETER: f32 = 0.25;
/// How far outside the canvas a point may be; further ones are moved here, so
/// that no segment has a length without end.
const MARGIN: f32 = 2.0 * MAX_BRUSH_SIZE;

/// Draws one stroke, chunk after chunk. The state between chunks is all that a
/// later point depends on, so the cut into chunks changes nothing.
#[derive(Clone, Debug)]
pub(super) struct Rasteriser {
    size: f32,
    hardness: f32,
    last: Option<StrokePoint>,
    until_next_dab: f32,
}

impl Rasteriser {
    /// A stroke that has no point yet. `size` is the diameter at pressure 1,
    /// above 0 and at most [`MAX_BRUSH_SIZE`]; `hardness` 0 … 1.
    pub(super) const fn new(size: f32, hardness: f32) -> Self {
        Self {
            size,
            hardness,
            last: None,
            until_next_dab: 0.0,
        }
    }

    /// Draws the dabs that `points` add. Points that are not finite are
    /// skipped. `touched` is told of each tile before it changes, as in
    /// [`Coverage::raise`].
    pub(super) fn draw(
        &mut self,
        points: &[StrokePoint],
        canvas: &Rect,
        coverage: &mut Coverage,
        mut touched: impl FnMut(TileIndex, Option<&[u8]>, &Rect),
    ) {
        for point in points
            .iter()
            .filter(|point| point.iter().all(|value| value.is_finite()))
        {
            let point = [
                point[0].clamp(-MARGIN, canvas.width as f32 + MARGIN),
                point[1].clamp(-MARGIN, canvas.height as f32 + MARGIN),
                point[2].clamp(0.0, 1.0),
            ];
            let from = self.last.replace(point);
            self.segment(from.unwrap_or(point), point, |dab| {
                draw_dab(&dab, canvas, coverage, &mut touched);
            });
        }
    }

    /// Places dabs from `from` (where the last segment ended) to `to`.
    fn segment(&mut self, from: StrokePoint, to: StrokePoint, mut draw: impl FnMut(Dab)) {
        // A pen that presses harder in one place draws too: a change of the
        // diameter counts as a way gone.
        let length = (to[0] - from[0])
            .hypot(to[1] - from[1])
            .max(self.size * (to[2] - from[2]).abs());
        let mut at = self.until_next_dab;
        while at <= length {
            let part = if length > 0.0 { at / length } else { 1.0 };
            let between = |axis: usize| from[axis] + (to[axis] - from[axis]) * part;
            let diameter = self.size * between(2);
            if diameter >= LEAST_DIAMETER {
                draw(Dab {
                    x: between(0),
                    y: between(1),
                    radius: diameter / 2.0,
                    hardness: self.hardness,
                });
            }
            at += (diameter * SPACING).max(LEAST_SPACING);
        }
        self.until_next_dab = at - length;
    }
}

/// One round touch of the brush; canvas pixels.
struct Dab {
    x: f32,
    y: f32,
    radius: f32,
    hardness: f32,
}

fn draw_dab(
    dab: &Dab,
    canvas: &Rect,
    coverage: &mut Coverage,
    touched: &mut impl FnMut(TileIndex, Option<&[u8]>, &Rect),
) {
    let reach = dab.radius + 1.0;
    let left = (dab.x - reach).floor().max(0.0) as u32;
    let top = (dab.y - reach).floor().max(0.0) as u32;
    let right = (dab.x + reach).ceil().max(0.0) as u32;
    let bottom = (dab.y + reach).ceil().max(0.0) as u32;
    let rect = Rect::new(
        left,
        top,
        right.saturating_sub(left),
        bottom.saturating_sub(top),
    )
    .intersect(canvas);
    if rect.is_empty() {
        return;
    }
    let Some(values) = dab_values(dab, &rect) else {
        return;
    };
    let width = rect.width as usize;
    coverage.raise(
        &rect,
        |y| &values[(y - rect.y) as usize * width..][..width],
        touched,
    );
}

/// The coverage of a dab inside `rect`, row after row.
fn dab_values(dab: &Dab, rect: &Rect) -> Option<Vec<u8>> {
    let (x, y) = (dab.x - rect.x as f32, dab.y - rect.y as f32);
    // An edge thinner than a pixel is the antialiasing of a hard one.
    if (1.0 - dab.hardness) * dab.radius < 1.0 {
        let mut mask = tiny_skia::Mask::new(rect.width, rect.height)?;
        let circle = PathBuilder::from_circle(x, y, dab.radius)?;
        mask.fill_path(&circle, FillRule::Winding, true, Transform::identity());
        return Some(mask.take());
    }
    let mut pixmap = Pixmap::new(rect.width, rect.height)?;
    let centre = Point::from_xy(x, y);
    let shader = RadialGradient::new(
        centre,
        0.0,
        centre,
        dab.radius,
        edge_stops(dab.hardness),
        SpreadMode::Pad,
        Transform::identity(),
    )?;
    let paint = Paint {
        shader,
        blend_mode: BlendMode::Source,
        anti_alias: false,
        ..Paint::default()
    };
    let all = tiny_skia::Rect::from_xywh(0.0, 0.0, rect.width as f32, rect.height as f32)?;
    pixmap.fill_rect(all, &paint, Transform::identity(), None);
    Some(pixmap.pixels().iter().map(|pixel| pixel.alpha()).collect())
}

/// Full inside `hardness`, then a smooth step down to 0 at the edge.
fn edge_stops(hardness: f32) -> Vec<GradientStop> {
    let stop = |position: f32, alpha: f32| {
        let color = Color::from_rgba(0.0, 0.0, 0.0, alpha).unwrap_or(Color::TRANSPARENT);
        GradientStop::new(position, color)
    };
    let mut stops = vec![stop(0.0, 1.0)];
    stops.extend((0..=6).map(|step| {
        let t = step as f32 / 6.0;
        let alpha = (1.0 - t * t * (3.0 - 2.0 * t)).clamp(0.0, 1.0);
        stop(hardness + (1.0 - hardness) * t, alpha)
    }));
    stops
}
