//! Rectangles in canvas pixels, shared by the wire and the canvas.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A rectangle in canvas pixels, origin top left. On the wire `[x, y, width, height]`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(from = "[u32; 4]", into = "[u32; 4]")]
#[ts(type = "[number, number, number, number]")]
pub struct Rect {
    /// Left edge, inclusive.
    pub x: u32,
    /// Top edge, inclusive.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl From<[u32; 4]> for Rect {
    fn from([x, y, width, height]: [u32; 4]) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }
}

impl From<Rect> for [u32; 4] {
    fn from(rect: Rect) -> Self {
        [rect.x, rect.y, rect.width, rect.height]
    }
}

impl Rect {
    /// A rectangle from its left, top, width and height.
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// The right edge, exclusive.
    pub const fn right(&self) -> u32 {
        self.x.saturating_add(self.width)
    }

    /// The bottom edge, exclusive.
    pub const fn bottom(&self) -> u32 {
        self.y.saturating_add(self.height)
    }

    /// True when no pixel is inside.
    pub const fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// The number of pixels inside.
    pub const fn area(&self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// The pixels in both rectangles; empty (all zero) when there are none.
    pub fn intersect(&self, other: &Rect) -> Rect {
        let x = self.x.max(other.x);
        let y = self.y.max(other.y);
        let right = self.right().min(other.right());
        let bottom = self.bottom().min(other.bottom());
        if right <= x || bottom <= y {
            return Rect::default();
        }
        Rect::new(x, y, right - x, bottom - y)
    }

    /// The smallest rectangle around both; an empty one adds nothing.
    pub fn union(&self, other: &Rect) -> Rect {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        let x = self.x.min(other.x);
        let y = self.y.min(other.y);
        Rect::new(
            x,
            y,
            self.right().max(other.right()) - x,
            self.bottom().max(other.bottom()) - y,
        )
    }

    /// Grown by `margin` pixels on every side, kept inside `bounds`.
    pub fn inflate_within(&self, margin: u32, bounds: &Rect) -> Rect {
        if self.is_empty() {
            return Rect::default();
        }
        let x = self.x.saturating_sub(margin);
        let y = self.y.saturating_sub(margin);
        let right = self.right().saturating_add(margin);
        let bottom = self.bottom().saturating_add(margin);
        Rect::new(x, y, right - x, bottom - y).intersect(bounds)
    }

    /// True when every pixel of `other` is inside.
    pub fn contains(&self, other: &Rect) -> bool {
        other.is_empty()
            || (other.x >= self.x
                && other.y >= self.y
                && other.right() <= self.right()
                && other.bottom() <= self.bottom())
    }
}
