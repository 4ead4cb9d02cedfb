//! Inverted photos, one rule a test.

use super::{
    decisions::{dab, patch},
    harness::*,
};
use crate::{canvas::Pixels, engine::Priority, protocol::*, room::RoomCommand};

/// The patches of a photo of the harness's size, by their cores.
const LEFT: Rect = Rect::new(0, 0, 96, 128);
const RIGHT: Rect = Rect::new(96, 0, 96, 128);

fn world() -> World {
    let mut world = World::new();
    world.join(client(1), None);
    let photo = Pixels::new(SIZE.width, SIZE.height, [40, 90, 160]);
    world.core.images.insert("photo".to_owned(), photo).unwrap();
    world
}

pub(super) fn place(mode: PlaceMode) -> RoomCommand {
    RoomCommand::Place(Placement {
        image: "photo".to_owned(),
        mode,
        prompt: Some("a house".to_owned()),
        ..Placement::default()
    })
}

/// Inverts patches until one is done.
fn invert_one(world: &mut World) {
    let asked = world.asked.len();
    while world.is_inverting() && world.asked.len() == asked {
        world.move_inversion(false);
    }
}

fn told(world: &World) -> Vec<(RenderState, Rect, Option<u32>, Option<f64>)> {
    let of_inversions = world.news.iter().filter(|news| news.work.is_some());
    of_inversions
        .map(|news| (news.state, news.rect, news.step, news.psnr_db))
        .collect()
}

#[test]
fn a_placed_photo_is_inverted_patch_by_patch_and_told() {
    let (mut world, me) = (world(), client(1));
    world.send(me, dab("a", 150.0, 60.0));
    world.send(me, place(PlaceMode::Invert));
    world.come_to_rest();
    assert_eq!(
        world.asked,
        [(2, RIGHT), (2, LEFT)],
        "the brush's side first"
    );
    use RenderState::{Done, Progress, Started};
    let of_patch = |rect| {
        [
            (Started, rect, None, None),
            (Progress, rect, Some(1), None),
            (Progress, rect, Some(2), None),
            (Done, rect, Some(2), Some(99.0)),
        ]
    };
    assert_eq!(told(&world), [of_patch(RIGHT), of_patch(LEFT)].concat());
    let op = &world.ops.last().unwrap().op;
    let Op::Place(Placement { mode, prompt, .. }) = op else {
        panic!("{op:?}")
    };
    assert_eq!(
        (*mode, prompt.as_deref()),
        (PlaceMode::Invert, Some("a house"))
    );
    let picture = |layer| world.core.picture(layer).unwrap().pixel(3, 3);
    assert_eq!(picture(PictureLayer::Noise), [1; 3]);
    assert_eq!(picture(PictureLayer::Reconstruction), [40, 90, 160]);
}

#[test]
fn a_window_waits_for_its_patch_which_goes_first_and_then_out_with_the_photo() {
    let (mut world, me) = (world(), client(1));
    world.send(me, place(PlaceMode::Invert));
    world.move_inversion(false);
    world.move_inversion(false);
    world.send(me, dab("a", 180.0, 60.0));
    assert_eq!(world.asked, [(1, LEFT), (1, RIGHT)]);
    assert!(world.submitted.is_empty(), "it is not inverted yet");
    assert!(!world.core.is_resting());
    assert!(
        world.core.next_deadline().is_none(),
        "no clock brings it on"
    );
    for _ in 0..3 {
        assert!(world.submitted.is_empty());
        world.move_inversion(false);
    }
    assert_eq!(world.submitted[0].1.photo, Some((1, EditMethod::Ddim)));
    world.come_to_rest();
    world.assert_photos_were_ready();
    let told = told(&world).into_iter();
    let order: Vec<_> = told
        .map(|(state, rect, step, _)| (state, rect, step))
        .collect();
    use RenderState::{Done, Progress, Started};
    let expected = [
        (Started, LEFT, None),
        (Progress, LEFT, Some(1)),
        (Started, RIGHT, None),
        (Progress, RIGHT, Some(1)),
        (Progress, RIGHT, Some(2)),
        (Done, RIGHT, Some(2)),
        // What it had done already is not done again.
        (Progress, LEFT, Some(2)),
        (Done, LEFT, Some(2)),
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_patch_that_was_begun_ahead_goes_first_when_a_window_needs_it() {
    let (mut world, me) = (world(), client(1));
    world.send(me, place(PlaceMode::Invert));
    world.move_inversion(false);
    assert_eq!(world.inverter.next_priority(), Some(Priority::Prefetch));
    world.send(me, dab("a", 20.0, 60.0));
    assert_eq!(world.asked, [(1, LEFT)]);
    assert_eq!(world.inverter.next_priority(), Some(Priority::Interactive));
    world.move_inversion(false);
    world.move_inversion(false);
    assert_eq!(world.inverter.next_priority(), Some(Priority::Verify));
    assert_eq!(world.submitted[0].1.photo, Some((1, EditMethod::Ddim)));
}

#[test]
fn a_cancel_stops_all_that_is_under_way() {
    let (mut world, me) = (world(), client(1));
    world.send(me, place(PlaceMode::Invert));
    world.move_inversion(false);
    world.send(me, dab("a", 180.0, 60.0));
    world.move_inversion(false);
    world.send(me, RoomCommand::CancelInversion);
    world.move_inversion(false);
    assert!(!world.is_inverting(), "one step later");
    let ended: Vec<_> = told(&world).into_iter().skip(2).collect();
    let superseded = |rect| (RenderState::Superseded, rect, None, None);
    assert_eq!(ended, [superseded(LEFT), superseded(RIGHT)]);
}

#[test]
fn methods_without_noise_of_the_photo_wait_for_nothing() {
    let (mut world, me) = (world(), client(1));
    world.send(me, place(PlaceMode::Invert));
    world.send(me, dab("a", 180.0, 60.0));
    world.send(me, patch(|patch| patch.method = Some(EditMethod::InfEdit)));
    assert_eq!(world.submitted[0].1.photo, Some((1, EditMethod::InfEdit)));
}

#[test]
fn a_cancelled_inversion_comes_back_when_the_brush_needs_it() {
    let (mut world, me) = (world(), client(1));
    world.send(me, place(PlaceMode::Invert));
    world.send(me, dab("a", 20.0, 60.0));
    world.move_inversion(false);
    world.send(me, RoomCommand::CancelInversion);
    world.send(me, RoomCommand::CancelInversion);
    world.come_to_rest();
    assert_eq!(world.asked, [(1, LEFT)]);
    assert_eq!(told(&world).last().unwrap().0, RenderState::Superseded);
    assert!(world.submitted.is_empty() && world.core.is_resting());
    assert_eq!(
        world.canvas().base().pixel(0, 0),
        [40, 90, 160],
        "it stays placed"
    );
    world.send(me, dab("b", 25.0, 60.0));
    world.come_to_rest();
    assert_eq!(world.asked, [(1, LEFT), (1, LEFT)], "and nothing else");
    assert_eq!(world.submitted[0].1.photo, Some((1, EditMethod::Ddim)));
}

#[test]
fn undo_of_the_placement_stops_it_and_redo_goes_on_with_what_is_there() {
    let (mut world, me) = (world(), client(1));
    world.send(me, place(PlaceMode::Invert));
    invert_one(&mut world);
    world.move_inversion(false);
    world.send(me, RoomCommand::Undo);
    world.come_to_rest();
    assert_eq!(world.asked.len(), 2);
    assert_eq!(told(&world).last().unwrap().0, RenderState::Superseded);
    assert!(world.core.picture(PictureLayer::Noise).is_none());
    world.send(me, dab("a", 20.0, 60.0));
    assert_eq!(world.submitted[0].1.photo, None, "white paper");
    world.send(me, RoomCommand::Undo);
    world.come_to_rest();
    world.send(me, place(PlaceMode::Plain));
    world.send(me, dab("b", 20.0, 60.0));
    assert_eq!(world.submitted.last().unwrap().1.photo, None, "as it is");

    let mut world = self::world();
    world.send(me, place(PlaceMode::Invert));
    invert_one(&mut world);
    world.send(me, RoomCommand::Undo);
    world.come_to_rest();
    world.send(me, RoomCommand::Redo);
    world.come_to_rest();
    let patches: Vec<Rect> = world.asked.iter().map(|(_, core)| *core).collect();
    assert_eq!(
        patches,
        [LEFT, RIGHT, RIGHT],
        "the left one was there still"
    );
}

#[test]
fn an_applied_result_is_no_photo_until_it_is_undone() {
    let (mut world, me) = (world(), client(1));
    world.send(me, place(PlaceMode::Invert));
    world.come_to_rest();
    world.send(me, RoomCommand::Apply);
    world.send(me, dab("a", 20.0, 60.0));
    assert_eq!(world.submitted[0].1.photo, None);
    world.come_to_rest();
    world.send(me, RoomCommand::Undo);
    world.send(me, RoomCommand::Undo);
    world.send(me, dab("b", 20.0, 60.0));
    let last = &world.submitted.last().unwrap().1;
    assert_eq!(last.photo, Some((1, EditMethod::Ddim)));
    assert_eq!(world.asked.len(), 2, "all was inverted");
}

#[test]
fn a_failed_inversion_is_told_and_tried_again_after_the_next_op() {
    let (mut world, me) = (world(), client(1));
    world.send(me, place(PlaceMode::Invert));
    world.send(me, dab("a", 20.0, 60.0));
    world.move_inversion(true);
    let failed = world.news.last().unwrap();
    assert_eq!(failed.state, RenderState::Failed);
    assert_eq!(failed.message.as_deref(), Some("out of memory"));
    assert!(!world.is_inverting());
    world.send(me, dab("b", 20.0, 60.0));
    world.come_to_rest();
    assert!(!world.submitted.is_empty());
}

#[test]
fn only_the_photos_edited_last_are_kept() {
    let (mut world, me) = (world(), client(1));
    for _ in 0..3 {
        world.send(me, place(PlaceMode::Invert));
        world.come_to_rest();
    }
    world.send(me, RoomCommand::Undo);
    world.send(me, RoomCommand::Undo);
    world.come_to_rest();
    let of_first = world.asked.iter().filter(|(photo, _)| *photo == 1).count();
    assert_eq!(of_first, 4, "inverted again: two others were kept");
    world.send(me, dab("a", 20.0, 60.0));
    world.come_to_rest();
    world.assert_photos_were_ready();
}

#[test]
fn who_comes_later_is_told_how_the_inversion_stands() {
    let (mut world, me, other) = (world(), client(1), client(2));
    let told_to_other = |world: &mut World| {
        let welcome = world.join(other, None);
        world.leave(other);
        let photo = welcome.photo?;
        let part = |part: &PhotoPart| (part.rect, part.step);
        let running: Vec<_> = photo.running.iter().map(part).collect();
        Some((photo.seq, photo.done, running, photo.steps, photo.psnr_db))
    };
    assert_eq!(told_to_other(&mut world), None);
    world.send(me, place(PlaceMode::Invert));
    let seen = told_to_other(&mut world);
    assert_eq!(seen, Some((1, vec![], vec![(LEFT, 0)], 2, None)));
    world.move_inversion(false);
    world.move_inversion(false);
    let seen = told_to_other(&mut world);
    assert_eq!(seen, Some((1, vec![], vec![(LEFT, 1)], 2, None)));
    world.come_to_rest();
    let whole = Some((1, vec![LEFT, RIGHT], vec![], 2, Some(99.0)));
    assert_eq!(told_to_other(&mut world), whole);
    world.send(me, place(PlaceMode::Plain));
    assert_eq!(
        told_to_other(&mut world),
        None,
        "another picture is the base"
    );
    world.send(me, RoomCommand::Undo);
    assert_eq!(told_to_other(&mut world), whole);
}
