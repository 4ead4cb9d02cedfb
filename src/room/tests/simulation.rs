//! Many seeds, any interleaving: what must hold whatever happens.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use uuid::Uuid;

use super::{
    harness::*,
    people::{assert_knows_people, free_all, govern},
    replay::assert_comes_back,
};
use crate::{
    canvas::{Canvas, LayerPixels, Pixels},
    protocol::*,
    room::{RoomCommand, members::Deed},
};

pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn from_seed(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn point(&mut self) -> StrokePoint {
        let x = self.roll(220) as f32 - 14.0;
        let y = self.roll(150) as f32 - 11.0;
        [x, y, self.roll(101) as f32 / 100.0]
    }

    fn brush(&mut self) -> Brush {
        let tools = [
            Tool::Brush,
            Tool::Brush,
            Tool::Mask,
            Tool::Erase,
            Tool::Restore,
            Tool::Smudge,
        ];
        let kinds = [
            None,
            Some(BrushKind::Round),
            Some(BrushKind::Flat),
            Some(BrushKind::Chalk),
            Some(BrushKind::Airbrush),
            Some(BrushKind::Pencil),
        ];
        let gradient = Gradient {
            kind: [GradientKind::Linear, GradientKind::Radial][self.roll(2) as usize],
            from: [10.0, self.roll(100) as f32],
            to: [60.5, 30.0],
            color: (self.roll(2) == 0).then(|| "#20c0ff".to_owned()),
        };
        Brush {
            kind: kinds[self.roll(6) as usize],
            angle: (self.roll(2) == 0).then_some(30.0),
            flow: [None, None, Some(0.3), Some(0.05)][self.roll(4) as usize],
            gradient: (self.roll(4) == 0).then_some(gradient),
            tool: tools[self.roll(6) as usize],
            size: 4.0 + self.roll(40) as f32,
            hardness: self.roll(11) as f32 / 10.0,
            opacity: 0.3 + self.roll(8) as f32 / 10.0,
            color: format!("#{:06x}", self.roll(1 << 24)),
            prompt: None,
            strength: (self.roll(2) == 0).then_some(0.9),
            layer: None,
        }
    }
}

/// What a hand is doing.
#[derive(Default)]
struct Hand {
    open: Option<String>,
    strokes: u32,
}

fn paint(world: &mut World, dice: &mut Dice, who: Uuid, hand: &mut Hand) {
    let brush = dice.brush();
    paint_with(world, dice, who, hand, brush);
}

fn paint_with(world: &mut World, dice: &mut Dice, who: Uuid, hand: &mut Hand, brush: Brush) {
    let points: Vec<StrokePoint> = (0..1 + dice.roll(3)).map(|_| dice.point()).collect();
    let done = dice.roll(3) == 0;
    let (id, brush) = match hand.open.take() {
        Some(id) => (id, None),
        None => {
            hand.strokes += 1;
            (format!("{}-{}", who.as_u128(), hand.strokes), Some(brush))
        }
    };
    hand.open = (!done).then(|| id.clone());
    world.send(
        who,
        RoomCommand::Stroke(StrokeChunk {
            id,
            brush,
            points,
            done,
        }),
    );
}

fn change(dice: &mut Dice) -> RoomCommand {
    let mut patch = SettingsPatch::default();
    match dice.roll(5) {
        0 => patch.prompt = Some(format!("prompt {}", dice.roll(9))),
        1 => patch.seed = Some(dice.roll(1000)),
        2 => patch.spread = Some(dice.roll(24) as u32),
        3 => patch.live = Some(dice.roll(3) > 0),
        _ => patch.steps = Some(1 + dice.roll(8) as u32),
    }
    RoomCommand::Settings(patch)
}

/// What members do besides painting.
#[derive(Clone, Copy, Default, PartialEq)]
struct Habits {
    applies: bool,
    photos: bool,
    /// An owner gives roles, locks the room, and removes the guest.
    governs: bool,
    /// Members add layers, change and remove them, and paint on all of them.
    layers: bool,
}

fn place(dice: &mut Dice) -> RoomCommand {
    RoomCommand::Place(Placement {
        image: "photo".to_owned(),
        mode: match dice.roll(4) {
            0 => PlaceMode::Plain,
            _ => PlaceMode::Invert,
        },
        prompt: Some("a house".to_owned()),
        ..Placement::default()
    })
}

/// Lays the sticker on a layer, or seldom one that is not there.
fn lay(world: &World, dice: &mut Dice) -> RoomCommand {
    RoomCommand::Place(Placement {
        image: "sticker".to_owned(),
        layer: Some(any_layer(world, dice)),
        continues: dice.roll(3) == 0,
        ..Placement::default()
    })
}

/// A picture with a hole in it, and half of it see-through.
fn sticker() -> LayerPixels {
    let mut picture = LayerPixels::empty(SIZE);
    for (y, x) in (8..40).flat_map(|y| (20..70).map(move |x| (y, x))) {
        picture
            .color
            .span_mut(x, y, 1)
            .copy_from_slice(&[x as u8, 200, y as u8]);
        let is_hole = (30..40).contains(&x) && y < 20;
        picture.alpha[(y * SIZE.width + x) as usize] = match is_hole {
            true => 0,
            false if x < 45 => 255,
            false => 110,
        };
    }
    picture
}

fn act(world: &mut World, dice: &mut Dice, who: Uuid, hand: &mut Hand, habits: Habits) {
    match dice.roll(20) {
        0 | 1 if habits.layers => {
            let change = layer_change(world, dice);
            world.send(who, RoomCommand::Layer(change));
        }
        2 if habits.layers => {
            let laid = lay(world, dice);
            world.send(who, laid);
        }
        0..=10 if habits.layers => {
            let layer = Some(any_layer(world, dice)).filter(|id| *id != LOWEST_LAYER);
            let brush = Brush {
                layer,
                ..dice.brush()
            };
            paint_with(world, dice, who, hand, brush);
        }
        0..=10 => paint(world, dice, who, hand),
        11 | 12 => world.send(who, RoomCommand::Undo),
        13 => world.send(who, RoomCommand::Redo),
        14 => world.send(who, change(dice)),
        16 if habits.applies => world.send(who, RoomCommand::Apply),
        // The room's own replay here knows nothing of changes that go on.
        15 if habits.applies => {
            let RoomCommand::Settings(mut patch) = change(dice) else {
                unreachable!()
            };
            patch.continues = dice.roll(2) > 0;
            world.send(who, RoomCommand::Settings(patch));
        }
        15 => world.send(who, change(dice)),
        18 if habits.photos => world.send(who, place(dice)),
        19 if habits.photos => world.send(who, photo_habit(dice)),
        17 => {
            let rect = (dice.roll(2) == 0).then(|| Rect::new(20, 10, 90, 60));
            world.send(
                who,
                RoomCommand::Render(RenderRequest { rect, steps: None }),
            );
        }
        18 => {
            let seq = dice.roll(world.core.document.seq() + 2);
            world.send(who, RoomCommand::Revert { seq });
        }
        _ => world.pass(Duration::from_millis(dice.roll(500))),
    }
}

/// A layer that there is, or seldom one that there is not.
fn any_layer(world: &World, dice: &mut Dice) -> u64 {
    let layers = world.core.document.layers();
    match dice.roll(12) {
        0 => dice.roll(40),
        _ => layers[dice.roll(layers.len() as u64) as usize].id,
    }
}

fn layer_change(world: &World, dice: &mut Dice) -> LayerChange {
    let layer = any_layer(world, dice);
    let is_on = dice.roll(2) == 0;
    let mut patch = LayerPatch {
        layer,
        ..LayerPatch::default()
    };
    match dice.roll(9) {
        0..=2 => return LayerChange::Add(NewLayer::default()),
        3 => return LayerChange::Remove { layer },
        4 => {
            let above = any_layer(world, dice);
            return LayerChange::Move { layer, above };
        }
        5 => patch.visible = Some(is_on),
        6 => {
            patch.opacity = Some(dice.roll(11) as f64 / 10.0);
            patch.continues = is_on;
        }
        7 => patch.blend = Some(BlendMode::ALL[dice.roll(5) as usize]),
        _ => {
            patch.locked = Some(dice.roll(4) == 0);
            patch.seen = Some(is_on);
            patch.alpha_locked = Some(is_on && layer != LOWEST_LAYER);
        }
    }
    LayerChange::Set(patch)
}

fn photo_habit(dice: &mut Dice) -> RoomCommand {
    let methods = EditMethod::ALL;
    match dice.roll(2) {
        0 => RoomCommand::CancelInversion,
        _ => RoomCommand::Settings(SettingsPatch {
            method: Some(methods[dice.roll(3) as usize]),
            ..SettingsPatch::default()
        }),
    }
}

/// The sketch and the settings, by replaying ops in order on a fresh canvas. Which entries are in
/// the picture is written down after every op.
fn replayed(ops: &[SequencedOp]) -> (Canvas, Settings) {
    let mut canvas = Canvas::new(SIZE);
    canvas.set_dilation(settings().spread);
    let mut entries = HashMap::new();
    let (mut base, mut patches) = (settings(), BTreeMap::new());
    let mut current = base.clone();
    let mut pictures: Vec<BTreeMap<u64, bool>> = vec![BTreeMap::new()];
    for SequencedOp {
        seq,
        client,
        op,
        switches,
        settings: told,
        layers: _,
    } in ops
    {
        let mut picture = pictures[pictures.len() - 1].clone();
        match op {
            Op::Stroke(chunk) => {
                let entry = *entries.entry((*client, chunk.id.clone())).or_insert(*seq);
                if let Some(brush) = &chunk.brush {
                    canvas.begin_stroke(entry, brush).unwrap();
                    picture.insert(entry, true);
                }
                canvas.extend_stroke(entry, &chunk.points);
            }
            Op::Mask { rect } => {
                canvas.mask_rect(*seq, rect).unwrap();
                picture.insert(*seq, true);
            }
            Op::Settings(patch) => {
                // Whether strokes are rendered is changed for good.
                base.live = patch.live.unwrap_or(base.live);
                let look = SettingsPatch {
                    live: None,
                    ..patch.clone()
                };
                if current.patched(&look) != current {
                    patches.insert(*seq, look);
                    picture.insert(*seq, true);
                }
            }
            Op::Undo { target } | Op::Redo { target } => {
                // What a revert did is the difference between the pictures around it.
                let at = *target as usize;
                let wanted = if matches!(op, Op::Redo { .. }) {
                    at
                } else {
                    at - 1
                };
                for (entry, after) in pictures[at].clone() {
                    if pictures[at - 1].get(&entry) != Some(&after) {
                        let is_in = pictures[wanted].get(&entry).copied().unwrap_or(false);
                        picture.insert(entry, is_in);
                    }
                }
            }
            Op::Revert { seq } => {
                for (entry, is_in) in &mut picture {
                    *is_in = pictures[*seq as usize].get(entry).copied().unwrap_or(false);
                }
            }
            Op::Apply {} | Op::Place(_) | Op::Layer(_) => {
                unreachable!("not in these simulations")
            }
        }
        for (entry, is_in) in &picture {
            canvas.switch(&[(*entry, *is_in)]);
        }
        let active = patches.iter().filter(|(id, _)| picture[*id]);
        current = active.fold(base.clone(), |sum, (_, patch)| sum.patched(patch));
        canvas.set_dilation(current.spread);
        // What members are sent says the same.
        if let Some(told) = told {
            assert_eq!(**told, current);
        }
        let before = &pictures[pictures.len() - 1];
        let switched = switches.iter().filter(|it| picture.contains_key(&it.entry));
        let switched: BTreeMap<u64, bool> = switched.map(|it| (it.entry, it.active)).collect();
        let differs = |(entry, is_in): &(&u64, &bool)| {
            before.get(entry).is_some_and(|was_in| was_in != *is_in)
        };
        let expected = picture.iter().filter(differs);
        assert_eq!(
            switched,
            expected.map(|(entry, is_in)| (*entry, *is_in)).collect()
        );
        pictures.push(picture);
    }
    (canvas, current)
}

/// How many seeds each simulation runs; raise it for the long form.
const SEEDS_VARIABLE: &str = "IMPASTO_SIMULATION_SEEDS";
/// How many things members do in each.
const OPS_VARIABLE: &str = "IMPASTO_SIMULATION_OPS";

fn number_of(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |number| number.parse().unwrap())
}

/// Simulates the seeds from `first` on, `usual` of them in the quick form.
fn simulate_from(first: u64, usual: u64, habits: Habits) {
    for seed in first..first + number_of(SEEDS_VARIABLE, usual) {
        simulate(seed, habits);
    }
}

fn simulate(seed: u64, habits: Habits) {
    let mut dice = Dice::from_seed(seed);
    let mut world = World::zoomed(1 + seed as u32 % 2);
    let photo = Pixels::new(SIZE.width, SIZE.height, [40, 90, 160]);
    world.core.images.insert("photo".to_owned(), photo).unwrap();
    let images = &mut world.core.images;
    images.insert("sticker".to_owned(), sticker()).unwrap();
    let (fast, slow, guest, second) = (client(1), client(2), client(3), client(5));
    let painters = [fast, slow, guest, second];
    let (owner, mut most_jobs) = (client(4), 2 * painters.len());
    if habits.governs {
        world.join_as(owner, Role::Owner, None);
        most_jobs += 2;
    }
    world.join(fast, None);
    world.join(slow, None);
    world.join(second, None);
    let mut hands: HashMap<Uuid, Hand> = HashMap::new();
    let mut guest_strokes = 0;
    for _ in 0..number_of(OPS_VARIABLE, 120) {
        let who = painters[dice.roll(4) as usize];
        if habits.governs && dice.roll(5) == 0 {
            guest_strokes = hands.get(&guest).map_or(0, |hand| hand.strokes);
            govern(&mut world, &mut dice, owner, &painters, guest);
        } else if who == guest && !world.eyes.contains_key(&guest) {
            if !world.rules.removed().is_empty() {
                world.send(owner, RoomCommand::Admit { client: guest });
            }
            world.join(guest, None);
            hands.insert(
                guest,
                Hand {
                    open: None,
                    strokes: guest_strokes,
                },
            );
        } else if who == guest && dice.roll(8) == 0 {
            guest_strokes = hands.get(&guest).map_or(0, |hand| hand.strokes);
            world.leave(guest);
        } else {
            let may_change = world.core.members.check(&who, Deed::Change).is_ok();
            let seq = world.core.document.seq();
            act(
                &mut world,
                &mut dice,
                who,
                hands.entry(who).or_default(),
                habits,
            );
            assert!(may_change || world.core.document.seq() == seq);
        }
        world.is_full = dice.roll(12) == 0;
        for _ in 0..dice.roll(4) {
            let (place, fails) = (dice.roll(8) as usize, dice.roll(25) == 0);
            world.move_job(place, fails);
        }
        if habits.photos {
            for _ in 0..dice.roll(3) {
                let fails = dice.roll(20) == 0;
                world.move_inversion(fails);
            }
        }
        assert!(
            world.jobs() <= most_jobs,
            "one runs and one waits per member"
        );
        world.pull_all(fast);
        if world.eyes.contains_key(&second) {
            world.pull(second);
        }
        if dice.roll(6) == 0 {
            world.pull(slow);
        }
    }
    if habits.governs {
        assert_knows_people(&world, owner);
        free_all(&mut world, owner);
    }
    world.is_full = false;
    // Hands go up, failures are forgiven, and everybody looks.
    for (who, hand) in &mut hands {
        if let Some(id) = hand.open.take()
            && world.eyes.contains_key(who)
        {
            world.send(*who, chunk(&id, false, &[], true));
        }
    }
    let live = SettingsPatch {
        live: Some(true),
        ..SettingsPatch::default()
    };
    for who in world.eyes.keys().copied().collect::<Vec<_>>() {
        world.send(who, RoomCommand::Settings(live.clone()));
    }
    world.come_to_rest();
    assert!(world.core.is_resting());
    for who in world.eyes.keys().copied().collect::<Vec<_>>() {
        world.pull_all(who);
        world.assert_sees_everything(who);
        let eyes = &world.eyes[&who];
        let expected = &world.ops[eyes.joined_at as usize..];
        assert_eq!(eyes.ops, expected, "every op, in order");
    }
    let seqs: Vec<u64> = world.ops.iter().map(|op| op.seq).collect();
    assert_eq!(seqs, (1..=world.ops.len() as u64).collect::<Vec<_>>());
    if !habits.applies && !habits.layers {
        let (canvas, settings) = replayed(&world.ops);
        assert!(
            *canvas.sketch() == *world.core.layer(Layer::Sketch),
            "the sketch is a replay"
        );
        assert_eq!(settings, *world.core.document.settings());
    }
    assert_comes_back(&world, seed);
    world.assert_photos_were_ready();
    let mask = world.canvas().repaint_mask(&world.canvas().bounds());
    for y in 0..SIZE.height {
        for x in 0..SIZE.width {
            if mask.value(x, y) == 0 {
                let (result, sketch) = (world.canvas().result(), world.canvas().sketch());
                assert_eq!(
                    result.pixel(x, y),
                    sketch.pixel(x, y),
                    "outside the mask at {x}, {y}"
                );
            }
        }
    }
}

#[test]
fn any_interleaving_ends_with_the_same_picture_for_all() {
    simulate_from(1, 24, Habits::default());
}

#[test]
fn any_interleaving_with_applies_ends_with_the_same_picture_for_all() {
    let habits = Habits {
        applies: true,
        ..Habits::default()
    };
    simulate_from(100000, 13, habits);
}

#[test]
fn any_interleaving_with_photos_ends_with_the_same_picture_for_all() {
    let habits = Habits {
        applies: true,
        photos: true,
        ..Habits::default()
    };
    simulate_from(200000, 25, habits);
}

#[test]
fn any_interleaving_with_layers_ends_with_the_same_picture_for_all() {
    for seed in 4000..=4016 {
        let habits = Habits {
            applies: true,
            layers: true,
            photos: seed % 3 == 0,
            ..Habits::default()
        };
        simulate(seed, habits);
    }
}

#[test]
fn any_interleaving_with_owners_decisions_ends_with_the_same_picture_for_all() {
    let habits = Habits {
        governs: true,
        ..Habits::default()
    };
    simulate_from(300000, 17, habits);
}

#[test]
fn undo_of_everything_is_white_paper_and_redo_brings_it_back() {
    for seed in 1..=8 {
        let mut dice = Dice(seed * 7919);
        let mut world = World::new();
        let me = client(1);
        world.join(me, None);
        let mut hand = Hand::default();
        for _ in 0..30 {
            // An eraser's soft edge keeps a trace of earlier renders; paint does not.
            let brush = Brush {
                tool: Tool::Brush,
                ..dice.brush()
            };
            paint_with(&mut world, &mut dice, me, &mut hand, brush);
            world.move_job(0, false);
        }
        if let Some(id) = hand.open {
            world.send(me, chunk(&id, false, &[], true));
        }
        world.come_to_rest();
        let before = world.core.layer(Layer::Result).clone();
        let sketch = world.core.layer(Layer::Sketch).clone();
        for _ in 0..hand.strokes {
            world.send(me, RoomCommand::Undo);
        }
        assert!(
            world
                .core
                .layer(Layer::Sketch)
                .data()
                .iter()
                .all(|value| *value == 255)
        );
        world.come_to_rest();
        assert!(
            world
                .core
                .layer(Layer::Result)
                .data()
                .iter()
                .all(|value| *value == 255)
        );
        for _ in 0..hand.strokes {
            world.send(me, RoomCommand::Redo);
        }
        assert!(*world.core.layer(Layer::Sketch) == sketch);
        world.come_to_rest();
        let after = world.core.layer(Layer::Result);
        assert!(*after == before, "seed {seed}: to the byte");
    }
}
