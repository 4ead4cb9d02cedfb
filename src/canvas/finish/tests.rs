use proptest::prelude::*;

use super::flow::flow;
use super::planes::Plane;
use super::*;
use crate::protocol::Rect;

const PAINTED: [Finish; 3] = [Finish::Oil, Finish::Watercolour, Finish::Ink];

/// Soft waves of colour with a hard disc in it, and fine noise over all.
fn picture(width: u32, height: u32, seed: u32) -> Pixels {
    let mut picture = Pixels::new(width, height, [0; 3]);
    let phase = f64::from(seed % 1000);
    for y in 0..height {
        for x in 0..width {
            let (across, down) = (f64::from(x), f64::from(y));
            let disc = (across - 60.0).hypot(down - 50.0) < 30.0;
            let noise = f64::from((x * 7919 + y * 104_729 + seed) % 11) - 5.0;
            for (channel, value) in picture.span_mut(x, y, 1).iter_mut().enumerate() {
                let wave = (across / 23.0 + phase + channel as f64).sin()
                    + (down / 17.0 - phase + 2.0 * channel as f64).cos();
                let soft = 128.0 + 50.0 * wave + noise;
                *value = if disc { 255.0 - soft } else { soft }.clamp(0.0, 255.0) as u8;
            }
        }
    }
    picture
}

/// A colour on each side of `x`.
fn step(width: u32, height: u32, x: u32, left: [u8; 3], right: [u8; 3]) -> Pixels {
    let mut picture = Pixels::new(width, height, left);
    picture.paste(&Pixels::new(width - x, height, right), x, 0);
    picture
}

fn mean(picture: &Pixels, channel: usize) -> f64 {
    let values = picture.data().iter().skip(channel).step_by(3);
    values.map(|value| f64::from(*value)).sum::<f64>() / (picture.data().len() / 3) as f64
}

fn any_painted() -> impl Strategy<Value = Finish> {
    prop::sample::select(PAINTED.to_vec())
}

#[test]
fn names_are_read_as_they_are_written() {
    for finish in Finish::ALL {
        assert_eq!(finish.to_string().parse(), Ok(finish));
        let json = serde_json::to_string(&finish).unwrap();
        assert_eq!(json, format!("\"{finish}\""));
        assert_eq!(serde_json::from_str::<Finish>(&json).unwrap(), finish);
    }
    let error = "Oil paint".parse::<Finish>().unwrap_err().to_string();
    let json = serde_json::from_str::<Finish>("\"fresco\"").unwrap_err();
    for finish in Finish::ALL {
        assert!(error.contains(finish.name()), "{error}");
        assert!(json.to_string().contains(finish.name()), "{json}");
    }
}

#[test]
fn no_finish_and_no_strength_change_nothing() {
    let before = picture(70, 90, 1);
    for strength in [0.0, -1.0, f32::NAN] {
        for finish in Finish::ALL {
            assert_eq!(finish.apply(strength, before.clone(), (64, 0), 1), before);
        }
    }
    assert_eq!(Finish::None.apply(1.0, before.clone(), (0, 0), 1), before);
    assert_eq!(Finish::None.radius(8), 0);
}

#[test]
fn more_strength_than_there_is_counts_as_all() {
    let before = picture(64, 64, 1);
    for finish in PAINTED {
        let all = finish.apply(1.0, before.clone(), (0, 0), 1);
        assert_eq!(finish.apply(7.0, before.clone(), (0, 0), 1), all);
        assert_ne!(all, before);
    }
}

#[test]
fn pictures_of_every_shape_are_finished() {
    let sizes = [
        (0, 0),
        (1, 1),
        (1, 300),
        (300, 1),
        (2, 3),
        (33, 65),
        (257, 31),
        (4096, 40),
        (40, 4096),
    ];
    for (width, height) in sizes {
        let before = picture(width, height, 3);
        for finish in PAINTED {
            for scale in [1, 3, u32::MAX] {
                let after = finish.apply(1.0, before.clone(), (u32::MAX, 7), scale);
                assert_eq!((after.width(), after.height()), (width, height));
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let before = picture(90, 330, 5);
    for finish in PAINTED {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap()
                .install(|| finish.apply(0.8, before.clone(), (64, 128), 2))
        };
        assert_eq!(on(1), on(5), "{finish}");
    }
}

#[test]
fn the_texture_is_the_canvas_s() {
    let flat = Pixels::new(96, 96, [90, 140, 70]);
    for finish in [Finish::Oil, Finish::Watercolour] {
        let here = finish.apply(1.0, flat.clone(), (0, 0), 1);
        let there = finish.apply(1.0, flat.clone(), (512, 64), 1);
        assert_ne!(here, there, "{finish}");
    }
}

#[test]
fn flat_colour_keeps_its_colour_and_gets_a_quiet_texture() {
    for color in [
        [90, 140, 70],
        [200, 60, 50],
        [30, 30, 60],
        [0, 0, 0],
        [240, 235, 225],
    ] {
        let flat = Pixels::new(128, 128, color);
        for finish in PAINTED {
            let after = finish.apply(1.0, flat.clone(), (64, 64), 1);
            for (channel, wanted) in color.into_iter().enumerate() {
                let mean = mean(&after, channel);
                let off = (mean - f64::from(wanted)).abs();
                assert!(off < 10.0, "{finish} makes {wanted} of {color:?} {mean}");
                let values = after.data().iter().skip(channel).step_by(3);
                let squares = values.map(|value| (f64::from(*value) - mean).powi(2));
                let deviation = (squares.sum::<f64>() / (128.0 * 128.0)).sqrt();
                assert!(deviation < 9.0, "{finish} of {color:?}: {deviation}");
            }
        }
        let ink = Finish::Ink.apply(1.0, flat, (64, 64), 1);
        assert!(
            ink.data()
                .chunks_exact(3)
                .all(|pixel| pixel == &ink.data()[..3])
        );
    }
}

#[test]
fn the_flow_runs_along_stripes() {
    let area = Area {
        x: 0,
        y: 0,
        width: 64,
        height: 64,
    };
    let mut stripes = Plane::new(64, 64);
    for (at, value) in stripes.data_mut().iter_mut().enumerate() {
        // Stripes that run down to the right: constant along (2, 1).
        let (x, y) = ((at % 64) as f32, (at / 64) as f32);
        *value = 0.5 + 0.4 * ((x - 2.0 * y) * 0.25).sin();
    }
    let flow = flow(
        &[stripes.clone(), stripes.clone(), stripes],
        &area,
        1.0,
        30..40,
    );
    let [x, y, anisotropy] = flow.row(32).map(|row| row[32]);
    assert!((x / y - 2.0).abs() < 0.1, "({x}, {y})");
    assert!((x.hypot(y) - 1.0).abs() < 1e-3);
    assert!(anisotropy > 0.9);
}

#[test]
fn oil_paint_has_sharper_edges_than_a_blur() {
    let mut blurred = Pixels::new(96, 96, [0; 3]);
    for y in 0..96 {
        for x in 0..96 {
            let value = ((f64::from(x) - 40.0) * 12.0 + 20.0).clamp(20.0, 220.0) as u8;
            blurred.span_mut(x, y, 1).fill(value);
        }
    }
    let steepest = |picture: &Pixels| {
        let row = picture.span(24, 48, 48);
        let pairs = row.chunks_exact(3).zip(row.chunks_exact(3).skip(1));
        pairs
            .map(|(left, right)| i32::from(right[0]) - i32::from(left[0]))
            .max()
    };
    let painted = Finish::Oil.apply(1.0, blurred.clone(), (0, 0), 1);
    assert!(steepest(&painted) > steepest(&blurred).map(|steepest| steepest + 6));
}

#[test]
fn watercolour_is_darkest_at_the_edge_of_a_wash() {
    let before = step(128, 128, 64, [255; 3], [110, 150, 190]);
    let after = Finish::Watercolour.apply(1.0, before, (0, 0), 1);
    let column = |x: u32| mean(&after.crop(&Rect::new(x, 16, 3, 96)), 1);
    assert!(
        column(66) < column(96) - 8.0,
        "{} {}",
        column(66),
        column(96)
    );
    assert!(column(40) > 254.0);
}

#[test]
fn ink_draws_a_line_on_the_dark_side_of_an_edge() {
    let before = step(128, 128, 64, [250, 220, 120], [70, 130, 200]);
    let after = Finish::Ink.apply(1.0, before, (0, 0), 1);
    let darkest = (54..74).map(|x| after.pixel(x, 64)[1]).min();
    assert!(darkest < Some(60), "{darkest:?}");
    assert!(after.pixel(20, 64)[1] > 200 && after.pixel(108, 64)[1] > 110);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn windows_agree_where_they_see_the_same(
        finish in any_painted(),
        seed in 0u32..1000,
        strength in 0.05f32..1.0,
        scale in 1u32..3,
        (left, top) in (0u32..60, 0u32..60),
        (width, height) in (90u32..150, 90u32..150),
    ) {
        let whole = picture(220, 210, seed);
        let window = Rect::new(left, top, width, height).intersect(&whole.bounds());
        let after = finish.apply(strength, whole.clone(), (128, 64), scale);
        let origin = (128 + window.x, 64 + window.y);
        let part = finish.apply(strength, whole.crop(&window), origin, scale);
        let radius = finish.radius(scale);
        let whole = whole.bounds();
        for y in window.y..window.bottom() {
            for x in window.x..window.right() {
                let seen = Rect::new(x, y, 1, 1).inflate_within(radius, &whole);
                if window.contains(&seen) {
                    prop_assert_eq!(
                        after.pixel(x, y),
                        part.pixel(x - window.x, y - window.y),
                        "{} at {}, {}", finish, x, y
                    );
                }
            }
        }
    }

    #[test]
    fn bare_paper_stays_bare(
        finish in any_painted(),
        (left, top) in (50u32..90, 50u32..90),
        (width, height) in (1u32..40, 1u32..40),
        color in prop::array::uniform3(0u8..=255),
        scale in 1u32..3,
    ) {
        let painted = Rect::new(left, top, width, height);
        let mut before = Pixels::new(180, 170, [255; 3]);
        before.paste(&Pixels::new(width, height, color), left, top);
        let after = finish.apply(1.0, before.clone(), (0, 192), scale);
        let near = painted.inflate_within(finish.radius(scale), &before.bounds());
        for y in 0..170 {
            for x in 0..180 {
                if !near.contains(&Rect::new(x, y, 1, 1)) {
                    prop_assert_eq!(after.pixel(x, y), [255; 3], "{} at {}, {}", finish, x, y);
                }
            }
        }
    }

    #[test]
    fn strength_is_a_way_from_the_picture_to_the_finish(
        finish in any_painted(),
        strength in 0.0f32..1.0,
        seed in 0u32..1000,
    ) {
        let before = picture(60, 70, seed);
        let all = finish.apply(1.0, before.clone(), (0, 0), 1);
        let some = finish.apply(strength, before.clone(), (0, 0), 1);
        for ((before, all), some) in before.data().iter().zip(all.data()).zip(some.data()) {
            let (before, all) = (f32::from(*before), f32::from(*all));
            let wanted = before + strength * (all - before);
            prop_assert!((f32::from(*some) - wanted).abs() <= 1.01, "{} → {}: {}", before, all, some);
        }
    }
}
