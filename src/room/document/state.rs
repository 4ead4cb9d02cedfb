//! The document itself, and what can be read from it.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    ground::Grounds,
    history::History,
    layer_log::LayerLog,
    picture_key::{EntriesHash, PictureKey, shown_of},
    prompts::{StrokePrompts, WindowPrompts},
    references::References,
    settings::seed_in_epoch,
    settings_log::SettingsLog,
    strokes::Strokes,
    unrendered::Unrendered,
};
use crate::{
    canvas::{Canvas, Mask, Pixels, TILE, Window},
    protocol::{CanvasSize, PaintLayer, Rect, Settings},
};

/// What the ops of a room add up to.
#[derive(Debug)]
pub(in crate::room) struct Document {
    pub(super) canvas: Canvas,
    /// What `settings_log` adds up to.
    pub(super) settings: Settings,
    pub(super) settings_log: SettingsLog,
    /// What `layer_log` adds up to, the lowest first.
    pub(super) layers: Vec<PaintLayer>,
    pub(super) layer_log: LayerLog,
    pub(super) history: History,
    pub(super) strokes: Strokes,
    pub(super) prompts: StrokePrompts,
    /// The source prompts of the photos that were placed to be inverted, by the op that did.
    pub(super) photos: BTreeMap<u64, String>,
    pub(super) references: References,
    pub(super) grounds: Grounds,
    /// A picture was laid on a layer for good.
    pub(super) has_old_picture: bool,
    pub(super) seq: u64,
    /// How many applies are in the picture: each moves on to new noise.
    pub(super) epoch: u64,
    /// Where the model still has to paint.
    pub(super) unrendered: Unrendered,
    pub(super) entries_hash: EntriesHash,
}

impl Document {
    /// White paper after no op.
    pub(in crate::room) fn new(size: CanvasSize, settings: Settings) -> Self {
        let mut canvas = Canvas::new(size);
        canvas.set_dilation(settings.spread);
        let (layer_log, history) = (LayerLog::default(), History::new(0));
        Self {
            canvas,
            settings_log: SettingsLog::new(settings.clone()),
            settings,
            layers: layer_log.layers(&history),
            layer_log,
            history,
            strokes: Strokes::default(),
            prompts: StrokePrompts::default(),
            photos: BTreeMap::new(),
            references: References::default(),
            grounds: Grounds::default(),
            has_old_picture: false,
            seq: 0,
            epoch: 0,
            unrendered: Unrendered::default(),
            entries_hash: EntriesHash::default(),
        }
    }

    /// `seq` of the last op; 0 before the first.
    pub(in crate::room) fn seq(&self) -> u64 {
        self.seq
    }

    /// The canvas, which only ops and rendered results change.
    pub(in crate::room) fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    /// The settings.
    pub(in crate::room) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The picture that is seen beside the prompt, where the settings name one.
    pub(in crate::room) fn reference(&self) -> Option<&Arc<Pixels>> {
        self.references.get(&self.settings.reference)
    }

    /// The seed of the noise at the moment.
    pub(in crate::room) fn noise_seed(&self) -> u64 {
        seed_in_epoch(self.settings.seed, self.epoch)
    }

    /// What the picture is made from at the moment.
    pub(in crate::room) fn picture_key(&self) -> PictureKey {
        PictureKey {
            entries: self.entries_hash.sum(),
            stack: shown_of(self.canvas.stack()),
            settings: Settings {
                live: false,
                ..self.settings.clone()
            },
        }
    }

    /// The photo that is the base and was placed to be inverted: the op that placed it, and its
    /// source prompt.
    pub(in crate::room) fn photo(&self) -> Option<(u64, &str)> {
        let id = self.canvas.base_id()?;
        let prompt = self.photos.get(&id)?;
        Some((id, prompt))
    }

    /// The prompts of a window. The room's own prompt is the window's where any stroke in it has
    /// none of its own; else the newest stroke's is.
    pub(in crate::room) fn window_prompts(&self, window: &Rect) -> WindowPrompts {
        self.prompts
            .of_window(&self.canvas, window, &self.settings.prompt)
    }

    /// What the model made of a window is shown: `pixels` and `mask` have the window's size.
    /// `settles` is the last op that it shows for good, none where a better render is planned.
    /// Answers where the result changed, in rectangles inside one tile each.
    pub(in crate::room) fn paste(
        &mut self,
        window: &Window,
        pixels: &Pixels,
        mask: &Mask,
        settles: Option<u64>,
    ) -> Vec<Rect> {
        let rect = window.rect;
        let before = self.canvas.result().crop(&rect);
        let pasted = self.canvas.paste_result(&rect, pixels, mask);
        if let Some(seq) = settles {
            self.unrendered.settle(&window.core, seq);
        }
        let rows = pasted.y / TILE..pasted.bottom().div_ceil(TILE);
        let columns = pasted.x / TILE..pasted.right().div_ceil(TILE);
        let tiles = rows.flat_map(|row| columns.clone().map(move |column| (column, row)));
        tiles
            .map(|(column, row)| Rect::new(column * TILE, row * TILE, TILE, TILE))
            .map(|tile| tile.intersect(&rect))
            .filter(|part| !part.intersect(&pasted).is_empty())
            .filter(|part| {
                let local = Rect::new(part.x - rect.x, part.y - rect.y, part.width, part.height);
                before.crop(&local).data() != self.canvas.result().crop(part).data()
            })
            .collect()
    }
}
