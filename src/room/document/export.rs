//! The document's pictures as they leave the room, and where they come from.

use super::{ground::Ground, history::EntryKind, state::Document};
use crate::{
    picture_file::{FileLayer, FilePixels, LayerName, Origin},
    protocol::{LOWEST_LAYER, Layer},
    room::export::{ExportLayers, RoomExport},
};

impl Document {
    /// What the base is made of. Snapshots from before this was kept say less: there an applied
    /// result counts as the model's, and another base as a picture that was brought along.
    fn ground(&self) -> Ground {
        let Some(base) = self.canvas.base_id() else {
            return Ground::default();
        };
        self.grounds.of(base).unwrap_or_else(|| {
            let is_applied = self.history.kind(base) == Some(EntryKind::Apply);
            Ground {
                has_photo: !is_applied,
                has_model: is_applied,
            }
        })
    }

    /// What the sketch is made of.
    fn sketch_ground(&self) -> Ground {
        let ground = self.ground();
        let has_picture = self.has_old_picture || self.history.has_active(EntryKind::Picture);
        Ground {
            has_photo: ground.has_photo || has_picture,
            ..ground
        }
    }

    /// What the result is made of.
    pub(super) fn result_ground(&self) -> Ground {
        let ground = self.sketch_ground();
        Ground {
            has_model: ground.has_model || self.shows_model(),
            ..ground
        }
    }

    /// Where the result comes from.
    pub(in crate::room) fn result_origin(&self) -> Origin {
        let ground = self.result_ground();
        Origin::of(ground.has_photo, ground.has_model)
    }

    /// True where a model had a part in the result since the base was laid: a final render is shown
    /// somewhere under the mask, or a preview, which is told from strokes that wait by its pixels.
    fn shows_model(&self) -> bool {
        let masked = self.canvas.masked_rects(&self.canvas.bounds());
        let is_rendered = masked.iter().any(|rect| !self.unrendered.covers(rect));
        is_rendered || self.canvas.is_beyond_ink()
    }

    /// Copies of pictures, and where the topmost comes from. The base is a layer of its own where it
    /// is a picture as it was brought along, and so are the layers that people paint on where there are
    /// several.
    pub(in crate::room) fn export(&self, layers: ExportLayers) -> RoomExport {
        let base = self.ground();
        let top = match layers {
            ExportLayers::One(Layer::Sketch) => self.sketch_ground(),
            ExportLayers::One(Layer::Result) | ExportLayers::All => self.result_ground(),
        };
        let canvas = &self.canvas;
        let result = || FileLayer::opaque(LayerName::Result, canvas.result().clone(), true);
        let sketch =
            |is_seen| FileLayer::opaque(LayerName::Sketch, canvas.sketch().clone(), is_seen);
        let layers = match layers {
            ExportLayers::One(Layer::Result) => vec![result()],
            ExportLayers::One(Layer::Sketch) => vec![sketch(true)],
            ExportLayers::All => {
                let mut all = vec![result(), sketch(false)];
                if self.layers().len() > 1 {
                    all.extend(self.painted_layers());
                }
                if base.has_photo && !base.has_model {
                    let is_under_others = self.layers().len() > 1;
                    let base = canvas.base().clone();
                    all.push(FileLayer::opaque(LayerName::Photo, base, is_under_others));
                }
                all
            }
        };
        RoomExport {
            layers,
            settings: self.settings.clone(),
            origin: Origin::of(top.has_photo, top.has_model),
            seq: self.seq,
        }
    }

    /// The layers that people paint on, the topmost first.
    fn painted_layers(&self) -> impl Iterator<Item = FileLayer> + '_ {
        let layers = self.layers().iter().enumerate().rev();
        layers.filter_map(|(number, layer)| {
            let pixels = self.painted_layer(layer.id)?;
            Some(FileLayer::painted(layer, number + 1, pixels))
        })
    }

    /// What is painted on a layer; none where there is no such layer. The lowest has the base in it.
    pub(in crate::room) fn painted_layer(&self, id: u64) -> Option<FilePixels> {
        self.layers().iter().find(|layer| layer.id == id)?;
        match id {
            LOWEST_LAYER => Some(FilePixels::Opaque(self.canvas.lowest().clone())),
            id => self.canvas.layer_copy(id).map(FilePixels::Painted),
        }
    }
}
