//! Where strokes lie on the canvas and what they should become.

use std::collections::BTreeMap;

use crate::protocol::Rect;

#[derive(Debug)]
struct Stroke {
    prompt: Option<String>,
    rect: Rect,
}

/// The strokes that can still be taken back, by the `seq` of their first op.
#[derive(Debug, Default)]
pub(super) struct StrokePlaces {
    strokes: BTreeMap<u64, Stroke>,
}

impl StrokePlaces {
    /// A new stroke, and its own prompt.
    pub(super) fn push(&mut self, id: u64, prompt: Option<String>) {
        let rect = Rect::default();
        self.strokes.insert(id, Stroke { prompt, rect });
    }

    /// A stroke covers this rectangle too.
    pub(super) fn extend(&mut self, id: u64, rect: &Rect) {
        if let Some(stroke) = self.strokes.get_mut(&id) {
            stroke.rect = stroke.rect.union(rect);
        }
    }

    /// An entry is too old to be taken back.
    pub(super) fn forget(&mut self, id: u64) {
        self.strokes.remove(&id);
    }

    /// The own prompt of the topmost stroke over the middle of `rect`, grown by `spread`, of
    /// those that `is_active` says are in the picture.
    pub(super) fn prompt_over(
        &self,
        rect: &Rect,
        spread: u32,
        is_active: impl Fn(u64) -> bool,
    ) -> Option<&str> {
        let (x, y) = (rect.x + rect.width / 2, rect.y + rect.height / 2);
        let covers = |covered: &Rect| {
            !covered.is_empty()
                && x + spread >= covered.x
                && y + spread >= covered.y
                && x < covered.right() + spread
                && y < covered.bottom() + spread
        };
        let mut downwards = self.strokes.iter().rev();
        let (_, top) = downwards.find(|(id, stroke)| covers(&stroke.rect) && is_active(**id))?;
        top.prompt.as_deref()
    }
}
