//! Blend modes: the formulas of W3C Compositing and Blending Level 1, section 10, in straight 8-bit
//! colours over an opaque backdrop.

use std::sync::LazyLock;

use crate::protocol::BlendMode;

/// 1 as a product of two bytes.
const ONE: u32 = 255 * 255;

/// The soft light of each pair of bytes, by backdrop and source, times [`ONE`].
static SOFT_LIGHT: LazyLock<Box<[u16]>> = LazyLock::new(|| {
    let bytes = 0..=255u8;
    bytes
        .flat_map(|backdrop| (0..=255u8).map(move |source| soft_light(backdrop, source)))
        .collect()
});

/// Lays a colour over opaque pixels: `αs·B(cb, cs) + (1 − αs)·cb`, with the source's alpha αs as
/// `weight` from 0 to 255·255. All sums are whole, and rounded once.
pub(super) fn blend_pixel(backdrop: &mut [u8], source: &[u8], weight: u32, mode: BlendMode) {
    for (below, above) in backdrop.iter_mut().zip(source) {
        let blended = blend(mode, *below, *above);
        let kept = (ONE - weight) * u32::from(*below) * 255;
        *below = ((kept + weight * blended + ONE * 255 / 2) / (ONE * 255)) as u8;
    }
}

/// `B(cb, cs)` times [`ONE`].
fn blend(mode: BlendMode, backdrop: u8, source: u8) -> u32 {
    let (below, above) = (u32::from(backdrop), u32::from(source));
    match mode {
        BlendMode::Normal => above * 255,
        BlendMode::Multiply => below * above,
        BlendMode::Screen => screen(below, above),
        // Hard light with the two changed places.
        BlendMode::Overlay if 2 * below <= 255 => 2 * below * above,
        BlendMode::Overlay => screen(2 * below - 255, above),
        BlendMode::SoftLight => {
            u32::from(SOFT_LIGHT[usize::from(backdrop) * 256 + usize::from(source)])
        }
    }
}

const fn screen(below: u32, above: u32) -> u32 {
    255 * (below + above) - below * above
}

fn soft_light(backdrop: u8, source: u8) -> u16 {
    let (below, above) = (f64::from(backdrop) / 255.0, f64::from(source) / 255.0);
    let blended = if above <= 0.5 {
        below - (1.0 - 2.0 * above) * below * (1.0 - below)
    } else {
        let lifted = match below <= 0.25 {
            true => ((16.0 * below - 12.0) * below + 4.0) * below,
            false => below.sqrt(),
        };
        below + (2.0 * above - 1.0) * (lifted - below)
    };
    (blended * f64::from(ONE)).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(mode: BlendMode, backdrop: u8, source: u8, weight: u32) -> u8 {
        let mut pixel = [backdrop];
        blend_pixel(&mut pixel, &[source], weight, mode);
        pixel[0]
    }

    /// By hand from the formulas, with all that is opaque.
    #[test]
    fn opaque_colours_are_those_of_the_specification() {
        for (mode, backdrop, source, expected) in [
            (BlendMode::Normal, 10, 200, 200),
            // 100·200/255 = 78.43
            (BlendMode::Multiply, 100, 200, 78),
            (BlendMode::Multiply, 255, 200, 200),
            (BlendMode::Multiply, 0, 200, 0),
            // 100 + 200 − 78.43 = 221.57
            (BlendMode::Screen, 100, 200, 222),
            (BlendMode::Screen, 0, 200, 200),
            (BlendMode::Screen, 255, 3, 255),
            // 2·100·200/255 = 156.86
            (BlendMode::Overlay, 100, 200, 157),
            // 255 − 2·(255 − 180)·(255 − 200)/255 = 222.65
            (BlendMode::Overlay, 180, 200, 223),
            (BlendMode::Overlay, 127, 255, 254),
            (BlendMode::Overlay, 128, 0, 1),
            // 0.3922 − (1 − 0.3922)·0.3922·(1 − 0.3922) = 0.2473, with cs = 50/255 = 0.1961
            (BlendMode::SoftLight, 100, 50, 63),
            // cb = 40/255 ≤ ¼, cs = 200/255: D = 0.3939, 0.1569 + 0.5686·0.2371 = 0.2917
            (BlendMode::SoftLight, 40, 200, 74),
            // cb = 180/255: √cb = 0.8402, 0.7059 + 0.5686·0.1343 = 0.7822
            (BlendMode::SoftLight, 180, 200, 199),
            (BlendMode::SoftLight, 90, 255, 151),
        ] {
            let blended = over(mode, backdrop, source, ONE);
            assert_eq!(blended, expected, "{mode:?} {source} over {backdrop}");
        }
    }

    #[test]
    fn alpha_and_opacity_mix_with_the_backdrop() {
        // Alpha 128, opacity 0.5 (128 of 255): a weight of 0.25196.
        let weight = 128 * 128;
        // 100·0.74804 + 200·0.25196 = 125.2
        assert_eq!(over(BlendMode::Normal, 100, 200, weight), 125);
        // 100·0.74804 + 78.43·0.25196 = 94.57
        assert_eq!(over(BlendMode::Multiply, 100, 200, weight), 95);
        // 100·0.74804 + 221.57·0.25196 = 130.63
        assert_eq!(over(BlendMode::Screen, 100, 200, weight), 131);
        for mode in BlendMode::ALL {
            for backdrop in [0, 1, 77, 254, 255] {
                assert_eq!(over(mode, backdrop, 200, 0), backdrop, "{mode:?}");
            }
        }
    }

    #[test]
    fn no_sum_is_too_large() {
        for mode in BlendMode::ALL {
            for backdrop in 0..=255 {
                for source in [0, 1, 127, 128, 254, 255] {
                    for weight in [0, 1, 255, ONE / 2, ONE - 1, ONE] {
                        let exact = {
                            let share = f64::from(weight) / f64::from(ONE);
                            let blended = f64::from(blend(mode, backdrop, source)) / 255.0;
                            share * blended + (1.0 - share) * f64::from(backdrop)
                        };
                        let found = f64::from(over(mode, backdrop, source, weight));
                        assert!(
                            (found - exact).abs() <= 0.500_001,
                            "{mode:?} {exact} {found}"
                        );
                    }
                }
            }
        }
    }
}
