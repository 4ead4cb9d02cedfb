//! The transforms of Winograd's minimal filtering F(4×4, 3×3): a tile of 4×4 output pixels sees
//! 6×6 input pixels, and takes 36 products for each pair of channels where the definition takes
//! 144 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308).
//!
//! The interpolation points are 0, ±a, ±b and ∞.

use crate::kernels::lanes::Lanes;

/// Pixels along one side of an output tile.
pub(super) const TILE: usize = 4;

/// Pixels along one side of what such a tile sees, and of its transform.
pub(super) const SEEN: usize = 6;

/// The interpolation points that are neither 0 nor ∞.
#[derive(Clone, Copy)]
pub(super) struct Points {
    a: f32,
    b: f32,
}

impl Points {
    /// Those that lose the fewest bits: a third of the error that Lavin and Gray's 1 and 2 make.
    pub const PRECISE: Self = Self {
        a: std::f32::consts::FRAC_1_SQRT_2,
        b: std::f32::consts::SQRT_2,
    };

    /// With the point −1, at which the transform of an image whose pixels were doubled is 0.
    pub const DOUBLED: Self = Self { a: 1.0, b: 1.5 };

    /// `G g Gᵀ` of a 3×3 kernel, row by row.
    pub fn of_kernel(self, kernel: &[f32]) -> [f32; SEEN * SEEN] {
        let (a, b) = (f64::from(self.a), f64::from(self.b));
        let (a2, b2) = (a * a, b * b);
        let at_a = 1.0 / (2.0 * a2 * (a2 - b2));
        let at_b = 1.0 / (2.0 * b2 * (b2 - a2));
        let row = |g: [f64; 3]| {
            let even_a = at_a * (g[0] + a2 * g[2]);
            let even_b = at_b * (g[0] + b2 * g[2]);
            let (odd_a, odd_b) = (at_a * a * g[1], at_b * b * g[1]);
            [
                g[0] / (a2 * b2),
                even_a + odd_a,
                even_a - odd_a,
                even_b + odd_b,
                even_b - odd_b,
                g[2],
            ]
        };
        let kernel = |y: usize, x: usize| f64::from(kernel[3 * y + x]);
        let across = [0, 1, 2].map(|y| row([kernel(y, 0), kernel(y, 1), kernel(y, 2)]));
        let mut result = [0.0; SEEN * SEEN];
        for x in 0..SEEN {
            let column = row([across[0][x], across[1][x], across[2][x]]);
            for (y, value) in column.into_iter().enumerate() {
                result[SEEN * y + x] = value as f32;
            }
        }
        result
    }
}

/// [`Points`] in all lanes.
#[derive(Clone, Copy)]
pub(super) struct Factors<L> {
    a: L,
    b: L,
    minus_a: L,
    minus_b: L,
    a2: L,
    b2: L,
    minus_a2: L,
    minus_b2: L,
    a3: L,
    b3: L,
    a2b2: L,
    minus_sum: L,
}

impl<L: Lanes> Factors<L> {
    /// # Safety
    ///
    /// As [`Lanes`].
    #[inline(always)]
    pub unsafe fn new(points: Points) -> Self {
        let Points { a, b } = points;
        // Squares of √2 and √½ as they should be.
        let square = |value: f32| (f64::from(value) * f64::from(value)) as f32;
        let (a2, b2) = (square(a), square(b));
        // SAFETY: the caller vouches for the processor.
        unsafe {
            Self {
                a: L::splat(a),
                b: L::splat(b),
                minus_a: L::splat(-a),
                minus_b: L::splat(-b),
                a2: L::splat(a2),
                b2: L::splat(b2),
                minus_a2: L::splat(-a2),
                minus_b2: L::splat(-b2),
                a3: L::splat(a * a2),
                b3: L::splat(b * b2),
                a2b2: L::splat(a2 * b2),
                minus_sum: L::splat(-(a2 + b2)),
            }
        }
    }

    /// `Bᵀ d`.
    ///
    /// # Safety
    ///
    /// As [`Lanes`].
    #[inline(always)]
    pub unsafe fn of_pixels(&self, d: [L; SEEN]) -> [L; SEEN] {
        // SAFETY: the caller vouches for the processor.
        unsafe {
            let even_a = d[2].mul_add(self.minus_b2, d[4]);
            let odd_a = d[1].mul_add(self.minus_b2, d[3]);
            let even_b = d[2].mul_add(self.minus_a2, d[4]);
            let odd_b = d[1].mul_add(self.minus_a2, d[3]);
            [
                d[0].mul_add(self.a2b2, d[2].mul_add(self.minus_sum, d[4])),
                odd_a.mul_add(self.a, even_a),
                odd_a.mul_add(self.minus_a, even_a),
                odd_b.mul_add(self.b, even_b),
                odd_b.mul_add(self.minus_b, even_b),
                d[1].mul_add(self.a2b2, d[3].mul_add(self.minus_sum, d[5])),
            ]
        }
    }

    /// `Aᵀ m`.
    ///
    /// # Safety
    ///
    /// As [`Lanes`].
    #[inline(always)]
    pub unsafe fn of_products(&self, m: [L; SEEN]) -> [L; TILE] {
        // SAFETY: the caller vouches for the processor.
        unsafe {
            let (sum_a, difference_a) = (m[1].add(m[2]), m[1].sub(m[2]));
            let (sum_b, difference_b) = (m[3].add(m[4]), m[3].sub(m[4]));
            let zero = L::splat(0.0);
            [
                m[0].add(sum_a).add(sum_b),
                difference_a.mul_add(self.a, difference_b.mul_add(self.b, zero)),
                sum_a.mul_add(self.a2, sum_b.mul_add(self.b2, zero)),
                difference_a.mul_add(self.a3, difference_b.mul_add(self.b3, m[5])),
            ]
        }
    }
}
