//! Replaying the same ops gives the same document, to the byte.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    canvas::{LayerPixels, Mask, Pixels, Upload, Window, WindowRules, windows_for},
    picture_file::{FilePixels, LayerName, Origin},
    protocol::*,
    room::export::ExportLayers,
};

const SIZE: CanvasSize = CanvasSize {
    width: 128,
    height: 64,
};

fn settings() -> Settings {
    Settings {
        prompt: "red apple".to_owned(),
        negative_prompt: String::new(),
        guidance_scale: 1.0,
        guidance_rescale: None,
        image_guidance_scale: None,
        steps: 2,
        strength: 1.0,
        seed: 7,
        variation: 0.0,
        sampler: "lcm".to_owned(),
        timestep_spacing: crate::protocol::TimestepSpacingChoice::Default,
        sigmas: crate::protocol::SigmasChoice::Default,
        spread: 6,
        live: true,
        method: EditMethod::Ddim,
        finish: Finish::None,
        finish_strength: 1.0,
        control: String::new(),
        control_preprocess: crate::protocol::ControlPreprocess::default(),
        control_scale: 1.0,
        control_start: 0.0,
        control_end: 1.0,
        ip_adapter: String::new(),
        reference: String::new(),
        reference_scale: 0.6,
        reference_start: 0.0,
        reference_end: 1.0,
    }
}

/// The picture of an id; those whose number is odd are transparent here and there.
fn image(id: &str) -> Option<Upload> {
    let seed = id.bytes().fold(0u8, u8::wrapping_add);
    let data = (0..SIZE.width * SIZE.height * 3).map(|at| (at as u8).wrapping_mul(seed));
    let color = Pixels::from_raw(SIZE.width, SIZE.height, data.collect()).ok()?;
    if seed.is_multiple_of(2) {
        return Some(color.into());
    }
    let alpha = color
        .data()
        .chunks(3)
        .map(|pixel| pixel[0].saturating_sub(90));
    let alpha = alpha.collect();
    Some(LayerPixels { color, alpha }.into())
}

/// What a document is made of, in order.
#[derive(Clone, Debug)]
enum Event {
    Op(SequencedOp),
    /// What the model made of a window.
    Result(Window, Arc<Pixels>, Mask),
}

/// What a random member does.
#[derive(Clone, Debug)]
enum Action {
    Stroke {
        tool: u8,
        from: (f32, f32),
        to: (f32, f32),
        is_new: bool,
        done: bool,
        /// One of the layers that there are.
        layer: usize,
    },
    Mask(Rect),
    /// Which kind of change, of which layer, with another one, and how.
    Layer(u8, usize, usize, u8),
    Spread(u32),
    Seed(u64),
    Apply,
    Place(u8, bool),
    Lay(u8, usize, bool),
    Undo,
    Redo,
    Revert(prop::sample::Index),
    Render(Rect, u8),
}

fn action() -> impl Strategy<Value = Action> {
    let point = (-10f32..140.0, -10f32..70.0);
    let rect = (0u32..120, 0u32..60, 1u32..128, 1u32..64)
        .prop_map(|(x, y, width, height)| Rect::new(x, y, width, height));
    prop_oneof![
        8 => (0u8..5, point.clone(), point, any::<bool>(), any::<bool>(), 0usize..6).prop_map(
            |(tool, from, to, is_new, done, layer)| {
                Action::Stroke { tool, from, to, is_new, done, layer }
            }
        ),
        4 => (0u8..9, 0usize..6, 0usize..6, any::<u8>())
            .prop_map(|(kind, layer, other, how)| Action::Layer(kind, layer, other, how)),
        1 => rect.clone().prop_map(Action::Mask),
        1 => (0u32..20).prop_map(Action::Spread),
        1 => (0u64..9).prop_map(Action::Seed),
        1 => Just(Action::Apply),
        1 => (0u8..9, any::<bool>()).prop_map(|(image, invert)| Action::Place(image, invert)),
        3 => (0u8..9, 0usize..6, any::<bool>())
            .prop_map(|(image, layer, continues)| Action::Lay(image, layer, continues)),
        4 => Just(Action::Undo),
        3 => Just(Action::Redo),
        2 => any::<prop::sample::Index>().prop_map(Action::Revert),
        4 => (rect, any::<u8>()).prop_map(|(rect, value)| Action::Render(rect, value)),
    ]
}

fn layer_change(kind: u8, layer: u64, other: u64, how: u8) -> LayerChange {
    let look = |patch| LayerChange::Set(LayerPatch { layer, ..patch });
    let is_on = how.is_multiple_of(2);
    match kind {
        0 | 1 => LayerChange::Add(NewLayer {
            name: None,
            above: is_on.then_some(layer),
            continues: how.is_multiple_of(3),
        }),
        2 => LayerChange::Remove { layer },
        3 => LayerChange::Move {
            layer,
            above: other,
        },
        4 => look(LayerPatch {
            visible: Some(is_on),
            ..LayerPatch::default()
        }),
        5 => look(LayerPatch {
            opacity: Some(f64::from(how) / 255.0),
            continues: is_on,
            ..LayerPatch::default()
        }),
        6 => look(LayerPatch {
            blend: Some(BlendMode::ALL[usize::from(how) % BlendMode::ALL.len()]),
            ..LayerPatch::default()
        }),
        7 => look(LayerPatch {
            alpha_locked: Some(is_on),
            ..LayerPatch::default()
        }),
        _ => look(LayerPatch {
            seen: Some(is_on),
            ..LayerPatch::default()
        }),
    }
}

/// The document that members make, and everything that made it.
struct Studio {
    document: Document,
    events: Vec<Event>,
    strokes: u32,
}

impl Studio {
    fn new() -> Self {
        Self {
            document: Document::new(SIZE, settings()),
            events: Vec::new(),
            strokes: 0,
        }
    }

    fn accept(&mut self, client: Uuid, op: Op) -> Changed {
        let mut op = SequencedOp::new(self.document.seq() + 1, client, op);
        let changed = self.document.apply(&op, image).unwrap();
        op.switches.clone_from(&changed.switches);
        op.layers.clone_from(&changed.layers);
        self.events.push(Event::Op(op));
        changed
    }

    fn act(&mut self, client: Uuid, action: &Action) {
        let op = match action {
            Action::Stroke {
                tool,
                from,
                to,
                is_new,
                done,
                layer,
            } => {
                let layers = self.document.layers();
                let layer = layers[layer % layers.len()].id;
                self.strokes += u32::from(*is_new);
                let tools = [
                    Tool::Brush,
                    Tool::Mask,
                    Tool::Erase,
                    Tool::Restore,
                    Tool::Smudge,
                ];
                let brush = Brush {
                    tool: tools[usize::from(*tool)],
                    size: 14.0,
                    hardness: 0.5,
                    opacity: 0.9,
                    color: format!("#{:06x}", self.strokes * 77_777),
                    prompt: self.strokes.is_multiple_of(3).then(|| "a boat".to_owned()),
                    layer: Some(layer).filter(|id| *id != LOWEST_LAYER),
                    ..Brush::default()
                };
                let chunk = StrokeChunk {
                    id: format!("{}", self.strokes),
                    brush: is_new.then_some(brush),
                    points: [from, to].map(|(x, y)| [*x, *y, 1.0]).to_vec(),
                    done: *done,
                };
                let verdict = self.document.judge(client, &chunk, &mut Resent::default());
                verdict.ok().map(|_| Op::Stroke(chunk))
            }
            Action::Mask(rect) => Some(Op::Mask { rect: *rect }),
            Action::Spread(spread) => Some(Op::Settings(SettingsPatch {
                spread: Some(*spread),
                ..SettingsPatch::default()
            })),
            Action::Seed(seed) => Some(Op::Settings(SettingsPatch {
                seed: Some(*seed),
                ..SettingsPatch::default()
            })),
            Action::Apply => Some(Op::Apply {}),
            Action::Place(image, invert) => Some(Op::Place(Placement {
                image: format!("image {image}"),
                mode: match invert {
                    true => PlaceMode::Invert,
                    false => PlaceMode::Plain,
                },
                prompt: Some("a house".to_owned()),
                ..Placement::default()
            })),
            Action::Lay(image, layer, continues) => {
                let layers = self.document.layers();
                let placement = Placement {
                    image: format!("image {image}"),
                    layer: Some(layers[*layer % layers.len()].id),
                    continues: *continues,
                    ..Placement::default()
                };
                let checked = self.document.check_placement(&placement);
                checked.ok().map(|()| Op::Place(placement))
            }
            Action::Layer(kind, layer, other, how) => {
                let layers = self.document.layers();
                let id = |at: usize| layers[at % layers.len()].id;
                let change = layer_change(*kind, id(*layer), id(*other), *how);
                let checked = self
                    .document
                    .check_layer_change(&client, Role::Owner, change);
                checked.ok().map(Op::Layer)
            }
            Action::Undo => self.document.op_of(&client, Request::Undo).ok(),
            Action::Redo => self.document.op_of(&client, Request::Redo).ok(),
            Action::Revert(index) => {
                let seq = index.index(self.document.seq() as usize + 1) as u64;
                self.document.op_of(&client, Request::Revert(seq)).ok()
            }
            Action::Render(rect, value) => return self.render(rect, *value),
        };
        if let Some(op) = op {
            self.accept(client, op);
        }
    }

    fn render(&mut self, rect: &Rect, value: u8) {
        self.render_until(rect, value, None);
    }

    fn render_until(&mut self, rect: &Rect, value: u8, settles: Option<u64>) {
        let rules = WindowRules {
            zoom: 1,
            grid: 32,
            context: 16,
            minimum: 64,
            maximum: 128,
        };
        let canvas = Rect::new(0, 0, SIZE.width, SIZE.height);
        for window in windows_for(rect, &canvas, &rules) {
            let Rect { width, height, .. } = window.rect;
            let pixels = Arc::new(Pixels::new(width, height, [value; 3]));
            let mask = self.document.canvas().repaint_mask(&window.rect);
            self.document.paste(&window, &pixels, &mask, settles);
            self.events.push(Event::Result(window, pixels, mask));
        }
    }
}

fn replayed(events: &[Event]) -> Document {
    let mut document = Document::new(SIZE, settings());
    for event in events {
        match event {
            Event::Op(op) => {
                let changed = document.apply(op, image).unwrap();
                assert_eq!(changed.switches, op.switches);
                assert_eq!(changed.layers, op.layers);
            }
            Event::Result(window, pixels, mask) => {
                document.paste(window, pixels, mask, None);
            }
        }
    }
    document
}

fn assert_same(found: &Document, expected: &Document) {
    let everywhere = expected.canvas.bounds();
    assert!(found.canvas.sketch() == expected.canvas.sketch(), "sketch");
    assert!(found.canvas.result() == expected.canvas.result(), "result");
    assert!(found.canvas.base() == expected.canvas.base(), "base");
    assert!(
        found.canvas.repaint_mask(&everywhere) == expected.canvas.repaint_mask(&everywhere),
        "mask"
    );
    assert_eq!(found.layers, expected.layers);
    for layer in &expected.layers {
        assert!(found.painted_layer(layer.id) == expected.painted_layer(layer.id));
    }
    assert_eq!(found.history, expected.history);
    assert_eq!(found.settings, expected.settings);
    assert_eq!(found.strokes, expected.strokes);
    assert_eq!(found.prompts, expected.prompts);
    assert_eq!(found.photo(), expected.photo());
    assert_eq!(found.grounds, expected.grounds);
    assert_eq!(found.has_old_picture, expected.has_old_picture);
    assert_eq!(found.result_origin(), expected.result_origin());
    assert_eq!(found.noise_seed(), expected.noise_seed());
    assert_eq!(found.seq, expected.seq);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_replay_is_the_document_to_the_byte(
        actions in prop::collection::vec((0u128..3, action()), 1..160),
    ) {
        let mut studio = Studio::new();
        for (client, action) in &actions {
            studio.act(Uuid::from_u128(*client), action);
        }
        assert_same(&replayed(&studio.events), &studio.document);
        let back = Document::from_snapshot(studio.document.snapshot()).unwrap();
        assert_same(&back, &studio.document);
    }
}

#[test]
fn what_is_folded_away_is_replayed_too() {
    let mut studio = Studio::new();
    let me = Uuid::from_u128(1);
    for stroke in 0..150u8 {
        let x = f32::from(stroke) % 120.0;
        let action = Action::Stroke {
            tool: stroke % 5,
            from: (x, 10.0),
            to: (x + 9.0, 50.0),
            is_new: true,
            done: stroke % 5 > 0,
            layer: usize::from(stroke % 3),
        };
        studio.act(me, &action);
        if stroke % 7 == 0 {
            studio.act(me, &Action::Undo);
            studio.render(&Rect::new(0, 0, 128, 64), stroke);
        }
    }
    assert_same(&replayed(&studio.events), &studio.document);
}

#[test]
fn an_op_out_of_order_or_without_its_image_changes_nothing() {
    let mut studio = Studio::new();
    let me = Uuid::from_u128(1);
    studio.act(me, &Action::Mask(Rect::new(8, 8, 20, 20)));
    let op = |seq, op| SequencedOp::new(seq, me, op);
    let twice = studio.document.apply(&op(1, Op::Apply {}), image);
    assert!(twice.is_err());
    let place = Op::Place(Placement {
        image: "lost".to_owned(),
        mode: PlaceMode::Plain,
        prompt: None,
        ..Placement::default()
    });
    let without = studio.document.apply(&op(2, place), |_| None);
    assert!(without.is_err());
    assert_same(&replayed(&studio.events), &studio.document);
}

#[test]
fn a_mask_covers_exactly_its_rectangle_and_can_be_undone() {
    let mut studio = Studio::new();
    let me = Uuid::from_u128(1);
    studio.act(me, &Action::Spread(0));
    let rect = Rect::new(30, 7, 61, 40);
    let changed = studio.accept(me, Op::Mask { rect });
    assert_eq!(changed.mask, [rect]);
    let everywhere = studio.document.canvas().bounds();
    let mask = studio.document.canvas().repaint_mask(&everywhere);
    for y in 0..SIZE.height {
        for x in 0..SIZE.width {
            let is_inside = rect.contains(&Rect::new(x, y, 1, 1));
            assert_eq!(
                mask.value(x, y),
                if is_inside { 255 } else { 0 },
                "{x}, {y}"
            );
        }
    }
    studio.act(me, &Action::Undo);
    let mask = studio.document.canvas().repaint_mask(&everywhere);
    assert!(mask.data().iter().all(|value| *value == 0));
}

fn title(name: LayerName) -> String {
    name.title().to_owned()
}

/// What the export of the result says, and which layers there are.
fn exported(studio: &Studio) -> (Origin, Vec<String>) {
    let export = studio.document.export(ExportLayers::All);
    let titles = export.layers.into_iter().map(|layer| layer.title);
    (export.origin, titles.collect())
}

fn stroke(y: f32) -> Action {
    Action::Stroke {
        tool: 0,
        from: (20.0, y),
        to: (100.0, y),
        is_new: true,
        done: false,
        layer: 0,
    }
}

#[test]
fn a_final_render_is_a_models_work_however_it_looks() {
    let mut studio = Studio::new();
    let me = Uuid::from_u128(1);
    studio.act(me, &Action::Mask(Rect::new(20, 10, 40, 30)));
    let everywhere = studio.document.canvas().bounds();
    studio.render_until(&everywhere, 255, None);
    assert_eq!(
        exported(&studio).0,
        Origin::NotGenerated,
        "it is white paper"
    );
    let seq = studio.document.seq();
    studio.render_until(&everywhere, 255, Some(seq));
    assert_eq!(exported(&studio).0, Origin::Generated);
    studio.act(me, &Action::Undo);
    assert_eq!(exported(&studio).0, Origin::NotGenerated);
}

#[test]
fn an_export_says_whether_a_model_had_a_part_in_it() {
    let mut studio = Studio::new();
    let me = Uuid::from_u128(1);
    let everywhere = studio.document.canvas().bounds();
    let without_photo = [LayerName::Result, LayerName::Sketch].map(title);
    let with_photo = [LayerName::Result, LayerName::Sketch, LayerName::Photo].map(title);
    assert_eq!(
        exported(&studio),
        (Origin::NotGenerated, without_photo.to_vec())
    );
    studio.act(me, &stroke(20.0));
    let goes_on = |y: f32| Action::Stroke {
        tool: 0,
        from: (100.0, y),
        to: (22.0, y + 5.0),
        is_new: false,
        done: false,
        layer: 0,
    };
    for y in 0..20 {
        studio.act(me, &goes_on(y as f32));
    }
    // The strokes are ink, and wait for the model.
    assert_eq!(exported(&studio).0, Origin::NotGenerated);
    studio.act(me, &Action::Render(everywhere, 90));
    assert_eq!(
        exported(&studio),
        (Origin::Generated, without_photo.to_vec())
    );
    let sketch = studio.document.export(ExportLayers::One(Layer::Sketch));
    assert_eq!(sketch.origin, Origin::NotGenerated);
    studio.act(me, &Action::Apply);
    assert_eq!(
        exported(&studio).0,
        Origin::Generated,
        "it is in the base now"
    );
    let sketch = studio.document.export(ExportLayers::One(Layer::Sketch));
    assert_eq!(sketch.origin, Origin::Generated);

    studio.act(me, &Action::Place(3, false));
    assert_eq!(
        exported(&studio),
        (Origin::NotGenerated, with_photo.to_vec())
    );
    let photo = studio.document.export(ExportLayers::All).layers.pop();
    let expected = image("image 3").map(|picture| FilePixels::Opaque(picture.over(255)));
    assert_eq!(photo.map(|layer| layer.pixels), expected);
    studio.act(me, &stroke(40.0));
    studio.act(me, &Action::Render(everywhere, 200));
    assert_eq!(
        exported(&studio),
        (Origin::EditedPhoto, with_photo.to_vec())
    );
    studio.act(me, &Action::Apply);
    // The photo as it was is no layer any more.
    assert_eq!(
        exported(&studio),
        (Origin::EditedPhoto, without_photo.to_vec())
    );
    let snapshot = studio.document.snapshot();
    let back = Document::from_snapshot(snapshot).unwrap();
    assert_eq!(back.export(ExportLayers::All).origin, Origin::EditedPhoto);
    studio.act(me, &Action::Undo);
    studio.act(me, &Action::Undo);
    assert_eq!(
        exported(&studio),
        (Origin::NotGenerated, with_photo.to_vec())
    );
}

#[test]
fn a_snapshot_from_before_grounds_were_kept_says_what_it_can() {
    let mut studio = Studio::new();
    let me = Uuid::from_u128(1);
    studio.act(me, &Action::Place(3, true));
    let old = |document: &Document| {
        let mut snapshot = document.snapshot();
        let mut facts = serde_json::to_value(&snapshot.facts).unwrap();
        facts.as_object_mut().unwrap().remove("grounds").unwrap();
        snapshot.facts = serde_json::from_value(facts).unwrap();
        Document::from_snapshot(snapshot).unwrap()
    };
    let placed = old(&studio.document).export(ExportLayers::All);
    assert_eq!(
        (placed.origin, placed.layers.len()),
        (Origin::NotGenerated, 3)
    );
    studio.act(me, &Action::Apply);
    let applied = old(&studio.document).export(ExportLayers::All);
    assert_eq!(
        (applied.origin, applied.layers.len()),
        (Origin::Generated, 2)
    );
}

#[test]
fn a_reference_is_there_as_long_as_undo_may_bring_it_back() {
    let mut document = Document::new(SIZE, settings());
    let me = Uuid::from_u128(1);
    let mut seq = 0;
    let mut act = |document: &mut Document, op: Op| {
        seq += 1;
        document.apply(&SequencedOp::new(seq, me, op), image)
    };
    let names = |reference: &str| {
        Op::Settings(SettingsPatch {
            reference: Some(reference.to_owned()),
            ..SettingsPatch::default()
        })
    };
    let shown = |document: &Document| document.reference().cloned();
    let square = |id: &str| image(id).map(|picture| Arc::new(picture.into_reference()));
    assert_eq!(shown(&document), None);
    act(&mut document, names("b")).unwrap();
    assert_eq!(shown(&document), square("b"));
    assert_eq!(
        square("b").map(|it| (it.width(), it.height())),
        Some((64, 64))
    );
    act(&mut document, names("d")).unwrap();
    assert_eq!(shown(&document), square("d"));

    let mut back = Document::from_snapshot(document.snapshot()).unwrap();
    assert_eq!(back.snapshot(), document.snapshot());
    act(&mut back, Op::Undo { target: 2 }).unwrap();
    assert_eq!(shown(&back), square("b"));
    act(&mut back, Op::Redo { target: 2 }).unwrap();
    assert_eq!(shown(&back), square("d"));
    act(&mut back, names("")).unwrap();
    assert_eq!(shown(&back), None);
    // So many changes later nothing can bring it back.
    for number in 0..=2 * crate::canvas::MAX_UNDO_ENTRIES as u64 {
        let patch = SettingsPatch {
            seed: Some(100 + number),
            ..SettingsPatch::default()
        };
        act(&mut back, Op::Settings(patch)).unwrap();
    }
    assert_eq!(back.snapshot().references, Vec::new());
}

#[test]
fn a_reference_whose_picture_is_missing_changes_nothing() {
    let mut document = Document::new(SIZE, settings());
    let patch = SettingsPatch {
        reference: Some("gone".to_owned()),
        ..SettingsPatch::default()
    };
    let op = SequencedOp::new(1, Uuid::from_u128(1), Op::Settings(patch));
    let refused = document.apply(&op, |_| None).unwrap_err();
    assert_eq!(
        refused,
        super::apply::ApplyError::MissingImage("gone".to_owned())
    );
    assert_eq!(document.seq(), 0);
    assert_eq!(document.settings(), &settings());
}
