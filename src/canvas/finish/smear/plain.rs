//! Lines pixel after pixel: what the other ways of computing them are held to.

use super::super::planes::rounded;
use super::super::texels::Around;
use super::line::Line;

/// Smears a row of texels that hold a value, and the flow's direction there.
pub(super) fn smear_row(target: &mut [f32], around: Around<'_>, line: &Line) {
    let (reach, pitch) = (around.reach() as isize, around.pitch() as isize);
    for (x, target) in target.iter_mut().enumerate() {
        let centre = reach + x as isize;
        let [value, ahead_x, ahead_y, _] = around.texels()[centre as usize];
        let mut sum = line.weights[0] * value;
        let mut heading = [(ahead_x, ahead_y), (-ahead_x, -ahead_y)];
        let mut way = [(0.0f32, 0.0f32); 2];
        for weight in &line.weights[1..] {
            for side in 0..2 {
                way[side].0 += line.stride * heading[side].0;
                way[side].1 += line.stride * heading[side].1;
                let (column, row) = (rounded(way[side].0), rounded(way[side].1));
                let offset = (row as isize * pitch + column as isize).clamp(-reach, reach);
                let [value, next_x, next_y, _] = around.texels()[(centre + offset) as usize];
                sum += weight * value;
                // A direction has no sign: go on, not back.
                let along = heading[side].0 * next_x + heading[side].1 * next_y;
                let sign = 1.0f32.copysign(along);
                heading[side] = (sign * next_x, sign * next_y);
            }
        }
        *target = sum;
    }
}
