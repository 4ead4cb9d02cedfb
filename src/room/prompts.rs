//! What a window should show: the room's prompt, or those of the strokes in it.

use std::{collections::BTreeMap, sync::Arc};

use super::core::RoomCore;
use crate::{
    canvas::{Mask, Window},
    pipeline::PromptRegion,
};

/// Prompts that a window can have at once. Each costs a row of the model's batch.
const MOST: usize = 4;

/// The own prompts of strokes that can still be taken back, by the `seq` of their first op.
#[derive(Debug, Default)]
pub(super) struct StrokePrompts(BTreeMap<u64, String>);

impl StrokePrompts {
    /// A new stroke.
    pub(super) fn push(&mut self, id: u64, prompt: Option<String>) {
        self.0.extend(prompt.map(|prompt| (id, prompt)));
    }

    /// A stroke is too old to be taken back.
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
}

impl RoomCore {
    /// The prompt of a window, and of its parts that have others. The room's own prompt is the
    /// window's where any stroke in it has none of its own; else the newest stroke's is.
    pub(super) fn window_prompts(&self, window: &Window) -> (String, Vec<PromptRegion>) {
        let strokes = self.canvas.strokes_in(&window.rect);
        let mut prompts = self.prompts.of(&strokes);
        let default = match prompts.contains(&None) {
            true => None,
            false => prompts.first().copied().flatten(),
        };
        let usual = default.unwrap_or(&self.settings.prompt).to_owned();
        prompts.retain(|prompt| *prompt != default);
        prompts.truncate(MOST - 1);
        if prompts.is_empty() {
            return (usual, Vec::new());
        }
        // The window's own prompt is a group too: around its strokes the spread is its own.
        let group_of = |id: u64| {
            let own = prompts
                .iter()
                .position(|other| *other == self.prompts.get(id));
            Some(own.unwrap_or(prompts.len()))
        };
        let shares = self
            .canvas
            .shares(&window.rect, prompts.len() + 1, group_of);
        let regions = prompts.iter().zip(shares);
        let regions = regions.filter(|(_, share): &(_, Mask)| !share.bounds().is_empty());
        let regions = regions.map(|(prompt, share)| PromptRegion {
            prompt: prompt.unwrap_or_default().to_owned(),
            share: Arc::new(window.seen_mask(share)),
        });
        (usual, regions.collect())
    }
}
