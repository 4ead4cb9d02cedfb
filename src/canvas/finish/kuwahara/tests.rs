use std::f32::consts::FRAC_PI_8;

use proptest::prelude::*;

use super::super::noise::{Area, grain};
use super::*;

proptest! {
    #[test]
    fn eight_pixels_at_once_are_filtered_as_each_alone(
        (width, height) in (LANES..50, 1usize..9),
        radius in 0.5f32..20.0,
        seed in any::<u32>(),
    ) {
        let area = Area { x: 0, y: 0, width, height };
        let noise = |part: u32| grain(&area, 0.4, seed.wrapping_add(part));
        let colors = [noise(0), noise(1), noise(2), noise(3)];
        let turns = noise(4);
        let rows = 0..height;
        let samples = Texels::new(rows.clone(), rows.clone(), reach(radius), |y| {
            colors.each_ref().map(|color| color.row(y))
        });
        let disc = Disc::new(radius);
        for y in rows {
            // A few directions, so that some samples lie right between two pixels.
            let angle = |turn: &f32| (turn * 8.0).round() * FRAC_PI_8;
            let across: Vec<f32> = turns.row(y).iter().map(|turn| angle(turn).cos()).collect();
            let down: Vec<f32> = turns.row(y).iter().map(|turn| angle(turn).sin()).collect();
            let anisotropy: Vec<f32> = colors[0].row(y).iter().map(|way| way.abs().min(1.0)).collect();
            let flow = [&across[..], &down, &anisotropy];
            let mut alone = [(); 3].map(|()| vec![0.0f32; width]);
            let mut together = alone.clone();
            let around = samples.around(y);
            plain::filter_row(alone.each_mut().map(|row| &mut row[..]), around, flow, &disc);
            if has_avx2() {
                let target = together.each_mut().map(|row| &mut row[..]);
                // SAFETY: the processor has AVX2.
                unsafe { avx2::filter_row(target, around, flow, &disc) };
                prop_assert_eq!(&alone, &together);
            }
        }
    }
}
