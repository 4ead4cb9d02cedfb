//! The anisotropic Kuwahara filter: a painter's patches, drawn out along the picture's flow.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod disc;
mod plain;
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use crate::canvas::avx2::has_avx2;

use super::flow::Flow;
use super::planes::Plane;
#[cfg(target_arch = "x86_64")]
use super::registers::LANES;
use super::texels::Texels;
use disc::Disc;

/// How far a filter of this radius reaches, in pixels.
pub(super) fn reach(radius: f32) -> usize {
    (2.0 * radius).ceil() as usize + 1
}

/// Filters the pixels in `rows`. `radius` is that of the disc before it is stretched, in pixels;
/// `samples` are softened colours, each with the sum of the squares of its channels, and have a
/// margin of [`reach`].
///
/// The filter is that of Kyprianidis, Kang and Döllner (Image and Video Abstraction by Anisotropic
/// Kuwahara Filtering, 2009): a disc of eight overlapping sectors, stretched to an ellipse along the
/// flow, and of each sector the mean, weighted by how even its colours are. The sums over a sector
/// are taken at fixed places of the disc, from means over as much as lies around each, so that the
/// cost does not grow with the radius.
pub(super) fn kuwahara(
    samples: &Texels,
    flow: &Flow,
    rows: Range<usize>,
    radius: f32,
) -> [Plane; 3] {
    let disc = Disc::new(radius);
    let width = samples.around(rows.start).width();
    let mut filtered = [(); 3].map(|()| Plane::new(width, rows.len()));
    let [red, green, blue] = &mut filtered;
    for (target, y) in rows.enumerate() {
        let target = [
            red.row_mut(target),
            green.row_mut(target),
            blue.row_mut(target),
        ];
        let (around, flow) = (samples.around(y), flow.row(y));
        #[cfg(target_arch = "x86_64")]
        if width >= LANES && has_avx2() {
            // SAFETY: the processor has AVX2.
            unsafe { avx2::filter_row(target, around, flow, &disc) };
            continue;
        }
        plain::filter_row(target, around, flow, &disc);
    }
    filtered
}
