//! A document as plain data, to be kept and made again, and what is shown of the model between ops.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    ground::Grounds, history::History, layer_log::LayerLog, picture_key::EntriesHash,
    prompts::StrokePrompts, references::References, settings_log::SettingsLog, state::Document,
    strokes::Strokes, unrendered::Unrendered,
};
use crate::{
    canvas::{Canvas, CanvasState, CanvasStateError, Pixels},
    protocol::{Rect, Settings},
};

/// A document at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::room) struct DocumentSnapshot {
    /// All but the pixels.
    pub(in crate::room) facts: Facts,
    /// The pixels.
    pub(in crate::room) canvas: CanvasState,
    /// The reference pictures that settings name, by id.
    pub(in crate::room) references: Vec<(String, Arc<Pixels>)>,
}

/// What a document knows besides its pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::room) struct Facts {
    settings: Settings,
    /// None in snapshots from before changes of settings could be undone.
    #[serde(default)]
    settings_log: Option<SettingsLog>,
    /// The lowest layer alone in snapshots from before there were others.
    #[serde(default)]
    layer_log: LayerLog,
    history: History,
    strokes: Strokes,
    prompts: StrokePrompts,
    photos: BTreeMap<u64, String>,
    /// Empty in snapshots from before it was kept.
    #[serde(default)]
    grounds: Grounds,
    #[serde(default)]
    has_old_picture: bool,
    seq: u64,
    epoch: u64,
    unrendered: Unrendered,
}

/// What a render left in the result, as it is kept: putting it back runs no model.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::room) struct ShownPicture {
    /// The part of the canvas that the render answered for.
    pub(in crate::room) core: Rect,
    /// The last op that it shows for good; none where a better render was planned.
    pub(in crate::room) settles: Option<u64>,
    /// The pixels around all that changed, and where they lie; none where nothing did.
    pub(in crate::room) pixels: Option<(u32, u32, Pixels)>,
}

impl ShownPicture {
    /// Where its pixels lie.
    pub(in crate::room) fn rect(&self) -> Rect {
        self.pixels
            .as_ref()
            .map_or(Rect::default(), |(x, y, pixels)| {
                Rect::new(*x, *y, pixels.width(), pixels.height())
            })
    }
}

/// The smallest rectangle around all of them.
fn around<'a>(rects: impl Iterator<Item = &'a Rect>) -> Rect {
    rects.fold(Rect::default(), |around, rect| around.union(rect))
}

impl Document {
    /// The document as plain data.
    pub(in crate::room) fn snapshot(&self) -> DocumentSnapshot {
        DocumentSnapshot {
            facts: Facts {
                settings: self.settings.clone(),
                settings_log: Some(self.settings_log.clone()),
                layer_log: self.layer_log.clone(),
                history: self.history.clone(),
                strokes: self.strokes.clone(),
                prompts: self.prompts.clone(),
                photos: self.photos.clone(),
                grounds: self.grounds.clone(),
                has_old_picture: self.has_old_picture,
                seq: self.seq,
                epoch: self.epoch,
                unrendered: self.unrendered.clone(),
            },
            canvas: self.canvas.state(),
            references: self.references.pictures(),
        }
    }

    /// The document that had this snapshot, to the byte.
    ///
    /// # Errors
    /// [`CanvasStateError`] for pixels that do not fit together.
    pub(in crate::room) fn from_snapshot(
        snapshot: DocumentSnapshot,
    ) -> Result<Self, CanvasStateError> {
        let DocumentSnapshot {
            facts,
            canvas,
            references,
        } = snapshot;
        Ok(Self {
            canvas: Canvas::from_state(canvas)?,
            settings_log: facts
                .settings_log
                .unwrap_or_else(|| SettingsLog::new(facts.settings.clone())),
            settings: facts.settings,
            layers: facts.layer_log.layers(&facts.history),
            layer_log: facts.layer_log,
            entries_hash: EntriesHash::of(facts.history.on_canvas()),
            history: facts.history,
            strokes: facts.strokes,
            prompts: facts.prompts,
            photos: facts.photos,
            references: References::of(references),
            grounds: facts.grounds,
            has_old_picture: facts.has_old_picture,
            seq: facts.seq,
            epoch: facts.epoch,
            unrendered: facts.unrendered,
        })
    }

    /// Shows again what a render left in the result.
    pub(in crate::room) fn show_again(&mut self, picture: &ShownPicture) {
        if let Some((x, y, pixels)) = &picture.pixels {
            self.canvas.restore_result(*x, *y, pixels);
        }
        if let Some(seq) = picture.settles {
            self.unrendered.settle(&picture.core, seq);
        }
    }

    /// What has to be kept of a render that [`Document::paste`] has just shown: `changed` is its
    /// answer.
    pub(in crate::room) fn shown_picture(
        &self,
        core: Rect,
        settles: Option<u64>,
        changed: &[Rect],
    ) -> ShownPicture {
        let around = around(changed.iter());
        let pixels =
            (!around.is_empty()).then(|| (around.x, around.y, self.canvas.result().crop(&around)));
        ShownPicture {
            core,
            settles,
            pixels,
        }
    }

    /// Parts of an earlier result that are this document's, as what a final render of everything
    /// would have left.
    pub(in crate::room) fn picture_of(&self, parts: &[(Rect, &Pixels)]) -> ShownPicture {
        let around = around(parts.iter().map(|(rect, _)| rect));
        let pixels = (!around.is_empty()).then(|| {
            let mut pixels = self.canvas.result().crop(&around);
            for (rect, part) in parts {
                pixels.paste(part, rect.x - around.x, rect.y - around.y);
            }
            (around.x, around.y, pixels)
        });
        ShownPicture {
            core: self.canvas.bounds(),
            settles: Some(self.seq),
            pixels,
        }
    }

    /// True when final renders show all that is under the mask.
    pub(in crate::room) fn is_rendered(&self) -> bool {
        self.unrendered.is_empty()
    }

    /// Where the mask still waits for the model.
    pub(in crate::room) fn unrendered(&self) -> Vec<Rect> {
        let rects = self.unrendered.rects();
        rects
            .flat_map(|rect| self.canvas.masked_rects(&rect))
            .collect()
    }
}
