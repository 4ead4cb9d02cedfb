//! Where entries lie on the canvas and what strokes should become.

use std::collections::VecDeque;

use super::history::UNDOABLE_MOST;
use crate::protocol::Rect;

/// What an entry of the canvas is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// A stroke, and its own prompt.
    Stroke(Option<String>),
    /// A placed image.
    Place,
    /// A flattened result.
    Apply,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    kind: EntryKind,
    rect: Rect,
    active: bool,
}

/// The newest entries, in order.
#[derive(Debug, Default)]
pub(super) struct StrokePlaces {
    entries: VecDeque<Entry>,
}

impl StrokePlaces {
    /// A new entry; the oldest makes room.
    pub(super) fn push(&mut self, id: u64, kind: EntryKind) {
        if self.entries.len() == UNDOABLE_MOST {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            id,
            kind,
            rect: Rect::default(),
            active: true,
        });
    }

    /// An entry covers this rectangle too.
    pub(super) fn extend(&mut self, id: u64, rect: &Rect) {
        if let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.id == id) {
            entry.rect = entry.rect.union(rect);
        }
    }

    /// An entry was taken back or done again.
    pub(super) fn set_active(&mut self, id: u64, active: bool) -> Option<EntryKind> {
        let entry = self.entries.iter_mut().rev().find(|entry| entry.id == id)?;
        entry.active = active;
        Some(entry.kind.clone())
    }

    /// The own prompt of the topmost stroke over the middle of `rect`, grown by `spread`.
    pub(super) fn prompt_over(&self, rect: &Rect, spread: u32) -> Option<&str> {
        let (x, y) = (rect.x + rect.width / 2, rect.y + rect.height / 2);
        let covers = |covered: &Rect| {
            !covered.is_empty()
                && x + spread >= covered.x
                && y + spread >= covered.y
                && x < covered.right() + spread
                && y < covered.bottom() + spread
        };
        let top = self
            .entries
            .iter()
            .rev()
            .find(|entry| entry.active && covers(&entry.rect))?;
        match &top.kind {
            EntryKind::Stroke(prompt) => prompt.as_deref(),
            EntryKind::Place | EntryKind::Apply => None,
        }
    }
}
