//! What holds between the parts of the canvas.

mod codecs;
mod layers;
mod masks;
mod photos;
mod region_masks;
mod smudges;
mod strokes;
mod sweeps;
mod tips;
mod undo;
mod windows;

use proptest::prelude::*;

use super::{Canvas, Pixels};
use crate::protocol::{
    Brush, BrushKind, CanvasSize, Gradient, GradientKind, Rect, StrokePoint, Tool,
};

const SIDE: u32 = 192;

fn canvas() -> Canvas {
    Canvas::new(CanvasSize {
        width: SIDE,
        height: SIDE,
    })
}

fn brush(tool: Tool) -> Brush {
    Brush {
        tool,
        size: 24.0,
        hardness: 0.8,
        opacity: 1.0,
        color: "#cc2010".into(),
        ..Brush::default()
    }
}

/// A picture in which no two neighbours are equal.
fn noise(width: u32, height: u32, seed: u32) -> Pixels {
    let data =
        (0..width * height * 3).map(|at| ((at + seed).wrapping_mul(2_654_435_761) >> 13) as u8);
    Pixels::from_raw(width, height, data.collect()).unwrap()
}

fn assert_equal_outside(before: &Pixels, after: &Pixels, rect: &Rect, what: &str) {
    for y in 0..before.height() {
        for x in 0..before.width() {
            let is_inside = rect.contains(&Rect::new(x, y, 1, 1));
            let equal = before.pixel(x, y) == after.pixel(x, y);
            assert!(
                is_inside || equal,
                "{what} changed at {x},{y} outside {rect:?}"
            );
        }
    }
}

/// The rule that undo, erase and restore rely on.
fn assert_result_is_sketch_outside_the_mask(canvas: &Canvas) {
    let mask = canvas.repaint_mask(&canvas.bounds());
    for y in 0..SIDE {
        for x in 0..SIDE {
            if mask.value(x, y) == 0 {
                let (result, sketch) = (canvas.result().pixel(x, y), canvas.sketch().pixel(x, y));
                assert_eq!(result, sketch, "at {x},{y}");
            }
        }
    }
}

fn any_tool() -> impl Strategy<Value = Tool> {
    prop_oneof![
        3 => Just(Tool::Brush),
        1 => Just(Tool::Mask),
        2 => Just(Tool::Erase),
        2 => Just(Tool::Restore),
        2 => Just(Tool::Smudge),
    ]
}

fn any_plain_brush() -> impl Strategy<Value = Brush> {
    (
        any_tool(),
        1.0f32..60.0,
        0.0f32..=1.0,
        0.0f32..=1.0,
        0u32..0x100_0000,
    )
        .prop_map(|(tool, size, hardness, opacity, color)| Brush {
            tool,
            size,
            hardness,
            opacity,
            color: format!("#{color:06x}"),
            ..Brush::default()
        })
}

/// Of any kind, with any flow and gradient.
fn any_brush() -> impl Strategy<Value = Brush> {
    let kind = prop_oneof![
        Just(BrushKind::Round),
        Just(BrushKind::Flat),
        Just(BrushKind::Chalk),
        Just(BrushKind::Airbrush),
        Just(BrushKind::Pencil),
    ];
    let place = [0.0f32..SIDE as f32, 0.0f32..SIDE as f32];
    let gradient = (any::<bool>(), place.clone(), place, any::<bool>());
    let gradient = gradient.prop_map(|(is_linear, from, to, fades)| Gradient {
        kind: match is_linear {
            true => GradientKind::Linear,
            false => GradientKind::Radial,
        },
        from,
        to,
        color: (!fades).then(|| "#30b0f0".into()),
    });
    let more = (
        any_plain_brush(),
        prop::option::of(kind),
        prop::option::of(-360.0f32..=360.0),
        prop::option::of(0.01f32..=1.0),
        prop::option::weighted(0.3, gradient),
    );
    more.prop_map(|(plain, kind, angle, flow, gradient)| Brush {
        kind,
        angle,
        flow,
        gradient,
        ..plain
    })
}

fn any_points() -> impl Strategy<Value = Vec<StrokePoint>> {
    let axis = -30.0f32..SIDE as f32 + 30.0;
    prop::collection::vec(
        (axis.clone(), axis, 0.0f32..=1.0).prop_map(|(x, y, p)| [x, y, p]),
        1..8,
    )
}
