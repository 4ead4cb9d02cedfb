//! Changes of layers: what may be asked, and what comes of it.

use uuid::Uuid;

use super::{changed::Changed, history::EntryKind, refusal::Refusal, state::Document};
use crate::protocol::{
    BlendMode, LOWEST_LAYER, LayerChange, LayerPatch, MAX_LAYERS, NewLayer, PaintLayer, Placement,
    Role, StrokeChunk, Tool,
};

/// The most bytes that the layers above the lowest may hold in a room.
const LAYER_BYTES_MOST: usize = 256 << 20;

impl Document {
    /// The layers, the lowest first.
    pub(in crate::room) fn layers(&self) -> &[PaintLayer] {
        &self.layers
    }

    fn layer(&self, id: u64) -> Result<&PaintLayer, Refusal> {
        let mut layers = self.layers.iter();
        layers
            .find(|layer| layer.id == id)
            .ok_or(Refusal::UnknownLayer)
    }

    /// Checks that a member of that role may make a change, and answers it as an op says it.
    ///
    /// # Errors
    /// No such layer, too many, one that is locked, or what the lowest cannot be.
    pub(in crate::room) fn check_layer_change(
        &self,
        author: &Uuid,
        role: Role,
        change: LayerChange,
    ) -> Result<LayerChange, Refusal> {
        match &change {
            LayerChange::Add(wanted) => {
                if self.layers.len() >= MAX_LAYERS {
                    return Err(Refusal::TooManyLayers);
                }
                wanted
                    .above
                    .map_or(Ok(()), |above| self.layer(above).map(|_| ()))?;
                let name = wanted.name.as_deref().map(str::trim).unwrap_or_default();
                let name = match name {
                    "" => self.new_name(),
                    name => name.to_owned(),
                };
                return Ok(LayerChange::Add(NewLayer {
                    name: Some(name),
                    ..wanted.clone()
                }));
            }
            LayerChange::Set(patch) => self.check_patch(author, role, patch)?,
            LayerChange::Move { layer, above } => {
                self.layer(*layer)?;
                self.layer(*above)?;
                if *layer == LOWEST_LAYER {
                    return Err(Refusal::LowestLayer);
                }
                if layer == above {
                    return Err(Refusal::AboveItself);
                }
            }
            LayerChange::Remove { layer } => {
                if self.layer(*layer)?.locked {
                    return Err(Refusal::LayerLocked);
                }
                if *layer == LOWEST_LAYER {
                    return Err(Refusal::LowestLayer);
                }
            }
        }
        Ok(change)
    }

    fn check_patch(&self, author: &Uuid, role: Role, patch: &LayerPatch) -> Result<(), Refusal> {
        let layer = self.layer(patch.layer)?;
        if patch
            .name
            .as_ref()
            .is_some_and(|name| name.trim().is_empty())
        {
            return Err(Refusal::NoLayerName);
        }
        let is_others = layer.locked && layer.locked_by != Some(*author);
        if patch.locked == Some(false) && is_others && role != Role::Owner {
            return Err(Refusal::LockedByAnother);
        }
        let is_lowest = patch.layer == LOWEST_LAYER;
        let is_blended = patch.blend.is_some_and(|blend| blend != BlendMode::Normal);
        match is_lowest && (is_blended || patch.alpha_locked == Some(true)) {
            true => Err(Refusal::OpaqueLayer),
            false => Ok(()),
        }
    }

    /// A name that no layer has.
    fn new_name(&self) -> String {
        let numbers = self.layers.len() + 1..;
        let mut names = numbers.map(|number| format!("Layer {number}"));
        let is_free = |name: &String| self.layers.iter().all(|layer| layer.name != *name);
        names.find(is_free).unwrap_or_default()
    }

    /// Checks that a stroke may begin on its layer. One that has begun goes on, whatever others do to
    /// the layer meanwhile: refused, it would never end.
    ///
    /// # Errors
    /// The layer is gone or locked, or the layers hold too much.
    pub(in crate::room) fn check_stroke_layer(&self, chunk: &StrokeChunk) -> Result<(), Refusal> {
        let Some(brush) = &chunk.brush else {
            return Ok(());
        };
        // The mask is no paint: where it lies may be changed all the same.
        let paints = matches!(brush.tool, Tool::Brush | Tool::Erase | Tool::Smudge);
        self.check_paint_on(brush.layer.unwrap_or(LOWEST_LAYER), paints)
    }

    /// Checks that an image may be placed where it is to lie.
    ///
    /// # Errors
    /// As of a stroke that begins, for one that goes on a layer.
    pub(in crate::room) fn check_placement(&self, placement: &Placement) -> Result<(), Refusal> {
        let layer = placement.layer;
        layer.map_or(Ok(()), |layer| self.check_paint_on(layer, true))
    }

    fn check_paint_on(&self, id: u64, paints: bool) -> Result<(), Refusal> {
        if self.layer(id)?.locked && paints {
            return Err(Refusal::LayerLocked);
        }
        match id != LOWEST_LAYER && self.canvas.layer_bytes() >= LAYER_BYTES_MOST {
            true => Err(Refusal::LayersTooLarge),
            false => Ok(()),
        }
    }

    /// The op `seq`, a change of layers.
    pub(super) fn change_layers(
        &mut self,
        seq: u64,
        author: Uuid,
        change: &LayerChange,
    ) -> Changed {
        if let LayerChange::Set(patch) = change
            && self
                .layer(patch.layer)
                .is_ok_and(|layer| layer.patched(patch, author) == *layer)
        {
            return self.follow_layers();
        }
        let leader = self.history.undo_target(&author);
        let (leader, goes_on) = match change {
            LayerChange::Add(wanted) if wanted.continues => (leader, None),
            LayerChange::Set(patch) if patch.continues && leader.is_some() => {
                let newest = self.layer_log.newest_of(patch.layer, &self.history);
                let belongs = newest == leader
                    || newest.is_some_and(|newest| self.history.leader(newest) == leader);
                (
                    leader,
                    newest.filter(|_| belongs).map(|newest| (newest, patch)),
                )
            }
            _ => (None, None),
        };
        match goes_on {
            Some((newest, patch)) => self.layer_log.extend(newest, patch),
            None => {
                self.history
                    .push_after(leader, seq, author, EntryKind::Layer);
                self.layer_log.push(seq, author, change.clone());
            }
        }
        self.follow_layers()
    }

    /// Brings the picture up to date with the layers that the history says.
    pub(super) fn follow_layers(&mut self) -> Changed {
        self.layers = self.layer_log.layers(&self.history);
        let dirty = self.canvas.set_stack(self.layer_log.stack(&self.layers));
        let changed = match dirty.is_empty() {
            true => Changed::default(),
            false => self.other_sketch(&dirty),
        };
        Changed {
            layers: Some(self.layers.clone()),
            ..changed
        }
    }

    /// What can be undone no more becomes part of what lies under it. Answers its ids.
    pub(super) fn fold_layers(&mut self) -> Vec<u64> {
        let folded = self.layer_log.fold(&self.history);
        if !folded.is_empty() {
            // A layer that cannot come back gives its pixels away; nothing of the picture changes.
            self.canvas.set_stack(self.layer_log.stack(&self.layers));
        }
        folded
    }
}
