//! Oil: patches drawn out along the flow, under a relief of bristles.

use std::ops::Range;

use crate::canvas::avx2::with_avx2;

use super::band::{Band, Colors};
use super::noise::{Area, grain};
use super::planes::widened;
use super::{flow, kuwahara, smear};

/// The radius of a patch of colour, in pixels.
const PATCH: f32 = 5.0;
/// Standard deviations of the noise that bristles leave, fine and broad, in pixels.
const BRISTLES: [f32; 2] = [0.7, 1.6];
/// Pixels between what is smeared.
const STRIDE: f32 = 1.3;
/// How much light and shade the relief throws, as a part of full colour.
const RELIEF: f32 = 0.035;
/// How much the paint's thickness shows in its colour.
const BODY: f32 = 0.012;
/// Paint that differs from paper by less has less relief: none where it is paper.
const THIN: f32 = 0.12;

/// How far a pixel depends on others, in pixels.
pub(super) fn reach(scale: f32) -> usize {
    let patches = kuwahara::reach(PATCH * scale);
    let relief = smear::reach(STRIDE * scale) + 1;
    Band::softening(scale)
        + patches
            .max(relief + flow::reach(scale))
            .max(flow::reach(scale))
}

/// The painted colours of `rows`.
pub(super) fn paint(band: &Band, rows: Range<usize>) -> Colors {
    let scale = band.scale;
    let around = widened(&rows, 1, band.area.height);
    let lines = widened(&around, smear::reach(STRIDE * scale), band.area.height);
    let flow = band.flow(lines.clone());
    let samples = band.samples(rows.clone(), kuwahara::reach(PATCH * scale));
    let mut colors = kuwahara::kuwahara(&samples, &flow, rows.clone(), PATCH * scale);
    let area = Area {
        y: band.area.y.wrapping_add(lines.start as i32),
        height: lines.len(),
        ..band.area
    };
    let mut noise = grain(&area, BRISTLES[0] * scale, 0x5EED_0011);
    let broad = grain(&area, BRISTLES[1] * scale, 0x5EED_0012);
    for (noise, broad) in noise.data_mut().iter_mut().zip(broad.data()) {
        *noise = 0.6 * *noise + 0.7 * broad;
    }
    let relief = smear::smear(&noise, &flow, lines, around.clone(), STRIDE * scale);
    let mut across = vec![0.0; band.area.width];
    for (target, y) in rows.enumerate() {
        let y = y - around.start;
        let above = relief.row(y.saturating_sub(1));
        let below = relief.row((y + 1).min(relief.height() - 1));
        find_slopes(&mut across, relief.row(y));
        let colors = colors.each_mut().map(|color| color.row_mut(target));
        light_row(colors, [above, relief.row(y), below], &across, scale);
    }
    colors
}

/// How much each pixel's right neighbour is higher than its left one.
fn find_slopes(slopes: &mut [f32], row: &[f32]) {
    let last = row.len() - 1;
    slopes[0] = row[1.min(last)] - row[0];
    slopes[last] = row[last] - row[last.saturating_sub(1)];
    with_avx2(|| {
        let neighbours = row.iter().zip(row.iter().skip(2));
        for (slope, (left, right)) in slopes[1..].iter_mut().zip(neighbours) {
            *slope = right - left;
        }
    });
}

/// Light from the upper left over the relief.
fn light_row(
    [red, green, blue]: [&mut [f32]; 3],
    [above, row, below]: [&[f32]; 3],
    across: &[f32],
    scale: f32,
) {
    with_avx2(|| {
        for x in 0..row.len() {
            let slope = 0.7 * across[x] + (below[x] - above[x]);
            let paper = red[x].min(green[x]).min(blue[x]);
            let paint = ((1.0 - paper) * (1.0 / THIN)).clamp(0.0, 1.0);
            let light = paint * (RELIEF * scale * slope + BODY * row[x]);
            // On a dark colour less light falls back, but wet paint glints all the same.
            red[x] += light * (0.35 + 0.65 * red[x]);
            green[x] += light * (0.35 + 0.65 * green[x]);
            blue[x] += light * (0.35 + 0.65 * blue[x]);
        }
    });
}
