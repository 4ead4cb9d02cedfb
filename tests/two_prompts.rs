//! Two parts of one canvas with different prompts each become what their own prompt says, as the
//! bundled CLIP sees it. The sketch is the same in both: only the words tell them apart.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, and says what it found"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use impasto::canvas::{Mask, Pixels};
use impasto::model::{ClipModel, LoadOptions, Model};
use impasto::pipeline::{
    Edit, EditMethod, Inversion, Output, Pipeline, PromptRegion, RenderSettings,
};
use impasto::protocol::Rect;

/// Side of one half: the bundled model's own size.
const SIDE: u32 = 256;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// A disc of one colour in the middle of each half.
fn sketch(colour: [u8; 3]) -> Pixels {
    let mut pixels = Pixels::new(2 * SIDE, SIDE, [255; 3]);
    let dot = Pixels::new(1, 1, colour);
    for y in 0..SIDE {
        for x in 0..2 * SIDE {
            let (right, down) = ((x % SIDE) as f32 - 128.0, y as f32 - 128.0);
            if right.hypot(down) < 80.0 {
                pixels.paste(&dot, x, y);
            }
        }
    }
    pixels
}

/// Holds for all of one half and for nothing of the other.
fn half(right: bool) -> Arc<Mask> {
    let mut mask = Mask::new(2 * SIDE, SIDE, 0);
    for y in 0..SIDE {
        mask.span_mut(if right { SIDE } else { 0 }, y, SIDE)
            .fill(255);
    }
    Arc::new(mask)
}

fn regions(prompts: [&str; 2]) -> Vec<PromptRegion> {
    let region = |right| PromptRegion {
        prompt: prompts[usize::from(right)].to_owned(),
        share: half(right),
    };
    [false, true].map(region).to_vec()
}

/// Both halves repainted in one window, each after its own prompt.
fn painted(pipeline: &mut Pipeline, colour: [u8; 3], prompts: [&str; 2]) -> Pixels {
    let sketch = Arc::new(sketch(colour));
    let edit = Edit {
        window: Rect::new(0, 0, 2 * SIDE, SIDE),
        sketch: sketch.clone(),
        known: sketch.clone(),
        mask: Arc::new(Mask::new(2 * SIDE, SIDE, 255)),
        settings: RenderSettings {
            steps: 2,
            seed: 7,
            sampler: "lcm".to_owned(),
            regions: regions(prompts),
            ..RenderSettings::default()
        },
        output: Output::plain(Rect::new(0, 0, 2 * SIDE, SIDE)),
        control: None,
        photo: None,
    };
    let latents = pipeline.encode(&sketch).unwrap();
    let mut render = pipeline.begin(&edit, latents, None).unwrap();
    while !render.is_done() {
        pipeline.step(&mut [&mut render]).unwrap();
    }
    pipeline.finish(render).unwrap().pixels
}

fn inverted(pipeline: &mut Pipeline, photo: &Pixels) -> Arc<Inversion> {
    let mut inverting = pipeline.begin_inversion(photo, "", 25, 1).unwrap();
    while !inverting.is_done() {
        pipeline.step_inversion(&mut inverting).unwrap();
    }
    Arc::new(inverting.finish().unwrap())
}

/// Both halves of a photo edited in one run, each after its own prompt.
fn edited(pipeline: &mut Pipeline, photo: &Arc<Inversion>, prompts: [&str; 2]) -> Pixels {
    let settings = RenderSettings {
        steps: 4,
        strength: 0.7,
        guidance_scale: 3.0,
        seed: 7,
        sampler: "lcm".to_owned(),
        regions: regions(prompts),
        ..RenderSettings::default()
    };
    let mask = Mask::new(2 * SIDE, SIDE, 255);
    let mut edit = pipeline
        .begin_photo_edit(photo, &mask, EditMethod::Ddim, &settings)
        .unwrap();
    while !edit.is_done() {
        pipeline.step_photo_edit(&mut edit).unwrap();
    }
    pipeline.finish_photo_edit(edit).unwrap().pixels
}

fn assert_each_shows_its_own(clip: &ClipModel, made: &Pixels, prompts: [&str; 2]) {
    let words = prompts.map(|prompt| clip.embed_text(prompt).unwrap());
    for own in 0..2 {
        let part = made.crop(&Rect::new(SIDE * own as u32, 0, SIDE, SIDE));
        let seen = clip.embed_picture(&part).unwrap();
        let scores = [0, 1].map(|index| likeness(&seen, &words[index]));
        eprintln!("{prompts:?}, painted {:?}: {scores:?}", prompts[own]);
        assert!(scores[own] > scores[1 - own], "{prompts:?}: {scores:?}");
    }
}

fn tools() -> (Pipeline, ClipModel) {
    let model = Model::load(&models().join("storybook"), &LoadOptions::default()).unwrap();
    let clip = ClipModel::load(&models().join("storybook-clip"), &Device::Cpu).unwrap();
    (Pipeline::new(model, 8).unwrap(), clip)
}

fn likeness(a: &Tensor, b: &Tensor) -> f32 {
    let unit = |tensor: &Tensor| {
        let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        values.into_iter().map(move |value| value / length)
    };
    unit(a).zip(unit(b)).map(|(a, b)| a * b).sum()
}

#[test]
fn each_of_two_regions_scores_higher_on_its_own_prompt() {
    let (mut pipeline, clip) = tools();
    for other in ["fish", "house"] {
        for prompts in [["tree", other], [other, "tree"]] {
            let made = painted(&mut pipeline, [60, 150, 60], prompts);
            assert_each_shows_its_own(&clip, &made, prompts);
        }
    }
}

#[test]
fn over_an_inverted_photo_too() {
    let (mut pipeline, clip) = tools();
    for (colour, pairs) in [
        ([60, 150, 60], &[["tree", "fish"], ["tree", "house"]][..]),
        ([200, 60, 50], &[["apple", "house"]]),
        ([90, 140, 190], &[["sea", "tree"]]),
    ] {
        let photo = inverted(&mut pipeline, &sketch(colour));
        for [left, right] in pairs {
            for prompts in [[*left, *right], [*right, *left]] {
                let made = edited(&mut pipeline, &photo, prompts);
                assert_each_shows_its_own(&clip, &made, prompts);
            }
        }
    }
}
