//! What holds between the parts of the canvas.

mod codecs;
mod layers;
mod masks;
mod photos;
mod region_masks;
mod strokes;
mod sweeps;
mod undo;
mod windows;

use proptest::prelude::*;

use super::{Canvas, Pixels};
use crate::protocol::{Brush, CanvasSize, Rect, StrokePoint, Tool};

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
        prompt: None,
        layer: None,
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
    ]
}

fn any_brush() -> impl Strategy<Value = Brush> {
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
            prompt: None,
            layer: None,
        })
}

fn any_points() -> impl Strategy<Value = Vec<StrokePoint>> {
    let axis = -30.0f32..SIDE as f32 + 30.0;
    prop::collection::vec(
        (axis.clone(), axis, 0.0f32..=1.0).prop_map(|(x, y, p)| [x, y, p]),
        1..8,
    )
}
