//! What the engine is to make of a window.

use std::sync::Arc;

use crate::{
    canvas::{Mask, Window},
    pipeline::{Edit, Output, PhotoWindow, PromptRegion, RenderSettings},
    protocol::Settings,
    room::document::{Document, WindowPrompts},
};

/// The edit of a window with so many steps. `repainted` is the window's mask; `photo` the id and the
/// source prompt of the inverted photo under it.
pub(super) fn edit_of_window(
    document: &Document,
    window: &Window,
    repainted: Mask,
    steps: u32,
    photo: Option<(u64, &str)>,
) -> Edit {
    let canvas = document.canvas();
    let known = canvas.known(&window.rect, &repainted, &repainted);
    Edit {
        window: window.seen_rect(),
        sketch: Arc::new(window.seen(canvas.sketch().crop(&window.rect))),
        known: Arc::new(window.seen(known)),
        mask: Arc::new(window.seen_mask(repainted)),
        settings: render_settings(document, window, steps),
        output: Output {
            rect: window.rect,
            finish: document.settings().finish,
            finish_strength: document.settings().finish_strength,
        },
        photo: photo.map(|(id, prompt)| PhotoWindow {
            photo: id,
            pixels: Arc::new(canvas.base().crop(&window.rect)),
            prompt: prompt.to_owned(),
            method: document.settings().method,
        }),
    }
}

fn render_settings(document: &Document, window: &Window, steps: u32) -> RenderSettings {
    let WindowPrompts { prompt, regions } = document.window_prompts(&window.rect);
    let regions = regions.into_iter().map(|(prompt, mask)| PromptRegion {
        prompt,
        share: Arc::new(window.seen_mask(mask)),
    });
    let usual = RenderSettings::default();
    let Settings {
        negative_prompt,
        guidance_scale,
        guidance_rescale,
        image_guidance_scale,
        strength,
        variation,
        sampler,
        ..
    } = document.settings();
    RenderSettings {
        prompt,
        regions: regions.collect(),
        negative_prompt: Some(negative_prompt.clone()).filter(|prompt| !prompt.is_empty()),
        guidance_scale: *guidance_scale,
        guidance_rescale: guidance_rescale.unwrap_or(usual.guidance_rescale),
        image_guidance_scale: image_guidance_scale.unwrap_or(usual.image_guidance_scale),
        steps,
        strength: *strength,
        keeps_a_step: true,
        seed: document.noise_seed(),
        variation: *variation,
        sampler: sampler.clone(),
        ..usual
    }
}
