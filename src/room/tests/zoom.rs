//! A canvas that the model sees smaller than it is.

use super::{decisions::dab, harness::*, photos::place};
use crate::{canvas::Pixels, protocol::*};

const PHOTO: [u8; 3] = [40, 90, 160];

fn world(largest_zoom: u32) -> World {
    let mut world = World::zoomed(largest_zoom);
    world.join(client(1), None);
    world
}

/// A room on a photo, placed that way.
fn world_on_photo(mode: PlaceMode) -> World {
    let mut world = world(2);
    let photo = Pixels::new(SIZE.width, SIZE.height, PHOTO);
    world.core.images.insert("photo".to_owned(), photo).unwrap();
    world.send(client(1), place(mode));
    world
}

#[test]
fn a_window_is_seen_smaller_and_its_picture_enlarged() {
    let (mut world, me) = (world(2), client(1));
    world.send(me, dab("a", 100.0, 60.0));
    world.come_to_rest();
    let seen = world.submitted[0].1.window;
    let shown = world.news[0].rect;
    assert_eq!(
        shown,
        Rect::from(<[u32; 4]>::from(seen).map(|edge| 2 * edge))
    );
    assert!(shown.contains(&Rect::new(90, 50, 20, 20)), "{shown:?}");
    let (sketch, result) = (&world.canvas().sketch(), world.canvas().result());
    // The simulated model inverts colours.
    let inverted = sketch.pixel(100, 60).map(|value| 255 - value);
    assert_eq!(result.pixel(100, 60), inverted);
    world.pull_all(me);
    world.assert_sees_everything(me);
}

#[test]
fn no_byte_changes_where_the_mask_is_zero() {
    let (mut world, me) = (world_on_photo(PlaceMode::Plain), client(1));
    for (id, x, y) in [("a", 31.0, 33.0), ("b", 117.0, 90.0), ("c", 191.0, 5.0)] {
        world.send(me, dab(id, x, y));
    }
    world.come_to_rest();
    let canvas = &world.canvas();
    let mask = canvas.repaint_mask(&canvas.bounds());
    let mut kept = 0;
    for y in 0..SIZE.height {
        for x in (0..SIZE.width).filter(|x| mask.value(*x, y) == 0) {
            assert_eq!(canvas.result().pixel(x, y), PHOTO, "at {x}, {y}");
            kept += 1;
        }
    }
    assert!(kept > 1000);
}

#[test]
fn a_canvas_is_never_seen_smaller_than_the_model_likes() {
    let (mut world, me) = (world(9), client(1));
    world.send(me, dab("a", 100.0, 60.0));
    world.come_to_rest();
    // The model's own size is 64, and the canvas 192 x 128.
    assert_eq!(
        world.submitted[0].1.window.width * 2,
        world.news[0].rect.width
    );
}

#[test]
fn an_inverted_photo_is_seen_as_large_as_it_is() {
    let (mut world, me) = (world_on_photo(PlaceMode::Invert), client(1));
    world.come_to_rest();
    world.send(me, dab("a", 180.0, 60.0));
    world.come_to_rest();
    assert!(!world.submitted.is_empty());
    for (_, render) in &world.submitted {
        assert!(render.photo.is_some());
        assert!(render.window.right() > 96, "{:?}", render.window);
    }
    world.assert_photos_were_ready();
}
