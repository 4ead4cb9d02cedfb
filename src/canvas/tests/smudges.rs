//! Smudges: paint that is dragged along, and mixed anew when what lies under it becomes something else.

use proptest::prelude::*;

use super::{
    SIDE, any_points, assert_equal_outside, assert_result_is_sketch_outside_the_mask, brush,
    canvas, noise,
};
use crate::canvas::{Canvas, MAX_UNDO_ENTRIES, Pixels, StackLayer, stroke_cost};
use crate::protocol::{
    Brush, BrushKind, CanvasSize, LOWEST_LAYER, MAX_BRUSH_SIZE, MAX_STROKE_COST, Rect, StrokePoint,
    Tool, decode_client_message,
};

fn smudge(strength: f32) -> Brush {
    Brush {
        strength: Some(strength),
        ..brush(Tool::Smudge)
    }
}

fn any_smudge() -> impl Strategy<Value = Brush> {
    let kind = prop_oneof![
        3 => Just(BrushKind::Round),
        1 => Just(BrushKind::Flat),
        1 => Just(BrushKind::Chalk),
    ];
    (
        prop::option::of(0.0f32..=1.0),
        1.0f32..70.0,
        0.0f32..=1.0,
        0.01f32..=1.0,
        kind,
        prop::option::weighted(0.2, 0.05f32..1.0),
    )
        .prop_map(|(strength, size, hardness, opacity, kind, flow)| Brush {
            strength,
            size,
            hardness,
            opacity,
            kind: Some(kind),
            angle: Some(30.0),
            flow,
            ..brush(Tool::Smudge)
        })
}

/// Black on the left, white on the right of the middle.
fn edge() -> Pixels {
    let mut picture = Pixels::new(SIDE, SIDE, [255; 3]);
    picture.paste(&Pixels::new(SIDE / 2, SIDE, [0; 3]), 0, 0);
    picture
}

fn on(picture: Pixels) -> Canvas {
    let mut canvas = canvas();
    canvas.place(1, picture);
    canvas
}

fn paint(canvas: &mut Canvas, id: u64, brush: &Brush, points: &[StrokePoint]) {
    canvas.begin_stroke(id, brush).unwrap();
    canvas.extend_stroke(id, points);
    canvas.end_stroke(id);
}

/// What a drag over the edge, level and through the middle, makes of it.
fn dragged(strength: f32, from: f32, to: f32) -> Canvas {
    let mut canvas = on(edge());
    paint(
        &mut canvas,
        2,
        &smudge(strength),
        &[[from, 96.0, 1.0], [to, 96.0, 1.0]],
    );
    canvas
}

const LEVEL: [StrokePoint; 2] = [[60.0, 96.0, 1.0], [140.0, 96.0, 1.0]];

fn layers() -> Vec<StackLayer> {
    let above = StackLayer {
        id: 1,
        ..StackLayer::LOWEST
    };
    vec![StackLayer::LOWEST, above]
}

fn assert_same(one: &Canvas, other: &Canvas) {
    assert!(one.sketch() == other.sketch(), "sketch");
    assert!(one.footprint() == other.footprint(), "footprint");
    assert_eq!(one.layer_copy(1), other.layer_copy(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn how_points_are_cut_into_messages_and_painted_in_slices_changes_nothing(
        brush in any_smudge(),
        points in any_points(),
        cut in 0usize..8,
        budget in 1u64..40_000,
        layer in prop::option::of(Just(1u64)),
    ) {
        let brush = Brush { layer, ..brush };
        let prepared = || {
            let mut canvas = on(noise(SIDE, SIDE, 3));
            canvas.set_stack(layers());
            let dots = Brush { layer: Some(1), size: 40.0, ..super::brush(Tool::Brush) };
            paint(&mut canvas, 2, &dots, &LEVEL);
            canvas.begin_stroke(3, &brush).unwrap();
            canvas
        };
        let (mut whole, mut parts) = (prepared(), prepared());
        let cost = whole.next_cost(3, &points);
        prop_assert_eq!(cost, stroke_cost(whole.size(), &brush, None, &points));
        whole.extend_stroke(3, &points);
        let mut spent = 0;
        let (first, second) = points.split_at(cut.min(points.len()));
        for part in [first, second] {
            let mut painting = parts.begin_painting(3, part);
            while !painting.is_done() {
                let before = painting.spent();
                parts.paint_some(&mut painting, budget);
                prop_assert!(painting.spent() > before);
                prop_assert!(painting.spent() - before <= budget + 5 * 64 * 64);
            }
            spent += painting.spent();
        }
        assert_same(&whole, &parts);
        prop_assert_eq!(whole.state().entries, parts.state().entries);
        prop_assert_eq!(whole.smudge_cost(3), parts.smudge_cost(3));
        prop_assert_eq!(whole.smudge_cost(3), cost);
        // What is shown of the first message may be shown again with the second.
        prop_assert!(spent <= cost, "{} of {}", spent, cost);
    }

    #[test]
    fn no_byte_changes_where_the_tip_does_not_reach(brush in any_smudge(), points in any_points()) {
        let before = on(noise(SIDE, SIDE, 4));
        let mut canvas = on(noise(SIDE, SIDE, 4));
        paint(&mut canvas, 2, &brush, &points);
        let mut disc = on(noise(SIDE, SIDE, 4));
        let around = Brush { size: brush.size + 3.0, hardness: 1.0, ..super::brush(Tool::Mask) };
        let pressed: Vec<_> = points.iter().map(|[x, y, _]| [*x, *y, 1.0]).collect();
        paint(&mut disc, 2, &around, &pressed);
        for y in 0..SIDE {
            for x in 0..SIDE {
                let covered = canvas.footprint().value(x, y);
                prop_assert!(covered == 0 || disc.footprint().value(x, y) > 0, "{}, {}", x, y);
                if covered == 0 {
                    prop_assert_eq!(canvas.sketch().pixel(x, y), before.sketch().pixel(x, y));
                }
            }
        }
        assert_result_is_sketch_outside_the_mask(&canvas);
    }

    #[test]
    fn one_colour_stays_what_it_is(
        brush in any_smudge(),
        points in any_points(),
        color in any::<[u8; 3]>(),
    ) {
        let flat = Pixels::new(SIDE, SIDE, color);
        let mut canvas = on(flat.clone());
        paint(&mut canvas, 2, &brush, &points);
        prop_assert!(*canvas.sketch() == flat);
    }

    #[test]
    fn undo_gives_the_bytes_back_and_redo_drags_them_again(
        brush in any_smudge(),
        points in any_points(),
    ) {
        let mut canvas = on(noise(SIDE, SIDE, 5));
        let before = canvas.sketch().clone();
        paint(&mut canvas, 2, &brush, &points);
        let after = canvas.sketch().clone();
        let dirty = canvas.switch(&[(2, false)]).rect;
        prop_assert!(*canvas.sketch() == before);
        prop_assert!(canvas.footprint().bounds().is_empty());
        assert_equal_outside(&after, canvas.sketch(), &dirty, "the sketch");
        canvas.switch(&[(2, true)]);
        prop_assert!(*canvas.sketch() == after);
        let again = Canvas::from_state(canvas.state()).unwrap();
        assert_same(&again, &canvas);
    }

    #[test]
    fn what_is_undone_under_a_smudge_was_never_painted(
        under in (super::any_brush(), any_points()),
        brush in any_smudge(),
        points in any_points(),
        over in (any_smudge(), any_points()),
        layer in prop::option::of(Just(1u64)),
    ) {
        let of = |brush: &Brush| Brush { layer, ..brush.clone() };
        let painted = |with_under: bool| {
            let mut canvas = on(noise(SIDE, SIDE, 6));
            canvas.set_stack(layers());
            paint(&mut canvas, 2, &of(&super::brush(Tool::Brush)), &LEVEL);
            if with_under {
                paint(&mut canvas, 3, &of(&under.0), &under.1);
            }
            paint(&mut canvas, 4, &of(&brush), &points);
            paint(&mut canvas, 5, &of(&over.0), &over.1);
            canvas
        };
        let (with, without) = (painted(true), painted(false));
        let mut undone = painted(true);
        let sketch = undone.sketch().clone();
        let dirty = undone.switch(&[(3, false)]).rect;
        assert_same(&undone, &without);
        assert_equal_outside(&sketch, undone.sketch(), &dirty, "the sketch");
        undone.switch(&[(3, true)]);
        assert_same(&undone, &with);
    }

    #[test]
    fn a_stroke_that_goes_on_under_a_smudge_is_dragged_too(
        brush in any_smudge(),
        points in any_points(),
        more in any_points(),
        budget in 1u64..40_000,
    ) {
        let pen = Brush { size: 30.0, ..super::brush(Tool::Brush) };
        let mut ordered = on(noise(SIDE, SIDE, 7));
        ordered.begin_stroke(2, &pen).unwrap();
        ordered.extend_stroke(2, &LEVEL);
        ordered.extend_stroke(2, &more);
        ordered.begin_stroke(3, &brush).unwrap();
        ordered.extend_stroke(3, &points);
        ordered.extend_stroke(3, &LEVEL);

        let mut mixed = on(noise(SIDE, SIDE, 7));
        mixed.begin_stroke(2, &pen).unwrap();
        mixed.extend_stroke(2, &LEVEL);
        mixed.begin_stroke(3, &brush).unwrap();
        mixed.extend_stroke(3, &points);
        let before = mixed.sketch().clone();
        let mut painting = mixed.begin_painting(2, &more);
        while !painting.is_done() {
            mixed.paint_some(&mut painting, budget);
        }
        assert_equal_outside(&before, mixed.sketch(), &painting.dirty(), "the sketch");
        // The smudge is still in the hand.
        mixed.extend_stroke(3, &LEVEL);
        assert_same(&mixed, &ordered);
        assert_result_is_sketch_outside_the_mask(&mixed);
    }
}

#[test]
fn colour_moves_the_way_of_the_stroke() {
    let at = |canvas: &Canvas, x| canvas.sketch().pixel(x, 96)[0];
    let right = dragged(0.9, 80.0, 130.0);
    assert!(at(&right, 104) < 200, "{}", at(&right, 104));
    assert_eq!(at(&right, 85), 0, "nothing comes back");
    let left = dragged(0.9, 112.0, 62.0);
    assert!(at(&left, 88) > 55, "{}", at(&left, 88));
    assert_eq!(at(&left, 107), 255);
    // Further off there is less of it.
    assert!(at(&right, 104) <= at(&right, 112) && at(&right, 112) <= at(&right, 125));
}

#[test]
fn a_stronger_smudge_carries_further_and_one_without_strength_nothing() {
    let dark = |strength| {
        let canvas = dragged(strength, 70.0, 150.0);
        let row = canvas.sketch().span(SIDE / 2, 96, SIDE / 2);
        row.iter().map(|value| u64::from(255 - *value)).sum::<u64>()
    };
    let [none, some, more, all] = [0.0, 0.5, 0.9, 1.0].map(dark);
    assert_eq!(none, 0);
    assert!(0 < some && some < more && more < all, "{some} {more} {all}");
}

#[test]
fn where_the_tip_was_lifted_it_carries_nothing_on() {
    let mut canvas = on(edge());
    // Loaded on black, lifted, and put down on white.
    let points = [
        [40.0, 96.0, 1.0],
        [60.0, 96.0, 1.0],
        [60.0, 96.0, 0.0],
        [130.0, 96.0, 0.0],
        [130.0, 96.0, 1.0],
        [160.0, 96.0, 1.0],
    ];
    paint(&mut canvas, 2, &smudge(1.0), &points);
    assert!(*canvas.sketch() == edge());
    assert!(canvas.footprint().value(145, 96) > 0);
}

#[test]
fn on_a_layer_paint_is_dragged_with_its_transparency_or_within_it() {
    for keeps_alpha in [false, true] {
        let mut canvas = canvas();
        canvas.set_stack(layers());
        let red = Brush {
            layer: Some(1),
            color: "#ff0000".into(),
            hardness: 1.0,
            ..brush(Tool::Brush)
        };
        let blue = Brush {
            color: "#0000ff".into(),
            ..red.clone()
        };
        paint(
            &mut canvas,
            2,
            &red,
            &[[50.0, 96.0, 1.0], [80.0, 96.0, 1.0]],
        );
        paint(
            &mut canvas,
            3,
            &blue,
            &[[80.0, 96.0, 1.0], [100.0, 96.0, 1.0]],
        );
        let before = canvas.layer_copy(1).unwrap().to_pixels();
        let mut stack = layers();
        stack[1].keeps_alpha = keeps_alpha;
        canvas.set_stack(stack);
        let drag = Brush {
            layer: Some(1),
            ..smudge(0.95)
        };
        paint(
            &mut canvas,
            4,
            &drag,
            &[[60.0, 96.0, 1.0], [140.0, 96.0, 1.0]],
        );
        let after = canvas.layer_copy(1).unwrap().to_pixels();
        // Red comes to where blue was, and where the tip was lifted it is mixed with it.
        assert!(after.color.pixel(90, 96)[0] > 0);
        let mut end = (128..152).filter(|x| after.alpha[(96 * SIDE + x) as usize] > 0);
        let is_mixed = end.any(|x| {
            let [red, _, blue] = after.color.pixel(x, 96);
            red > 0 && blue > 0
        });
        assert_eq!(is_mixed, !keeps_alpha);
        let beyond = (96 * SIDE + 116) as usize;
        assert_eq!(before.alpha[beyond], 0);
        assert_eq!(after.alpha[beyond] > 0, !keeps_alpha);
        assert_eq!(after.alpha == before.alpha, keeps_alpha);
        // The lowest layer is not touched.
        assert!(canvas.lowest().is_white());
        let again = Canvas::from_state(canvas.state()).unwrap();
        assert_same(&again, &canvas);
    }
}

#[test]
fn a_smudge_goes_on_over_an_image_that_was_placed_meanwhile() {
    let mut canvas = on(edge());
    canvas.begin_stroke(2, &smudge(0.9)).unwrap();
    canvas.extend_stroke(2, &[[80.0, 96.0, 1.0], [100.0, 96.0, 1.0]]);
    let under = canvas.sketch().clone();
    canvas.place(3, noise(SIDE, SIDE, 9));
    canvas.extend_stroke(2, &[[130.0, 96.0, 1.0]]);
    let over = canvas.sketch().clone();
    let again = Canvas::from_state(canvas.state()).unwrap();
    assert_same(&again, &canvas);
    canvas.switch(&[(3, false)]);
    // Both parts lie on the edge now, one after the other.
    assert_equal_outside(
        &under,
        canvas.sketch(),
        &Rect::new(80, 80, 70, 34),
        "the sketch",
    );
    canvas.switch(&[(3, true)]);
    assert!(*canvas.sketch() == over);
}

#[test]
fn what_was_undone_under_a_hidden_smudge_is_not_in_it_when_it_is_seen_again() {
    for folds in [false, true] {
        let mut canvas = canvas();
        paint(&mut canvas, 1, &brush(Tool::Brush), &LEVEL);
        paint(
            &mut canvas,
            2,
            &smudge(0.9),
            &[[96.0, 70.0, 1.0], [96.0, 140.0, 1.0]],
        );
        canvas.place(3, noise(SIDE, SIDE, 2));
        canvas.switch(&[(1, false)]);
        if folds {
            for id in 4..=MAX_UNDO_ENTRIES as u64 + 2 {
                canvas.mask_rect(id, &Rect::new(0, 0, 1, 1)).unwrap();
            }
            assert_eq!(canvas.take_folded(), [1, 2]);
        }
        canvas.switch(&[(3, false)]);
        assert!(canvas.sketch().is_white(), "{folds}");
    }
}

#[test]
fn smudges_that_cost_too_much_together_cannot_be_undone_all() {
    let size = CanvasSize {
        width: 1024,
        height: 1024,
    };
    let mut canvas = Canvas::new(size);
    let wide = Brush {
        size: MAX_BRUSH_SIZE,
        ..smudge(0.5)
    };
    let sweep: Vec<StrokePoint> = (0u8..=1)
        .map(|at| [f32::from(at) * 1024.0, 512.0, 1.0])
        .collect();
    let one = stroke_cost(size, &wide, None, &sweep);
    assert!(one <= MAX_STROKE_COST / 4, "{one}");
    let mut folded = Vec::new();
    // As many as cost more than all of them may.
    let count = 4 * MAX_STROKE_COST / one + 3;
    for id in 1..=count {
        paint(&mut canvas, id, &wide, &sweep);
        folded.extend(canvas.take_folded());
    }
    assert!(!folded.is_empty() && folded.len() <= 3, "{folded:?}");
}

#[test]
fn a_wide_smudge_costs_what_it_mixes() {
    let size = CanvasSize {
        width: 4096,
        height: 4096,
    };
    let wide = Brush {
        size: MAX_BRUSH_SIZE,
        ..smudge(0.5)
    };
    let across = [[0.0, 2048.0, 1.0], [4096.0, 2048.0, 1.0]];
    let cost = stroke_cost(size, &wide, None, &across);
    // 33 dabs of about 1026² pixels, those at the ends cut in half.
    assert!((180_000_000..230_000_000).contains(&cost), "{cost}");
    let to_and_fro: Vec<StrokePoint> = across.into_iter().cycle().take(8).collect();
    assert!(stroke_cost(size, &wide, None, &to_and_fro) > MAX_STROKE_COST);
}

#[test]
fn what_no_smudge_has_is_refused_at_the_door() {
    let gradient = serde_json::json!({"kind": "linear", "from": [1, 1], "to": [9, 1]});
    for (tool, field, value, is_fine) in [
        ("smudge", "strength", serde_json::json!(0.5), true),
        ("smudge", "flow", serde_json::json!(0.5), true),
        ("smudge", "strength", serde_json::json!(1.5), false),
        ("smudge", "strength", serde_json::json!(-0.1), false),
        ("smudge", "gradient", gradient, false),
        ("brush", "strength", serde_json::json!(0.5), false),
    ] {
        let mut message = serde_json::json!({
            "type": "stroke", "id": "s", "tool": tool, "size": 20, "hardness": 1,
            "opacity": 1, "color": "#102030", "points": [[96, 96, 1]],
        });
        message[field] = value;
        let decoded = decode_client_message(&message.to_string());
        assert_eq!(decoded.is_ok(), is_fine, "{message}: {decoded:?}");
    }
}

/// What the page is compared with: stripes that are smudged, in steps of some pixels.
pub(super) fn sheet() -> serde_json::Value {
    const EVERY: u32 = 6;
    let stripes = (0..SIDE).flat_map(|y| {
        (0..SIDE).flat_map(move |x| match (x / 24 + y / 48) % 3 {
            0 => [220u8, 40, 30],
            1 => [30, 60, 200],
            _ => [250, 240, 210],
        })
    });
    let stripes = Pixels::from_raw(SIDE, SIDE, stripes.collect()).unwrap();
    let wave: Vec<StrokePoint> = (0u8..=30)
        .map(|at| {
            let part = f32::from(at) / 30.0;
            let sway = (part * std::f32::consts::TAU).sin();
            [20.0 + 150.0 * part, 96.0 + 40.0 * sway, 0.4 + 0.6 * part]
        })
        .collect();
    let soft = Brush {
        size: 36.0,
        hardness: 0.2,
        ..smudge(0.8)
    };
    let chalk = Brush {
        kind: Some(BrushKind::Chalk),
        size: 40.0,
        opacity: 0.6,
        ..smudge(0.95)
    };
    let strokes = [soft, chalk].map(|brush| {
        let mut canvas = on(stripes.clone());
        paint(&mut canvas, 2, &brush, &wave);
        let places = (0..SIDE).step_by(EVERY as usize);
        let places = places.flat_map(|y| (0..SIDE).step_by(EVERY as usize).map(move |x| (x, y)));
        let seen: Vec<u8> = places
            .flat_map(|(x, y)| canvas.sketch().pixel(x, y))
            .collect();
        serde_json::json!({"brush": brush, "points": wave, "seen": seen})
    });
    serde_json::json!({"side": SIDE, "every": EVERY, "strokes": strokes})
}

#[test]
fn the_lowest_layer_is_the_one_that_is_not_said() {
    let said = Brush {
        layer: Some(LOWEST_LAYER),
        ..smudge(0.9)
    };
    let mut canvas = on(edge());
    paint(
        &mut canvas,
        2,
        &said,
        &[[80.0, 96.0, 1.0], [130.0, 96.0, 1.0]],
    );
    assert_same(&canvas, &dragged(0.9, 80.0, 130.0));
}
