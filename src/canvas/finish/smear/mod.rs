//! Line integral convolution (Cabral and Leedom, 1993): values smeared along a flow.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod line;
mod plain;
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use crate::canvas::avx2::has_avx2;

use super::flow::Flow;
use super::planes::Plane;
use super::texels::Texels;
use line::{Line, STEPS};

/// How far a line reaches, in pixels, where a step is `stride` long.
pub(super) fn reach(stride: f32) -> usize {
    (STEPS as f32 * stride).ceil() as usize + 1
}

/// The means of `plane` along the flow's lines through the pixels of `rows`: `stride` pixels
/// between what is summed, weighted by a raised cosine. The plane has the rows in `known`; beyond
/// them everything goes on as it ends.
pub(super) fn smear(
    plane: &Plane,
    flow: &Flow,
    known: Range<usize>,
    rows: Range<usize>,
    stride: f32,
) -> Plane {
    let line = Line::new(stride);
    let texels = Texels::new(rows.clone(), known.clone(), reach(stride), |y| {
        let [across, down, _] = flow.row(y);
        [plane.row(y - known.start), across, down]
    });
    let width = plane.width();
    let mut smeared = Plane::new(width, rows.len());
    for (target, y) in rows.enumerate() {
        let (target, around) = (smeared.row_mut(target), texels.around(y));
        #[cfg(target_arch = "x86_64")]
        if width >= avx2::BLOCK && has_avx2() {
            // SAFETY: the processor has AVX2.
            unsafe { avx2::smear_row(target, around, &line) };
            continue;
        }
        plain::smear_row(target, around, &line);
    }
    smeared
}
