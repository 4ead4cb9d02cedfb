//! Thin edges (Canny, "A Computational Approach to Edge Detection", 1986) as OpenCV's `Canny` finds
//! them in a picture of three channels: Sobel of three pixels, |dx| + |dy| of the channel where that
//! is greatest, and no blur before.

use crate::canvas::Pixels;

/// Gradients above it belong to an edge that has a strong one; the usual of ControlNet's Canny.
const LOW: i32 = 100;
/// Gradients above it are edges.
const HIGH: i32 = 200;
/// tan 22.5° in 15 bits.
const TAN_22: i64 = 13_573;

/// A pixel's gradient.
#[derive(Clone, Copy, Default)]
struct Gradient {
    dx: i32,
    dy: i32,
}

impl Gradient {
    const fn magnitude(self) -> i32 {
        self.dx.abs() + self.dy.abs()
    }
}

/// Gradients with zeros around them.
struct Field {
    gradients: Vec<Gradient>,
    stride: usize,
}

impl Field {
    fn of(picture: &Pixels) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let stride = width + 2;
        let mut gradients = vec![Gradient::default(); stride * (height + 2)];
        let data = picture.data();
        for y in 0..height {
            // Beyond its edges the picture goes on as it ends.
            let rows = [y.saturating_sub(1), y, (y + 1).min(height - 1)];
            for x in 0..width {
                let columns = [x.saturating_sub(1), x, (x + 1).min(width - 1)];
                let mut strongest = Gradient::default();
                for channel in 0..3 {
                    let at = |row: usize, column: usize| {
                        i32::from(data[3 * (rows[row] * width + columns[column]) + channel])
                    };
                    let dx = at(0, 2) - at(0, 0) + 2 * (at(1, 2) - at(1, 0)) + at(2, 2) - at(2, 0);
                    let dy = at(2, 0) - at(0, 0) + 2 * (at(2, 1) - at(0, 1)) + at(2, 2) - at(0, 2);
                    let found = Gradient { dx, dy };
                    if channel == 0 || found.magnitude() > strongest.magnitude() {
                        strongest = found;
                    }
                }
                gradients[(y + 1) * stride + x + 1] = strongest;
            }
        }
        Self { gradients, stride }
    }

    /// True where a gradient is greater than those on both sides of it along its direction, one of
    /// four. Of two that are equal the first is it; along a diagonal neither.
    fn is_ridge(&self, at: usize) -> bool {
        let here = self.gradients[at];
        let magnitude = here.magnitude();
        let of = |at: usize| self.gradients[at].magnitude();
        let (x, y) = (i64::from(here.dx.abs()), i64::from(here.dy.abs()) << 15);
        let tan_22 = x * TAN_22;
        let tan_67 = tan_22 + (x << 16);
        if y < tan_22 {
            return magnitude > of(at - 1) && magnitude >= of(at + 1);
        }
        if y > tan_67 {
            return magnitude > of(at - self.stride) && magnitude >= of(at + self.stride);
        }
        let (before, after) = match (here.dx ^ here.dy) < 0 {
            true => (at - self.stride + 1, at + self.stride - 1),
            false => (at - self.stride - 1, at + self.stride + 1),
        };
        magnitude > of(before) && magnitude > of(after)
    }
}

/// True for each pixel of an edge.
pub(super) fn edges(picture: &Pixels) -> Vec<bool> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if width == 0 || height == 0 {
        return Vec::new();
    }
    let field = Field::of(picture);
    let stride = field.stride;
    let inside = |y: usize| (y + 1) * stride + 1..(y + 1) * stride + 1 + width;
    let mut is_candidate = vec![false; field.gradients.len()];
    let mut is_edge = vec![false; field.gradients.len()];
    let mut strong = Vec::new();
    for at in (0..height).flat_map(inside) {
        let magnitude = field.gradients[at].magnitude();
        if magnitude > LOW && field.is_ridge(at) {
            is_candidate[at] = true;
            if magnitude > HIGH {
                is_edge[at] = true;
                strong.push(at);
            }
        }
    }
    // Edges go on through weaker gradients.
    while let Some(at) = strong.pop() {
        for row in [at - stride, at, at + stride] {
            for next in row - 1..=row + 1 {
                if is_candidate[next] && !is_edge[next] {
                    is_edge[next] = true;
                    strong.push(next);
                }
            }
        }
    }
    (0..height).flat_map(inside).map(|at| is_edge[at]).collect()
}
