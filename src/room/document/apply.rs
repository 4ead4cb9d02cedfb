//! Ops change the document.

use uuid::Uuid;

use super::{
    changed::{Changed, Obsolete, StrokeChange},
    history::EntryKind,
    state::Document,
};
use crate::{
    canvas::{MAX_UNDO_ENTRIES, Painting, Upload},
    protocol::{Op, PlaceMode, Placement, Rect, SequencedOp, StrokeChunk, Tool},
};

/// Why an op cannot be applied: it is not one that this document's requests have made.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(in crate::room) enum ApplyError {
    /// Its place in the order is another.
    #[error("op {found} does not follow op {last}")]
    OutOfOrder {
        /// `seq` of the last op.
        last: u64,
        /// `seq` of the op.
        found: u64,
    },
    /// The picture that it places, or names as a reference, is not there.
    #[error("the image {0:?} of an op is missing")]
    MissingImage(String),
}

/// What an op came to.
#[derive(Debug)]
pub(in crate::room) enum Begun {
    /// It is done.
    Done(Changed),
    /// It is painted by [`Document::paint_some`]; until that is done nothing else may be asked of
    /// the document.
    Painting(PaintingStroke),
}

/// A chunk of a stroke that is being painted.
#[derive(Debug)]
pub(in crate::room) struct PaintingStroke {
    painting: Painting,
    entry: u64,
    done: bool,
    /// Its last point.
    at: Option<(f32, f32)>,
    tool: Option<Tool>,
}

impl Document {
    /// Applies the next op and says what it changed. `image` is asked for the picture of a `place`, or
    /// of a reference that settings name, by the id that the upload answered.
    ///
    /// # Errors
    /// [`ApplyError`]; then nothing has changed.
    pub(in crate::room) fn apply(
        &mut self,
        op: &SequencedOp,
        image: impl FnOnce(&str) -> Option<Upload>,
    ) -> Result<Changed, ApplyError> {
        let mut stroke = match self.begin(op, image)? {
            Begun::Done(changed) => return Ok(changed),
            Begun::Painting(stroke) => stroke,
        };
        loop {
            if let Some(changed) = self.paint_some(&mut stroke, u64::MAX) {
                return Ok(changed);
            }
        }
    }

    /// Begins what [`Document::apply`] does. Only strokes take long enough not to be done at once.
    ///
    /// # Errors
    /// [`ApplyError`]; then nothing has changed.
    pub(in crate::room) fn begin(
        &mut self,
        op: &SequencedOp,
        image: impl FnOnce(&str) -> Option<Upload>,
    ) -> Result<Begun, ApplyError> {
        let (seq, author) = (op.seq, op.client);
        if seq != self.seq + 1 {
            return Err(ApplyError::OutOfOrder {
                last: self.seq,
                found: seq,
            });
        }
        let placed = match &op.op {
            Op::Place(Placement { image: id, .. }) => {
                Some(image(id).ok_or_else(|| ApplyError::MissingImage(id.clone()))?)
            }
            Op::Settings(patch) => {
                if let Some(id) = self.references.missing(patch) {
                    let missing = || ApplyError::MissingImage(id.to_owned());
                    self.references.insert(id, image(id).ok_or_else(missing)?);
                }
                None
            }
            _ => None,
        };
        self.seq = seq;
        let changed = match &op.op {
            Op::Stroke(chunk) => match self.begin_stroke(seq, author, chunk) {
                Some(stroke) => return Ok(Begun::Painting(stroke)),
                None => Changed::default(),
            },
            Op::Mask { rect } => self.mask(seq, author, rect),
            Op::Settings(patch) => self.change_settings(seq, author, patch),
            Op::Layer(change) => self.change_layers(seq, author, change),
            Op::Apply {} => self.flatten(seq, author),
            Op::Place(placement) => placed.map_or_else(Changed::default, |picture| {
                let leader = self.history.undo_target(&author);
                let leader = leader.filter(|_| placement.continues);
                match placement.layer {
                    Some(layer) => self.lay(seq, author, leader, layer, picture),
                    None => self.place(seq, author, leader, picture, placement),
                }
            }),
            Op::Undo { target } => {
                let switches = self.history.undo(seq, &author, *target);
                self.switch(switches)
            }
            Op::Redo { target } => {
                let switches = self.history.redo(seq, &author, *target);
                self.switch(switches)
            }
            Op::Revert { seq: to } => {
                let switches = self.history.revert(seq, author, *to);
                self.switch(switches)
            }
        };
        self.note(&changed);
        Ok(Begun::Done(changed))
    }

    /// Paints until about `budget` is spent, in the unit of [`Document::painting_cost`]. Answers what
    /// the op changed once all is painted.
    pub(in crate::room) fn paint_some(
        &mut self,
        stroke: &mut PaintingStroke,
        budget: u64,
    ) -> Option<Changed> {
        self.canvas.paint_some(&mut stroke.painting, budget);
        stroke.painting.is_done().then(|| {
            let changed = self.painted(stroke);
            self.note(&changed);
            changed
        })
    }

    /// What is written down after each op.
    fn note(&mut self, changed: &Changed) {
        self.forget_folded();
        if changed.base {
            self.unrendered.clear();
        }
        for rect in &changed.mask {
            self.unrendered.insert(rect, self.seq);
        }
    }

    fn begin_stroke(
        &mut self,
        seq: u64,
        author: Uuid,
        chunk: &StrokeChunk,
    ) -> Option<PaintingStroke> {
        let entry = self.strokes.accept(author, chunk, seq)?;
        if entry == seq
            && let Some(brush) = &chunk.brush
        {
            self.history.push(entry, author, EntryKind::Stroke);
            self.prompts.push(entry, brush.prompt.clone());
            if let Err(error) = self.canvas.begin_stroke(entry, brush) {
                // The brush was validated, and a seq is new.
                tracing::error!(%error, "the canvas refused a stroke");
            }
        }
        let is_active = self.history.is_active(entry);
        self.entries_hash.change(entry, seq, is_active);
        Some(PaintingStroke {
            painting: self.canvas.begin_painting(entry, &chunk.points),
            entry,
            done: chunk.done,
            at: chunk.points.last().map(|[x, y, _]| (*x, *y)),
            tool: self.strokes.tool(&author, &chunk.id),
        })
    }

    fn painted(&mut self, stroke: &PaintingStroke) -> Changed {
        let PaintingStroke {
            entry,
            done,
            at,
            tool,
            ..
        } = *stroke;
        let (painted, parts) = (stroke.painting.dirty(), stroke.painting.parts());
        let mixed_over = stroke.painting.has_mixed_over();
        if done {
            self.canvas.end_stroke(entry);
        }
        let mut changed = Changed {
            sketch: painted,
            mask: match self.canvas.shows_stroke(entry) {
                true => parts.iter().map(|part| self.dilated(part)).collect(),
                false => Vec::new(),
            },
            stroke: Some(StrokeChange { entry, done, at }),
            ..Changed::default()
        };
        match tool {
            Some(Tool::Brush) if !mixed_over && self.canvas.shows_as_ink(entry) => {
                changed.ink = painted;
            }
            Some(Tool::Mask) => {}
            Some(Tool::Brush | Tool::Erase | Tool::Restore | Tool::Smudge) | None => {
                changed.result = painted;
            }
        }
        changed
    }

    fn mask(&mut self, seq: u64, author: Uuid, rect: &Rect) -> Changed {
        self.push(seq, author, EntryKind::Stroke);
        let masked = self.canvas.mask_rect(seq, rect).unwrap_or_else(|error| {
            tracing::error!(%error, "the canvas refused a mask");
            Rect::default()
        });
        Changed {
            mask: vec![self.dilated(&masked)],
            ..Changed::default()
        }
    }

    /// A new entry of the canvas is in the picture.
    fn push(&mut self, seq: u64, author: Uuid, kind: EntryKind) {
        self.push_after(None, seq, author, kind);
    }

    /// The same, for an entry that goes on with `leader`, where there is one.
    fn push_after(&mut self, leader: Option<u64>, seq: u64, author: Uuid, kind: EntryKind) {
        self.history.push_after(leader, seq, author, kind);
        self.entries_hash.change(seq, seq, true);
    }

    fn flatten(&mut self, seq: u64, author: Uuid) -> Changed {
        self.grounds.apply(seq, self.result_ground());
        self.push(seq, author, EntryKind::Apply);
        self.epoch += 1;
        Changed {
            sketch: self.canvas.apply(seq),
            ..self.other_base()
        }
    }

    fn place(
        &mut self,
        seq: u64,
        author: Uuid,
        leader: Option<u64>,
        picture: Upload,
        Placement { mode, prompt, .. }: &Placement,
    ) -> Changed {
        self.push_after(leader, seq, author, EntryKind::Place);
        self.grounds.place(seq);
        if *mode == PlaceMode::Invert {
            self.photos.insert(seq, prompt.clone().unwrap_or_default());
        }
        let changed = self.canvas.place(seq, picture.over(u8::MAX));
        Changed {
            sketch: changed,
            result: changed,
            ..self.other_base()
        }
    }

    fn lay(
        &mut self,
        seq: u64,
        author: Uuid,
        leader: Option<u64>,
        layer: u64,
        picture: Upload,
    ) -> Changed {
        self.push_after(leader, seq, author, EntryKind::Picture);
        let laid = self.canvas.lay_picture(seq, layer, &picture.into_layer());
        let laid = laid.unwrap_or_else(|error| {
            // The layer was looked for, and images are as large as the canvas.
            tracing::error!(%error, "the canvas refused a picture");
            Rect::default()
        });
        self.other_sketch(&laid)
    }

    /// The sketch is another inside a rectangle: what is under the mask there wants new pixels.
    pub(super) fn other_sketch(&self, rect: &Rect) -> Changed {
        let around = self.dilated(rect);
        Changed {
            sketch: *rect,
            result: around,
            mask: self.canvas.masked_rects(&around),
            stale: around,
            obsolete: Obsolete::OfAuthor,
            ..Changed::default()
        }
    }

    /// The base is another and the mask is empty: no render that is under way matters.
    pub(super) fn other_base(&self) -> Changed {
        Changed {
            stale: self.canvas.bounds(),
            base: true,
            obsolete: Obsolete::RunningAndWaiting,
            ..Changed::default()
        }
    }

    /// Where the mask may have changed with a change of the footprint.
    pub(super) fn dilated(&self, rect: &Rect) -> Rect {
        rect.inflate_within(self.settings.spread, &self.canvas.bounds())
    }

    /// What was folded away can be undone no more.
    fn forget_folded(&mut self) {
        let mut folded = self.canvas.take_folded();
        let is_picture = |id: &u64| {
            let kind = self.history.kind(*id);
            kind == Some(EntryKind::Picture) && self.history.is_active(*id)
        };
        self.has_old_picture |= folded.iter().any(is_picture);
        folded.extend(self.settings_log.fold(&self.history));
        self.references.forget_unnamed(&self.settings_log);
        folded.extend(self.fold_layers());
        for entry in self.history.forget(&folded) {
            self.prompts.forget(entry);
            self.entries_hash.forget(entry);
        }
        self.grounds.fold();
        // The base itself may be one more than can be undone.
        while self.photos.len() > MAX_UNDO_ENTRIES + 1 {
            self.photos.pop_first();
        }
    }
}
