//! How light colours are, and steps of it.

use crate::canvas::avx2::with_avx2;

use super::band::Colors;
use super::planes::Plane;

/// How light each pixel is, 0 to 1.
pub(super) fn lightness(colors: &Colors) -> Plane {
    let [red, green, blue] = colors;
    let mut light = Plane::new(red.width(), red.height());
    fill(light.data_mut(), [red.data(), green.data(), blue.data()]);
    light
}

/// Moves lightness towards `levels` even steps, softly, as Winnemöller, Olsen and Gooch (Real-time
/// video abstraction, 2006) do; all the way where `part` is 1. White stays white.
pub(super) fn flatten(colors: &mut Colors, levels: f32, part: f32) {
    let [red, green, blue] = colors;
    step(
        [red.data_mut(), green.data_mut(), blue.data_mut()],
        levels,
        part,
    );
}

fn fill(light: &mut [f32], [red, green, blue]: [&[f32]; 3]) {
    with_avx2(|| {
        for (light, ((red, green), blue)) in light.iter_mut().zip(red.iter().zip(green).zip(blue)) {
            *light = weigh(*red, *green, *blue);
        }
    });
}

fn step([red, green, blue]: [&mut [f32]; 3], levels: f32, part: f32) {
    with_avx2(|| {
        for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
            let light = weigh(*red, *green, *blue);
            let level = (light * levels + 0.5).floor();
            let off = light * levels - level;
            let stepped = (level + 4.0 * off * off * off) / levels;
            // The small number keeps black from being divided by.
            let tone = 1.0 + part * ((stepped + 0.02) / (light + 0.02) - 1.0);
            *red *= tone;
            *green *= tone;
            *blue *= tone;
        }
    });
}

#[inline(always)]
fn weigh(red: f32, green: f32, blue: f32) -> f32 {
    0.3 * red + 0.5 * green + 0.2 * blue
}
