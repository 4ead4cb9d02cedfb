use proptest::prelude::*;

use super::noise;
use crate::canvas::{Mask, WindowRules, changed_rects, feather, windows_for};
use crate::protocol::Rect;

fn any_rules() -> impl Strategy<Value = WindowRules> {
    (
        1u32..=2,
        prop_oneof![Just(32u32), Just(64)],
        0u32..100,
        1u32..300,
        64u32..600,
    )
        .prop_map(|(zoom, grid, context, minimum, maximum)| WindowRules {
            zoom,
            grid,
            context,
            minimum,
            maximum,
        })
}

fn any_canvas() -> impl Strategy<Value = Rect> {
    (1u32..12, 1u32..12).prop_map(|(width, height)| Rect::new(0, 0, width * 64, height * 64))
}

fn any_rect_in(canvas: Rect) -> impl Strategy<Value = Rect> {
    (0..canvas.width, 0..canvas.height).prop_flat_map(move |(x, y)| {
        (1..=canvas.width - x, 1..=canvas.height - y)
            .prop_map(move |(width, height)| Rect::new(x, y, width, height))
    })
}

fn any_case() -> impl Strategy<Value = (Rect, Rect, WindowRules)> {
    any_canvas().prop_flat_map(|canvas| (Just(canvas), any_rect_in(canvas), any_rules()))
}

proptest! {
    #[test]
    fn windows_keep_the_rules((canvas, dirty, rules) in any_case()) {
        let windows = windows_for(&dirty, &canvas, &rules);
        let mut covered = 0;
        let grid = rules.grid * rules.zoom;
        let maximum = (rules.maximum * rules.zoom / grid * grid).max(grid);
        let minimum = (rules.minimum * rules.zoom).min(maximum);
        let context = (rules.context * rules.zoom).min((maximum - grid) / 2);
        for (index, window) in windows.iter().enumerate() {
            let Rect { x, y, width, height } = window.rect;
            prop_assert!(canvas.contains(&window.rect));
            for (from, length, side) in [(x, width, canvas.width), (y, height, canvas.height)] {
                prop_assert!(length % grid == 0 || length == side);
                prop_assert_eq!(from % if side % grid == 0 { grid } else { rules.grid }, 0);
                prop_assert!(length <= maximum && length >= minimum.min(side));
            }
            let seen = window.seen_rect();
            prop_assert_eq!(seen.width * rules.zoom, width);
            prop_assert_eq!(seen.x * rules.zoom, x);
            prop_assert!(dirty.contains(&window.core) && !window.core.is_empty());
            prop_assert!(window.rect.contains(&window.core.inflate_within(context, &canvas)));
            covered += window.core.area();
            for other in &windows[index + 1..] {
                prop_assert!(window.core.intersect(&other.core).is_empty());
            }
        }
        prop_assert_eq!(covered, dirty.area());
        let around = 2 * rules.context * rules.zoom + 2 * grid;
        if dirty.width + around <= maximum && dirty.height + around <= maximum {
            prop_assert_eq!(windows.len(), 1);
        }
    }

    #[test]
    fn feathers_fade_at_edges_and_keep_cores((canvas, dirty, rules) in any_case()) {
        for window in windows_for(&dirty, &canvas, &rules) {
            let rect = window.rect;
            let faded = feather(&window, &Mask::new(rect.width, rect.height, 200));
            let reach = window.core.inflate_within(rules.context * rules.zoom / 2, &canvas);
            for y in rect.y..rect.bottom() {
                for x in rect.x..rect.right() {
                    let value = faded.value(x - rect.x, y - rect.y);
                    let at = Rect::new(x, y, 1, 1);
                    if window.core.contains(&at) {
                        prop_assert_eq!(value, 200);
                    }
                    if !reach.contains(&at) || !window.shown_rect().contains(&at) {
                        prop_assert_eq!(value, 0);
                    }
                }
            }
        }
    }

    #[test]
    fn changed_rects_are_the_tiles_that_differ(
        canvas in any_canvas(),
        places in prop::collection::vec((0u32..704, 0u32..704), 0..12),
        within in (0u32..300, 0u32..300, 1u32..800, 1u32..800),
    ) {
        let within = Rect::from(<[u32; 4]>::from(within));
        let before = noise(canvas.width, canvas.height, 1);
        let mut after = before.clone();
        for (x, y) in places.iter().map(|(x, y)| (x % canvas.width, y % canvas.height)) {
            after.span_mut(x, y, 1)[1] ^= 1;
        }
        let rects = changed_rects(&before, &after, &within);
        let inside = within.intersect(&canvas);
        let mut area = 0;
        for row in 0..canvas.height / 64 {
            for column in 0..canvas.width / 64 {
                let tile = Rect::new(column * 64, row * 64, 64, 64).intersect(&inside);
                let differs = before.crop(&tile) != after.crop(&tile);
                let holders = rects.iter().filter(|rect| !rect.intersect(&tile).is_empty());
                prop_assert_eq!(holders.clone().count(), usize::from(differs));
                if differs {
                    prop_assert!(holders.clone().all(|rect| rect.contains(&tile)));
                    area += tile.area();
                }
            }
        }
        prop_assert_eq!(rects.iter().map(Rect::area).sum::<u64>(), area);
    }
}

const RULES: WindowRules = WindowRules {
    zoom: 1,
    grid: 64,
    context: 32,
    minimum: 128,
    maximum: 256,
};
const CANVAS: Rect = Rect::new(0, 0, 1024, 1024);

#[test]
fn nothing_dirty_needs_no_window() {
    assert!(windows_for(&Rect::default(), &CANVAS, &RULES).is_empty());
    assert!(windows_for(&Rect::new(2000, 0, 9, 9), &CANVAS, &RULES).is_empty());
}

#[test]
fn a_small_canvas_is_taken_whole() {
    let canvas = Rect::new(0, 0, 64, 64);
    let windows = windows_for(&Rect::new(10, 10, 4, 4), &canvas, &RULES);
    assert_eq!(windows.len(), 1);
    assert_eq!(windows[0].rect, canvas);
}

#[test]
fn the_mask_is_not_cut_where_the_canvas_ends() {
    let windows = windows_for(&Rect::new(0, 5, 40, 40), &CANVAS, &RULES);
    let rect = windows[0].rect;
    let faded = feather(&windows[0], &Mask::new(rect.width, rect.height, 255));
    assert_eq!((faded.value(0, 20), faded.value(0, 0)), (255, 255));
    assert_eq!(faded.value(rect.width - 1, 20), 0);
}

/// Pastes one colour per window, in order, and looks at the borders of cores.
#[test]
fn neighbours_blend_over_each_other_without_a_seam() {
    let dirty = Rect::new(100, 100, 500, 100);
    let windows = windows_for(&dirty, &CANVAS, &RULES);
    assert!(windows.len() > 2);
    let mut row = vec![0.0f64; 1024];
    let mut largest_step: f64 = 0.0;
    for (index, window) in windows.iter().enumerate() {
        let rect = window.rect;
        let color = if index % 2 == 0 { 100.0 } else { 200.0 };
        let faded = feather(window, &Mask::new(rect.width, rect.height, 255));
        for x in rect.x..rect.right() {
            let weight = f64::from(faded.value(x - rect.x, 150 - rect.y)) / 255.0;
            row[x as usize] += (color - row[x as usize]) * weight;
        }
    }
    for pair in row[100..600].windows(2) {
        largest_step = largest_step.max((pair[1] - pair[0]).abs());
    }
    assert!(largest_step < 12.0, "a step of {largest_step} shows");
    assert!(
        row[100..600].iter().all(|value| *value >= 99.0),
        "the paper shows through"
    );
}
