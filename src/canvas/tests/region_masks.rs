use super::{SIDE, brush, canvas};
use crate::canvas::{Canvas, Mask, Pixels};
use crate::protocol::{Rect, StrokePoint, Tool};

fn line(canvas: &mut Canvas, id: u64, tool: Tool, from: (f32, f32), to: (f32, f32)) {
    canvas.begin_stroke(id, &brush(tool)).unwrap();
    let points: [StrokePoint; 2] = [from, to].map(|(x, y)| [x, y, 1.0]);
    canvas.extend_stroke(id, &points);
    canvas.end_stroke(id);
}

/// Two groups: strokes with an even id, then those with an odd one.
fn masks(canvas: &Canvas) -> [Mask; 2] {
    let masks = canvas.region_masks(&canvas.bounds(), 2, |id| Some((id % 2) as usize));
    let [even, odd] = <[Mask; 2]>::try_from(masks).unwrap();
    for (even, odd) in even.data().iter().zip(odd.data()) {
        assert!(
            even.checked_add(*odd).is_some(),
            "more than the whole pixel"
        );
    }
    [even, odd]
}

#[test]
fn what_lies_on_top_holds_a_pixel() {
    let mut canvas = canvas();
    line(&mut canvas, 2, Tool::Brush, (30.0, 90.0), (160.0, 90.0));
    line(&mut canvas, 3, Tool::Mask, (90.0, 30.0), (90.0, 160.0));
    let [even, odd] = masks(&canvas);
    assert_eq!((even.value(40, 90), odd.value(40, 90)), (255, 0));
    assert_eq!(
        (even.value(90, 90), odd.value(90, 90)),
        (0, 255),
        "the newer one"
    );
    assert_eq!((even.value(10, 10), odd.value(10, 10)), (0, 0), "nobody's");
    assert_eq!(canvas.strokes_in(&canvas.bounds()), [2, 3]);
    assert_eq!(canvas.strokes_in(&Rect::new(20, 80, 20, 20)), [2]);
}

#[test]
fn the_dilation_belongs_to_the_nearest() {
    let mut canvas = canvas();
    canvas.set_dilation(16);
    line(&mut canvas, 2, Tool::Brush, (50.0, 40.0), (50.0, 150.0));
    line(&mut canvas, 3, Tool::Brush, (90.0, 40.0), (90.0, 150.0));
    let [even, odd] = masks(&canvas);
    assert!(even.value(64, 90) > odd.value(64, 90));
    assert!(odd.value(76, 90) > even.value(76, 90));
    assert_eq!(even.value(69, 90), odd.value(70, 90), "as a mirror");
    let part = Rect::new(32, 64, 64, 64);
    let cut = canvas.region_masks(&part, 2, |id| Some((id % 2) as usize));
    assert_eq!(cut, [even.crop(&part), odd.crop(&part)], "windows agree");
    assert_eq!(canvas.strokes_in(&Rect::new(110, 64, 20, 20)), [3]);
}

#[test]
fn what_is_not_in_the_picture_holds_nothing() {
    let mut canvas = canvas();
    line(&mut canvas, 2, Tool::Brush, (30.0, 90.0), (160.0, 90.0));
    line(&mut canvas, 3, Tool::Brush, (30.0, 90.0), (160.0, 90.0));
    line(&mut canvas, 5, Tool::Erase, (30.0, 90.0), (60.0, 90.0));
    canvas.switch(&[(3, false)]);
    let [even, odd] = masks(&canvas);
    assert_eq!((even.value(90, 90), odd.value(90, 90)), (255, 0));
    assert_eq!(canvas.strokes_in(&canvas.bounds()), [2]);
    canvas.place(6, Pixels::new(SIDE, SIDE, [9; 3]));
    assert!(canvas.strokes_in(&canvas.bounds()).is_empty());
    assert!(masks(&canvas)[0].data().iter().all(|value| *value == 0));
}
