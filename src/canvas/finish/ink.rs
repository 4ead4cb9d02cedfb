//! Ink: lines along edges over flat colours.

use std::ops::Range;

use crate::canvas::avx2::with_avx2;

use super::band::{Band, Colors};
use super::noise::{Area, Clouds};
use super::planes::{Kernel, widened};
use super::tone::{flatten, lightness};
use super::{flow, kuwahara, smear};

/// The radius of a patch of colour, in pixels.
const PATCH: f32 = 6.0;
/// The standard deviation of the narrow Gaussian, in pixels.
const LINE: f32 = 1.0;
/// How many times that the wide one's is.
const WIDER: f32 = 1.6;
/// How much the difference of the two is sharpened.
const SHARPNESS: f32 = 11.0;
/// The part of the light around that a place must be darker than, to be a line.
const THRESHOLD: f32 = 0.95;
/// How fast a line becomes full.
const STEEPNESS: f32 = 6.0;
/// How much lines swell and thin out: a part of the threshold.
const PRESSURE: f32 = 0.05;
/// How many pixels that takes.
const PRESSURE_PERIOD: f32 = 22.0;
/// Pixels between what is smeared along a line.
const STRIDE: f32 = 0.8;
/// The colour of ink.
const INK: [f32; 3] = [0.10, 0.09, 0.13];
/// How much a full line covers.
const FULL: f32 = 0.88;
/// Levels of brightness that colours are flattened to.
const LEVELS: f32 = 9.0;

/// How far a pixel depends on others, in pixels.
pub(super) fn reach(scale: f32) -> usize {
    let patches = kuwahara::reach(PATCH * scale).max(flow::reach(scale));
    Band::softening(scale) + patches + around(scale)
}

/// What is needed around a pixel of the patches.
fn around(scale: f32) -> usize {
    smear::reach(STRIDE * scale) + Kernel::gaussian(WIDER * LINE * scale).radius()
}

/// The painted colours of `rows`.
pub(super) fn paint(band: &Band, rows: Range<usize>) -> Colors {
    let scale = band.scale;
    let margin = widened(&rows, around(scale), band.area.height);
    let flow = band.flow(margin.clone());
    let samples = band.samples(margin.clone(), kuwahara::reach(PATCH * scale));
    let patches = kuwahara::kuwahara(&samples, &flow, margin.clone(), PATCH * scale);
    let mut wide = lightness(&patches);
    let mut difference = wide.clone();
    difference.blur(&Kernel::gaussian(LINE * scale));
    wide.blur(&Kernel::gaussian(WIDER * LINE * scale));
    sharpen(difference.data_mut(), wide.data());
    let lines = smear::smear(
        &difference,
        &flow,
        margin.clone(),
        rows.clone(),
        STRIDE * scale,
    );
    let here = Area {
        y: band.area.y.wrapping_add(rows.start as i32),
        height: rows.len(),
        ..band.area
    };
    let mut pressure = Clouds::new(&here, PRESSURE_PERIOD * scale, 0x5EED_0031);
    let rows = rows.start - margin.start..rows.end - margin.start;
    let mut colors = patches.map(|patch| patch.crop(rows.clone()));
    flatten(&mut colors, LEVELS, 1.0);
    for y in 0..here.height {
        let colors = colors.each_mut().map(|color| color.row_mut(y));
        draw_row(colors, lines.row(y), pressure.row(y));
    }
    colors
}

/// The sharpened difference of Gaussians of Winnemöller, Kyprianidis and Olsen (XDoG: An eXtended
/// difference-of-Gaussians compendium, 2012), as a part of the light around: a dark surface is no
/// line.
fn sharpen(narrow: &mut [f32], wide: &[f32]) {
    with_avx2(|| {
        for (narrow, wide) in narrow.iter_mut().zip(wide) {
            let sharpened = *narrow + SHARPNESS * (*narrow - wide);
            *narrow = (sharpened + 0.08) / (wide + 0.08);
        }
    });
}

/// Draws lines over a row of colours.
fn draw_row([red, green, blue]: [&mut [f32]; 3], lines: &[f32], pressure: &[f32]) {
    with_avx2(|| {
        for x in 0..red.len() {
            let below = (THRESHOLD + PRESSURE * pressure[x] - lines[x]) * STEEPNESS;
            let below = below.clamp(0.0, 1.0);
            let line = FULL * below * below * (3.0 - 2.0 * below);
            let ink = |color: f32, ink: f32| color + line * (ink - color);
            red[x] = ink(red[x], INK[0]);
            green[x] = ink(green[x], INK[1]);
            blue[x] = ink(blue[x], INK[2]);
        }
    });
}
