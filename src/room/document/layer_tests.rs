//! What members may do to layers, and that undo takes back what it should.

use uuid::Uuid;

use super::*;
use crate::protocol::*;

const ME: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

fn document() -> Document {
    let size = CanvasSize {
        width: 128,
        height: 64,
    };
    let settings = serde_json::from_str(
        r#"{"prompt":"","negative_prompt":"","guidance_scale":1,"steps":2,"strength":1,"seed":7,
            "sampler":"lcm","spread":4,"live":true}"#,
    );
    Document::new(size, settings.unwrap())
}

fn accept(document: &mut Document, client: Uuid, op: Op) -> Changed {
    let op = SequencedOp::new(document.seq() + 1, client, op);
    document.apply(&op, |_| None).unwrap()
}

/// Asks for a change as an editor, and makes it.
fn change(document: &mut Document, client: Uuid, change: LayerChange) -> Result<u64, Refusal> {
    let checked = document.check_layer_change(&client, Role::Editor, change)?;
    accept(document, client, Op::Layer(checked));
    Ok(document.seq())
}

fn add(document: &mut Document, client: Uuid) -> u64 {
    change(document, client, LayerChange::Add(NewLayer::default())).unwrap()
}

fn set(layer: u64, patch: LayerPatch) -> LayerChange {
    LayerChange::Set(LayerPatch { layer, ..patch })
}

fn lock(layer: u64, locked: bool) -> LayerChange {
    let locked = Some(locked);
    set(
        layer,
        LayerPatch {
            locked,
            ..LayerPatch::default()
        },
    )
}

fn opacity(layer: u64, opacity: f64, continues: bool) -> LayerChange {
    let patch = LayerPatch {
        opacity: Some(opacity),
        continues,
        ..LayerPatch::default()
    };
    set(layer, patch)
}

fn dab(id: &str, layer: u64, color: &str) -> StrokeChunk {
    StrokeChunk {
        id: id.to_owned(),
        brush: Some(Brush {
            tool: Tool::Brush,
            size: 20.0,
            hardness: 1.0,
            opacity: 1.0,
            color: color.to_owned(),
            layer: Some(layer),
            ..Brush::default()
        }),
        points: vec![[40.0, 30.0, 1.0]],
        done: true,
    }
}

fn undo(document: &mut Document, client: Uuid) -> Changed {
    let op = document.op_of(&client, Request::Undo).unwrap();
    accept(document, client, op)
}

fn redo(document: &mut Document, client: Uuid) -> Changed {
    let op = document.op_of(&client, Request::Redo).unwrap();
    accept(document, client, op)
}

fn color(document: &Document) -> [u8; 3] {
    document.canvas().sketch().pixel(40, 30)
}

#[test]
fn each_member_takes_back_what_they_did_themselves() {
    let mut document = document();
    let layer = add(&mut document, ME);
    accept(&mut document, OTHER, Op::Stroke(dab("a", layer, "#ff0000")));
    assert_eq!(color(&document), [255, 0, 0]);
    let changed = undo(&mut document, ME);
    assert_eq!(color(&document), [255; 3], "the layer went with its paint");
    assert_eq!(changed.layers.unwrap().len(), 1);
    let gone = document.check_stroke_layer(&dab("b", layer, "#00ff00"));
    assert_eq!(gone, Err(Refusal::UnknownLayer));
    redo(&mut document, ME);
    assert_eq!(color(&document), [255, 0, 0]);
    change(&mut document, OTHER, LayerChange::Remove { layer }).unwrap();
    assert_eq!(color(&document), [255; 3]);
    undo(&mut document, OTHER);
    assert_eq!(color(&document), [255, 0, 0]);
    undo(&mut document, OTHER);
    assert_eq!(color(&document), [255; 3], "the stroke, not the layer");
    assert_eq!(document.layers().len(), 2);
}

#[test]
fn a_dragged_opacity_is_one_step() {
    let mut document = document();
    let layer = add(&mut document, ME);
    accept(&mut document, ME, Op::Stroke(dab("a", layer, "#000000")));
    for (value, continues) in [(0.9, false), (0.5, true), (0.2, true)] {
        change(&mut document, ME, opacity(layer, value, continues)).unwrap();
    }
    assert_eq!(color(&document), [204; 3]);
    undo(&mut document, ME);
    assert_eq!(color(&document), [0; 3], "all of it is taken back");
    redo(&mut document, ME);
    assert_eq!(document.layers()[1].opacity, 0.2);
    change(&mut document, ME, opacity(layer, 0.2, false)).unwrap();
    undo(&mut document, ME);
    assert_eq!(
        document.layers()[1].opacity,
        1.0,
        "what changed nothing is no step"
    );
}

#[test]
fn a_locked_layer_is_left_alone_until_it_is_unlocked() {
    let mut document = document();
    let layer = add(&mut document, ME);
    change(&mut document, ME, lock(layer, true)).unwrap();
    let refused = document.check_stroke_layer(&dab("a", layer, "#000000"));
    assert_eq!(refused, Err(Refusal::LayerLocked));
    let removed = change(&mut document, ME, LayerChange::Remove { layer });
    assert_eq!(removed, Err(Refusal::LayerLocked));
    let unlocked = change(&mut document, OTHER, lock(layer, false));
    assert_eq!(unlocked, Err(Refusal::LockedByAnother));
    let by_owner = document.check_layer_change(&OTHER, Role::Owner, lock(layer, false));
    assert!(by_owner.is_ok(), "an owner of the room always may");
    change(&mut document, ME, lock(layer, false)).unwrap();
    let accepted = document.check_stroke_layer(&dab("a", layer, "#000000"));
    assert_eq!(accepted, Ok(()));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut document = document();
    let layer = add(&mut document, ME);
    let blend = LayerPatch {
        blend: Some(BlendMode::Multiply),
        ..LayerPatch::default()
    };
    let nameless = LayerPatch {
        name: Some("  ".to_owned()),
        ..LayerPatch::default()
    };
    let unknown = LayerChange::Remove { layer: 99 };
    for (wanted, expected) in [
        (unknown, Refusal::UnknownLayer),
        (opacity(99, 0.5, false), Refusal::UnknownLayer),
        (LayerChange::Remove { layer: 0 }, Refusal::LowestLayer),
        (
            LayerChange::Move {
                layer: 0,
                above: layer,
            },
            Refusal::LowestLayer,
        ),
        (
            LayerChange::Move {
                layer,
                above: layer,
            },
            Refusal::AboveItself,
        ),
        (
            LayerChange::Move { layer, above: 99 },
            Refusal::UnknownLayer,
        ),
        (set(0, blend), Refusal::OpaqueLayer),
        (set(layer, nameless), Refusal::NoLayerName),
    ] {
        let before = document.seq();
        assert_eq!(change(&mut document, ME, wanted), Err(expected));
        assert_eq!(document.seq(), before);
    }
    while document.layers().len() < MAX_LAYERS {
        add(&mut document, ME);
    }
    let refused = change(&mut document, ME, LayerChange::Add(NewLayer::default()));
    assert_eq!(refused, Err(Refusal::TooManyLayers));
    let names: Vec<&String> = document.layers().iter().map(|it| &it.name).collect();
    let mut different = names.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), names.len(), "each has a name of its own");
}

#[test]
fn a_snapshot_from_before_there_were_layers_has_the_lowest_alone() {
    let mut document = document();
    let mut stroke = dab("a", 0, "#102030");
    if let Some(brush) = &mut stroke.brush {
        brush.layer = None;
    }
    accept(&mut document, ME, Op::Stroke(stroke));
    let mut snapshot = document.snapshot();
    let mut facts = serde_json::to_value(&snapshot.facts).unwrap();
    facts.as_object_mut().unwrap().remove("layer_log").unwrap();
    snapshot.facts = serde_json::from_value(facts).unwrap();
    let back = Document::from_snapshot(snapshot).unwrap();
    assert_eq!(back.layers(), document.layers());
    assert_eq!(back.canvas().sketch(), document.canvas().sketch());
}

#[test]
fn hiding_a_layer_and_showing_it_again_is_the_same_picture() {
    let mut document = document();
    let layer = add(&mut document, ME);
    accept(&mut document, ME, Op::Stroke(dab("a", layer, "#000000")));
    let key = document.picture_key();
    let visible = |visible| {
        let visible = Some(visible);
        set(
            layer,
            LayerPatch {
                visible,
                ..LayerPatch::default()
            },
        )
    };
    change(&mut document, ME, visible(false)).unwrap();
    assert_ne!(document.picture_key(), key);
    assert!(document.canvas().footprint().bounds().is_empty());
    change(&mut document, OTHER, visible(true)).unwrap();
    assert_eq!(document.picture_key(), key);
    assert_eq!(color(&document), [0; 3]);
}
