//! Unit noise that is a function of where it lies: counter-based, so that two windows of one
//! canvas agree wherever they overlap and a later frame sees the noise of an earlier one.
//!
//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) gives
//! four words per latent position and group of four channels; Box and Muller's transform makes
//! four normal values of them. All of it in f64, rounded to f32 at the end, so that platforms whose
//! `ln`, `sin` and `cos` differ in the last bit still agree.

/// A rectangle of latent positions, in latent pixels of the whole canvas (not of a window).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LatentRect {
    /// Left edge, inclusive.
    pub x: u32,
    /// Top edge, inclusive.
    pub y: u32,
    /// Width in latent pixels.
    pub width: u32,
    /// Height in latent pixels.
    pub height: u32,
}

impl LatentRect {
    /// What both have; none where they do not overlap.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let right = (self.x + self.width).min(other.x + other.width);
        let bottom = (self.y + self.height).min(other.y + other.height);
        (x < right && y < bottom).then(|| Self {
            x,
            y,
            width: right - x,
            height: bottom - y,
        })
    }
}

/// Independent standard normal values for a rectangle, row-major: `[channels, height, width]`.
///
/// The same `seed`, `draw`, channel and absolute position always give the same value. `draw` is 0
/// for the noise that a run begins with and 1 + i for that of its step i. Positions past
/// `u32::MAX` wrap around.
pub fn gaussian_noise(seed: u64, draw: u32, channels: usize, rect: &LatentRect) -> Vec<f32> {
    let key = [seed as u32, (seed >> 32) as u32];
    let (width, plane) = (
        rect.width as usize,
        rect.width as usize * rect.height as usize,
    );
    let mut values = vec![0f32; channels * plane];
    for first_channel in (0..channels).step_by(4) {
        for row in 0..rect.height {
            for column in 0..rect.width {
                let (x, y) = (rect.x.wrapping_add(column), rect.y.wrapping_add(row));
                let words = philox4x32_10([x, y, (first_channel / 4) as u32, draw], key);
                let position = row as usize * width + column as usize;
                let normals = four_normals(words);
                for (channel, normal) in (first_channel..channels).zip(normals) {
                    values[channel * plane + position] = normal as f32;
                }
            }
        }
    }
    values
}

/// Ten rounds of Philox on four words of counter and two of key.
fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    for _ in 0..10 {
        let first = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let second = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// Box and Muller's transform of two pairs of words.
fn four_normals(words: [u32; 4]) -> [f64; 4] {
    let pair = |for_radius: u32, for_angle: u32| {
        // The middle of each of 2³² intervals: never 0, whose logarithm is infinite.
        let uniform = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
        let radius = (-2.0 * uniform(for_radius).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * uniform(for_angle)).sin_cos();
        [radius * cos, radius * sin]
    };
    let ([a, b], [c, d]) = (pair(words[0], words[1]), pair(words[2], words[3]));
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn philox_gives_the_vectors_published_with_random123() {
        assert_eq!(
            philox4x32_10([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32_10([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32_10(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    proptest! {
        #[test]
        fn windows_agree_where_they_overlap(
            seed: u64, draw: u32, channels in 1usize..10,
            x in 0u32..500, y in 0u32..500, width in 1u32..12, height in 1u32..12,
            dx in 0u32..12, dy in 0u32..12,
        ) {
            let near = LatentRect { x, y, width: width + dx, height: height + dy };
            let far = LatentRect { x: x + dx, y: y + dy, width, height };
            let whole = gaussian_noise(seed, draw, channels, &near);
            let part = gaussian_noise(seed, draw, channels, &far);
            for channel in 0..channels {
                for row in 0..height {
                    for column in 0..width {
                        let inside = (channel as u32 * near.height + row + dy) * near.width + column + dx;
                        let here = (channel as u32 * height + row) * width + column;
                        prop_assert_eq!(
                            whole[inside as usize].to_bits(),
                            part[here as usize].to_bits()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_values_of_a_seed_never_change() {
        let rect = LatentRect {
            x: 7,
            y: 11,
            width: 2,
            height: 1,
        };
        let values = gaussian_noise(42, 0, 5, &rect);
        let known = [
            -0.23436023,
            0.9801854,
            -0.40415865,
            -0.7582558,
            0.32903764,
            1.2779685,
            -0.005553239,
            0.9903476,
            0.627881,
            -0.46532506,
        ];
        assert_eq!(values, known);
    }

    #[test]
    fn seeds_draws_and_channels_are_independent_and_normal() {
        let rect = LatentRect {
            x: 0,
            y: 0,
            width: 128,
            height: 128,
        };
        let planes: Vec<f32> = [(1, 0), (1, 1), (2, 0), (1 << 32, 0)]
            .into_iter()
            .flat_map(|(seed, draw)| gaussian_noise(seed, draw, 6, &rect))
            .collect();
        let planes: Vec<&[f32]> = planes.chunks(128 * 128).collect();
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / (128.0 * 128.0);
        for plane in &planes {
            let moment = |power: i32| mean(&mut plane.iter().map(|v| f64::from(*v).powi(power)));
            // Five standard errors of each moment of 2¹⁴ normal values.
            assert!(moment(1).abs() < 5.0 / 128.0, "mean {}", moment(1));
            assert!(
                (moment(2) - 1.0).abs() < 5.0 * 2f64.sqrt() / 128.0,
                "square {}",
                moment(2)
            );
            assert!(
                moment(3).abs() < 5.0 * 15f64.sqrt() / 128.0,
                "cube {}",
                moment(3)
            );
            assert!(
                (moment(4) - 3.0).abs() < 5.0 * 96f64.sqrt() / 128.0,
                "fourth {}",
                moment(4)
            );
            let neighbours = plane
                .windows(2)
                .map(|pair| f64::from(pair[0]) * f64::from(pair[1]));
            assert!(mean(&mut neighbours.into_iter()).abs() < 5.0 / 128.0);
        }
        for (i, first) in planes.iter().enumerate() {
            for second in &planes[i + 1..] {
                let products = first
                    .iter()
                    .zip(*second)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b));
                assert!(mean(&mut products.into_iter()).abs() < 5.0 / 128.0);
            }
        }
    }
}
