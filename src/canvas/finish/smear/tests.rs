use std::f32::consts::TAU;

use proptest::prelude::*;

use super::super::noise::{Area, grain};
use super::*;

proptest! {
    #[test]
    fn sixteen_lines_at_once_are_summed_as_each_alone(
        (width, height) in (avx2::BLOCK..60, 1usize..9),
        stride in 0.3f32..11.0,
        seed in any::<u32>(),
    ) {
        let area = Area { x: 0, y: 0, width, height };
        let (values, turns) = (grain(&area, 0.4, seed), grain(&area, 1.0, seed ^ 1));
        let mut directions = [turns.clone(), turns];
        for (direction, quarter) in directions.iter_mut().zip([0.0, 0.25]) {
            for value in direction.data_mut() {
                *value = ((*value + quarter) * TAU).sin();
            }
        }
        let rows = 0..height;
        let texels = Texels::new(rows.clone(), rows.clone(), reach(stride), |y| {
            [values.row(y), directions[0].row(y), directions[1].row(y)]
        });
        let line = Line::new(stride);
        for y in rows {
            let mut alone = vec![0.0f32; width];
            let mut together = alone.clone();
            plain::smear_row(&mut alone, texels.around(y), &line);
            if has_avx2() {
                // SAFETY: the processor has AVX2.
                unsafe { avx2::smear_row(&mut together, texels.around(y), &line) };
                prop_assert_eq!(&alone, &together);
            }
        }
    }
}
