//! Pictures that are laid on layers: what is refused, and that undo takes back what belongs together.

use uuid::Uuid;

use super::*;
use crate::canvas::{LayerPixels, MAX_UNDO_ENTRIES, Pixels, Upload};
use crate::protocol::*;

const ME: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
const SIZE: CanvasSize = CanvasSize {
    width: 128,
    height: 64,
};

fn document() -> Document {
    let settings = serde_json::from_str(
        r#"{"prompt":"","negative_prompt":"","guidance_scale":1,"steps":2,"strength":1,"seed":7,
            "sampler":"lcm","spread":4,"live":true}"#,
    );
    Document::new(SIZE, settings.unwrap())
}

/// Green, and see-through but for the left half; or an opaque picture.
fn image(id: &str) -> Option<Upload> {
    let color = Pixels::new(SIZE.width, SIZE.height, [0, 200, 0]);
    let half = |at: u32| if at % SIZE.width < 64 { 255 } else { 0 };
    match id {
        "half" => {
            let alpha = (0..SIZE.width * SIZE.height).map(half).collect();
            Some(LayerPixels { color, alpha }.into())
        }
        "whole" => Some(color.into()),
        _ => None,
    }
}

fn accept(document: &mut Document, client: Uuid, op: Op) -> Changed {
    let op = SequencedOp::new(document.seq() + 1, client, op);
    document.apply(&op, image).unwrap()
}

fn add(document: &mut Document, client: Uuid) -> u64 {
    let wanted = LayerChange::Add(NewLayer::default());
    let checked = document.check_layer_change(&client, Role::Editor, wanted);
    accept(document, client, Op::Layer(checked.unwrap()));
    document.seq()
}

fn on(layer: u64, image: &str, continues: bool) -> Placement {
    Placement {
        image: image.to_owned(),
        layer: Some(layer),
        continues,
        ..Placement::default()
    }
}

fn lay(document: &mut Document, client: Uuid, placement: Placement) -> Result<Changed, Refusal> {
    document.check_placement(&placement)?;
    Ok(accept(document, client, Op::Place(placement)))
}

fn undo(document: &mut Document, client: Uuid) {
    let op = document.op_of(&client, Request::Undo).unwrap();
    accept(document, client, op);
}

fn colors(document: &Document) -> [[u8; 3]; 2] {
    [20, 100].map(|x| document.canvas().result().pixel(x, 30))
}

const GREEN: [u8; 3] = [0, 200, 0];
const WHITE: [u8; 3] = [255; 3];

#[test]
fn a_picture_on_a_layer_is_shown_at_once_and_no_base() {
    let mut document = document();
    let layer = add(&mut document, ME);
    let changed = lay(&mut document, ME, on(layer, "half", false)).unwrap();
    assert_eq!(colors(&document), [GREEN, WHITE]);
    assert_eq!(changed.sketch, Rect::new(0, 0, 64, 64));
    assert!(!changed.base && changed.mask.is_empty());
    assert_eq!(document.canvas().base_id(), None);
    // Under the mask the model has to look again.
    let rect = Rect::new(30, 0, 20, 20);
    accept(&mut document, OTHER, Op::Mask { rect });
    let changed = lay(&mut document, ME, on(LOWEST_LAYER, "whole", false)).unwrap();
    assert!(!changed.mask.is_empty());
    assert_eq!(colors(&document), [GREEN, GREEN]);
}

#[test]
fn one_undo_takes_the_layer_and_what_came_with_it() {
    let mut document = document();
    accept(
        &mut document,
        ME,
        Op::Mask {
            rect: Rect::new(0, 0, 9, 9),
        },
    );
    let layer = add(&mut document, ME);
    lay(&mut document, ME, on(layer, "half", true)).unwrap();
    let second = LayerChange::Add(NewLayer {
        continues: true,
        ..NewLayer::default()
    });
    let second = document
        .check_layer_change(&ME, Role::Editor, second)
        .unwrap();
    accept(&mut document, ME, Op::Layer(second));
    let second = document.seq();
    lay(&mut document, OTHER, on(layer, "half", false)).unwrap();
    lay(&mut document, ME, on(second, "whole", true)).unwrap();
    assert_eq!(colors(&document), [GREEN, GREEN]);
    undo(&mut document, ME);
    assert_eq!(document.layers().len(), 1);
    assert_eq!(colors(&document), [WHITE, WHITE]);
    let op = document.op_of(&ME, Request::Redo).unwrap();
    accept(&mut document, ME, op);
    assert_eq!(document.layers().len(), 3);
    assert_eq!(colors(&document), [GREEN, GREEN]);
    undo(&mut document, ME);
    undo(&mut document, ME);
    assert!(
        document.canvas().footprint().bounds().is_empty(),
        "the mask came before"
    );
}

#[test]
fn a_layer_that_is_locked_or_gone_takes_no_picture() {
    let mut document = document();
    let layer = add(&mut document, ME);
    let locked = LayerChange::Set(LayerPatch {
        layer,
        locked: Some(true),
        ..LayerPatch::default()
    });
    accept(&mut document, ME, Op::Layer(locked));
    let before = document.seq();
    let refused = lay(&mut document, OTHER, on(layer, "half", false));
    assert_eq!(refused, Err(Refusal::LayerLocked));
    let refused = lay(&mut document, OTHER, on(99, "half", false));
    assert_eq!(refused, Err(Refusal::UnknownLayer));
    assert_eq!(document.seq(), before);
    assert_eq!(Refusal::LayerLocked.code(), ErrorCode::LayerLocked);
}

#[test]
fn where_a_picture_comes_from_is_told_however_long_ago_it_was_laid() {
    let mut document = document();
    let mask = |at: usize| Op::Mask {
        rect: Rect::new(at as u32 % 100, 0, 8, 8),
    };
    let has_photo = |document: &Document| document.result_ground().has_photo;
    assert!(!has_photo(&document));
    lay(&mut document, ME, on(LOWEST_LAYER, "half", false)).unwrap();
    assert!(has_photo(&document));
    undo(&mut document, ME);
    assert!(!has_photo(&document));
    lay(&mut document, ME, on(LOWEST_LAYER, "half", false)).unwrap();
    for at in 0..=MAX_UNDO_ENTRIES {
        accept(&mut document, OTHER, mask(at));
    }
    assert!(document.op_of(&ME, Request::Undo).is_err(), "it is too old");
    let back = Document::from_snapshot(document.snapshot()).unwrap();
    for document in [&document, &back] {
        assert_eq!(colors(document), [GREEN, WHITE]);
        assert!(has_photo(document));
    }
}

#[test]
fn a_picture_with_transparency_is_a_base_on_white_paper() {
    let mut document = document();
    let base = Placement {
        image: "half".to_owned(),
        ..Placement::default()
    };
    let changed = lay(&mut document, ME, base).unwrap();
    assert!(changed.base);
    assert_eq!(colors(&document), [GREEN, WHITE]);
}
