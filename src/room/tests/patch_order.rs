//! Many seeds: strokes on a large photo while its patches are inverted, and a room that listens late.

use std::collections::BTreeSet;

use super::{
    decisions::{dab, patch},
    harness::*,
    photos::place,
    simulation::Dice,
};
use crate::{
    canvas::{Pixels, photo_patches},
    engine::Priority,
    protocol::*,
    room::{RoomCommand, RoomOptions, scheduler::INVERSIONS_MOST},
};

/// 7 × 5 patches: too many to be inverted ahead of need.
const LARGE: CanvasSize = CanvasSize {
    width: 512,
    height: 384,
};
/// 5 × 3 patches, inverted whole.
const EAGER: CanvasSize = CanvasSize {
    width: 384,
    height: 256,
};

fn world(size: CanvasSize) -> World {
    let mut world = World::with_options(RoomOptions { size, ..options() });
    let photo = Pixels::new(size.width, size.height, [40, 90, 160]);
    world.core.images.insert("photo".to_owned(), photo).unwrap();
    for member in 1..=2 {
        world.join(client(member), None);
    }
    world
}

fn act(world: &mut World, dice: &mut Dice, turn: u32) {
    let who = client(1 + u128::from(dice.roll(2)));
    let CanvasSize { width, height } = world.core.options.size;
    match dice.roll(24) {
        0..=13 => {
            let x = dice.roll(u64::from(width)) as f32;
            let y = dice.roll(u64::from(height)) as f32;
            world.send(who, dab(&format!("{turn}"), x, y));
        }
        14 => world.send(who, RoomCommand::CancelInversion),
        15 => world.send(who, RoomCommand::Undo),
        16 => world.send(who, RoomCommand::Redo),
        17 => world.send(who, place(PlaceMode::Invert)),
        _ => world.pass(std::time::Duration::from_millis(dice.roll(500))),
    }
}

/// Somebody's window waits for the photo.
fn is_anybody_waiting(world: &World) -> bool {
    world.core.scheduler.is_anybody_waiting()
}

fn step(world: &mut World, dice: &mut Dice) {
    // Once it has all events, who waits is served by the very next step.
    if is_anybody_waiting(world)
        && let Some(priority) = world.inverter.next_priority()
    {
        assert_eq!(priority, Priority::Interactive);
    }
    let fails = dice.roll(40) == 0;
    world
        .inverter
        .step(world.core.options.inversion.steps, fails);
}

fn simulate(seed: u64, size: CanvasSize) -> usize {
    let mut dice = Dice::from_seed(seed);
    let mut world = world(size);
    world.send(client(1), place(PlaceMode::Invert));
    let mut most_under_way = 0;
    for turn in 0..150 {
        act(&mut world, &mut dice, turn);
        for _ in 0..dice.roll(5) {
            step(&mut world, &mut dice);
            if dice.roll(3) > 0 {
                world.receive_inversion();
            }
        }
        if dice.roll(3) == 0 {
            while world.receive_inversion() {}
        }
        for _ in 0..dice.roll(3) {
            world.move_job(dice.roll(8) as usize, false);
        }
        let under_way = world.core.scheduler.inversions();
        most_under_way = most_under_way.max(under_way);
    }
    // Failures are forgiven.
    world.come_to_rest();
    for member in 1..=2 {
        world.send(client(member), patch(|patch| patch.live = Some(true)));
    }
    world.come_to_rest();
    assert!(world.core.is_resting());
    let scheduler = &world.core.scheduler;
    let is_anybody_left = scheduler.is_anybody_waiting() || scheduler.is_anybody_stalled();
    assert!(!is_anybody_left, "seed {seed}");
    world.assert_photos_were_ready();
    // Each ended once, and the room knows of every end.
    let ended: BTreeSet<u64> = world.inverter.ended.iter().copied().collect();
    assert_eq!(ended.len(), world.inverter.ended.len(), "seed {seed}");
    assert_eq!(ended.len(), world.asked.len(), "seed {seed}");
    assert_eq!(world.core.scheduler.inversions(), 0, "seed {seed}");
    for member in 1..=2 {
        world.pull_all(client(member));
        world.assert_sees_everything(client(member));
    }
    most_under_way
}

#[test]
fn whoever_waits_for_a_patch_gets_the_next_step_and_every_inversion_ends() {
    let large = (1..=10).map(|seed| simulate(seed, LARGE)).max();
    let eager = (100..=105).map(|seed| simulate(seed, EAGER)).max();
    // Else they did not overtake each other.
    assert!(large > Some(2) && eager > Some(2), "{large:?}, {eager:?}");
}

#[test]
fn a_brush_that_never_rests_gets_every_patch_and_so_does_their_way_back() {
    let mut world = world(LARGE);
    let me = client(1);
    world.send(me, place(PlaceMode::Invert));
    let bounds = world.canvas().bounds();
    let patches = photo_patches(&bounds, &RULES);
    let steps = world.core.options.inversion.steps;
    let (mut inverted, mut most_under_way) = (0, 0);
    for (number, patch) in patches.iter().enumerate() {
        let middle = |from: u32, side: u32| (from + side / 2) as f32;
        let x = middle(patch.core.x, patch.core.width);
        let y = middle(patch.core.y, patch.core.height);
        world.send(me, dab(&format!("{number}"), x, y));
        let mut waited = 0;
        while is_anybody_waiting(&world) {
            assert_eq!(world.inverter.next_priority(), Some(Priority::Interactive));
            world.move_inversion(false);
            waited += 1;
        }
        // One to begin each, then its steps; where too many wait to come back, one of them first.
        let news = world.asked.len() as u32 - inverted;
        assert!(waited <= news * (1 + steps + 1), "{waited} for {news}");
        inverted += news;
        most_under_way = most_under_way.max(world.core.scheduler.inversions());
        while world.jobs() > 0 {
            world.move_job(0, false);
        }
    }
    assert_eq!(most_under_way, INVERSIONS_MOST, "so many ways back waited");
    world.come_to_rest();
    assert_eq!(world.asked.len(), patches.len(), "each once");
    let done = |news: &&RenderNews| news.work.is_some() && news.state == RenderState::Done;
    assert_eq!(world.news.iter().filter(done).count(), patches.len());
}
