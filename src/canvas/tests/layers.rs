//! Layers: what they come to, and that undo and snapshots know them.

use proptest::prelude::*;

use super::{
    SIDE, any_brush, any_points, assert_equal_outside, assert_result_is_sketch_outside_the_mask,
    brush, canvas, noise,
};
use crate::canvas::{Canvas, CanvasError, LayerPixels, MAX_UNDO_ENTRIES, Pixels, StackLayer};
use crate::protocol::{BlendMode, Brush, LOWEST_LAYER, Rect, StrokePoint, Tool};

const DOT: [StrokePoint; 1] = [[96.0, 96.0, 1.0]];

fn layer(id: u64) -> StackLayer {
    StackLayer {
        id,
        ..StackLayer::LOWEST
    }
}

fn on(layer: u64, tool: Tool, color: &str) -> Brush {
    Brush {
        color: color.to_owned(),
        hardness: 1.0,
        layer: Some(layer),
        ..brush(tool)
    }
}

/// A canvas with the lowest layer and two others.
fn layered() -> Canvas {
    let mut canvas = canvas();
    canvas.set_stack(vec![StackLayer::LOWEST, layer(1), layer(2)]);
    canvas
}

fn paint(canvas: &mut Canvas, id: u64, brush: &Brush, points: &[StrokePoint]) -> Rect {
    canvas.begin_stroke(id, brush).unwrap();
    let dirty = canvas.extend_stroke(id, points);
    canvas.end_stroke(id);
    dirty
}

#[test]
fn a_layer_covers_what_lies_under_it_until_it_is_hidden() {
    let mut canvas = layered();
    paint(&mut canvas, 10, &on(0, Tool::Brush, "#0000ff"), &DOT);
    paint(&mut canvas, 11, &on(2, Tool::Brush, "#ff0000"), &DOT);
    paint(&mut canvas, 12, &on(1, Tool::Brush, "#00ff00"), &DOT);
    let at = |canvas: &Canvas| canvas.sketch().pixel(96, 96);
    assert_eq!(at(&canvas), [255, 0, 0], "the newest stroke lies lower");
    let hidden = StackLayer {
        is_shown: false,
        ..layer(2)
    };
    let dirty = canvas.set_stack(vec![StackLayer::LOWEST, layer(1), hidden]);
    assert!(dirty.contains(&Rect::new(96, 96, 1, 1)));
    assert_eq!(at(&canvas), [0, 255, 0]);
    canvas.set_stack(vec![StackLayer::LOWEST, hidden]);
    assert_eq!(at(&canvas), [0, 0, 255], "a layer that is gone");
    let lowest = StackLayer {
        is_shown: false,
        ..StackLayer::LOWEST
    };
    canvas.set_stack(vec![lowest]);
    assert_eq!(at(&canvas), [255; 3], "the paper");
    assert!(canvas.footprint().bounds().is_empty());
    canvas.set_stack(vec![StackLayer::LOWEST]);
    assert_eq!(at(&canvas), [0, 0, 255]);
    assert_eq!(canvas.layer_bytes(), 0);
}

#[test]
fn opacity_and_blend_modes_are_those_of_the_layer() {
    let mut canvas = layered();
    paint(&mut canvas, 10, &on(0, Tool::Brush, "#6464ff"), &DOT);
    paint(&mut canvas, 11, &on(1, Tool::Brush, "#c8c800"), &DOT);
    for (blend, opacity, expected) in [
        (BlendMode::Normal, 255, [200, 200, 0]),
        (BlendMode::Multiply, 255, [78, 78, 0]),
        (BlendMode::Screen, 255, [222, 222, 255]),
        (BlendMode::Overlay, 255, [157, 157, 255]),
        // Half of it: 100 + 128/255·(78.43 − 100) and 255 − 128/255·255.
        (BlendMode::Multiply, 128, [89, 89, 127]),
    ] {
        let above = StackLayer {
            blend,
            opacity,
            ..layer(1)
        };
        canvas.set_stack(vec![StackLayer::LOWEST, above]);
        assert_eq!(canvas.sketch().pixel(96, 96), expected, "{blend:?}");
        assert_eq!(
            canvas.result().pixel(96, 96),
            expected,
            "the result follows"
        );
    }
}

#[test]
fn the_eraser_makes_a_layer_transparent_and_leaves_the_mask_of_others() {
    let mut canvas = layered();
    paint(&mut canvas, 10, &on(0, Tool::Brush, "#0000ff"), &DOT);
    let under = canvas.footprint().clone();
    paint(
        &mut canvas,
        11,
        &on(1, Tool::Brush, "#ff0000"),
        &[[96.0, 96.0, 1.0], [150.0, 96.0, 1.0]],
    );
    assert_eq!(canvas.footprint().value(150, 96), 255);
    let all = [[80.0, 96.0, 1.0], [170.0, 96.0, 1.0]];
    let wide = Brush {
        size: 60.0,
        ..on(1, Tool::Erase, "#000000")
    };
    paint(&mut canvas, 12, &wide, &all);
    assert_eq!(canvas.sketch().pixel(96, 96), [0, 0, 255]);
    assert_eq!(canvas.sketch().pixel(150, 96), [255; 3]);
    assert_eq!(
        *canvas.footprint(),
        under,
        "what was painted below waits for the model"
    );
    assert_eq!(canvas.layer_bytes(), 0, "nothing is left on it");
    let restore = Brush {
        size: 60.0,
        ..on(1, Tool::Restore, "#000000")
    };
    paint(&mut canvas, 13, &restore, &all);
    assert!(
        canvas.footprint().bounds().is_empty(),
        "restore is about all layers"
    );
}

#[test]
fn a_locked_alpha_changes_colours_only() {
    let mut canvas = layered();
    paint(&mut canvas, 10, &on(1, Tool::Brush, "#ff0000"), &DOT);
    let locked = StackLayer {
        keeps_alpha: true,
        ..layer(1)
    };
    canvas.set_stack(vec![StackLayer::LOWEST, locked]);
    let line = [[96.0, 96.0, 1.0], [150.0, 96.0, 1.0]];
    let alpha = canvas.layer_copy(1).unwrap().to_pixels().alpha;
    paint(&mut canvas, 11, &on(1, Tool::Brush, "#00ff00"), &line);
    paint(&mut canvas, 12, &on(1, Tool::Erase, "#00ff00"), &line);
    assert_eq!(canvas.layer_copy(1).unwrap().to_pixels().alpha, alpha);
    assert_eq!(canvas.sketch().pixel(96, 96), [0, 255, 0]);
    assert_eq!(canvas.sketch().pixel(150, 96), [255; 3]);
    assert_eq!(canvas.footprint().value(150, 96), 0);
    canvas.set_stack(vec![StackLayer::LOWEST, layer(1)]);
    canvas.switch(&[(12, false)]);
    assert_eq!(
        canvas.sketch().pixel(150, 96),
        [255; 3],
        "as it was painted"
    );
}

#[test]
fn an_apply_takes_what_is_shown_and_leaves_what_is_hidden() {
    let mut canvas = layered();
    let hidden = StackLayer {
        is_shown: false,
        ..layer(2)
    };
    paint(&mut canvas, 10, &on(1, Tool::Brush, "#ff0000"), &DOT);
    paint(&mut canvas, 11, &on(2, Tool::Brush, "#00ff00"), &DOT);
    canvas.set_stack(vec![StackLayer::LOWEST, layer(1), hidden]);
    let (before, result) = (canvas.sketch().clone(), canvas.result().clone());
    canvas.apply(12);
    assert_eq!(canvas.sketch(), &result);
    assert_eq!(canvas.base(), &result);
    assert!(
        canvas
            .layer_copy(1)
            .unwrap()
            .to_pixels()
            .alpha
            .iter()
            .all(|it| *it == 0)
    );
    canvas.set_stack(vec![StackLayer::LOWEST, layer(1), layer(2)]);
    assert_eq!(canvas.sketch().pixel(96, 96), [0, 255, 0], "it was kept");
    canvas.set_stack(vec![StackLayer::LOWEST, layer(1), hidden]);
    canvas.switch(&[(12, false)]);
    assert_eq!(canvas.sketch(), &before);
}

/// A half-transparent square of 64 pixels from 64, 64 on, whose left half is opaque.
fn square(color: [u8; 3]) -> LayerPixels {
    let mut picture = LayerPixels::empty(canvas().size());
    for (y, x) in (64..128).flat_map(|y| (64..128).map(move |x| (y, x))) {
        picture.color.span_mut(x, y, 1).copy_from_slice(&color);
        picture.alpha[(y * SIDE + x) as usize] = if x < 96 { 255 } else { 128 };
    }
    picture
}

#[test]
fn a_picture_lies_on_its_layer_with_its_transparency_and_leaves_the_mask() {
    for id in [LOWEST_LAYER, 2] {
        let mut canvas = layered();
        let dirty = canvas.lay_picture(1, id, &square([200, 0, 0])).unwrap();
        assert_eq!(dirty, Rect::new(64, 64, 64, 64));
        for (place, expected) in [
            ((64, 64), [200, 0, 0]),
            // 255·(127/255) + 200·(128/255) = 227.4
            ((127, 127), [227, 127, 127]),
            ((63, 64), [255; 3]),
            ((128, 127), [255; 3]),
        ] {
            let (x, y) = place;
            assert_eq!(canvas.sketch().pixel(x, y), expected, "{place:?} of {id}");
            assert_eq!(canvas.result().pixel(x, y), expected, "nothing is rendered");
        }
        assert!(canvas.footprint().bounds().is_empty());
        assert!(!canvas.is_beyond_ink());
        canvas.switch(&[(1, false)]);
        assert!(canvas.sketch().is_white() && canvas.result().is_white());
        canvas.switch(&[(1, true)]);
        assert_eq!(canvas.result().pixel(64, 64), [200, 0, 0]);
    }
}

#[test]
fn a_layer_gives_back_the_picture_that_was_laid_on_it() {
    let mut canvas = layered();
    let picture = sticker(77);
    canvas.lay_picture(1, 2, &picture).unwrap();
    let back = canvas.layer_copy(2).unwrap().to_pixels();
    assert_eq!(back.alpha, picture.alpha);
    let pixels = |of: &LayerPixels| {
        of.to_rgba()
            .chunks(4)
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    };
    for (found, laid) in pixels(&back).iter().zip(pixels(&picture)) {
        assert!(laid[3] == 0 && *found == [0; 4] || *found == laid);
    }
}

#[test]
fn a_locked_alpha_keeps_a_picture_inside_of_what_is_painted() {
    let mut canvas = layered();
    paint(&mut canvas, 1, &on(2, Tool::Brush, "#0000ff"), &DOT);
    let mut stack = canvas.stack().to_vec();
    stack[2].keeps_alpha = true;
    canvas.set_stack(stack);
    let before = canvas.layer_copy(2).unwrap().to_pixels();
    canvas.lay_picture(2, 2, &square([200, 0, 0])).unwrap();
    let after = canvas.layer_copy(2).unwrap().to_pixels();
    assert_eq!(after.alpha, before.alpha);
    assert_eq!(after.color.pixel(94, 96), [200, 0, 0]);
}

#[test]
fn a_picture_that_has_no_place_is_refused() {
    let mut canvas = layered();
    let before = canvas.state();
    let picture = square([1, 2, 3]);
    assert_eq!(
        canvas.lay_picture(1, 9, &picture),
        Err(CanvasError::UnknownLayer(9))
    );
    let small = LayerPixels {
        color: Pixels::new(64, 64, [0; 3]),
        alpha: vec![255; 64 * 64],
    };
    assert_eq!(
        canvas.lay_picture(1, 1, &small),
        Err(CanvasError::OtherSize)
    );
    assert_eq!(canvas.state(), before);
    canvas.lay_picture(1, 1, &picture).unwrap();
    assert_eq!(
        canvas.lay_picture(1, 1, &picture),
        Err(CanvasError::DuplicateId(1))
    );
}

#[test]
fn a_stroke_on_a_layer_that_is_not_there_is_refused() {
    let mut canvas = layered();
    assert!(
        canvas
            .begin_stroke(1, &on(9, Tool::Brush, "#000000"))
            .is_err()
    );
}

#[derive(Clone, Debug)]
enum Action {
    Stroke(u64, Brush, Vec<StrokePoint>),
    Stack(Vec<StackLayer>),
    Apply,
    Place(u32),
    Render(u32),
    Toggle(usize),
    Picture(u64, u32),
}

/// A picture with a transparent edge and something else in each pixel.
fn sticker(seed: u32) -> LayerPixels {
    let mut picture = LayerPixels::empty(canvas().size());
    let rect = Rect::new(seed % 70, seed % 41, 1 + seed % 130, 1 + seed % 97);
    picture
        .color
        .paste(&noise(rect.width, rect.height, seed), rect.x, rect.y);
    let alpha = noise(rect.width, rect.height, !seed);
    for y in 0..rect.height {
        let at = ((rect.y + y) * SIDE + rect.x) as usize;
        let row = alpha.span(0, y, rect.width).chunks_exact(3);
        for (alpha, from) in picture.alpha[at..].iter_mut().zip(row) {
            // Wholly opaque and wholly transparent pixels are among them.
            *alpha = from[0].saturating_mul(2).saturating_sub(120);
        }
    }
    picture
}

fn any_layer(id: u64) -> impl Strategy<Value = StackLayer> {
    let blend = (0..BlendMode::ALL.len()).prop_map(|at| BlendMode::ALL[at]);
    (
        any::<bool>(),
        prop_oneof![Just(255), any::<u8>()],
        blend,
        any::<bool>(),
    )
        .prop_map(move |(is_shown, opacity, blend, keeps_alpha)| StackLayer {
            id,
            is_shown,
            opacity,
            blend: if id == LOWEST_LAYER {
                BlendMode::Normal
            } else {
                blend
            },
            keeps_alpha: keeps_alpha && id != LOWEST_LAYER,
        })
}

fn any_stack() -> impl Strategy<Value = Vec<StackLayer>> {
    let others = (any_layer(1), any_layer(2), any_layer(3));
    let others = others
        .prop_map(|(one, two, three)| vec![one, two, three])
        .prop_shuffle();
    (any_layer(LOWEST_LAYER), others).prop_map(|(lowest, others)| [vec![lowest], others].concat())
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0u64..4, any_brush(), any_points())
            .prop_map(|(layer, brush, points)| Action::Stroke(layer, brush, points)),
        3 => any_stack().prop_map(Action::Stack),
        1 => Just(Action::Apply),
        1 => any::<u32>().prop_map(Action::Place),
        2 => any::<u32>().prop_map(Action::Render),
        6 => (0usize..6).prop_map(Action::Toggle),
        3 => (0u64..4, any::<u32>()).prop_map(|(layer, seed)| Action::Picture(layer, seed)),
    ]
}

fn act(canvas: &mut Canvas, active: &mut Vec<bool>, action: &Action) -> Rect {
    let id = active.len() as u64 + 1;
    match action {
        Action::Stroke(layer, brush, points) => {
            active.push(true);
            let layer = Some(*layer);
            let brush = Brush {
                layer,
                ..brush.clone()
            };
            canvas.begin_stroke(id, &brush).unwrap();
            let (first, second) = points.split_at(points.len() / 2);
            let dirty = canvas.extend_stroke(id, first);
            dirty.union(&canvas.extend_stroke(id, second))
        }
        Action::Stack(stack) => canvas.set_stack(stack.clone()),
        Action::Apply => {
            active.push(true);
            canvas.apply(id)
        }
        Action::Place(seed) => {
            active.push(true);
            canvas.place(id, noise(SIDE, SIDE, *seed))
        }
        Action::Render(seed) => {
            let window = Rect::new(32, 32, 128, 128);
            let mask = canvas.repaint_mask(&window);
            canvas.paste_result(&window, &noise(128, 128, *seed), &mask)
        }
        Action::Toggle(back) => match active.len().checked_sub(back + 1) {
            Some(index) => {
                active[index] = !active[index];
                canvas.switch(&[(index as u64 + 1, active[index])]).rect
            }
            None => Rect::default(),
        },
        Action::Picture(layer, seed) => {
            active.push(true);
            canvas.lay_picture(id, *layer, &sticker(*seed)).unwrap()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_kept_makes_the_same_canvas_after_anything(
        actions in prop::collection::vec(any_action(), 1..20),
    ) {
        let mut canvas = canvas();
        canvas.set_dilation(5);
        canvas.set_stack(vec![StackLayer::LOWEST, layer(1), layer(2), layer(3)]);
        let mut active = Vec::new();
        for action in &actions {
            let before = (canvas.sketch().clone(), canvas.result().clone());
            let dirty = act(&mut canvas, &mut active, action);
            assert_equal_outside(&before.0, canvas.sketch(), &dirty, "the sketch");
            assert_equal_outside(&before.1, canvas.result(), &dirty, "the result");
            assert_result_is_sketch_outside_the_mask(&canvas);
            let again = Canvas::from_state(canvas.state()).unwrap();
            prop_assert!(again.sketch() == canvas.sketch(), "the sketch after {action:?}");
            prop_assert!(again.footprint() == canvas.footprint(), "the mask after {action:?}");
            prop_assert_eq!(again.base(), canvas.base());
            for id in 1..4 {
                prop_assert!(again.layer_copy(id) == canvas.layer_copy(id), "layer {id}");
            }
            prop_assert_eq!(again.state(), canvas.state());
        }
    }

    #[test]
    fn the_lowest_layer_alone_is_a_canvas_without_layers(
        actions in prop::collection::vec(any_action(), 1..16),
        unpainted in any_stack(),
    ) {
        let (mut plain, mut layered) = (canvas(), canvas());
        let (mut one, mut other) = (Vec::new(), Vec::new());
        plain.set_dilation(7);
        layered.set_dilation(7);
        let others = [vec![StackLayer::LOWEST], unpainted[1..].to_vec()].concat();
        layered.set_stack(others);
        for action in &actions {
            let action = match action.clone() {
                Action::Stroke(_, brush, points) => Action::Stroke(LOWEST_LAYER, brush, points),
                Action::Picture(_, seed) => Action::Picture(LOWEST_LAYER, seed),
                Action::Stack(_) => continue,
                action => action,
            };
            let dirty = act(&mut plain, &mut one, &action);
            let all = act(&mut layered, &mut other, &action);
            prop_assert_eq!(dirty.union(&all), all, "what changed is told");
            prop_assert!(plain.sketch() == layered.sketch());
            prop_assert!(plain.result() == layered.result());
            prop_assert!(plain.footprint() == layered.footprint());
        }
    }
}

#[test]
fn layers_that_are_too_old_to_be_undone_stay() {
    let mut canvas = layered();
    let small = |layer| Brush {
        size: 6.0,
        ..on(layer, Tool::Brush, "#204080")
    };
    let count = MAX_UNDO_ENTRIES as u64 + 20;
    for id in 1..=count {
        let place = [
            (id % 16) as f32 * 12.0 + 4.0,
            (id / 16) as f32 * 12.0 + 4.0,
            1.0,
        ];
        paint(&mut canvas, id, &small(id % 3), &[place]);
    }
    assert_eq!(canvas.take_folded(), (1..=20).collect::<Vec<_>>());
    let all = canvas.sketch().clone();
    for id in 1..=count {
        canvas.switch(&[(id, false)]);
    }
    let again = Canvas::from_state(canvas.state()).unwrap();
    assert_eq!(again.sketch(), canvas.sketch());
    assert_ne!(*canvas.sketch(), all);
    assert_ne!(
        canvas.layer_copy(1).unwrap().to_pixels().alpha.iter().max(),
        Some(&0)
    );
    for id in 1..=count {
        canvas.switch(&[(id, true)]);
    }
    assert_eq!(*canvas.sketch(), all);
}
