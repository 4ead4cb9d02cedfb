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
        let direction = [flow[0][x], flow[1][x]];
        let samples = samples(around, x, disc, direction, flow[2][x]);
        let middle = &around.texels()[around.reach() + x];
        let [r, g, b] = mean(&means(middle, &samples));
        (red[x], green[x], blue[x]) = (r, g, b);
    }
}

/// The pairs of samples around pixel `x`.
fn samples(
    around: Around<'_>,
    x: usize,
    disc: &Disc,
    [along_x, along_y]: [f32; 2],
    anisotropy: f32,
) -> [[Texel; 2]; PAIRS] {
    let stretch = 1.0 + anisotropy;
    let (long, short) = (disc.radius * stretch, disc.radius / stretch);
    let (long_x, long_y) = (long * along_x, long * along_y);
    let (short_x, short_y) = (-short * along_y, short * along_x);
    let reach = around.reach() as isize;
    let centre = reach + x as isize;
    std::array::from_fn(|pair| {
        let (along, across) = (disc.along[pair], disc.across[pair]);
        let column = rounded(along * long_x + across * short_x) as isize;
        let row = rounded(along * long_y + across * short_y) as isize;
        let offset = (row * around.pitch() as isize + column).clamp(-reach, reach);
        [centre + offset, centre - offset].map(|at| around.texels()[at as usize])
    })
}

/// The means of the sectors.
fn means(middle: &Texel, samples: &[[Texel; 2]; PAIRS]) -> [Texel; SECTORS] {
    let half = ANGLES / 2;
    let angles: [Texel; ANGLES] = std::array::from_fn(|angle| {
        let sample = |ring: usize, at: usize| samples[FIRST_PAIRS[ring] + at][angle / half];
        let (next, outer) = (sample(1, angle % half), sample(2, angle % half));
        std::array::from_fn(|channel| {
            let sum = RINGS[1].1 * next[channel] + RINGS[2].1 * outer[channel];
            if angle % 2 == 1 {
                return sum;
            }
            sum + RINGS[0].1 * sample(0, angle % half / 2)[channel]
        })
    });
    std::array::from_fn(|sector| {
        let near = |offset: usize| &angles[(2 * sector + offset) % ANGLES];
        let (right, left) = (near(1), near(ANGLES - 1));
        let (far_right, far_left) = (near(2), near(ANGLES - 2));
        std::array::from_fn(|channel| {
            SHARE
                * (MIDDLE * middle[channel]
                    + NEARNESS[0] * near(0)[channel]
                    + NEARNESS[1] * (right[channel] + left[channel])
                    + NEARNESS[2] * (far_right[channel] + far_left[channel]))
        })
    })
}

/// The mean of the sectors' means, weighted by how even they are.
fn mean(means: &[Texel; SECTORS]) -> [f32; 3] {
    let evenness = means.map(|[r, g, b, squares]| {
        let variance = (squares - (r * r + g * g + b * b)).max(0.0);
        let even = EVEN / (EVEN + variance);
        let even = even * even;
        even * even
    });
    let sum = |of: &dyn Fn(usize) -> f32| {
        ((of(0) + of(1)) + (of(2) + of(3))) + ((of(4) + of(5)) + (of(6) + of(7)))
    };
    let total = sum(&|sector| evenness[sector]);
    std::array::from_fn(|channel| {
        sum(&|sector| evenness[sector] * means[sector][channel]) / total
    })
}
