//! Going back to an earlier picture, one rule a test.

use super::harness::*;
use crate::{canvas::MAX_UNDO_ENTRIES, protocol::*, room::RoomCommand};

fn dab(id: &str, x: f32, y: f32) -> RoomCommand {
    chunk(id, true, &[[x, y, 1.0]], true)
}

fn revert(seq: u64) -> RoomCommand {
    RoomCommand::Revert { seq }
}

/// A room in which two members have each painted a dab: ops 1 and 2.
fn painted() -> World {
    let mut world = World::new();
    world.join(client(1), None);
    world.join(client(2), None);
    world.send(client(1), dab("a", 30.0, 30.0));
    world.send(client(2), dab("b", 150.0, 90.0));
    world.come_to_rest();
    world
}

fn sketch(world: &World) -> crate::canvas::Pixels {
    world.core.layer(Layer::Sketch).clone()
}

#[test]
fn everybody_gets_the_earlier_picture_and_its_sender_can_take_that_back() {
    let (mut world, me, other) = (painted(), client(1), client(2));
    let (both, result) = (sketch(&world), world.core.layer(Layer::Result).clone());
    world.send(me, revert(1));
    assert_eq!(
        world.ops.last().map(|op| &op.op),
        Some(&Op::Revert { seq: 1 })
    );
    world.come_to_rest();
    let after_one = sketch(&world);
    assert_eq!(after_one.pixel(150, 90), [255; 3]);
    assert_eq!(after_one.pixel(30, 30), both.pixel(30, 30));
    for who in [me, other] {
        world.pull_all(who);
        world.assert_sees_everything(who);
    }
    world.send(me, RoomCommand::Undo);
    assert!(matches!(world.ops[3].op, Op::Undo { target: 3 }));
    world.come_to_rest();
    assert!(sketch(&world) == both);
    assert!(*world.core.layer(Layer::Result) == result);
    world.send(me, RoomCommand::Redo);
    assert!(sketch(&world) == after_one);
}

#[test]
fn the_empty_room_can_be_gone_back_to() {
    let mut world = painted();
    world.send(client(2), revert(0));
    let blank = |world: &World, layer| world.core.layer(layer).data().iter().all(|v| *v == 255);
    assert!(blank(&world, Layer::Sketch) && blank(&world, Layer::Result));
}

#[test]
fn undo_passes_over_what_somebody_else_s_revert_hid() {
    let (mut world, me, other) = (painted(), client(1), client(2));
    world.send(other, dab("c", 60.0, 100.0));
    world.send(me, revert(2));
    world.send(other, RoomCommand::Undo);
    assert!(matches!(
        world.ops.last().unwrap().op,
        Op::Undo { target: 2 }
    ));
    world.send(other, RoomCommand::Undo);
    assert_eq!(world.errors(other), [ErrorCode::NothingToUndo]);
    world.send(me, RoomCommand::Undo);
    assert_ne!(
        sketch(&world).pixel(60, 100),
        [255; 3],
        "the hidden stroke is back"
    );
    world.send(other, RoomCommand::Undo);
    assert!(matches!(
        world.ops.last().unwrap().op,
        Op::Undo { target: 3 }
    ));
}

#[test]
fn going_back_behind_an_apply_brings_its_result_and_its_noise_back() {
    let (mut world, me) = (painted(), client(1));
    let (before, result) = (sketch(&world), world.core.layer(Layer::Result).clone());
    let seed = world.submitted.last().unwrap().1.seed;
    world.send(me, RoomCommand::Apply);
    world.send(me, dab("c", 30.0, 30.0));
    world.come_to_rest();
    assert_ne!(world.submitted.last().unwrap().1.seed, seed);
    let renders = world.submitted.len();
    world.send(me, revert(2));
    assert!(sketch(&world) == before);
    assert!(*world.core.layer(Layer::Result) == result);
    world.come_to_rest();
    assert_eq!(
        world.submitted.len(),
        renders,
        "the model has painted it already"
    );
    world.send(me, dab("d", 90.0, 60.0));
    assert_eq!(world.submitted.last().unwrap().1.seed, seed);
    // Further back the applied result shows too much: what is left is painted anew.
    world.send(me, revert(1));
    world.come_to_rest();
    let shown = world.core.layer(Layer::Result);
    assert_eq!(shown.pixel(150, 90), [255; 3]);
    assert_ne!(shown.pixel(30, 30), before.pixel(30, 30));
}

#[test]
fn a_stroke_that_is_hidden_while_it_is_painted_ends() {
    let (mut world, me, other) = (painted(), client(1), client(2));
    world.send(other, chunk("c", true, &[[60.0, 60.0, 1.0]], false));
    world.send(me, revert(2));
    world.send(other, chunk("c", false, &[[90.0, 60.0, 1.0]], false));
    assert_eq!(world.errors(other), [ErrorCode::UnknownStroke]);
    world.come_to_rest();
    assert!(world.core.is_resting(), "no hand is down");
}

#[test]
fn what_cannot_be_gone_back_to_is_refused_and_changes_nothing() {
    let (mut world, me, viewer) = (painted(), client(1), client(3));
    world.join_as(viewer, Role::Viewer, None);
    world.send(viewer, revert(1));
    assert_eq!(world.errors(viewer), [ErrorCode::Forbidden]);
    world.send(me, revert(3));
    world.send(me, revert(2));
    assert_eq!(
        world.errors(me),
        [ErrorCode::InvalidValue, ErrorCode::NothingToUndo]
    );
    assert_eq!((world.core.document.seq(), world.ops.len()), (2, 2));
}

#[test]
fn pictures_older_than_what_can_be_undone_are_refused() {
    let (mut world, me) = (painted(), client(1));
    for stroke in 0..MAX_UNDO_ENTRIES {
        let (x, y) = (stroke % 16, stroke / 16);
        world.send(
            me,
            dab(&format!("s{stroke}"), x as f32 * 12.0, y as f32 * 12.0),
        );
    }
    let now = sketch(&world);
    world.send(me, revert(1));
    assert_eq!(world.errors(me), [ErrorCode::InvalidValue]);
    assert!(sketch(&world) == now);
    world.send(me, revert(2));
    assert_eq!(
        world.errors(me).len(),
        1,
        "the two that were folded are in this one"
    );
    assert_ne!(sketch(&world).pixel(150, 90), [255; 3]);
    assert_eq!(sketch(&world).pixel(96, 12), [255; 3]);
}
