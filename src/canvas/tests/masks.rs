use proptest::prelude::*;

use crate::canvas::{Mask, Pixels};
use crate::protocol::Rect;

fn any_mask() -> impl Strategy<Value = Mask> {
    (1u32..40, 1u32..40).prop_flat_map(|(width, height)| {
        let value = prop_oneof![30 => Just(0u8), 1 => Just(255u8), 1 => any::<u8>()];
        prop::collection::vec(value, (width * height) as usize)
            .prop_map(move |data| Mask::from_raw(width, height, data).unwrap())
    })
}

/// The definition of growing, tried for every pair of pixels.
fn grown_slowly(mask: &Mask, dilation: u32) -> Vec<f64> {
    let (width, height) = (mask.width(), mask.height());
    let places = || (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)));
    places()
        .map(|(x, y)| {
            places()
                .map(|(u, v)| {
                    let square = f64::from(x.abs_diff(u).pow(2) + y.abs_diff(v).pow(2));
                    let fall = 255.0 * square / f64::from(dilation * dilation + 1);
                    f64::from(mask.value(u, v)) - fall
                })
                .fold(0.0, f64::max)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    // Dilations on both sides of the one from which envelopes are used.
    #[test]
    fn growing_is_what_its_definition_says(
        mask in any_mask(),
        dilation in prop_oneof![1u32..12, 38u32..44],
    ) {
        let grown = mask.dilate(dilation);
        for (value, exact) in grown.data().iter().zip(grown_slowly(&mask, dilation)) {
            prop_assert!((f64::from(*value) - exact).abs() <= 1.01, "{value} is not {exact}");
            prop_assert!(exact > 0.0 || *value == 0, "not 0 beyond the dilation");
        }
    }

    #[test]
    fn growing_takes_nothing_away(mask in any_mask(), dilation in 0u32..60) {
        let grown = mask.dilate(dilation);
        for (before, after) in mask.data().iter().zip(grown.data()) {
            prop_assert!(after >= before);
        }
    }

    #[test]
    fn a_larger_mask_and_a_larger_dilation_grow_larger(mask in any_mask(), dilation in 1u32..20) {
        let grown = mask.dilate(dilation);
        let wider = mask.dilate(dilation + 3);
        let mut larger = mask.clone();
        larger.data_mut().iter_mut().step_by(7).for_each(|value| *value = value.saturating_add(90));
        let larger = larger.dilate(dilation);
        for ((value, wider), larger) in grown.data().iter().zip(wider.data()).zip(larger.data()) {
            prop_assert!(wider >= value && larger >= value);
        }
    }

    #[test]
    fn dilation_0_changes_nothing(mask in any_mask()) {
        prop_assert_eq!(mask.dilate(0), mask);
    }

    #[test]
    fn bounds_are_tight(mask in any_mask()) {
        let bounds = mask.bounds();
        let mut expected = Rect::default();
        for y in 0..mask.height() {
            for x in 0..mask.width() {
                if mask.value(x, y) > 0 {
                    expected = expected.union(&Rect::new(x, y, 1, 1));
                }
            }
        }
        prop_assert_eq!(bounds, expected);
    }
}

#[test]
fn one_pixel_grows_into_a_disc() {
    for dilation in [1u32, 5, 16, 40, 41, 90] {
        let centre = dilation + 3;
        let mut mask = Mask::new(2 * centre + 1, 2 * centre + 1, 0);
        mask.span_mut(centre, centre, 1)[0] = 255;
        let grown = mask.dilate(dilation);
        for y in 0..grown.height() {
            for x in 0..grown.width() {
                let square = x.abs_diff(centre).pow(2) + y.abs_diff(centre).pow(2);
                if square > dilation * dilation {
                    assert_eq!(grown.value(x, y), 0, "dilation {dilation} at {x},{y}");
                }
            }
        }
        assert_eq!(grown.value(centre, centre), 255);
        assert!(grown.value(centre + dilation / 2, centre) > 100);
    }
}

#[test]
fn a_shrunk_mask_holds_means_and_shares_stay_shares() {
    let mask = Mask::from_raw(
        5,
        3,
        vec![0, 255, 10, 20, 9, 255, 255, 30, 43, 9, 1, 1, 1, 1, 1],
    );
    let small = mask.unwrap().shrunk(2);
    assert_eq!((small.width(), small.height()), (2, 1));
    assert_eq!(small.data(), [191, 25]);
    let half = |value: u8| Mask::new(4, 4, value).shrunk(4).value(0, 0);
    assert_eq!(u16::from(half(127)) + u16::from(half(128)), 255);
    let uneven = Mask::from_raw(2, 1, vec![128, 127]).unwrap();
    let rest = Mask::from_raw(2, 1, vec![127, 128]).unwrap();
    let [a, b] = [uneven, rest].map(|share| {
        let two_rows = [share.data(), share.data()].concat();
        Mask::from_raw(2, 2, two_rows)
            .unwrap()
            .shrunk(2)
            .value(0, 0)
    });
    assert!(u16::from(a) + u16::from(b) <= 255);
}

#[test]
fn of_a_picture_white_may_change_and_black_stays() {
    let picture = Pixels::from_raw(3, 1, vec![255, 255, 255, 0, 0, 0, 255, 0, 0]).unwrap();
    assert_eq!(Mask::from_brightness(&picture).data(), [255, 0, 76]);
}
