//! The room's layers: the changes to them that are in the picture, over what can be undone no more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::history::History;
use crate::{
    canvas::{MAX_UNDO_ENTRIES, StackLayer},
    protocol::{LOWEST_LAYER, LayerChange, LayerPatch, PaintLayer},
};

/// The lowest layer's name at first.
const LOWEST_NAME: &str = "Layer 1";

/// Changes of layers by the `seq` of their op; which are in the picture, the history knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::room) struct LayerLog {
    /// The lowest first.
    base: Vec<PaintLayer>,
    changes: BTreeMap<u64, Signed>,
}

/// A change, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Signed {
    author: Uuid,
    change: LayerChange,
}

impl Default for LayerLog {
    /// The lowest layer alone.
    fn default() -> Self {
        Self {
            base: vec![PaintLayer::new(LOWEST_LAYER, LOWEST_NAME, None)],
            changes: BTreeMap::new(),
        }
    }
}

impl LayerLog {
    /// The layers with all changes that are in the picture, the lowest first.
    pub(super) fn layers(&self, history: &History) -> Vec<PaintLayer> {
        let mut layers = self.base.clone();
        for (id, signed) in self.active(history) {
            signed.change_layers(*id, &mut layers);
        }
        layers
    }

    fn active<'a>(
        &'a self,
        history: &'a History,
    ) -> impl DoubleEndedIterator<Item = (&'a u64, &'a Signed)> {
        let changes = self.changes.iter();
        changes.filter(|(id, _)| history.is_active(**id))
    }

    /// How the canvas is to show `layers`, which are these. Those that are not among them and that undo
    /// and redo may bring back come last, out of the picture.
    pub(super) fn stack(&self, layers: &[PaintLayer]) -> Vec<StackLayer> {
        let mut stack: Vec<StackLayer> = layers.iter().map(stacked).collect();
        let known = self.base.iter().map(|layer| layer.id);
        let added = self.changes.iter().filter_map(|(id, signed)| {
            let is_new = matches!(signed.change, LayerChange::Add(_));
            is_new.then_some(*id)
        });
        for id in known.chain(added) {
            if stack.iter().all(|layer| layer.id != id) {
                stack.push(StackLayer {
                    id,
                    is_shown: false,
                    ..StackLayer::LOWEST
                });
            }
        }
        stack
    }

    /// A new change.
    pub(super) fn push(&mut self, id: u64, author: Uuid, change: LayerChange) {
        self.changes.insert(id, Signed { author, change });
    }

    /// The newest change in the picture, where a patch can go on with it: it is one of the same layer.
    pub(super) fn newest_of(&self, layer: u64, history: &History) -> Option<u64> {
        let (id, signed) = self.active(history).next_back()?;
        matches!(&signed.change, LayerChange::Set(patch) if patch.layer == layer).then_some(*id)
    }

    /// A change of a layer goes on.
    pub(super) fn extend(&mut self, id: u64, patch: &LayerPatch) {
        if let Some(Signed {
            change: LayerChange::Set(before),
            ..
        }) = self.changes.get_mut(&id)
        {
            *before = before.merged(patch);
        }
    }

    /// The changes of which more can be undone than [`MAX_UNDO_ENTRIES`] become part of what lies
    /// under them. Answers their ids.
    pub(super) fn fold(&mut self, history: &History) -> Vec<u64> {
        let mut folded = Vec::new();
        while self.changes.len() > MAX_UNDO_ENTRIES
            && let Some((id, signed)) = self.changes.pop_first()
        {
            if history.is_active(id) {
                signed.change_layers(id, &mut self.base);
            }
            folded.push(id);
        }
        folded
    }
}

impl Signed {
    /// Makes the change, which is the op `id`. What is about a layer that is not there changes nothing:
    /// somebody else has undone what made it.
    fn change_layers(&self, id: u64, layers: &mut Vec<PaintLayer>) {
        let place_of = |layers: &[PaintLayer], id: u64| layers.iter().position(|it| it.id == id);
        match &self.change {
            LayerChange::Add(wanted) => {
                let name = wanted.name.clone().unwrap_or_default();
                let below = wanted.above.and_then(|above| place_of(layers, above));
                let place = below.map_or(layers.len(), |below| below + 1);
                layers.insert(place, PaintLayer::new(id, name, Some(self.author)));
            }
            LayerChange::Set(patch) => {
                let mut named = layers.iter_mut();
                if let Some(layer) = named.find(|layer| layer.id == patch.layer) {
                    *layer = layer.patched(patch, self.author);
                }
            }
            LayerChange::Move { layer, above } => {
                let Some(from) = place_of(layers, *layer).filter(|from| *from > 0) else {
                    return;
                };
                let moved = layers.remove(from);
                let below = place_of(layers, *above);
                layers.insert(below.map_or(from, |below| below + 1), moved);
            }
            LayerChange::Remove { layer } => {
                layers.retain(|it| it.id != *layer || it.id == LOWEST_LAYER);
            }
        }
    }
}

fn stacked(layer: &PaintLayer) -> StackLayer {
    StackLayer {
        id: layer.id,
        is_shown: layer.visible && layer.seen,
        opacity: (layer.opacity.clamp(0.0, 1.0) * 255.0).round() as u8,
        blend: layer.blend,
        keeps_alpha: layer.alpha_locked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{BlendMode, NewLayer};

    const ME: Uuid = Uuid::from_u128(7);

    fn log(changes: &[(u64, LayerChange)]) -> (LayerLog, History) {
        let (mut log, mut history) = (LayerLog::default(), History::new(0));
        for (id, change) in changes {
            log.push(*id, ME, change.clone());
            history.push(*id, ME, super::super::history::EntryKind::Layer);
        }
        (log, history)
    }

    fn add(name: &str, above: Option<u64>) -> LayerChange {
        LayerChange::Add(NewLayer {
            name: Some(name.to_owned()),
            above,
            ..NewLayer::default()
        })
    }

    fn names(log: &LayerLog, history: &History) -> Vec<String> {
        let layers = log.layers(history);
        layers.into_iter().map(|layer| layer.name).collect()
    }

    #[test]
    fn layers_lie_where_they_are_put() {
        let (log, history) = log(&[
            (1, add("a", None)),
            (2, add("b", None)),
            (3, add("c", Some(1))),
            (4, LayerChange::Move { layer: 2, above: 0 }),
            (5, LayerChange::Move { layer: 0, above: 3 }),
            (6, LayerChange::Remove { layer: 0 }),
        ]);
        let expected = ["Layer 1", "b", "a", "c"];
        assert_eq!(names(&log, &history), expected, "the lowest stays");
    }

    #[test]
    fn what_is_about_a_layer_that_was_undone_changes_nothing() {
        let multiply = LayerPatch {
            layer: 1,
            blend: Some(BlendMode::Multiply),
            ..LayerPatch::default()
        };
        let (log, mut history) = log(&[
            (1, add("a", None)),
            (2, LayerChange::Set(multiply)),
            (3, add("b", Some(1))),
        ]);
        history.undo(4, &ME, 1);
        assert_eq!(names(&log, &history), ["Layer 1", "b"]);
        let stack = log.stack(&log.layers(&history));
        assert_eq!(stack.iter().map(|it| it.id).collect::<Vec<_>>(), [0, 3, 1]);
        assert!(!stack[2].is_shown, "it may come back");
        history.redo(5, &ME, 1);
        assert_eq!(names(&log, &history), ["Layer 1", "a", "b"]);
        assert_eq!(log.layers(&history)[1].blend, BlendMode::Multiply);
    }

    #[test]
    fn who_locks_a_layer_is_written_down() {
        let lock = |locked| {
            LayerChange::Set(LayerPatch {
                locked: Some(locked),
                ..LayerPatch::default()
            })
        };
        let (log, mut history) = log(&[(1, lock(true)), (2, lock(false))]);
        assert_eq!(log.layers(&history)[0].locked_by, None);
        history.undo(3, &ME, 2);
        assert_eq!(log.layers(&history)[0].locked_by, Some(ME));
    }

    #[test]
    fn what_is_too_old_to_be_undone_stays() {
        let many: Vec<_> = (1..=MAX_UNDO_ENTRIES as u64 + 2)
            .map(|id| match id {
                1 => (id, add("a", None)),
                2 => (id, LayerChange::Remove { layer: 1 }),
                id => (id, LayerChange::Move { layer: 1, above: 0 }),
            })
            .collect();
        let (mut log, history) = log(&many);
        assert_eq!(log.stack(&log.layers(&history)).len(), 2);
        assert_eq!(log.fold(&history), [1, 2]);
        assert_eq!(
            log.stack(&log.layers(&history)).len(),
            1,
            "it cannot come back"
        );
    }
}
