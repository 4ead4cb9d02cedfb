//! What is rendered when, one rule a test.

use std::time::Duration;

use super::harness::*;
use crate::{
    protocol::*,
    room::{RoomCommand, document::seed_in_epoch},
};

pub(super) fn dab(id: &str, x: f32, y: f32) -> RoomCommand {
    chunk(id, true, &[[x, y, 1.0]], true)
}

pub(super) fn patch(change: impl FnOnce(&mut SettingsPatch)) -> RoomCommand {
    let mut patch = SettingsPatch::default();
    change(&mut patch);
    RoomCommand::Settings(patch)
}

fn world() -> World {
    let mut world = World::new();
    world.join(client(1), None);
    world
}

#[test]
fn strokes_let_a_render_finish_and_the_newest_state_goes_out_next() {
    let (mut world, me) = (world(), client(1));
    world.send(me, dab("a", 20.0, 20.0));
    world.pass(Duration::from_millis(150));
    world.send(me, dab("b", 30.0, 20.0));
    world.send(me, dab("c", 40.0, 20.0));
    assert_eq!(world.submitted.len(), 1);
    world.move_job(0, false);
    world.move_job(0, false);
    assert_eq!(world.submitted.len(), 2);
    assert!(!world.submitted[1].1.supersede);
    let done: Vec<u64> = world
        .news
        .iter()
        .filter(|news| news.state == RenderState::Done)
        .map(|news| news.rev)
        .collect();
    assert_eq!(done, [1]);
}

#[test]
fn a_hand_that_lifts_gives_a_young_render_up_for_the_whole_stroke() {
    let (mut world, me) = (world(), client(1));
    world.send(me, dab("a", 20.0, 20.0));
    world.pass(Duration::from_millis(149));
    world.send(me, dab("b", 60.0, 20.0));
    assert_eq!(world.submitted.len(), 2);
    let whole = &world.submitted[1].1;
    assert!(whole.supersede);
    assert!(whole.window.contains(&Rect::new(16, 16, 48, 8)));
}

#[test]
fn a_stroke_stops_a_render_that_only_settles_and_it_is_settled_later() {
    let (mut world, me) = (world(), client(1));
    world.send(me, dab("a", 20.0, 20.0));
    world.move_job(0, false);
    world.move_job(0, false);
    world.pass(Duration::from_millis(400));
    assert_eq!(world.submitted[1].1.steps, 4);
    world.send(me, dab("b", 180.0, 110.0));
    assert_eq!(world.submitted.len(), 3);
    assert!(world.submitted[2].1.supersede);
    world.come_to_rest();
    let settled = world.submitted[3..]
        .iter()
        .filter(|(_, seen)| seen.steps == 4);
    let settled = settled.fold(Rect::default(), |all, (_, seen)| all.union(&seen.window));
    assert!(settled.contains(&Rect::new(10, 10, 175, 105)));
}

#[test]
fn a_new_prompt_supersedes_and_covers_what_was_painted() {
    let (mut world, me) = (world(), client(1));
    world.send(me, dab("a", 20.0, 20.0));
    world.send(me, dab("b", 180.0, 110.0));
    world.move_job(0, false);
    world.send(me, patch(|patch| patch.prompt = Some("sea".to_owned())));
    let last = world.submitted.last().unwrap().1.clone();
    assert!(last.supersede && last.prompt == "sea");
    world.come_to_rest();
    let covered = world.submitted[1..]
        .iter()
        .filter(|(_, seen)| seen.prompt == "sea");
    let covered = covered.fold(Rect::default(), |all, (_, seen)| all.union(&seen.window));
    assert!(covered.contains(&Rect::new(10, 10, 175, 105)));
    assert!(
        world
            .news
            .iter()
            .any(|news| news.state == RenderState::Superseded)
    );
}

#[test]
fn a_hand_that_rests_is_settled_once_with_more_steps() {
    let (mut world, me) = (world(), client(1));
    world.send(me, dab("a", 20.0, 20.0));
    world.move_job(0, false);
    world.move_job(0, false);
    world.pass(Duration::from_millis(399));
    assert_eq!(world.submitted.len(), 1);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.submitted.len(), 2);
    assert_eq!(world.submitted[1].1.steps, 4);
    world.come_to_rest();
    assert_eq!(world.submitted.len(), 2);
}

#[test]
fn nothing_is_rendered_while_live_is_off_except_on_request() {
    let (mut world, me) = (world(), client(1));
    world.send(me, patch(|patch| patch.live = Some(false)));
    world.send(me, dab("a", 20.0, 20.0));
    world.come_to_rest();
    assert!(world.submitted.is_empty());
    world.send(
        me,
        RoomCommand::Render(RenderRequest {
            rect: None,
            steps: Some(8),
        }),
    );
    assert_eq!(world.submitted[0].1.steps, 8);
    world.come_to_rest();
    assert_eq!(world.submitted.len(), 1);
}

#[test]
fn a_request_on_white_paper_covers_the_whole_canvas_and_can_be_undone() {
    let (mut world, me) = (world(), client(1));
    world.send(me, RoomCommand::Render(RenderRequest::default()));
    world.come_to_rest();
    let mask = world.canvas().repaint_mask(&world.canvas().bounds());
    assert!(mask.data().iter().all(|value| *value == 255));
    let result = world.core.layer(Layer::Result);
    assert!(
        result.data().iter().all(|value| *value < 3),
        "white paper, as the model paints it"
    );
    world.send(me, RoomCommand::Undo);
    assert!(
        world
            .core
            .layer(Layer::Result)
            .data()
            .iter()
            .all(|value| *value == 255)
    );
}

#[test]
fn a_request_for_a_rectangle_stays_inside_it() {
    let (mut world, me) = (world(), client(1));
    world.send(me, patch(|patch| patch.spread = Some(0)));
    let rect = Rect::new(40, 30, 70, 50);
    world.send(
        me,
        RoomCommand::Render(RenderRequest {
            rect: Some(rect),
            steps: None,
        }),
    );
    world.come_to_rest();
    let result = world.core.layer(Layer::Result);
    for y in 0..SIZE.height {
        for x in 0..SIZE.width {
            if !rect.contains(&Rect::new(x, y, 1, 1)) {
                assert_eq!(result.pixel(x, y), [255; 3], "{x}, {y}");
            }
        }
    }
    assert!(result.pixel(75, 55)[0] < 3);
}

#[test]
fn a_failed_render_is_told_and_waits_for_the_next_op() {
    let (mut world, me) = (world(), client(1));
    world.send(me, dab("a", 20.0, 20.0));
    world.move_job(0, true);
    world.move_job(0, true);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.submitted.len(), 1);
    let failed = world.news.last().unwrap();
    assert_eq!(failed.state, RenderState::Failed);
    assert_eq!(failed.message.as_deref(), Some("out of memory"));
    world.send(me, dab("b", 120.0, 20.0));
    world.come_to_rest();
    let result = world.core.layer(Layer::Result);
    assert_ne!(
        result.pixel(20, 20),
        world.core.layer(Layer::Sketch).pixel(20, 20)
    );
}

#[test]
fn a_picture_that_is_held_back_is_told_and_does_not_hold_up_others() {
    let (mut world, me) = (world(), client(1));
    // What is painted, as long as nothing was made of it.
    let shows_ink = |world: &World, (x, y)| {
        let pixel = |layer| world.core.layer(layer).pixel(x, y);
        pixel(Layer::Result) == pixel(Layer::Sketch)
    };
    let (held_back, other) = ((20, 20), (180, 110));
    world.send(me, dab("a", 20.0, 20.0));
    world.move_job(0, false);
    world.pass(Duration::from_millis(150));
    world.send(me, dab("b", 180.0, 110.0));
    assert_eq!(world.submitted.len(), 1);
    world.hold_back(0);
    let told = world.news.last().unwrap();
    assert_eq!((told.state, told.held_back), (RenderState::Failed, true));
    assert_eq!(told.message.as_deref(), Some(HELD_BACK));
    // Nobody has to do anything for the next window.
    assert_eq!(world.submitted.len(), 2);
    world.move_job(0, false);
    world.move_job(0, false);
    assert!(shows_ink(&world, held_back) && !shows_ink(&world, other));
    // What refines the first is another picture, and held back as well.
    world.pass(Duration::from_millis(400));
    while world.jobs() > 0 {
        world.move_job(0, false);
        world.hold_back(0);
    }
    let submitted = world.submitted.len();
    world.pass(Duration::from_secs(5));
    assert_eq!(world.submitted.len(), submitted);
    assert!(shows_ink(&world, held_back));
    // Who paints there asks again.
    world.send(me, dab("c", 24.0, 20.0));
    world.come_to_rest();
    assert!(!shows_ink(&world, held_back));
}

#[test]
fn apply_moves_on_to_new_noise_and_its_undo_back() {
    let (mut world, me) = (world(), client(1));
    let seed_after = |world: &mut World, id: &str| {
        world.send(me, dab(id, 20.0, 20.0));
        world.come_to_rest();
        world.submitted.last().unwrap().1.seed
    };
    assert_eq!(seed_after(&mut world, "a"), 7);
    world.send(me, RoomCommand::Apply);
    let applied = seed_after(&mut world, "b");
    assert_eq!(applied, seed_in_epoch(7, 1));
    assert_ne!(applied, 7);
    world.send(me, RoomCommand::Undo);
    world.send(me, RoomCommand::Undo);
    assert_eq!(seed_after(&mut world, "c"), 7);
}

#[test]
fn an_undone_stroke_does_not_come_back_with_an_old_render() {
    let (mut world, me) = (world(), client(1));
    world.send(me, dab("a", 20.0, 20.0));
    world.move_job(0, false);
    world.send(me, RoomCommand::Undo);
    world.come_to_rest();
    assert!(
        world
            .core
            .layer(Layer::Result)
            .data()
            .iter()
            .all(|value| *value == 255)
    );
}

fn dab_of(id: &str, x: f32, prompt: &str) -> RoomCommand {
    let RoomCommand::Stroke(mut stroke) = dab(id, x, 20.0) else {
        unreachable!()
    };
    stroke.brush.as_mut().unwrap().prompt = Some(prompt.to_owned());
    RoomCommand::Stroke(stroke)
}

#[test]
fn a_window_has_the_prompts_of_all_its_strokes() {
    let (mut world, me) = (world(), client(1));
    world.send(me, dab_of("a", 20.0, "a boat"));
    world.come_to_rest();
    world.send(me, dab_of("b", 50.0, "a house"));
    let seen = world.submitted.last().unwrap().1.clone();
    assert_eq!(seen.prompt, "a house", "the newest");
    assert_eq!(seen.regions, [("a boat".to_owned(), 255)]);
    world.come_to_rest();
    world.send(me, dab("c", 35.0, 20.0));
    let seen = world.submitted.last().unwrap().1.clone();
    assert_eq!(seen.prompt, "red apple", "the room's");
    let prompts: Vec<_> = seen
        .regions
        .iter()
        .map(|(prompt, _)| prompt.as_str())
        .collect();
    assert_eq!(prompts, ["a house", "a boat"]);
    world.send(me, RoomCommand::Undo);
    world.send(me, RoomCommand::Undo);
    world.come_to_rest();
    // The picture with the first stroke alone was there before: only a new stroke is rendered.
    world.send(me, dab_of("d", 30.0, "a boat"));
    let seen = world.submitted.last().unwrap().1.clone();
    assert_eq!((seen.prompt.as_str(), seen.regions.len()), ("a boat", 0));
}

#[test]
fn a_stroke_with_its_own_prompt_is_painted_with_it() {
    let (mut world, me) = (world(), client(1));
    world.send(me, dab_of("a", 20.0, "a boat"));
    assert_eq!(world.submitted[0].1.prompt, "a boat");
    world.come_to_rest();
    world.send(me, dab("b", 150.0, 100.0));
    assert_eq!(world.submitted.last().unwrap().1.prompt, "red apple");
}

#[test]
fn refusals_have_their_codes_and_change_nothing() {
    let (mut world, me, viewer) = (world(), client(1), client(2));
    world.join_as(viewer, Role::Viewer, None);
    world.send(me, chunk("nobody", false, &[[1.0, 1.0, 1.0]], false));
    world.send(me, patch(|patch| patch.steps = Some(9)));
    world.send(me, patch(|patch| patch.sampler = Some("magic".to_owned())));
    world.send(me, RoomCommand::Undo);
    world.send(
        me,
        RoomCommand::Place(Placement {
            image: "x".to_owned(),
            mode: PlaceMode::Plain,
            prompt: None,
            ..Placement::default()
        }),
    );
    world.send(
        me,
        RoomCommand::Place(Placement {
            image: "x".to_owned(),
            mode: PlaceMode::Invert,
            prompt: None,
            ..Placement::default()
        }),
    );
    let outside = Some(Rect::new(5000, 0, 10, 10));
    world.send(
        me,
        RoomCommand::Render(RenderRequest {
            rect: outside,
            steps: None,
        }),
    );
    world.send(viewer, dab("a", 1.0, 1.0));
    world.send(viewer, RoomCommand::CancelInversion);
    assert_eq!(
        world.errors(me),
        [
            ErrorCode::UnknownStroke,
            ErrorCode::InvalidValue,
            ErrorCode::UnknownSampler,
            ErrorCode::NothingToUndo,
            ErrorCode::UnknownImage,
            ErrorCode::UnknownImage,
            ErrorCode::InvalidValue,
        ]
    );
    assert_eq!(
        world.errors(viewer),
        [ErrorCode::Forbidden, ErrorCode::Forbidden]
    );
    assert_eq!((world.core.document.seq(), world.ops.len()), (0, 0));
}

#[test]
fn a_member_who_comes_back_gets_what_it_missed_and_doubles_nothing() {
    let (mut world, me, other) = (world(), client(1), client(2));
    world.join(other, None);
    world.send(me, chunk("a", true, &[[20.0, 20.0, 1.0]], false));
    world.leave(me);
    world.send(other, dab("b", 100.0, 100.0));
    world.join(me, Some(1));
    let seqs: Vec<u64> = world.eyes[&me].ops.iter().map(|op| op.seq).collect();
    assert_eq!(seqs, [2]);
    world.send(me, chunk("a", true, &[[20.0, 20.0, 1.0]], false));
    assert_eq!(
        world.core.document.seq(),
        2,
        "resent: acknowledged, not painted again"
    );
    assert!(world.eyes[&me].texts.contains(&ServerMessage::Ack {
        id: Some("a".to_owned()),
        seq: 1
    }));
    world.send(me, chunk("a", false, &[[40.0, 20.0, 1.0]], true));
    assert_eq!(world.core.document.seq(), 3, "the stroke goes on");
}

#[test]
fn what_a_leaving_member_painted_is_still_rendered() {
    let (mut world, me, other) = (world(), client(1), client(2));
    world.join(other, None);
    world.send(me, dab("a", 20.0, 20.0));
    world.send(me, dab("b", 120.0, 100.0));
    world.leave(me);
    world.come_to_rest();
    let (result, sketch) = (
        world.core.layer(Layer::Result),
        world.core.layer(Layer::Sketch),
    );
    assert_ne!(result.pixel(120, 100), sketch.pixel(120, 100));
    assert_ne!(result.pixel(20, 20), sketch.pixel(20, 20));
}

#[test]
fn the_model_repaints_up_to_the_edge_of_a_window_where_the_next_one_goes_on() {
    let (mut world, me) = (world(), client(1));
    let across: Vec<StrokePoint> = (0..=19)
        .map(|step| [10.0 * step as f32, 64.0, 1.0])
        .collect();
    world.send(me, chunk("a", true, &across, true));
    world.come_to_rest();
    let windows: Vec<_> = world.submitted.iter().map(|(_, seen)| seen).collect();
    assert!(windows.iter().any(|seen| seen.window.right() < SIZE.width));
    for seen in windows {
        for x in [0, seen.window.width - 1] {
            let value = seen.mask.value(x, 64 - seen.window.y);
            assert_eq!(value, 255, "at {x} of {:?}", seen.window);
        }
    }
}

/// A stroke whose brush is so wide.
fn wide(id: &str, x: f32, y: f32, size: f32) -> RoomCommand {
    let RoomCommand::Stroke(mut stroke) = dab(id, x, y) else {
        unreachable!()
    };
    stroke.brush.as_mut().unwrap().size = size;
    RoomCommand::Stroke(stroke)
}

/// What is dirty beside a dot has an inside, the dot has none.
#[test]
fn a_dot_is_rendered_beside_a_thick_stroke_that_is_not_yet() {
    let (mut world, me) = (world(), client(1));
    world.send(me, patch(|patch| patch.spread = Some(0)));
    world.send(me, wide("a", 40.0, 50.0, 64.0));
    world.send(me, wide("b", 44.0, 50.0, 64.0));
    world.send(me, wide("c", 184.0, 120.0, 2.0));
    world.come_to_rest();
    assert!(world.core.document.is_rendered());
    let dot = Rect::new(184, 120, 1, 1);
    let mut windows = world.submitted.iter().map(|(_, seen)| seen.window);
    assert!(windows.any(|window| window.contains(&dot)));
}
