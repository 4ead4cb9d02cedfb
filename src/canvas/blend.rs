//! Integer blending, rounded to nearest; weight 0 and 255 are exact.

/// `a·b/255`.
pub(super) fn scale(a: u8, b: u8) -> u8 {
    divide_by_255(u32::from(a) * u32::from(b))
}

/// `from` at weight 0, `to` at weight 255.
pub(super) fn mix(from: u8, to: u8, weight: u8) -> u8 {
    divide_by_255(u32::from(from) * u32::from(255 - weight) + u32::from(to) * u32::from(weight))
}

/// [`mix`] over the three channels of a pixel.
pub(super) fn mix_pixel(pixel: &mut [u8], to: &[u8], weight: u8) {
    if weight == 255 {
        // Most of what a hard brush covers.
        return pixel
            .iter_mut()
            .zip(to)
            .for_each(|(pixel, to)| *pixel = *to);
    }
    for (from, to) in pixel.iter_mut().zip(to) {
        *from = mix(*from, *to, weight);
    }
}

/// The weight that takes what was covered by `before` to `after` ≥ `before`.
pub(super) fn further_weight(before: u8, after: u8) -> u8 {
    if after <= before {
        return 0;
    }
    let room = 255 - u32::from(before);
    ((u32::from(after - before) * 255 + room / 2) / room) as u8
}

/// Rounded; exact for all products of two bytes.
fn divide_by_255(product: u32) -> u8 {
    ((product + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_exact() {
        for (from, to) in [(0, 255), (17, 200), (200, 17), (9, 9)] {
            assert_eq!(mix(from, to, 0), from);
            assert_eq!(mix(from, to, 255), to);
        }
        assert_eq!(scale(255, 77), 77);
        assert_eq!(scale(0, 77), 0);
    }

    #[test]
    fn two_steps_reach_what_one_reaches() {
        for before in 0..=254u8 {
            for after in before..=255 {
                let once = mix(0, 255, after);
                let twice = mix(mix(0, 255, before), 255, further_weight(before, after));
                assert!(once.abs_diff(twice) <= 1, "{before} {after}");
            }
        }
    }
}
