//! Line integral convolution (Cabral and Leedom, 1993): values smeared along a flow.

use std::ops::Range;

use crate::canvas::avx2::with_avx2;

use super::flow::{Direction, Flow};
use super::planes::{Plane, rounded};

/// Steps that a line takes to each side.
const STEPS: usize = 7;

/// How far a line reaches, in pixels, where a step is `stride` long.
pub(super) fn reach(stride: f32) -> usize {
    (STEPS as f32 * stride).ceil() as usize + 1
}

/// The means of `plane` along the flow's lines through the pixels of `rows`: `stride` pixels
/// between what is summed, weighted by a raised cosine.
pub(super) fn smear(plane: &Plane, flow: &Flow, rows: Range<usize>, stride: f32) -> Plane {
    let mut weights: [f32; STEPS + 1] = std::array::from_fn(|step| {
        0.5 + 0.5 * (std::f32::consts::PI * step as f32 / (STEPS + 1) as f32).cos()
    });
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f32>();
    for weight in &mut weights {
        *weight /= sum;
    }
    let mut smeared = Plane::new(flow.width, rows.len());
    for (target, y) in rows.enumerate() {
        smear_row(
            smeared.row_mut(target),
            plane.data(),
            &flow.directions,
            y,
            &weights,
            stride,
        );
    }
    smeared
}

fn smear_row(
    target: &mut [f32],
    values: &[f32],
    directions: &[Direction],
    y: usize,
    weights: &[f32; STEPS + 1],
    stride: f32,
) {
    with_avx2(|| {
        let width = target.len();
        let last_column = width as i32 - 1;
        let last_row = (values.len() / width.max(1)) as i32 - 1;
        for (x, target) in target.iter_mut().enumerate() {
            let [ahead_x, ahead_y] = directions[y * width + x];
            let mut sum = weights[0] * values[y * width + x];
            // Both ways at once: each waits for what the last step found.
            let mut heading = [(ahead_x, ahead_y), (-ahead_x, -ahead_y)];
            let mut way = [(0.0f32, 0.0f32); 2];
            for weight in &weights[1..] {
                for side in 0..2 {
                    way[side].0 += stride * heading[side].0;
                    way[side].1 += stride * heading[side].1;
                    let column = (x as i32 + rounded(way[side].0)).max(0).min(last_column);
                    let row = (y as i32 + rounded(way[side].1)).max(0).min(last_row);
                    let place = (row * width as i32 + column) as usize;
                    sum += weight * values[place];
                    let [next_x, next_y] = directions[place];
                    // A direction has no sign: go on, not back.
                    let along = heading[side].0 * next_x + heading[side].1 * next_y;
                    let sign = 1.0f32.copysign(along);
                    heading[side] = (sign * next_x, sign * next_y);
                }
            }
            *target = sum;
        }
    });
}
