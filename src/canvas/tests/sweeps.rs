use proptest::prelude::*;

use super::{SIDE, any_brush, any_plain_brush, any_points, brush, canvas, noise};
use crate::canvas::{Canvas, stroke_cost};
use crate::protocol::{
    Brush, CanvasSize, MAX_BRUSH_SIZE, MIN_BRUSH_SIZE, StrokePoint, Tool, decode_client_message,
};

/// What a round brush covers of a pixel at a distance from its middle.
fn dab(distance: f64, radius: f64, hardness: f64) -> f64 {
    let softness = radius * (1.0 - hardness);
    if 2.0 * radius < 0.25 {
        0.0
    } else if softness < 1.0 {
        (radius + 0.5 - distance).clamp(0.0, (2.0 * radius).min(1.0))
    } else {
        let inside = ((radius - distance) / softness).clamp(0.0, 1.0);
        inside * inside * (3.0 - 2.0 * inside)
    }
}

/// The largest of dabs that lie 0.4 pixels from each other, seen from `off` pixels nearer.
fn dabs(brush: &Brush, from: StrokePoint, to: StrokePoint, off: f64, x: u32, y: u32) -> f64 {
    let [from, to] = [from, to].map(|point| point.map(f64::from));
    let length = (to[0] - from[0]).hypot(to[1] - from[1]);
    let count = (length.max(f64::from(brush.size)) / 0.4).ceil() as u32;
    let covered = (0..=count).map(|at| {
        let part = f64::from(at) / f64::from(count);
        let [px, py, pressure] = [0, 1, 2].map(|axis| from[axis] + (to[axis] - from[axis]) * part);
        let distance = (f64::from(x) + 0.5 - px).hypot(f64::from(y) + 0.5 - py);
        dab(
            (distance - off).max(0.0),
            0.5 * f64::from(brush.size) * pressure,
            f64::from(brush.hardness),
        )
    });
    covered.fold(0.0, f64::max)
}

fn any_point() -> impl Strategy<Value = StrokePoint> {
    let axis = -30.0f32..SIDE as f32 + 30.0;
    (axis.clone(), axis, 0.0f32..=1.0).prop_map(|(x, y, pressure)| [x, y, pressure])
}

fn zigzag(count: u16) -> Vec<StrokePoint> {
    let across = |at: u16| if at % 2 == 1 { -2000.0 } else { 6000.0 };
    (0..count)
        .map(|at| [across(at), f32::from(at * 37 % 4096), 1.0])
        .collect()
}

fn brush_of(size: f32) -> Brush {
    Brush {
        size,
        ..Brush::default()
    }
}

/// Paints and returns what it cost.
fn spend(canvas: &mut Canvas, id: u64, brush: &Brush, points: &[StrokePoint]) -> u64 {
    canvas.begin_stroke(id, brush).unwrap();
    let mut painting = canvas.begin_painting(id, points);
    while !painting.is_done() {
        canvas.paint_some(&mut painting, 1 << 20);
    }
    painting.spent()
}

#[test]
fn a_wide_brush_going_to_and_fro_costs_little_more_than_what_it_covers() {
    let side = 4096;
    let size = CanvasSize {
        width: side,
        height: side,
    };
    for (hardness, most) in [(0.0, 6), (1.0, 3)] {
        let wide = Brush {
            size: MAX_BRUSH_SIZE,
            hardness,
            ..brush(Tool::Brush)
        };
        let mut canvas = Canvas::new(size);
        let spent = spend(&mut canvas, 1, &wide, &zigzag(60));
        let bounds = canvas.footprint().bounds();
        assert_eq!((bounds.width, bounds.y), (side, 0));
        assert!(bounds.height > 2600);
        let pixels = u64::from(side) * u64::from(side);
        assert!(spent < most * pixels, "{hardness}: {spent}");
        assert!(spent <= stroke_cost(size, &brush_of(MAX_BRUSH_SIZE), None, &zigzag(60)));
    }
}

#[test]
fn covering_what_is_covered_costs_next_to_nothing() {
    let hard = Brush {
        size: 512.0,
        hardness: 1.0,
        ..brush(Tool::Brush)
    };
    let size = CanvasSize {
        width: 1024,
        height: 1024,
    };
    let fill: Vec<StrokePoint> = (0u8..12)
        .map(|at| [f32::from(at % 2) * 1024.0, f32::from(at) * 100.0, 1.0])
        .collect();
    let mut canvas = Canvas::new(size);
    spend(&mut canvas, 1, &hard, &fill);
    let mut again = canvas.begin_painting(1, &fill);
    while !again.is_done() {
        canvas.paint_some(&mut again, 1 << 20);
    }
    assert!(again.dirty().is_empty());
    assert!(again.spent() < 1024 * 1024 / 64, "{}", again.spent());
}

#[test]
fn what_lies_outside_the_canvas_costs_a_look() {
    let size = CanvasSize {
        width: 256,
        height: 256,
    };
    let far: Vec<StrokePoint> = (0u8..50).map(|at| [900.0, f32::from(at), 1.0]).collect();
    assert_eq!(stroke_cost(size, &brush_of(100.0), None, &far), 50);
    assert_eq!(stroke_cost(size, &brush_of(100.0), None, &[]), 0);
    assert_eq!(
        stroke_cost(size, &brush_of(100.0), None, &[[f32::NAN, 0.0, 1.0]]),
        0,
        "what is no point is skipped"
    );
    let dab = stroke_cost(size, &brush_of(100.0), None, &[[128.0, 128.0, 1.0]]);
    assert!((100 * 100..=256 * 256 + 2000).contains(&dab), "{dab}");
}

#[test]
fn what_the_protocol_lets_in_is_painted() {
    for (size, is_let_in) in [
        (0.0, false),
        (MIN_BRUSH_SIZE / 2.0, false),
        (MIN_BRUSH_SIZE, true),
        (64.0, true),
        (MAX_BRUSH_SIZE, true),
        (MAX_BRUSH_SIZE + 0.5, false),
        (2048.0, false),
        (f32::NAN, false),
    ] {
        let brush = Brush {
            size,
            ..brush(Tool::Brush)
        };
        let mut canvas = canvas();
        assert_eq!(canvas.begin_stroke(1, &brush).is_ok(), is_let_in, "{size}");
        let json = serde_json::json!({
            "type": "stroke", "id": "s", "tool": "brush", "size": size, "hardness": 1,
            "opacity": 1, "color": "#102030", "points": [[96, 96, 1]],
        });
        let decoded = decode_client_message(&json.to_string());
        assert_eq!(decoded.is_ok(), is_let_in, "{size}");
        if is_let_in {
            assert!(!canvas.extend_stroke(1, &[[96.5, 96.5, 1.0]]).is_empty());
            assert!(canvas.footprint().value(96, 96) > 100);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_sweep_covers_what_dabs_along_its_way_do(
        brush in any_plain_brush(),
        from in any_point(),
        to in any_point(),
    ) {
        let brush = Brush { tool: Tool::Mask, opacity: 1.0, ..brush };
        let mut canvas = canvas();
        canvas.begin_stroke(1, &brush).unwrap();
        canvas.extend_stroke(1, &[from]);
        canvas.extend_stroke(1, &[to]);
        for y in (0..SIDE).step_by(5) {
            for x in (0..SIDE).step_by(5) {
                let value = f64::from(canvas.footprint().value(x, y));
                // An outline may lie half a pixel elsewhere: antialiasing goes across it.
                let [least, most] = [-0.6, 0.6]
                    .map(|off| 255.0 * dabs(&brush, from, to, off, x, y));
                prop_assert!(
                    (least - 3.0..=most + 3.0).contains(&value),
                    "{} for {} to {} at {}, {}", value, least, most, x, y
                );
            }
        }
    }

    #[test]
    fn slices_change_nothing(
        brush in any_brush(),
        points in any_points(),
        over in (any_brush(), any_points()),
        budget in 1u64..30_000,
    ) {
        let prepared = || {
            let mut canvas = canvas();
            canvas.place(1, noise(SIDE, SIDE, 5));
            canvas.set_dilation(9);
            canvas.begin_stroke(2, &brush).unwrap();
            canvas.extend_stroke(2, &points[..1]);
            canvas.begin_stroke(3, &over.0).unwrap();
            canvas.extend_stroke(3, &over.1);
            canvas
        };
        let (mut whole, mut sliced) = (prepared(), prepared());
        let dirty = whole.extend_stroke(2, &points);
        let mut painting = sliced.begin_painting(2, &points);
        // A tile more than the budget, drawn by every sweep and under one stroke; or a strip.
        let most = budget + 64 * 64 * (points.len() as u64 + 1) + u64::from(SIDE) * u64::from(SIDE);
        while !painting.is_done() {
            let before = painting.spent();
            sliced.paint_some(&mut painting, budget);
            prop_assert!(painting.spent() > before);
            // Of one that builds up there are as many sweeps as dabs.
            prop_assert!(brush.flow.is_some() || painting.spent() - before <= most);
        }
        prop_assert_eq!(painting.dirty(), dirty);
        prop_assert_eq!(whole.sketch(), sliced.sketch());
        prop_assert_eq!(whole.result(), sliced.result());
        prop_assert_eq!(whole.footprint(), sliced.footprint());
    }

    #[test]
    fn the_cost_is_no_less_than_what_is_spent(
        brush in any_brush(),
        points in any_points(),
        more in any_points(),
    ) {
        let brush = Brush { tool: Tool::Brush, ..brush };
        let mut canvas = canvas();
        let size = canvas.size();
        let spent = spend(&mut canvas, 1, &brush, &points);
        prop_assert!(spent <= stroke_cost(size, &brush, None, &points));
        let cost = canvas.next_cost(1, &more);
        let mut rest = canvas.begin_painting(1, &more);
        while !rest.is_done() {
            canvas.paint_some(&mut rest, 1);
        }
        prop_assert!(rest.spent() <= cost);
    }
}
