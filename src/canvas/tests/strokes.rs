use proptest::prelude::*;

use super::{any_brush, any_points, assert_equal_outside, brush, canvas, noise};
use crate::canvas::{Canvas, CanvasError};
use crate::protocol::{Brush, Rect, Tool};

fn paint(canvas: &mut Canvas, id: u64, brush: &Brush, points: &[[f32; 3]]) -> Rect {
    canvas.begin_stroke(id, brush).unwrap();
    canvas.extend_stroke(id, points)
}

#[test]
fn a_brush_paints_its_colour_and_hands_the_pixels_to_the_model() {
    let mut canvas = canvas();
    let dirty = paint(
        &mut canvas,
        1,
        &brush(Tool::Brush),
        &[[60.0, 60.0, 1.0], [90.0, 60.0, 1.0]],
    );
    assert_eq!(canvas.sketch().pixel(75, 60), [0xcc, 0x20, 0x10]);
    assert_eq!(canvas.result().pixel(75, 60), [0xcc, 0x20, 0x10]);
    assert_eq!(canvas.footprint().value(75, 60), 255);
    assert_eq!(canvas.sketch().pixel(75, 80), [255; 3]);
    assert!(dirty.contains(&canvas.footprint().bounds()));
    assert!(Rect::new(44, 44, 64, 34).contains(&dirty));
}

#[test]
fn a_mask_stroke_leaves_the_paint_alone() {
    let mut canvas = canvas();
    paint(&mut canvas, 1, &brush(Tool::Mask), &[[60.0, 60.0, 1.0]]);
    assert_eq!(canvas.sketch().pixel(60, 60), [255; 3]);
    assert_eq!(canvas.footprint().value(60, 60), 255);
}

#[test]
fn restore_keeps_the_paint_and_erase_takes_it() {
    for (tool, expected) in [(Tool::Restore, [0xcc, 0x20, 0x10]), (Tool::Erase, [255; 3])] {
        let mut canvas = canvas();
        paint(
            &mut canvas,
            1,
            &brush(Tool::Brush),
            &[[60.0, 60.0, 1.0], [120.0, 60.0, 1.0]],
        );
        paint(&mut canvas, 2, &brush(tool), &[[90.0, 60.0, 1.0]]);
        assert_eq!(canvas.sketch().pixel(90, 60), expected);
        assert_eq!(canvas.result().pixel(90, 60), expected);
        assert_eq!(canvas.footprint().value(90, 60), 0);
        assert_eq!(canvas.footprint().value(62, 60), 255);
    }
}

#[test]
fn one_stroke_covers_at_most_its_opacity() {
    let mut canvas = canvas();
    let half = Brush {
        opacity: 0.5,
        color: "#000000".into(),
        ..brush(Tool::Brush)
    };
    let back_and_forth: Vec<_> = (0..20)
        .map(|at| [60.0 + (at % 2) as f32 * 40.0, 60.0, 1.0])
        .collect();
    paint(&mut canvas, 1, &half, &back_and_forth);
    assert_eq!(canvas.sketch().pixel(80, 60), [127; 3]);
    assert_eq!(canvas.result().pixel(80, 60), [127; 3]);
    paint(&mut canvas, 2, &half, &back_and_forth);
    assert!(
        canvas.sketch().pixel(80, 60)[0] < 70,
        "a second stroke covers more"
    );
}

#[test]
fn pressure_scales_the_diameter() {
    let width_at = |pressure: f32| {
        let mut canvas = canvas();
        let hard = Brush {
            size: 80.0,
            hardness: 1.0,
            ..brush(Tool::Brush)
        };
        paint(&mut canvas, 1, &hard, &[[96.0, 96.0, pressure]]);
        canvas.footprint().bounds().width
    };
    assert!(width_at(1.0).abs_diff(80) <= 1);
    assert!(width_at(0.5).abs_diff(40) <= 1);
    assert_eq!(width_at(0.0), 0);
}

#[test]
fn pressing_harder_in_one_place_draws() {
    let mut canvas = canvas();
    let hard = Brush {
        size: 80.0,
        hardness: 1.0,
        ..brush(Tool::Brush)
    };
    paint(
        &mut canvas,
        1,
        &hard,
        &[[96.0, 96.0, 0.1], [96.0, 96.0, 1.0]],
    );
    assert!(canvas.footprint().bounds().width > 70);
}

#[test]
fn hardness_is_the_softness_of_the_edge() {
    let value_at = |hardness: f32, x: u32| {
        let mut canvas = canvas();
        let soft = Brush {
            size: 80.0,
            hardness,
            ..brush(Tool::Brush)
        };
        paint(&mut canvas, 1, &soft, &[[96.5, 96.5, 1.0]]);
        canvas.footprint().value(x, 96)
    };
    assert_eq!(value_at(1.0, 96 + 38), 255);
    assert!(value_at(0.0, 96 + 38) < 10);
    assert!(
        (100..=155).contains(&value_at(0.0, 96 + 20)),
        "half way down at half the radius"
    );
    assert_eq!(value_at(0.5, 96 + 18), 255);
    for hardness in [0.0, 0.5, 1.0] {
        assert_eq!(value_at(hardness, 96), 255);
        assert_eq!(value_at(hardness, 96 + 42), 0);
    }
}

#[test]
fn absurd_points_are_harmless() {
    let mut canvas = canvas();
    let before = canvas.sketch().clone();
    let dirty = paint(
        &mut canvas,
        1,
        &brush(Tool::Brush),
        &[
            [f32::NAN, 3.0, 1.0],
            [f32::INFINITY, 3.0, 1.0],
            [1e30, -1e30, 1.0],
            [1e30, -1e30, 9.0],
        ],
    );
    assert!(dirty.is_empty());
    assert_eq!(canvas.sketch(), &before);
    canvas.extend_stroke(1, &[[-1e30, 1e30, -5.0]]);
    assert!(canvas.extend_stroke(99, &[[5.0, 5.0, 1.0]]).is_empty());
}

#[test]
fn a_brush_that_cannot_be_drawn_is_refused() {
    let mut canvas = canvas();
    let good = brush(Tool::Brush);
    for bad in [
        Brush {
            size: f32::NAN,
            ..good.clone()
        },
        Brush {
            size: 0.0,
            ..good.clone()
        },
        Brush {
            size: 1e9,
            ..good.clone()
        },
        Brush {
            hardness: -0.1,
            ..good.clone()
        },
        Brush {
            opacity: 1.1,
            ..good.clone()
        },
    ] {
        let error = canvas.begin_stroke(1, &bad).unwrap_err();
        assert!(matches!(error, CanvasError::InvalidBrush { .. }), "{error}");
    }
    let error = canvas
        .begin_stroke(
            1,
            &Brush {
                color: "red".into(),
                ..good.clone()
            },
        )
        .unwrap_err();
    assert_eq!(error, CanvasError::InvalidColor("red".into()));
    assert_eq!(canvas.begin_stroke(1, &good), Ok(()));
    assert_eq!(
        canvas.begin_stroke(1, &good),
        Err(CanvasError::DuplicateId(1))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn chunks_change_nothing(
        brush in any_brush(),
        points in any_points(),
        cuts in prop::collection::vec(1usize..4, 8),
        ended in any::<bool>(),
    ) {
        let mut whole = canvas();
        whole.place(1, noise(whole.size().width, whole.size().height, 7));
        let mut chunked = canvas();
        chunked.place(1, noise(whole.size().width, whole.size().height, 7));
        paint(&mut whole, 2, &brush, &points);
        chunked.begin_stroke(2, &brush).unwrap();
        if ended {
            // Without its memory of what lies under it a stroke is replayed.
            chunked.end_stroke(2);
        }
        let mut rest = &points[..];
        for cut in cuts {
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            chunked.extend_stroke(2, chunk);
            rest = after;
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(whole.sketch(), chunked.sketch());
        prop_assert_eq!(whole.footprint(), chunked.footprint());
    }

    #[test]
    fn strokes_drawn_at_the_same_time_keep_their_order(
        brushes in [any_brush(), any_brush(), any_brush()],
        points in [any_points(), any_points(), any_points()],
    ) {
        let mut in_turn = canvas();
        let mut together = canvas();
        for (id, brush) in (1..).zip(&brushes) {
            in_turn.begin_stroke(id, brush).unwrap();
            in_turn.extend_stroke(id, &points[id as usize - 1]);
            together.begin_stroke(id, brush).unwrap();
        }
        for at in 0..8 {
            for (id, points) in (1..).zip(&points) {
                if let Some(point) = points.get(at) {
                    together.extend_stroke(id, &[*point]);
                }
            }
        }
        prop_assert_eq!(in_turn.sketch(), together.sketch());
        prop_assert_eq!(in_turn.footprint(), together.footprint());
    }

    #[test]
    fn nothing_changes_outside_the_dirty_rectangle(
        strokes in prop::collection::vec((any_brush(), any_points()), 1..5),
        dilation in 0u32..20,
    ) {
        let mut canvas = canvas();
        canvas.place(1, noise(canvas.size().width, canvas.size().height, 3));
        canvas.set_dilation(dilation);
        for (id, (brush, points)) in (2..).zip(&strokes) {
            let before = (canvas.sketch().clone(), canvas.result().clone());
            let dirty = paint(&mut canvas, id, brush, points);
            assert_equal_outside(&before.0, canvas.sketch(), &dirty, "the sketch");
            assert_equal_outside(&before.1, canvas.result(), &dirty, "the result");
        }
    }
}
