//! Going back shows the picture that was there, and settings are undone like strokes.

use super::harness::*;
use crate::{
    canvas::Pixels,
    protocol::*,
    room::{RoomCommand, RoomOptions},
};

fn settings_of(patch: SettingsPatch) -> RoomCommand {
    RoomCommand::Settings(patch)
}

fn seed(seed: u64) -> RoomCommand {
    settings_of(SettingsPatch {
        seed: Some(seed),
        ..SettingsPatch::default()
    })
}

fn prompt(prompt: &str) -> RoomCommand {
    settings_of(SettingsPatch {
        prompt: Some(prompt.to_owned()),
        ..SettingsPatch::default()
    })
}

/// Does it, waits until the picture is final, and answers it.
fn result_after(world: &mut World, command: RoomCommand) -> Vec<u8> {
    world.send(client(1), command);
    world.come_to_rest();
    world.core.layer(Layer::Result).data().to_vec()
}

fn stroke(id: &str, x: f32) -> RoomCommand {
    chunk(id, true, &[[x, 30.0, 1.0], [x + 25.0, 40.0, 1.0]], true)
}

fn world() -> World {
    let mut world = World::new();
    world.join(client(1), None);
    world
}

#[test]
fn undo_and_redo_show_the_same_bytes_and_ask_for_no_render() {
    let mut world = world();
    let one = result_after(&mut world, stroke("a", 20.0));
    let two = result_after(&mut world, stroke("b", 45.0));
    assert_ne!(one, two);
    let renders = world.submitted.len();
    for _ in 0..3 {
        assert!(result_after(&mut world, RoomCommand::Undo) == one);
        assert!(result_after(&mut world, RoomCommand::Redo) == two);
    }
    assert!(result_after(&mut world, RoomCommand::Revert { seq: 1 }) == one);
    assert!(result_after(&mut world, RoomCommand::Undo) == two);
    assert_eq!(world.submitted.len(), renders, "nothing was rendered");
    world.pull_all(client(1));
    world.assert_sees_everything(client(1));
}

#[test]
fn a_setting_that_comes_back_shows_the_same_bytes() {
    let mut world = world();
    result_after(&mut world, seed(0));
    let first = result_after(&mut world, stroke("a", 20.0));
    let other = result_after(&mut world, seed(5));
    let renders = world.submitted.len();
    assert!(result_after(&mut world, seed(0)) == first);
    assert!(result_after(&mut world, seed(5)) == other);
    assert_eq!(world.submitted.len(), renders);
}

#[test]
fn a_picture_that_was_never_final_is_rendered() {
    let mut world = world();
    world.send(client(1), stroke("a", 20.0));
    world.send(client(1), stroke("b", 60.0));
    world.come_to_rest();
    let renders = world.submitted.len();
    result_after(&mut world, RoomCommand::Undo);
    assert!(world.submitted.len() > renders);
}

#[test]
fn a_stroke_that_went_on_is_another_picture() {
    let mut world = world();
    let (me, other) = (client(1), client(2));
    world.join(other, None);
    world.send(other, stroke("theirs", 70.0));
    world.come_to_rest();
    world.send(me, chunk("mine", true, &[[20.0, 30.0, 1.0]], false));
    world.send(other, RoomCommand::Undo);
    world.come_to_rest();
    world.send(me, chunk("mine", false, &[[50.0, 60.0, 1.0]], true));
    world.send(other, RoomCommand::Redo);
    world.come_to_rest();
    let both = world.core.layer(Layer::Result).data().to_vec();
    world.send(other, RoomCommand::Undo);
    world.come_to_rest();
    let sketch = world.core.layer(Layer::Sketch).clone();
    let result = world.core.layer(Layer::Result);
    assert_ne!(
        result.pixel(50, 60),
        sketch.pixel(50, 60),
        "the end of the stroke is rendered"
    );
    world.send(other, RoomCommand::Redo);
    world.come_to_rest();
    assert!(world.core.layer(Layer::Result).data() == both);
}

#[test]
fn settings_are_undone_by_who_changed_them_and_everybody_is_told() {
    let mut world = world();
    let (me, other) = (client(1), client(2));
    world.join(other, None);
    world.send(me, prompt("a boat"));
    world.send(other, seed(9));
    world.send(me, prompt("a house"));
    let settings = |world: &World| world.core.document.settings().clone();
    assert_eq!(settings(&world).prompt, "a house");
    world.send(me, RoomCommand::Undo);
    assert_eq!(
        (settings(&world).prompt.as_str(), settings(&world).seed),
        ("a boat", 9)
    );
    let told = world.eyes[&other]
        .ops
        .last()
        .and_then(|op| op.settings.clone());
    assert_eq!(told.as_deref(), Some(&settings(&world)));
    world.send(me, RoomCommand::Undo);
    assert_eq!(
        (settings(&world).prompt.as_str(), settings(&world).seed),
        ("red apple", 9)
    );
    world.send(me, RoomCommand::Undo);
    assert_eq!(world.errors(me).len(), 1, "the seed is somebody else's");
    world.send(me, RoomCommand::Redo);
    assert_eq!(settings(&world).prompt, "a boat");
    world.send(other, RoomCommand::Revert { seq: 0 });
    assert_eq!(settings(&world), super::harness::settings());
}

#[test]
fn a_value_that_is_dragged_is_undone_at_once_and_live_is_not_undone() {
    let mut world = world();
    let me = client(1);
    let drag = |strength: f64, continues: bool| {
        settings_of(SettingsPatch {
            strength: Some(strength),
            continues,
            ..SettingsPatch::default()
        })
    };
    let begun = world.core.document.settings().clone();
    world.send(me, drag(0.3, false));
    world.send(me, drag(0.4, true));
    world.send(me, drag(0.5, true));
    world.send(
        me,
        settings_of(SettingsPatch {
            live: Some(false),
            ..SettingsPatch::default()
        }),
    );
    world.send(me, seed(begun.seed));
    assert_eq!(world.core.document.settings().strength, 0.5);
    world.send(me, RoomCommand::Undo);
    let settings = world.core.document.settings();
    assert_eq!((settings.strength, settings.live), (begun.strength, false));
    world.send(me, RoomCommand::Undo);
    assert_eq!(world.errors(me).len(), 1, "nothing else was changed");
}

#[test]
fn what_goes_on_with_a_placed_picture_is_undone_with_it() {
    let mut world = world();
    let me = client(1);
    let photo = Pixels::new(SIZE.width, SIZE.height, [40, 90, 160]);
    world.core.images.insert("photo".to_owned(), photo).unwrap();
    let begun = world.core.document.settings().clone();
    world.send(
        me,
        RoomCommand::Place(Placement {
            image: "photo".to_owned(),
            mode: PlaceMode::Plain,
            prompt: None,
            ..Placement::default()
        }),
    );
    for guidance_scale in [3.0, 4.0] {
        world.send(
            me,
            settings_of(SettingsPatch {
                guidance_scale: Some(guidance_scale),
                continues: true,
                ..SettingsPatch::default()
            }),
        );
    }
    let wanted = world.core.document.settings().clone();
    assert_eq!(wanted.guidance_scale, 4.0);
    world.send(me, RoomCommand::Undo);
    assert_eq!(*world.core.document.settings(), begun);
    assert_eq!(world.core.layer(Layer::Sketch).pixel(0, 0), [255; 3]);
    world.send(me, RoomCommand::Redo);
    assert_eq!(*world.core.document.settings(), wanted);
    assert_eq!(world.core.layer(Layer::Sketch).pixel(0, 0), [40, 90, 160]);
    world.send(me, RoomCommand::Undo);
    world.send(me, RoomCommand::Undo);
    assert_eq!(world.errors(me).len(), 1, "it was one step");
}

#[test]
fn only_so_many_bytes_are_kept_of_earlier_results() {
    let options = RoomOptions {
        // Two results of two tiles.
        cached_result_bytes_max: 4 * 64 * 64 * 3,
        ..options()
    };
    let mut world = World::with_options(options);
    world.join(client(1), None);
    for stroke_at in 0..6 {
        let x = 10.0 + 8.0 * stroke_at as f32;
        result_after(&mut world, stroke(&format!("{stroke_at}"), x));
    }
    let renders = world.submitted.len();
    result_after(&mut world, RoomCommand::Undo);
    assert_eq!(world.submitted.len(), renders, "the newest is kept");
    for _ in 0..4 {
        result_after(&mut world, RoomCommand::Undo);
    }
    assert!(world.submitted.len() > renders, "the oldest is not");
}

fn strength(strength: f64, continues: bool) -> RoomCommand {
    settings_of(SettingsPatch {
        strength: Some(strength),
        continues,
        ..SettingsPatch::default()
    })
}

#[test]
fn a_drag_over_somebody_else_s_change_counts_and_is_still_one_step() {
    let mut world = world();
    let (me, other) = (client(1), client(2));
    world.join(other, None);
    let value = |world: &World| world.core.document.settings().strength;
    let begun = value(&world);
    world.send(me, strength(0.3, false));
    world.send(other, strength(0.6, false));
    world.send(me, strength(0.4, true));
    world.send(me, strength(0.5, true));
    assert_eq!(value(&world), 0.5, "the newest has the last word");
    world.send(me, RoomCommand::Undo);
    assert_eq!(value(&world), 0.6);
    world.send(me, RoomCommand::Redo);
    assert_eq!(value(&world), 0.5);
    world.send(me, RoomCommand::Undo);
    world.send(other, RoomCommand::Undo);
    assert_eq!(value(&world), begun);
    world.send(me, RoomCommand::Undo);
    assert_eq!(world.errors(me).len(), 1, "it was one step");
}

#[test]
fn what_goes_on_counts_also_where_the_change_before_was_taken_out() {
    let mut world = world();
    let (me, other) = (client(1), client(2));
    world.join(other, None);
    world.send(me, stroke("a", 20.0));
    world.send(me, strength(0.3, true));
    world.send(other, RoomCommand::Revert { seq: 1 });
    world.send(me, strength(0.4, true));
    assert_eq!(world.core.document.settings().strength, 0.4);
}
