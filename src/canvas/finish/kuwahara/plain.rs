//! The filter pixel after pixel: what the other ways of computing it are held to.

use super::super::planes::rounded;
use super::super::texels::{Around, Texel};
use super::disc::{
    ANGLES, Disc, EVEN, FIRST_PAIRS, MIDDLE, NEARNESS, PAIRS, RINGS, SECTORS, SHARE,
};

/// Filters a row. `flow` is its direction, x and y, and its anisotropy.
pub(super) fn filter_row(
    [red, green, blue]: [&mut [f32]; 3],
    around: Around<'_>,
    flow: [&[f32]; 3],
    disc: &Disc,
) {
    for x in 0..around.width() {
        let offsets = offsets(around, flow.map(|values| values[x]), disc);
        [red[x], green[x], blue[x]] = mean(&means(around, x, &offsets));
    }
}

/// How far the first of each pair of samples lies from a pixel.
#[inline(always)]
fn offsets(
    around: Around<'_>,
    [along_x, along_y, anisotropy]: [f32; 3],
    disc: &Disc,
) -> [i32; PAIRS] {
    let stretch = 1.0 + anisotropy;
    let (long, short) = (disc.radius * stretch, disc.radius / stretch);
    let (long_x, long_y) = (long * along_x, long * along_y);
    let (short_x, short_y) = (-short * along_y, short * along_x);
    let (pitch, reach) = (around.pitch() as i32, around.reach() as i32);
    let mut offsets = [0; PAIRS];
    for (offset, (along, across)) in offsets.iter_mut().zip(disc.along.iter().zip(&disc.across)) {
        let column = rounded(along * long_x + across * short_x);
        let row = rounded(along * long_y + across * short_y);
        *offset = (row * pitch + column).max(-reach).min(reach);
    }
    offsets
}

/// The means of the sectors of pixel `x`.
#[inline(always)]
fn means(around: Around<'_>, x: usize, offsets: &[i32; PAIRS]) -> [Texel; SECTORS] {
    let half = ANGLES / 2;
    let centre = around.reach() + x;
    let sample = |ring: usize, angle: usize| {
        let place = if ring == 0 { angle / 2 } else { angle };
        let offset = offsets[FIRST_PAIRS[ring] + place] as isize;
        [offset, -offset].map(|offset| &around.texels()[centre.wrapping_add_signed(offset)])
    };
    let mut angles = [[0.0f32; 4]; ANGLES];
    for angle in 0..half {
        let (next, outer) = (sample(1, angle), sample(2, angle));
        for side in 0..2 {
            let sum = &mut angles[angle + side * half];
            for channel in 0..4 {
                let [next, outer] = [next, outer].map(|ring| ring[side][channel]);
                sum[channel] = RINGS[1].1 * next + RINGS[2].1 * outer;
            }
        }
    }
    for angle in (0..half).step_by(2) {
        let inner = sample(0, angle);
        for side in 0..2 {
            for channel in 0..4 {
                angles[angle + side * half][channel] += RINGS[0].1 * inner[side][channel];
            }
        }
    }
    let middle = &around.texels()[centre];
    let mut means = [[0.0f32; 4]; SECTORS];
    for (sector, mean) in means.iter_mut().enumerate() {
        let near = |offset: usize| &angles[(2 * sector + offset) % ANGLES];
        let (own, right, left) = (near(0), near(1), near(ANGLES - 1));
        let (far_right, far_left) = (near(2), near(ANGLES - 2));
        for channel in 0..4 {
            mean[channel] = SHARE
                * (MIDDLE * middle[channel]
                    + NEARNESS[0] * own[channel]
                    + NEARNESS[1] * (right[channel] + left[channel])
                    + NEARNESS[2] * (far_right[channel] + far_left[channel]));
        }
    }
    means
}

/// The mean of the sectors' means, weighted by how even they are.
#[inline(always)]
fn mean(means: &[Texel; SECTORS]) -> [f32; 3] {
    let mut weighted = [[0.0f32; 4]; SECTORS];
    for (weighted, [r, g, b, squares]) in weighted.iter_mut().zip(means) {
        let variance = (squares - (r * r + g * g + b * b)).max(0.0);
        let even = EVEN / (EVEN + variance);
        let even = even * even;
        let even = even * even;
        *weighted = [even * r, even * g, even * b, even];
    }
    let [a, b, c, d, e, f, g, h] = weighted;
    let mut total = [0.0f32; 4];
    for channel in 0..4 {
        total[channel] = ((a[channel] + b[channel]) + (c[channel] + d[channel]))
            + ((e[channel] + f[channel]) + (g[channel] + h[channel]));
    }
    let [red, green, blue, sum] = total;
    [red / sum, green / sum, blue / sum]
}
