//! Watercolour: washes that pool at their edges, and settle in the paper's valleys.

use std::ops::Range;

use crate::canvas::avx2::with_avx2;

use super::band::{Band, Colors};
use super::noise::{Area, Clouds, grain};
use super::planes::{Kernel, Plane, rounded, widened};
use super::texels::{Around, Texels};
use super::tone::{flatten, lightness};
use super::{flow, kuwahara};

/// The radius of a patch of colour, in pixels.
const PATCH: f32 = 5.0;
/// How far edges wander, in pixels.
const WANDER: f32 = 1.6;
/// How many pixels a turn of it takes.
const WANDER_PERIOD: f32 = 9.0;
/// The standard deviation of the blur that pigment gathers by, in pixels.
const POOLING: f32 = 2.5;
/// How dark an edge gets: the part of light that a full step of colour takes away.
const EDGES: f32 = 2.0;
/// The most of it.
const DARKEST_EDGE: f32 = 0.26;
/// Washes that lie over each other from white to black, and how much their steps show.
const LEVELS: f32 = 8.0;
const LAYERING: f32 = 0.7;
/// How unevenly a wash dries: the part of the pigment.
const BACKRUNS: f32 = 0.14;
/// How many pixels it takes to change.
const BACKRUN_PERIOD: f32 = 30.0;
/// How unevenly pigment settles in the paper: the part of it.
const GRANULATION: f32 = 0.04;
/// The standard deviations of the paper's grain, in pixels.
const TOOTH: [f32; 2] = [0.8, 2.2];

/// How far a pixel depends on others, in pixels.
pub(super) fn reach(scale: f32) -> usize {
    let patches = kuwahara::reach(PATCH * scale).max(flow::reach(scale));
    Band::softening(scale) + patches + around(scale)
}

/// What is needed around a pixel of the washes.
fn around(scale: f32) -> usize {
    Kernel::gaussian(POOLING * scale).radius() + wandering(scale)
}

/// The painted colours of `rows`.
pub(super) fn paint(band: &Band, rows: Range<usize>) -> Colors {
    let scale = band.scale;
    let margin = widened(&rows, around(scale), band.area.height);
    let area = Area {
        y: band.area.y.wrapping_add(margin.start as i32),
        height: margin.len(),
        ..band.area
    };
    let flow = band.flow(margin.clone());
    let samples = band.samples(margin.clone(), kuwahara::reach(PATCH * scale));
    let patches = kuwahara::kuwahara(&samples, &flow, margin.clone(), PATCH * scale);
    let mut washes = wander(&patches, &area, scale);
    flatten(&mut washes, LEVELS, LAYERING);
    let light = lightness(&washes);
    let mut pooled = light.clone();
    pooled.blur(&Kernel::gaussian(POOLING * scale));
    let rows = rows.start - margin.start..rows.end - margin.start;
    let mut colors = washes.map(|wash| wash.crop(rows.clone()));
    let here = Area {
        y: area.y.wrapping_add(rows.start as i32),
        height: rows.len(),
        ..area
    };
    let tooth = grain(&here, TOOTH[0] * scale, 0x5EED_0023);
    let weave = grain(&here, TOOTH[1] * scale, 0x5EED_0024);
    let mut backruns = Clouds::new(&here, BACKRUN_PERIOD * scale, 0x5EED_0025);
    let mut eddies = Clouds::new(&here, 0.4 * BACKRUN_PERIOD * scale, 0x5EED_0026);
    for (target, y) in rows.enumerate() {
        let [red, green, blue] = &mut colors;
        dry_row(
            (
                red.row_mut(target),
                green.row_mut(target),
                blue.row_mut(target),
            ),
            [light.row(y), pooled.row(y)],
            [tooth.row(target), weave.row(target)],
            [backruns.row(target), eddies.row(target)],
        );
    }
    colors
}

/// How far wandering edges look, in pixels.
fn wandering(scale: f32) -> usize {
    (WANDER * scale).ceil() as usize + 1
}

/// Colours from a little aside, so that edges are drawn by a hand.
fn wander(colors: &Colors, area: &Area, scale: f32) -> Colors {
    let rows = 0..area.height;
    let texels = Texels::new(rows.clone(), rows.clone(), wandering(scale), |y| {
        colors.each_ref().map(|color| color.row(y))
    });
    let period = WANDER_PERIOD * scale;
    let mut across = Clouds::new(area, period, 0x5EED_0021);
    let mut down = Clouds::new(area, period, 0x5EED_0022);
    let mut moved = [(); 3].map(|()| Plane::new(area.width, area.height));
    for y in rows {
        let target = moved.each_mut().map(|color| color.row_mut(y));
        let aside = [across.row(y), down.row(y)];
        with_avx2(|| wander_row(target, texels.around(y), aside, WANDER * scale));
    }
    moved
}

#[inline(always)]
fn wander_row(
    [red, green, blue]: [&mut [f32]; 3],
    around: Around<'_>,
    [across, down]: [&[f32]; 2],
    by: f32,
) {
    let (texels, pitch) = (around.texels(), around.pitch());
    for x in 0..around.width() {
        let (aside, off) = (by * across[x], by * down[x]);
        let (column, row) = (rounded(aside - 0.5), rounded(off - 0.5));
        let (right, lower) = (aside - column as f32, off - row as f32);
        let offset = row as isize * pitch as isize + column as isize;
        let place = (around.reach() + x).wrapping_add_signed(offset);
        let corners = [place, place + 1, place + pitch, place + pitch + 1].map(|at| texels[at]);
        let weights = [
            (1.0 - right) * (1.0 - lower),
            right * (1.0 - lower),
            (1.0 - right) * lower,
            right * lower,
        ];
        let mut sum = [0.0f32; 4];
        for channel in 0..4 {
            sum[channel] = weights[0] * corners[0][channel]
                + weights[1] * corners[1][channel]
                + weights[2] * corners[2][channel]
                + weights[3] * corners[3][channel];
        }
        [red[x], green[x], blue[x], _] = sum;
    }
}

/// Pigment after Bousseau, Kaplan, Thollot and Sillion (Interactive watercolor rendering with
/// temporal coherence and abstraction, 2006): more or less of it, by edges, wash and paper. Where
/// there is none there is nothing to vary.
fn dry_row(
    (red, green, blue): (&mut [f32], &mut [f32], &mut [f32]),
    [light, pooled]: [&[f32]; 2],
    [tooth, weave]: [&[f32]; 2],
    [backruns, eddies]: [&[f32]; 2],
) {
    with_avx2(|| {
        for x in 0..red.len() {
            let edge = (EDGES * (pooled[x] - light[x])).clamp(0.0, DARKEST_EDGE);
            let settled = GRANULATION * (0.7 * tooth[x] + 0.5 * weave[x]);
            let dried = BACKRUNS * (0.7 * backruns[x] + 0.3 * eddies[x]);
            let density = 1.0 + settled + dried;
            let paper = red[x].min(green[x]).min(blue[x]);
            let shade = 1.0 - edge * ((1.0 - paper) * 8.0).min(1.0);
            let pigment = |color: f32| {
                // A second layer of the same pigment multiplies; less of it lets the paper through.
                let thinner = 1.0 - (1.0 - color) * density.min(1.0);
                let thicker = thinner - (color - color * color) * (density - 1.0).max(0.0);
                thicker * shade
            };
            red[x] = pigment(red[x]);
            green[x] = pigment(green[x]);
            blue[x] = pigment(blue[x]);
        }
    });
}
