use proptest::prelude::*;

use super::{
    SIDE, any_brush, any_points, assert_equal_outside, assert_result_is_sketch_outside_the_mask,
    brush, canvas, noise,
};
use crate::canvas::{Canvas, MAX_UNDO_ENTRIES, Mask, Pixels, Switched};
use crate::protocol::{Brush, Rect, StrokePoint, Tool};

#[derive(Clone, Debug)]
enum Action {
    Stroke(Brush, Vec<StrokePoint>),
    Place(u32),
    Apply,
    Render(u32),
    Dilation(u32),
    /// Undoes or redoes the nth thing from the end.
    Toggle(usize),
}

/// What a naive canvas remembers of one thing.
enum Record {
    Stroke(Brush, Vec<StrokePoint>),
    Image(Pixels),
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (any_brush(), any_points()).prop_map(|(brush, points)| Action::Stroke(brush, points)),
        1 => any::<u32>().prop_map(Action::Place),
        1 => Just(Action::Apply),
        2 => any::<u32>().prop_map(Action::Render),
        1 => (0u32..24).prop_map(Action::Dilation),
        6 => (0usize..6).prop_map(Action::Toggle),
    ]
}

/// All active things, done once, in order, on new paper.
fn replayed(records: &[(bool, Record)]) -> Canvas {
    let mut canvas = canvas();
    for (id, (_, record)) in (1..).zip(records.iter().filter(|(active, _)| *active)) {
        match record {
            Record::Stroke(brush, points) => {
                canvas.begin_stroke(id, brush).unwrap();
                canvas.extend_stroke(id, points);
            }
            Record::Image(pixels) => {
                canvas.place(id, pixels.clone());
            }
        }
    }
    canvas
}

fn render(canvas: &mut Canvas, seed: u32) -> Rect {
    let window = Rect::new(32, 32, 128, 128);
    let mask = canvas.repaint_mask(&window);
    canvas.paste_result(&window, &noise(128, 128, seed), &mask)
}

/// Does one action, tells the naive canvas, and returns the dirty rectangle.
fn act(canvas: &mut Canvas, records: &mut Vec<(bool, Record)>, action: &Action) -> Rect {
    let id = records.len() as u64 + 1;
    match action {
        Action::Stroke(brush, points) => {
            canvas.begin_stroke(id, brush).unwrap();
            records.push((true, Record::Stroke(brush.clone(), points.clone())));
            let (first, second) = points.split_at(points.len() / 2);
            canvas
                .extend_stroke(id, first)
                .union(&canvas.extend_stroke(id, second))
        }
        Action::Place(seed) => {
            let image = noise(SIDE, SIDE, *seed);
            records.push((true, Record::Image(image.clone())));
            canvas.place(id, image)
        }
        Action::Apply => {
            records.push((true, Record::Image(canvas.result().clone())));
            canvas.apply(id)
        }
        Action::Render(seed) => render(canvas, *seed),
        Action::Dilation(dilation) => canvas.set_dilation(*dilation),
        Action::Toggle(back) => {
            let Some(index) = records.len().checked_sub(back + 1) else {
                return Rect::default();
            };
            records[index].0 = !records[index].0;
            canvas.switch(&[(index as u64 + 1, records[index].0)]).rect
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_history_equals_its_full_replay(actions in prop::collection::vec(any_action(), 1..16)) {
        let mut canvas = canvas();
        let mut records = Vec::new();
        for action in &actions {
            let before = (canvas.sketch().clone(), canvas.result().clone());
            let dirty = act(&mut canvas, &mut records, action);
            assert_equal_outside(&before.0, canvas.sketch(), &dirty, "the sketch");
            assert_equal_outside(&before.1, canvas.result(), &dirty, "the result");
            let expected = replayed(&records);
            prop_assert_eq!(canvas.sketch(), expected.sketch());
            prop_assert_eq!(canvas.base(), expected.base());
            prop_assert_eq!(canvas.footprint(), expected.footprint());
            assert_result_is_sketch_outside_the_mask(&canvas);
        }
        for id in (1..=records.len() as u64).rev() {
            canvas.switch(&[(id, false)]);
        }
        prop_assert!(canvas.result().data().iter().all(|value| *value == 255));
        prop_assert!(canvas.footprint().bounds().is_empty());
    }

    #[test]
    fn a_render_changes_nothing_outside_its_mask(
        strokes in prop::collection::vec((any_brush(), any_points()), 1..4),
        dilation in 0u32..20,
        value in any::<u8>(),
    ) {
        let mut canvas = canvas();
        canvas.set_dilation(dilation);
        for (id, (brush, points)) in (1..).zip(&strokes) {
            canvas.begin_stroke(id, brush).unwrap();
            canvas.extend_stroke(id, points);
        }
        let window = Rect::new(32, 64, 96, 96);
        // A mask that says more than the strokes do, as after an undo.
        let mut mask = Mask::new(96, 96, value);
        mask.data_mut().iter_mut().step_by(3).for_each(|value| *value = 0);
        let before = canvas.result().clone();
        let allowed = canvas.repaint_mask(&window);
        let dirty = canvas.paste_result(&window, &noise(96, 96, 5), &mask);
        assert_equal_outside(&before, canvas.result(), &dirty, "the result");
        for y in 0..96 {
            for x in 0..96 {
                if mask.value(x, y) == 0 || allowed.value(x, y) == 0 {
                    let at = (window.x + x, window.y + y);
                    prop_assert_eq!(canvas.result().pixel(at.0, at.1), before.pixel(at.0, at.1));
                }
            }
        }
        assert_result_is_sketch_outside_the_mask(&canvas);
    }
}

#[test]
fn undoing_an_apply_brings_the_render_back() {
    let mut canvas = canvas();
    canvas.set_dilation(8);
    canvas.begin_stroke(1, &brush(Tool::Brush)).unwrap();
    canvas.extend_stroke(1, &[[80.0, 80.0, 1.0], [120.0, 80.0, 1.0]]);
    render(&mut canvas, 3);
    let (sketch, result) = (canvas.sketch().clone(), canvas.result().clone());
    canvas.apply(2);
    assert_eq!(canvas.sketch(), &result);
    assert_eq!(canvas.base(), &result);
    assert!(canvas.footprint().bounds().is_empty());
    canvas.switch(&[(2, false)]);
    assert_eq!(canvas.sketch(), &sketch);
    assert_eq!(canvas.result(), &result);
    canvas.switch(&[(2, true)]);
    assert_eq!(canvas.sketch(), &result);
    assert_eq!(canvas.result(), &result);
}

#[test]
fn a_stroke_that_an_apply_interrupts_goes_on_above_it() {
    let mut canvas = canvas();
    canvas.begin_stroke(1, &brush(Tool::Brush)).unwrap();
    canvas.extend_stroke(1, &[[40.0, 40.0, 1.0]]);
    canvas.apply(2);
    let dirty = canvas.extend_stroke(1, &[[140.0, 40.0, 1.0]]);
    assert!(!dirty.is_empty());
    assert_eq!(canvas.sketch().pixel(100, 40), [0xcc, 0x20, 0x10]);
    assert_eq!(canvas.footprint().value(100, 40), 255);
    canvas.switch(&[(1, false)]);
    assert_eq!(canvas.sketch().pixel(100, 40), [255; 3]);
    assert_eq!(
        canvas.sketch().pixel(40, 40),
        [0xcc, 0x20, 0x10],
        "applied before the undo"
    );
}

#[test]
fn what_is_too_old_stays() {
    let mut canvas = canvas();
    let dot = |id: u64| {
        [[
            (id % 16) as f32 * 12.0 + 4.0,
            (id / 16) as f32 * 12.0 + 4.0,
            1.0,
        ]]
    };
    let small = Brush {
        size: 6.0,
        ..brush(Tool::Brush)
    };
    let count = MAX_UNDO_ENTRIES as u64 + 20;
    for id in 1..=count {
        canvas.begin_stroke(id, &small).unwrap();
        canvas.extend_stroke(id, &dot(id));
    }
    let all = canvas.sketch().clone();
    assert_eq!(canvas.take_folded(), (1..=20).collect::<Vec<_>>());
    assert_eq!(canvas.switch(&[(1, false)]), Switched::default());
    assert_eq!(canvas.sketch(), &all);
    for id in 1..=count {
        canvas.switch(&[(id, false)]);
    }
    let kept = (1..=count).filter(|id| {
        let [[x, y, _]] = dot(*id);
        canvas.sketch().pixel(x as u32, y as u32) != [255; 3]
    });
    assert_eq!(kept.collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    for id in 1..=count {
        canvas.switch(&[(id, true)]);
    }
    assert_eq!(canvas.sketch(), &all);
}

#[test]
fn an_image_of_another_size_is_fitted() {
    let mut canvas = canvas();
    canvas.place(1, Pixels::new(10, 30, [1, 2, 3]));
    assert_eq!(canvas.base(), &Pixels::new(SIDE, SIDE, [1, 2, 3]));
}

#[test]
fn rendering_again_does_not_harden_a_soft_edge() {
    let mut canvas = canvas();
    canvas.set_dilation(16);
    canvas.begin_stroke(1, &brush(Tool::Brush)).unwrap();
    canvas.extend_stroke(1, &[[96.0, 96.0, 1.0]]);
    let window = Rect::new(32, 32, 128, 128);
    let mask = canvas.repaint_mask(&window);
    // Black where the mask allows it, as an engine would blend it.
    let blend = |canvas: &Canvas| {
        let mut blended = canvas.known(&window, &mask, &canvas.repaint_mask(&window));
        for (pixel, mask) in blended.data_mut().chunks_exact_mut(3).zip(mask.data()) {
            pixel.iter_mut().for_each(|value| {
                *value = (u32::from(*value) * (255 - u32::from(*mask)) / 255) as u8
            });
        }
        blended
    };
    let once = blend(&canvas);
    let full = Mask::new(128, 128, 255);
    for _ in 0..10 {
        let blended = blend(&canvas);
        assert_eq!(blended, once);
        canvas.paste_result(&window, &blended, &full);
    }
}
