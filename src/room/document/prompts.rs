//! What a window should show: the room's prompt, or those of the strokes in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    canvas::{Canvas, Mask},
    protocol::Rect,
};

/// Prompts that a window can have at once. Each costs a row of the model's batch.
const MOST: usize = 4;

/// The own prompts of strokes that can still be undone, by the `seq` of their first op.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::room) struct StrokePrompts(BTreeMap<u64, String>);

/// The prompt of a window, and of its regions that have others.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::room) struct WindowPrompts {
    /// What the window shows where no region says otherwise.
    pub(in crate::room) prompt: String,
    /// Other prompts and how much of each pixel they hold, in canvas pixels.
    pub(in crate::room) regions: Vec<(String, Mask)>,
}

impl StrokePrompts {
    /// A new stroke.
    pub(super) fn push(&mut self, id: u64, prompt: Option<String>) {
        self.0.extend(prompt.map(|prompt| (id, prompt)));
    }

    /// A stroke is too old to be undone.
    pub(super) fn forget(&mut self, id: u64) {
        self.0.remove(&id);
    }

    /// The own prompt of a stroke.
    fn get(&self, id: u64) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
    }

    /// The different prompts of these strokes, the newest first; None is the room's.
    fn of(&self, strokes: &[u64]) -> Vec<Option<&str>> {
        let mut prompts = Vec::new();
        for id in strokes.iter().rev() {
            let prompt = self.get(*id);
            if !prompts.contains(&prompt) {
                prompts.push(prompt);
            }
        }
        prompts
    }

    /// The prompts of a window of the canvas, where the room's own is `rooms`.
    pub(super) fn of_window(&self, canvas: &Canvas, window: &Rect, rooms: &str) -> WindowPrompts {
        let strokes = canvas.strokes_in(window);
        let mut prompts = self.of(&strokes);
        let default = match prompts.contains(&None) {
            true => None,
            false => prompts.first().copied().flatten(),
        };
        let prompt = default.unwrap_or(rooms).to_owned();
        prompts.retain(|other| *other != default);
        prompts.truncate(MOST - 1);
        if prompts.is_empty() {
            let regions = Vec::new();
            return WindowPrompts { prompt, regions };
        }
        // The window's own prompt is a group too: around its strokes the dilation is its own.
        let group_of = |id: u64| {
            let own = prompts.iter().position(|other| *other == self.get(id));
            Some(own.unwrap_or(prompts.len()))
        };
        let masks = canvas.region_masks(window, prompts.len() + 1, group_of);
        let regions = prompts
            .iter()
            .zip(masks)
            .filter(|(_, mask)| !mask.bounds().is_empty())
            .map(|(prompt, mask)| (prompt.unwrap_or(rooms).to_owned(), mask));
        WindowPrompts {
            prompt,
            regions: regions.collect(),
        }
    }
}
