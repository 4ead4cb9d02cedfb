//! The painter's finish: what is done to a picture's pixels after it was decoded.
//!
//! A finish belongs to the canvas, not to the window that it happens to see: its noise, its grain
//! and its paper are functions of the place on the canvas. So two windows that show the same
//! pixels, in the same picture or in two that follow each other, get the same bytes wherever they
//! agree on everything within [`Finish::radius`].
//!
//! Every processor computes the same bytes, since rooms are replayed: what is written for AVX2
//! takes the sums of the plain loops in their order, and multiplication is nowhere fused.

mod band;
mod flow;
mod ink;
mod kuwahara;
mod memory;
mod noise;
mod oil;
pub(super) mod planes;
#[cfg(target_arch = "x86_64")]
mod registers;
mod smear;
mod texels;
mod tone;
mod watercolour;

#[cfg(test)]
mod tests;

use rayon::prelude::*;

use super::Pixels;
use crate::protocol::Finish;
use band::{Band, lay_over};
use noise::Area;
use planes::widened;

/// The largest scale that a finish draws at; larger ones count as that.
const MAX_SCALE: u32 = 8;
/// Rows that are worth a task of their own, and the most of one: its planes should fit a cache.
const ROWS: (usize, usize) = (32, 128);

impl Finish {
    /// How far from a pixel others have a say in it, in pixels: a caller who wants the same bytes
    /// from two windows gives both this much around what they share. `scale` as in
    /// [`Finish::apply`].
    pub fn radius(self, scale: u32) -> u32 {
        let scale = as_scale(scale);
        let reach = match self {
            Self::None => 0,
            Self::Oil => oil::reach(scale),
            Self::Watercolour => watercolour::reach(scale),
            Self::Ink => ink::reach(scale),
        };
        reach as u32
    }

    /// Finishes a picture whose top left pixel lies at `origin` on the canvas.
    ///
    /// `strength` goes from 0, which changes nothing, to 1; what lies outside counts as the
    /// nearest, and what is no number as 0. `scale` is how many canvas pixels along a side one
    /// pixel of the model has become, at least 1: brushes are that much broader.
    ///
    /// Where everything within [`Finish::radius`] is pure white the picture stays pure white.
    pub fn apply(
        self,
        strength: f32,
        mut pixels: Pixels,
        origin: (u32, u32),
        scale: u32,
    ) -> Pixels {
        let strength = if strength.is_nan() {
            0.0
        } else {
            strength.clamp(0.0, 1.0)
        };
        if self == Self::None || strength == 0.0 || pixels.data().is_empty() {
            return pixels;
        }
        let reach = self.radius(scale) as usize;
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        let rows = height
            .div_ceil(rayon::current_num_threads())
            .clamp(ROWS.0, ROWS.1);
        let picture = pixels.clone();
        pixels
            .data_mut()
            .par_chunks_mut(rows * 3 * width)
            .enumerate()
            .for_each(|(index, target)| {
                let start = index * rows;
                let core = start..start + target.len() / (3 * width);
                let seen = widened(&core, reach, height);
                let area = Area {
                    x: origin.0 as i32,
                    y: (origin.1 as i32).wrapping_add(seen.start as i32),
                    width,
                    height: seen.len(),
                };
                let bytes = &picture.data()[seen.start * 3 * width..seen.end * 3 * width];
                let band = Band::new(bytes, area, as_scale(scale));
                let core = core.start - seen.start..core.end - seen.start;
                let painted = match self {
                    Self::None => return,
                    Self::Oil => oil::paint(&band, core),
                    Self::Watercolour => watercolour::paint(&band, core),
                    Self::Ink => ink::paint(&band, core),
                };
                lay_over(target, &painted, strength);
            });
        pixels
    }
}

fn as_scale(scale: u32) -> f32 {
    scale.clamp(1, MAX_SCALE) as f32
}
