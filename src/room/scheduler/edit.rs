//! What the engine is to make of a window.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    canvas::{Mask, Window},
    pipeline::{
        ControlPicture, ControlSettings, Edit, Output, PhotoWindow, PromptRegion, ReferencePicture,
        ReferenceSettings, RenderSettings,
    },
    protocol::ScheduleChoices,
    room::document::{Document, WindowPrompts},
};

/// The edit of a window with so many steps. `repainted` is the window's mask; `photo` the id and the
/// source prompt of the inverted photo under it; `schedules` what each sampler can have.
pub(super) fn edit_of_window(
    document: &Document,
    window: &Window,
    repainted: Mask,
    steps: u32,
    photo: Option<(u64, &str)>,
    schedules: &BTreeMap<String, ScheduleChoices>,
) -> Edit {
    let canvas = document.canvas();
    let known = canvas.known(&window.rect, &repainted, &repainted);
    let sketch = Arc::new(window.seen(canvas.sketch().crop(&window.rect)));
    Edit {
        window: window.seen_rect(),
        control: ControlSettings::of(document.settings()).map(|settings| ControlPicture {
            settings,
            picture: Arc::clone(&sketch),
        }),
        sketch,
        known: Arc::new(window.seen(known)),
        mask: Arc::new(window.seen_mask(repainted)),
        settings: render_settings(document, window, steps, schedules),
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

fn render_settings(
    document: &Document,
    window: &Window,
    steps: u32,
    schedules: &BTreeMap<String, ScheduleChoices>,
) -> RenderSettings {
    let settings = document.settings();
    // An undo may bring a sampler back beside a schedule that it cannot have: that rests then.
    let choices = schedules.get(&settings.sampler);
    let schedule = choices.map(|own| own.possible(settings.timestep_spacing, settings.sigmas));
    let WindowPrompts { prompt, regions } = document.window_prompts(&window.rect);
    let regions = regions.into_iter().map(|(prompt, mask)| PromptRegion {
        prompt,
        share: Arc::new(window.seen_mask(mask)),
    });
    let reference = ReferenceSettings::of(document.settings()).zip(document.reference());
    let references = reference.map(|(settings, picture)| ReferencePicture {
        settings,
        picture: Arc::clone(picture),
    });
    RenderSettings {
        prompt,
        regions: regions.collect(),
        references: references.into_iter().collect(),
        steps,
        schedule: schedule.unwrap_or_default(),
        seed: document.noise_seed(),
        ..RenderSettings::from(settings)
    }
}
