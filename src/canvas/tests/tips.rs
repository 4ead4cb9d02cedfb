//! What holds for brushes that are no plain disc.

use proptest::prelude::*;

use super::{SIDE, any_plain_brush, any_points, brush, canvas};
use crate::canvas::{Canvas, stroke_cost};
use crate::protocol::{
    Brush, BrushKind, CanvasSize, Gradient, GradientKind, MAX_STROKE_COST, Rect, StrokePoint, Tool,
    decode_client_message,
};

fn of_kind(kind: BrushKind) -> Brush {
    Brush {
        kind: Some(kind),
        size: 40.0,
        ..brush(Tool::Brush)
    }
}

fn painted(brush: &Brush, points: &[StrokePoint]) -> Canvas {
    let mut canvas = canvas();
    canvas.begin_stroke(1, brush).unwrap();
    canvas.extend_stroke(1, points);
    canvas
}

/// Where the stroke covers anything.
fn covered_pixels(canvas: &Canvas) -> impl Iterator<Item = (u32, u32)> {
    let pixels = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y)));
    pixels.filter(|(x, y)| canvas.footprint().value(*x, *y) > 0)
}

/// How much of a rectangle the stroke covers, 0 … 1.
fn share(canvas: &Canvas, rect: &Rect) -> f64 {
    let rows = (rect.y..rect.bottom()).flat_map(|y| (rect.x..rect.right()).map(move |x| (x, y)));
    let sum: u64 = rows
        .map(|(x, y)| u64::from(canvas.footprint().value(x, y)))
        .sum();
    sum as f64 / (255 * rect.area()) as f64
}

const LINE: [StrokePoint; 2] = [[40.0, 96.0, 1.0], [150.0, 96.0, 1.0]];
/// In the middle of the line.
const MIDDLE: Rect = Rect::new(80, 92, 40, 8);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_round_brush_at_full_flow_is_the_brush_without_these_fields(
        brush in any_plain_brush(),
        points in any_points(),
    ) {
        let said = Brush {
            kind: Some(BrushKind::Round),
            angle: Some(45.0),
            flow: Some(1.0),
            ..brush.clone()
        };
        let (plain, said) = (painted(&brush, &points), painted(&said, &points));
        prop_assert_eq!(plain.state(), said.state());
    }

    #[test]
    fn no_kind_covers_what_does_not_touch_its_disc(brush in any_plain_brush(), points in any_points()) {
        let plain = Brush { tool: Tool::Mask, opacity: 1.0, ..brush };
        let disc = painted(&Brush { hardness: 1.0, ..plain.clone() }, &points);
        for kind in [BrushKind::Flat, BrushKind::Chalk, BrushKind::Airbrush, BrushKind::Pencil] {
            let tip = painted(&Brush { kind: Some(kind), angle: Some(30.0), ..plain.clone() }, &points);
            for (x, y) in covered_pixels(&tip) {
                // Along the edge dabs add up to more than one disc's antialiasing, a little of it beyond.
                let around = Rect::new(x, y, 1, 1).inflate_within(1, &disc.bounds());
                prop_assert!(share(&disc, &around) > 0.0, "{:?} at {}, {}", kind, x, y);
                let (left, most) = (tip.footprint().value(x, y), disc.footprint().value(x, y));
                prop_assert!(most > 0 || left < 64, "{:?} at {}, {}: {}", kind, x, y, left);
            }
        }
    }

    #[test]
    fn a_state_brings_a_stroke_back_that_goes_on(
        brush in super::any_brush(),
        points in any_points(),
        more in any_points(),
    ) {
        let mut canvas = painted(&brush, &points);
        let json = serde_json::to_string(&facts(&canvas)).unwrap();
        let mut again = Canvas::from_state(canvas.state()).unwrap();
        prop_assert_eq!(json, serde_json::to_string(&facts(&again)).unwrap());
        canvas.extend_stroke(1, &more);
        again.extend_stroke(1, &more);
        prop_assert_eq!(canvas.sketch(), again.sketch());
        prop_assert_eq!(canvas.footprint(), again.footprint());
    }
}

fn facts(canvas: &Canvas) -> Vec<crate::canvas::StrokeFacts> {
    let entries = canvas.state().entries.into_iter();
    entries
        .filter_map(|entry| match entry.kind {
            crate::canvas::EntryStateKind::Stroke(stroke) => Some(stroke.facts),
            crate::canvas::EntryStateKind::Image { .. } => None,
        })
        .collect()
}

#[test]
fn what_is_kept_of_a_plain_stroke_is_what_was_kept_before_there_were_kinds() {
    let json = serde_json::to_value(&facts(&painted(&brush(Tool::Brush), &LINE))[0]).unwrap();
    let mut names: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    names.sort();
    let before = [
        "bounds", "color", "hardness", "is_open", "last", "opacity", "size", "tool",
    ];
    assert_eq!(names, before);
}

#[test]
fn a_flat_brush_is_wide_across_its_angle_and_thin_along_it() {
    let at = |angle| Brush {
        angle: Some(angle),
        hardness: 1.0,
        ..of_kind(BrushKind::Flat)
    };
    // Along a level line a level tip draws its thickness, an upright one its width.
    for (angle, thick) in [(0.0, 10), (90.0, 40), (180.0, 10), (-90.0, 40)] {
        let canvas = painted(&at(angle), &LINE);
        let column: u32 = (0..192)
            .map(|y| u32::from(canvas.footprint().value(96, y)))
            .sum();
        assert_eq!(column / 255, thick, "{angle}");
    }
}

#[test]
fn chalk_and_pencils_show_the_paper_and_more_of_it_at_a_light_touch() {
    let light = LINE.map(|[x, y, _]| [x, y, 0.5]);
    for (kind, least, most) in [(BrushKind::Chalk, 0.6, 0.9), (BrushKind::Pencil, 0.85, 1.0)] {
        let heavy = share(&painted(&of_kind(kind), &LINE), &MIDDLE);
        let light = share(&painted(&of_kind(kind), &light), &MIDDLE);
        assert!((least..most).contains(&heavy), "{kind:?}: {heavy}");
        assert!(light < 0.9 * heavy, "{kind:?}: {light} of {heavy}");
    }
}

#[test]
fn flow_builds_up_where_the_stroke_goes_over_itself_and_ends_at_the_opacity() {
    let soft = Brush {
        flow: Some(0.3),
        opacity: 0.5,
        color: "#000000".into(),
        hardness: 1.0,
        ..brush(Tool::Brush)
    };
    let [from, to] = LINE;
    let dark = |passes: usize| {
        let points: Vec<_> = [from, to].into_iter().cycle().take(passes + 1).collect();
        255 - painted(&soft, &points).sketch().pixel(96, 96)[0]
    };
    let [once, twice, often] = [1, 2, 40].map(dark);
    assert!((20..60).contains(&once), "{once}");
    assert!(f32::from(twice) > 1.5 * f32::from(once), "{twice}");
    assert_eq!(often, 128);
}

#[test]
fn a_gradient_runs_over_the_canvas_and_fades_the_mask_too() {
    let from_left = |color: Option<&str>| Brush {
        size: 400.0,
        hardness: 1.0,
        color: "#ff0000".into(),
        gradient: Some(Gradient {
            kind: GradientKind::Linear,
            from: [0.0, 0.0],
            to: [192.0, 0.0],
            color: color.map(str::to_owned),
        }),
        ..brush(Tool::Brush)
    };
    let everywhere = [[96.0, 96.0, 1.0]];
    let two = painted(&from_left(Some("#0000ff")), &everywhere);
    assert_eq!(two.sketch().pixel(0, 50), [254, 0, 1]);
    assert_eq!(two.sketch().pixel(191, 50), [1, 0, 254]);
    assert_eq!(two.footprint().value(191, 50), 255);
    let fading = painted(&from_left(None), &everywhere);
    assert_eq!(fading.sketch().pixel(191, 50), [255, 254, 254]);
    assert_eq!(fading.footprint().value(191, 50), 1);
    assert_eq!(fading.result(), fading.sketch());
}

#[test]
fn a_message_that_would_be_dabs_without_end_is_counted_no_further_than_its_limit() {
    let size = CanvasSize {
        width: 4096,
        height: 4096,
    };
    let spray = Brush {
        flow: Some(0.1),
        ..of_kind(BrushKind::Airbrush)
    };
    for far in [4000.0, -2000.0] {
        let points: Vec<StrokePoint> = (0u16..2000)
            .map(|at| [f32::from(at % 2) * 4000.0, far, 0.01])
            .collect();
        assert!(stroke_cost(size, &spray, None, &points) > MAX_STROKE_COST);
    }
    let hand: Vec<StrokePoint> = (0u8..50)
        .map(|at| [f32::from(at) * 12.0, 500.0, 0.7])
        .collect();
    assert!(stroke_cost(size, &spray, None, &hand) < MAX_STROKE_COST / 4);
}

#[test]
fn what_no_brush_has_is_refused_at_the_door() {
    for (field, value, code) in [
        ("kind", serde_json::json!("oil"), "invalid_value"),
        ("flow", serde_json::json!(0), "invalid_value"),
        ("flow", serde_json::json!(1.5), "invalid_value"),
        ("angle", serde_json::json!(361), "invalid_value"),
        (
            "gradient",
            serde_json::json!({"kind": "linear", "from": [1, 1], "to": [1, 1]}),
            "invalid_value",
        ),
        (
            "gradient",
            serde_json::json!({"kind": "linear", "from": [1, 1], "to": [2, 1], "color": "red"}),
            "invalid_value",
        ),
        (
            "gradient",
            serde_json::json!({"kind": "linear", "from": [1, 1], "to": [1e9, 1]}),
            "invalid_value",
        ),
        ("gradient", serde_json::json!("linear"), "malformed_message"),
    ] {
        let mut message = serde_json::json!({
            "type": "stroke", "id": "s", "tool": "brush", "size": 20, "hardness": 1,
            "opacity": 1, "color": "#102030", "points": [[96, 96, 1]],
        });
        message[field] = value.clone();
        let error = decode_client_message(&message.to_string()).unwrap_err();
        let found = serde_json::to_value(error.code).unwrap();
        assert_eq!(found, code, "{field} {value}: {}", error.message);
    }
}

/// Strokes of every kind, for the page's own drawing to be compared with.
fn sheet() -> Vec<(Brush, Vec<StrokePoint>)> {
    let wave: Vec<StrokePoint> = (0u8..=40)
        .map(|at| {
            let part = f32::from(at) / 40.0;
            let sway = (part * std::f32::consts::TAU).sin();
            [20.0 + 152.0 * part, 96.0 + 50.0 * sway, 0.2 + 0.8 * part]
        })
        .collect();
    let kinds = [
        BrushKind::Round,
        BrushKind::Flat,
        BrushKind::Chalk,
        BrushKind::Airbrush,
        BrushKind::Pencil,
    ];
    let flows = [None, Some(0.25)];
    let all = kinds.into_iter().flat_map(|kind| {
        flows.map(|flow| Brush {
            tool: Tool::Mask,
            angle: (kind == BrushKind::Flat).then_some(35.0),
            flow,
            ..of_kind(kind)
        })
    });
    all.map(|brush| (brush, wave.clone())).collect()
}

#[test]
fn generated_strokes_for_the_page_are_what_is_painted() {
    let strokes = sheet().into_iter().map(|(brush, points)| {
        let canvas = painted(&brush, &points);
        let places = (0..192u32).step_by(3);
        let places = places.flat_map(|y| (0..192u32).step_by(3).map(move |x| (x, y)));
        let covered: Vec<u8> = places
            .map(|(x, y)| canvas.footprint().value(x, y))
            .collect();
        serde_json::json!({"brush": brush, "points": points, "covered": covered})
    });
    let strokes: Vec<_> = strokes.collect();
    let text = serde_json::json!({"side": 192, "every": 3, "strokes": strokes}).to_string();
    let files = crate::protocol::generated::Files::from([
        ("tips.json".to_owned(), text),
        (
            "smudges.json".to_owned(),
            super::smudges::sheet().to_string(),
        ),
    ]);
    crate::protocol::generated::write_or_compare("web/test/fixtures", "json", &files);
}
