//! The schedule among a room's settings: what a sampler cannot have is refused, goes with it, or rests.

use super::harness::*;
use crate::{protocol::*, room::RoomCommand};

/// `ddim` can be spaced otherwise, `lcm` cannot.
fn spacing() -> ModelInfo {
    let choices = ScheduleChoices {
        timestep_spacing: vec![TimestepSpacingChoice::Trailing],
        sigmas: vec![SigmasChoice::Karras],
        ..ScheduleChoices::NONE
    };
    ModelInfo {
        schedules: [("ddim".to_owned(), choices)].into(),
        ..model()
    }
}

fn world(members: u128) -> World {
    let mut world = World::with_model(options(), spacing());
    for member in 1..=members {
        world.join(client(member), None);
    }
    world
}

fn settings(patch: &str) -> RoomCommand {
    RoomCommand::Settings(serde_json::from_str(patch).unwrap())
}

fn schedule(world: &World) -> (String, TimestepSpacingChoice, SigmasChoice) {
    let settings = world.core.document.settings();
    let sampler = settings.sampler.clone();
    (sampler, settings.timestep_spacing, settings.sigmas)
}

const DEFAULT: (TimestepSpacingChoice, SigmasChoice) =
    (TimestepSpacingChoice::Default, SigmasChoice::Default);

fn last_rendered(world: &mut World) -> Schedule {
    world.come_to_rest();
    world.submitted.last().unwrap().1.schedule.clone()
}

#[test]
fn what_the_sampler_cannot_have_is_refused_and_nothing_changes() {
    let (mut world, me) = (world(1), client(1));
    for patch in [
        r#"{"sigmas":"karras"}"#,
        r#"{"timestep_spacing":"trailing"}"#,
        r#"{"sampler":"ddim","sigmas":"beta"}"#,
        r#"{"sampler":"ddim","timestep_spacing":"leading"}"#,
        r#"{"prompt":"a boat","sigmas":"karras"}"#,
    ] {
        world.send(me, settings(patch));
        assert_eq!(
            world.errors(me).last(),
            Some(&ErrorCode::InvalidValue),
            "{patch}"
        );
    }
    assert_eq!(world.errors(me).len(), 5);
    let told = world.eyes[&me].texts.iter().rev();
    let last = told.into_iter().find_map(|text| match text {
        ServerMessage::Error(error) => Some(error.message.clone()),
        _ => None,
    });
    let last = last.unwrap();
    for part in ["`sigmas`", "karras with the sampler lcm", "default"] {
        assert!(last.contains(part), "{last}");
    }
    assert_eq!(world.core.document.seq(), 0);
    world.send(
        me,
        settings(r#"{"sigmas":"default","timestep_spacing":"default"}"#),
    );
    assert_eq!(world.errors(me).len(), 5, "the default is always to be had");
}

#[test]
fn what_the_sampler_can_have_is_rendered_and_undone_like_other_settings() {
    let (mut world, me) = (world(1), client(1));
    world.send(me, chunk("a", true, &[[20.0, 20.0, 1.0]], true));
    assert_eq!(last_rendered(&mut world), Schedule::default());
    let asked = r#"{"sampler":"ddim","sigmas":"karras","timestep_spacing":"trailing"}"#;
    world.send(me, settings(asked));
    let spaced = Schedule::Spaced {
        timestep_spacing: TimestepSpacingChoice::Trailing,
        sigmas: SigmasChoice::Karras,
    };
    assert_eq!(last_rendered(&mut world), spaced);
    world.send(me, RoomCommand::Undo);
    let (sampler, spacing, sigmas) = schedule(&world);
    assert_eq!((sampler.as_str(), (spacing, sigmas)), ("lcm", DEFAULT));
    world.send(me, RoomCommand::Redo);
    let (sampler, spacing, sigmas) = schedule(&world);
    assert_eq!(sampler, "ddim");
    assert_eq!(
        (spacing, sigmas),
        (TimestepSpacingChoice::Trailing, SigmasChoice::Karras)
    );
}

#[test]
fn a_sampler_that_cannot_have_it_takes_the_default_with_it_and_everybody_sees_that() {
    let (mut world, me, other) = (world(2), client(1), client(2));
    world.send(me, settings(r#"{"sampler":"ddim","sigmas":"karras"}"#));
    world.send(other, settings(r#"{"sampler":"lcm"}"#));
    assert!(world.errors(other).is_empty());
    let Some(Op::Settings(patch)) = world.ops.last().map(|op| op.op.clone()) else {
        panic!("the change is no op");
    };
    assert_eq!(patch.sigmas, Some(SigmasChoice::Default));
    assert_eq!(patch.timestep_spacing, None, "that was the default already");
    assert_eq!(schedule(&world).2, SigmasChoice::Default);
    world.send(other, RoomCommand::Undo);
    let (sampler, _, sigmas) = schedule(&world);
    assert_eq!((sampler.as_str(), sigmas), ("ddim", SigmasChoice::Karras));
}

#[test]
fn beside_a_sampler_that_an_undo_brings_back_it_rests() {
    let (mut world, me, other) = (world(2), client(1), client(2));
    world.send(me, chunk("a", true, &[[20.0, 20.0, 1.0]], true));
    world.come_to_rest();
    world.send(me, settings(r#"{"sampler":"ddim"}"#));
    world.send(other, settings(r#"{"sigmas":"karras"}"#));
    assert_ne!(last_rendered(&mut world), Schedule::default());
    world.send(me, RoomCommand::Undo);
    let (sampler, _, sigmas) = schedule(&world);
    assert_eq!((sampler.as_str(), sigmas), ("lcm", SigmasChoice::Karras));
    let before = world.submitted.len();
    world.send(me, chunk("b", true, &[[40.0, 20.0, 1.0]], true));
    assert_eq!(last_rendered(&mut world), Schedule::default());
    assert!(world.submitted.len() > before);
    world.send(me, settings(r#"{"sampler":"ddim"}"#));
    assert_ne!(
        last_rendered(&mut world),
        Schedule::default(),
        "it is there again"
    );
}
