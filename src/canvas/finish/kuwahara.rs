//! The anisotropic Kuwahara filter: a painter's patches, drawn out along the picture's flow.

use std::ops::Range;

use crate::canvas::avx2::with_avx2;

use super::flow::Flow;
use super::planes::{Plane, rounded};

/// Radii of the rings of samples, as parts of the filter's; the weight of a sample on each.
const RINGS: [(f32, f32); 3] = [(0.35, 1.0), (0.7, 0.7), (1.0, 0.4)];
/// Samples on the outer rings. The inner one has every second of them.
const ANGLES: usize = 16;
/// Sectors of the disc.
const SECTORS: usize = 8;
const SAMPLES: usize = ANGLES / 2 + 2 * ANGLES;
/// The weight of a sample in a sector by how many angles lie between it and the sector's middle.
const NEARNESS: [f32; 3] = [1.0, 0.7, 0.25];
/// The weight of the middle itself in every sector.
const MIDDLE: f32 = 0.5;
/// The variance at which a sector begins to lose against even ones, in squared units of full
/// colour: of noise that nobody sees.
const EVEN: f32 = 3.0 * (1.5 / 255.0) * (1.5 / 255.0);
/// Colours, each with the sum of the squares of its channels, as means over what a sample stands
/// for.
pub(super) type Sample = [f32; 4];

/// How far a filter of this radius reaches, in pixels.
pub(super) fn reach(radius: f32) -> usize {
    (2.0 * radius).ceil() as usize + 1
}

/// Filters the pixels in `rows`. `radius` is that of the disc before it is stretched, in pixels.
///
/// The filter is that of Kyprianidis, Kang and Döllner (Image and Video Abstraction by Anisotropic
/// Kuwahara Filtering, 2009): a disc of eight overlapping sectors, stretched to an ellipse along the
/// flow, and of each sector the mean, weighted by how even its colours are. The sums over a sector
/// are taken at fixed places of the disc, from means over as much as lies around each, so that the
/// cost does not grow with the radius.
pub(super) fn kuwahara(
    samples: &[Sample],
    flow: &Flow,
    rows: Range<usize>,
    radius: f32,
) -> [Plane; 3] {
    let disc = Disc::new();
    let mut filtered = [(); 3].map(|()| Plane::new(flow.width, rows.len()));
    let [red, green, blue] = &mut filtered;
    for (target, y) in rows.enumerate() {
        let target = (
            red.row_mut(target),
            green.row_mut(target),
            blue.row_mut(target),
        );
        filter_row(target, samples, flow, y, &disc, radius);
    }
    filtered
}

/// Where samples lie in the disc.
struct Disc {
    along: [f32; SAMPLES],
    across: [f32; SAMPLES],
}

impl Disc {
    fn new() -> Self {
        let mut disc = Self {
            along: [0.0; SAMPLES],
            across: [0.0; SAMPLES],
        };
        let inner = (0..ANGLES).step_by(2).map(|angle| (angle, RINGS[0].0));
        let middle = (0..ANGLES).map(|angle| (angle, RINGS[1].0));
        let outer = (0..ANGLES).map(|angle| (angle, RINGS[2].0));
        for (at, (angle, radius)) in inner.chain(middle).chain(outer).enumerate() {
            let (sin, cos) = (angle as f32 * std::f32::consts::TAU / ANGLES as f32).sin_cos();
            disc.along[at] = radius * cos;
            disc.across[at] = radius * sin;
        }
        disc
    }
}

fn filter_row(
    (red, green, blue): (&mut [f32], &mut [f32], &mut [f32]),
    samples: &[Sample],
    flow: &Flow,
    y: usize,
    disc: &Disc,
    radius: f32,
) {
    with_avx2(|| {
        let width = red.len();
        let last_row = (samples.len() / width.max(1)) as i32 - 1;
        let last_column = width as i32 - 1;
        let weight: f32 = MIDDLE
            + NEARNESS[0] * (RINGS[0].1 + RINGS[1].1 + RINGS[2].1)
            + 2.0 * NEARNESS[1] * (RINGS[1].1 + RINGS[2].1)
            + 2.0 * NEARNESS[2] * (RINGS[0].1 + RINGS[1].1 + RINGS[2].1);
        let weight = 1.0 / weight;
        for x in 0..width {
            let [along_x, along_y] = flow.directions[y * width + x];
            let stretch = 1.0 + flow.anisotropy[y * width + x];
            let (long, short) = (radius * stretch, radius / stretch);
            let (long_x, long_y) = (long * along_x, long * along_y);
            let (short_x, short_y) = (-short * along_y, short * along_x);
            let mut places = [0u32; SAMPLES];
            let at = disc.along.iter().zip(&disc.across);
            for (place, (along, across)) in places.iter_mut().zip(at) {
                let column = x as i32 + rounded(along * long_x + across * short_x);
                let row = y as i32 + rounded(along * long_y + across * short_y);
                let column = column.max(0).min(last_column);
                let row = row.max(0).min(last_row);
                *place = (row * width as i32 + column) as u32;
            }
            let at = |sample: usize| &samples[places[sample] as usize];
            let mut angles = [[0.0f32; 4]; ANGLES];
            for (angle, sum) in angles.iter_mut().enumerate() {
                let middle = at(ANGLES / 2 + angle);
                let outer = at(ANGLES / 2 + ANGLES + angle);
                for channel in 0..4 {
                    sum[channel] = RINGS[1].1 * middle[channel] + RINGS[2].1 * outer[channel];
                }
            }
            for angle in 0..ANGLES / 2 {
                let inner = at(angle);
                for channel in 0..4 {
                    angles[2 * angle][channel] += RINGS[0].1 * inner[channel];
                }
            }
            let centre = &samples[y * width + x];
            let mut means = [[0.0f32; 4]; SECTORS];
            for (sector, mean) in means.iter_mut().enumerate() {
                let near = |offset: usize| &angles[(2 * sector + offset) % ANGLES];
                let (middle, right, left) = (near(0), near(1), near(ANGLES - 1));
                let (far_right, far_left) = (near(2), near(ANGLES - 2));
                for channel in 0..4 {
                    mean[channel] = weight
                        * (MIDDLE * centre[channel]
                            + NEARNESS[0] * middle[channel]
                            + NEARNESS[1] * (right[channel] + left[channel])
                            + NEARNESS[2] * (far_right[channel] + far_left[channel]));
                }
            }
            let evenness = evenness(&means);
            let mut total = [0.0f32; 4];
            for (mean, evenness) in means.iter().zip(&evenness) {
                for channel in 0..4 {
                    total[channel] += evenness * mean[channel];
                }
            }
            let sum = ((evenness[0] + evenness[1]) + (evenness[2] + evenness[3]))
                + ((evenness[4] + evenness[5]) + (evenness[6] + evenness[7]));
            red[x] = total[0] / sum;
            green[x] = total[1] / sum;
            blue[x] = total[2] / sum;
        }
    });
}

/// The weight of each sector, by how even it is.
#[inline(always)]
fn evenness(means: &[Sample; SECTORS]) -> [f32; SECTORS] {
    let [red, green, blue, squares]: [[f32; SECTORS]; 4] =
        std::array::from_fn(|channel| std::array::from_fn(|sector| means[sector][channel]));
    std::array::from_fn(|sector| {
        let (r, g, b) = (red[sector], green[sector], blue[sector]);
        let variance = (squares[sector] - (r * r + g * g + b * b)).max(0.0);
        let even = EVEN / (EVEN + variance);
        let even = even * even;
        even * even
    })
}
