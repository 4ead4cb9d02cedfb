//! Which crops of the canvas the model works on, and how they fade into it.

use super::blend::scale;
use super::mask::Mask;
use super::pixels::Pixels;
use super::resize::resize_bicubic;
use crate::protocol::{CanvasSize, Rect};

/// What the model asks of a window; lengths in pixels as the model sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowRules {
    /// Canvas pixels along a side of one pixel that the model sees, at least 1: a model that knows
    /// whole small pictures sees a large canvas smaller than it is.
    pub zoom: u32,
    /// Sides are multiples of this: 32 or 64. So are positions, as far as the canvas's sides are.
    pub grid: u32,
    /// What the model should see around the part that it repaints.
    pub context: u32,
    /// The shortest side.
    pub minimum: u32,
    /// The longest side.
    pub maximum: u32,
}

/// [`WindowRules::zoom`] for a canvas that a model of this native size may see up to `largest`
/// times smaller: as large as lets a native window still fit into the canvas.
pub fn zoom_for(canvas: CanvasSize, native_size: u32, largest: u32) -> u32 {
    let fits = canvas.width.min(canvas.height) / native_size.max(1);
    fits.clamp(1, largest.max(1))
}

/// A crop for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The crop, in canvas pixels: inside the canvas.
    pub rect: Rect,
    /// The part of the dirty rectangle that this window answers for.
    pub core: Rect,
    /// How far outside the core its pixels still show, fading; at most half
    /// the context.
    fade: u32,
    /// The canvas that it was made for.
    canvas: Rect,
    /// [`WindowRules::zoom`].
    zoom: u32,
}

impl Window {
    /// The crop in pixels as the model sees them.
    pub const fn seen_rect(&self) -> Rect {
        let Rect {
            x,
            y,
            width,
            height,
        } = self.rect;
        let zoom = self.zoom;
        Rect::new(x / zoom, y / zoom, width / zoom, height / zoom)
    }

    /// The part of the crop that shows, in canvas pixels: the core, and what fades out around it.
    pub fn shown_rect(&self) -> Rect {
        let shown = self.core.inflate_within(self.fade, &self.canvas);
        shown.intersect(&self.rect)
    }

    /// A picture as large as the crop, as the model sees it.
    pub fn seen(&self, pixels: Pixels) -> Pixels {
        match self.zoom {
            1 => pixels,
            _ => resize_bicubic(&pixels, self.seen_size()),
        }
    }

    /// A mask as large as the crop, as the model sees it: means of what lies in each pixel.
    pub fn seen_mask(&self, mask: Mask) -> Mask {
        match self.zoom {
            1 => mask,
            zoom => mask.shrunk(zoom),
        }
    }

    fn seen_size(&self) -> CanvasSize {
        let Rect { width, height, .. } = self.seen_rect();
        CanvasSize { width, height }
    }
}

/// One axis of a window: start and end of the crop and of the core.
#[derive(Clone, Copy)]
struct Extent {
    rect: (u32, u32),
    core: (u32, u32),
}

/// The windows that together cover `dirty`, which should be what the mask
/// covers: the strokes' footprint dilated. One window where it fits
/// into `maximum`, else several in rows whose cores partition `dirty`.
///
/// Each window has `context` around its core wherever the canvas allows, is at
/// least `minimum` and at most `maximum` on a side (a canvas that is smaller
/// than `minimum` is taken whole), and keeps to the grid; so much for what the
/// model sees, on the canvas all of it is `zoom` times as long. `canvas` lies at
/// the origin and its sides are multiples of the grid; where they are not of
/// `zoom` times the grid, the last windows begin off it. Where `maximum` leaves
/// no room for the context, the context gets smaller. Empty for an empty `dirty`.
pub fn windows_for(dirty: &Rect, canvas: &Rect, rules: &WindowRules) -> Vec<Window> {
    let dirty = dirty.intersect(canvas);
    if dirty.is_empty() {
        return Vec::new();
    }
    let zoom = rules.zoom.max(1);
    let grid = rules.grid.max(1) * zoom;
    let maximum = (rules.maximum * zoom / grid * grid).max(grid);
    let minimum = (rules.minimum * zoom).next_multiple_of(grid);
    let minimum = minimum.clamp(grid, maximum);
    let context = (rules.context * zoom).min((maximum - grid) / 2);
    // From here on in canvas pixels.
    let rules = WindowRules {
        zoom,
        grid,
        context,
        minimum,
        maximum,
    };
    let columns = extents(dirty.x, dirty.right(), canvas.right(), &rules);
    let rows = extents(dirty.y, dirty.bottom(), canvas.bottom(), &rules);
    let rect = |x: (u32, u32), y: (u32, u32)| Rect::new(x.0, y.0, x.1 - x.0, y.1 - y.0);
    rows.iter()
        .flat_map(|row| {
            columns.iter().map(|column| Window {
                rect: rect(column.rect, row.rect),
                core: rect(column.core, row.core),
                fade: context / 2,
                canvas: *canvas,
                zoom,
            })
        })
        .collect()
}

/// Cuts `start..end` into cores, as long as the maximum allows, and puts the
/// context around each. `rules` are consistent: sides are multiples of the
/// grid, and the maximum holds two contexts and a step of the grid.
fn extents(start: u32, end: u32, side: u32, rules: &WindowRules) -> Vec<Extent> {
    let mut extents = Vec::new();
    let mut from = start;
    while from < end {
        let left = from.saturating_sub(rules.context) / rules.grid * rules.grid;
        let farthest = left + rules.maximum;
        let to = if farthest >= side {
            end
        } else {
            end.min(farthest - rules.context)
        };
        let right = (to + rules.context).next_multiple_of(rules.grid).min(side);
        // Where the canvas ends off the grid, it is the start that gives way.
        let left = right.saturating_sub((right - left).next_multiple_of(rules.grid));
        extents.push(Extent {
            rect: widen(left, right, side, rules),
            core: (from, to),
        });
        from = to;
    }
    extents
}

/// At least `minimum` long, widened on both sides and pushed into the canvas.
fn widen(left: u32, right: u32, side: u32, rules: &WindowRules) -> (u32, u32) {
    let length = (right - left).max(rules.minimum).min(side);
    let before = (length - (right - left)) / 2 / rules.grid * rules.grid;
    let left = left.saturating_sub(before).min(side - length);
    (left, left + length)
}

/// The mask (of the window's size) as far as the window answers for it:
/// unchanged inside the core, falling smoothly to 0 within half the context
/// around it, and so before the window's edges; 0 beyond. Sides at which the
/// canvas ends do not fade.
///
/// Neighbours are pasted in the order of [`windows_for`]: each fades over the
/// ones before it, on their side of the border, so that no seam shows.
pub fn feather(window: &Window, mask: &Mask) -> Mask {
    let Window {
        rect,
        core,
        fade,
        canvas,
        zoom: _,
    } = window;
    let columns: Vec<u8> = (rect.x..rect.right())
        .map(|x| weight(x, (core.x, core.right()), *fade, canvas.right()))
        .collect();
    let mut faded = mask.clone();
    let width = mask.width().min(rect.width);
    for y in 0..mask.height() {
        let row = weight(rect.y + y, (core.y, core.bottom()), *fade, canvas.bottom());
        for (value, column) in faded.span_mut(0, y, width).iter_mut().zip(&columns) {
            *value = scale(*value, scale(*column, row));
        }
    }
    faded
}

/// 255 inside the core, then a smooth step to 0 just beyond `fade` pixels.
fn weight(at: u32, core: (u32, u32), fade: u32, side: u32) -> u8 {
    let (outside, room) = if at < core.0 {
        (core.0 - at, core.0)
    } else if at >= core.1 {
        (at - core.1 + 1, side - core.1)
    } else {
        return 255;
    };
    // No room to fade before the canvas ends: nothing lies beyond to fade into.
    if room <= fade {
        return 255;
    }
    if outside > fade {
        return 0;
    }
    let t = 1.0 - f64::from(outside) / f64::from(fade + 1);
    (255.0 * t * t * (3.0 - 2.0 * t)).round() as u8
}
