//! What a room does without while its renders wait long.

use std::time::Duration;

use uuid::Uuid;

use super::{decisions::dab, harness::*};
use crate::{protocol::*, room::RoomCommand};

fn world() -> World {
    let mut world = World::new();
    world.join(client(1), None);
    world
}

/// What a member was told of the strain, in order.
fn told(world: &World, member: Uuid) -> Vec<StrainLevel> {
    let texts = world.eyes[&member].texts.iter();
    texts
        .filter_map(|text| match text {
            ServerMessage::Strain { level } => Some(*level),
            _ => None,
        })
        .collect()
}

/// A dab whose render waits for so long before the device begins.
fn paint_after(world: &mut World, id: &str, wait: Duration) {
    world.send(client(1), dab(id, 20.0, 20.0));
    world.pass(wait);
    world.move_job(0, false);
    world.move_job(0, false);
}

const LONG: Duration = Duration::from_millis(700);

fn make_busy(world: &mut World) {
    for id in ["a", "b", "c"] {
        paint_after(world, id, LONG);
    }
    assert_eq!(told(world, client(1)).last(), Some(&StrainLevel::Busy));
}

#[test]
fn previews_lose_steps_while_renders_wait_and_get_them_back_in_calm() {
    let (mut world, me) = (world(), client(1));
    paint_after(&mut world, "a", LONG);
    assert_eq!(told(&world, me), [StrainLevel::FewerSteps]);
    world.send(me, dab("b", 180.0, 110.0));
    assert_eq!(world.submitted.last().unwrap().1.steps, 1, "half of two");
    world.come_to_rest();
    assert_eq!(
        told(&world, me),
        [StrainLevel::FewerSteps, StrainLevel::Calm]
    );
    let settled = &world.submitted.last().unwrap().1;
    assert_eq!(settled.steps, 4, "refining has all its steps");
    world.send(me, dab("c", 20.0, 110.0));
    assert_eq!(world.submitted.last().unwrap().1.steps, 2);
    world.come_to_rest();
    world.pull_all(me);
    world.assert_sees_everything(me);
}

#[test]
fn a_busy_room_renders_when_the_hand_lifts_and_says_when_to_ask_again() {
    let (mut world, me) = (world(), client(1));
    make_busy(&mut world);
    assert_eq!(world.jobs(), 0);
    world.send(me, chunk("d", true, &[[60.0, 60.0, 1.0]], false));
    assert_eq!(world.jobs(), 0, "the hand is down");
    let request = RenderRequest::default();
    world.send(me, RoomCommand::Render(request));
    assert_eq!(world.errors(me), [ErrorCode::Busy]);
    let texts = world.eyes[&me].texts.iter();
    let retry = texts.filter_map(|text| match text {
        ServerMessage::Error(error) => error.retry_after_ms,
        _ => None,
    });
    assert_eq!(retry.collect::<Vec<_>>(), [2000]);
    world.send(me, chunk("d", false, &[[70.0, 60.0, 1.0]], true));
    assert_eq!(world.jobs(), 1, "nothing that was painted is lost");
    world.come_to_rest();
    assert_eq!(told(&world, me).last(), Some(&StrainLevel::Calm));
    world.send(me, RoomCommand::Render(request));
    assert_eq!(world.jobs(), 1, "and nothing is refused any more");
    world.come_to_rest();
    world.pull_all(me);
    world.assert_sees_everything(me);
}

#[test]
fn whoever_joins_a_room_under_strain_is_told() {
    let mut world = world();
    make_busy(&mut world);
    world.join(client(2), None);
    assert_eq!(told(&world, client(2)), [StrainLevel::Busy]);
}

#[test]
fn a_member_that_waits_for_its_own_render_is_under_no_strain() {
    let (mut world, me) = (world(), client(1));
    world.send(me, dab("a", 20.0, 20.0));
    world.move_job(0, false);
    // Its prompt cancels what runs; the next one waits until that has stopped.
    world.send(
        me,
        RoomCommand::Settings(SettingsPatch {
            prompt: Some("a boat".to_owned()),
            ..SettingsPatch::default()
        }),
    );
    world.pass(LONG);
    world.come_to_rest();
    assert_eq!(told(&world, me), []);
}

/// The errors that a member was told, each with when to ask again.
fn refusals(world: &World, member: Uuid) -> Vec<(ErrorCode, Option<u64>)> {
    let texts = world.eyes[&member].texts.iter();
    texts
        .filter_map(|text| match text {
            ServerMessage::Error(error) => Some((error.code, error.retry_after_ms)),
            _ => None,
        })
        .collect()
}

#[test]
fn what_the_engine_has_no_place_for_is_told_once_and_rendered_as_soon_as_there_is_one() {
    let (mut world, me) = (world(), client(1));
    world.is_full = true;
    world.send(me, dab("a", 20.0, 20.0));
    assert_eq!(refusals(&world, me), [(ErrorCode::Busy, Some(1000))]);
    assert_eq!(told(&world, me), [StrainLevel::Busy]);
    for second in 0..5 {
        world.send(me, dab(&format!("b{second}"), 180.0, 110.0));
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(refusals(&world, me).len(), 1, "once, however long it lasts");
    assert_eq!(told(&world, me), [StrainLevel::Busy], "waiting is no calm");
    assert_eq!(world.jobs(), 0);
    let failed = |news: &&RenderNews| news.state == RenderState::Failed;
    assert_eq!(world.news.iter().filter(failed).count(), 0);

    world.is_full = false;
    let next = world.core.next_deadline().unwrap();
    assert!(next > world.now, "a deadline lies ahead");
    world.pass(next - world.now);
    assert_eq!(world.jobs(), 1, "without another stroke");
    world.come_to_rest();
    assert_eq!(told(&world, me).last(), Some(&StrainLevel::Calm));
    world.pull_all(me);
    world.assert_sees_everything(me);

    world.is_full = true;
    world.send(me, dab("c", 20.0, 110.0));
    assert_eq!(refusals(&world, me).len(), 2, "another time is told again");
}

#[test]
fn what_is_put_off_and_undone_is_not_rendered() {
    let (mut world, me) = (world(), client(1));
    world.is_full = true;
    world.send(me, dab("a", 20.0, 20.0));
    world.send(me, RoomCommand::Undo);
    world.is_full = false;
    world.come_to_rest();
    world.pull_all(me);
    world.assert_sees_everything(me);
    let (result, sketch) = (world.canvas().result(), world.canvas().sketch());
    assert!(result == sketch, "white paper");
}

#[test]
fn what_is_put_off_of_a_member_that_leaves_is_rendered_for_another() {
    let mut world = world();
    world.join(client(2), None);
    world.is_full = true;
    world.send(client(1), dab("a", 20.0, 20.0));
    world.leave(client(1));
    world.is_full = false;
    world.come_to_rest();
    assert!(
        world
            .submitted
            .iter()
            .any(|(author, _)| *author == client(2))
    );
    world.pull_all(client(2));
    world.assert_sees_everything(client(2));
}
