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
use impasto::pipeline::{Edit, Pipeline, PromptRegion, RenderSettings};
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

/// Both halves repainted in one window, each after its own prompt.
fn painted(pipeline: &mut Pipeline, colour: [u8; 3], prompts: [&str; 2]) -> Pixels {
    let sketch = Arc::new(sketch(colour));
    let regions = [false, true].map(|right| PromptRegion {
        prompt: prompts[usize::from(right)].to_owned(),
        share: half(right),
    });
    let edit = Edit {
        window: Rect::new(0, 0, 2 * SIDE, SIDE),
        sketch: sketch.clone(),
        known: sketch.clone(),
        mask: Arc::new(Mask::new(2 * SIDE, SIDE, 255)),
        settings: RenderSettings {
            steps: 2,
            seed: 7,
            sampler: "lcm".to_owned(),
            regions: regions.to_vec(),
            ..RenderSettings::default()
        },
        photo: None,
    };
    let latents = pipeline.encode(&sketch).unwrap();
    let mut render = pipeline.begin(&edit, latents, None).unwrap();
    while !render.is_done() {
        pipeline.step(&mut [&mut render]).unwrap();
    }
    pipeline.finish(render).unwrap().pixels
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
    let model = Model::load(&models().join("storybook"), &LoadOptions::default()).unwrap();
    let mut pipeline = Pipeline::new(model, 8).unwrap();
    let clip = ClipModel::load(&models().join("storybook-clip"), &Device::Cpu).unwrap();
    for (colour, prompts) in [
        ([60, 150, 60], ["tree", "fish"]),
        ([60, 150, 60], ["tree", "house"]),
    ] {
        for prompts in [prompts, [prompts[1], prompts[0]]] {
            let made = painted(&mut pipeline, colour, prompts);
            let words = prompts.map(|prompt| clip.embed_text(prompt).unwrap());
            for own in 0..2 {
                let part = made.crop(&Rect::new(SIDE * own as u32, 0, SIDE, SIDE));
                let seen = clip.embed_picture(&part).unwrap();
                let scores = [0, 1].map(|index| likeness(&seen, &words[index]));
                eprintln!("{prompts:?}, painted {:?}: {scores:?}", prompts[own]);
                assert!(scores[own] > scores[1 - own], "{prompts:?}: {scores:?}");
            }
        }
    }
}
