//! Requests become ops, or are refused. Nothing changes here.

use uuid::Uuid;

use super::{
    refusal::Refusal,
    settings::{check_steps, settings_change, settings_to_fit},
    state::Document,
    strokes::{Resent, Verdict},
};
use crate::{
    canvas::stroke_cost,
    protocol::{
        MAX_SMUDGE_COST, MAX_STROKE_COST, ModelInfo, Op, Rect, RenderRequest, Settings,
        SettingsPatch, StrokeChunk,
    },
};

/// What a client asks of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::room) enum Request {
    /// Undo the client's newest entry.
    Undo,
    /// Redo what the client undid last.
    Redo,
    /// The picture as it was after an earlier op.
    Revert(u64),
}

impl Document {
    /// The op that a request about the history makes now.
    ///
    /// # Errors
    /// Nothing is left to undo or redo, the picture is as it was, or it is too old.
    pub(in crate::room) fn op_of(&self, author: &Uuid, request: Request) -> Result<Op, Refusal> {
        match request {
            Request::Undo => {
                let target = self.history.undo_target(author);
                let target = target.ok_or(Refusal::NothingToUndo)?;
                Ok(Op::Undo { target })
            }
            Request::Redo => {
                let target = self.history.redo_target(author);
                let target = target.ok_or(Refusal::NothingToRedo)?;
                Ok(Op::Redo { target })
            }
            Request::Revert(seq) if seq > self.seq => Err(Refusal::UnknownSeq),
            Request::Revert(seq) => match self.history.switches_back_to(seq) {
                None => Err(Refusal::TooOld),
                Some(switches) if switches.is_empty() => Err(Refusal::SamePicture),
                Some(_) => Ok(Op::Revert { seq }),
            },
        }
    }

    /// Says whether a chunk of a stroke is new.
    ///
    /// # Errors
    /// See [`Refusal`]: its stroke is not known, has ended, or is too long.
    pub(in crate::room) fn judge(
        &self,
        author: Uuid,
        chunk: &StrokeChunk,
        resent: &mut Resent,
    ) -> Result<Verdict, Refusal> {
        self.strokes.judge(author, chunk, resent)
    }

    /// What a client that comes back may send again.
    pub(in crate::room) fn resendable(&self, author: &Uuid) -> Resent {
        self.strokes.resendable(author)
    }

    /// Checks that a chunk does not cost too much for one message.
    ///
    /// # Errors
    /// [`Refusal::StrokeTooCostly`], [`Refusal::SmudgeTooCostly`].
    pub(in crate::room) fn check_cost(
        &self,
        author: &Uuid,
        chunk: &StrokeChunk,
    ) -> Result<(), Refusal> {
        let cost = self.stroke_cost(author, chunk);
        if cost > MAX_STROKE_COST {
            return Err(Refusal::StrokeTooCostly);
        }
        let known = self.strokes.entry(author, &chunk.id);
        let so_far = known.map_or(0, |entry| self.canvas.smudge_cost(entry));
        match so_far + cost <= MAX_SMUDGE_COST {
            true => Ok(()),
            false => Err(Refusal::SmudgeTooCostly),
        }
    }

    /// What a chunk costs the room: what it costs to paint, and what may have to be mixed anew.
    pub(in crate::room) fn painting_cost(&self, author: &Uuid, chunk: &StrokeChunk) -> u64 {
        let entry = self.strokes.entry(author, &chunk.id);
        let mixing = entry.map_or(0, |entry| self.canvas.mixing_cost(entry));
        self.stroke_cost(author, chunk) + mixing
    }

    /// What a chunk costs to paint, at most, in pixels that are looked at; 0 for a stroke that is not
    /// known.
    fn stroke_cost(&self, author: &Uuid, chunk: &StrokeChunk) -> u64 {
        match &chunk.brush {
            Some(brush) => stroke_cost(self.canvas.size(), brush, None, &chunk.points),
            None => self
                .strokes
                .entry(author, &chunk.id)
                .map_or(0, |entry| self.canvas.next_cost(entry, &chunk.points)),
        }
    }

    /// A change of settings as the room makes it: a sampler that cannot have the schedule which is set
    /// takes the scheduler's own with it.
    ///
    /// # Errors
    /// Too many steps, an unknown sampler or control, a schedule that the sampler cannot have.
    pub(in crate::room) fn settings_change(
        settings: &Settings,
        patch: SettingsPatch,
        model: &ModelInfo,
    ) -> Result<SettingsPatch, Refusal> {
        settings_change(patch, settings, model)
    }

    /// The id of a reference that a change of settings names and whose picture is not known yet.
    pub(in crate::room) fn missing_reference<'a>(
        &self,
        patch: &'a SettingsPatch,
    ) -> Option<&'a str> {
        self.references.missing(patch)
    }

    /// What has to change so that the settings are ones that a model can have: those that it cannot
    /// become `defaults`, which are its own.
    pub(in crate::room) fn settings_to_fit(
        &self,
        model: &ModelInfo,
        defaults: &Settings,
    ) -> SettingsPatch {
        settings_to_fit(&self.settings_log, &self.settings, model, defaults)
    }

    /// Checks a request for a render. Answers where it is, and the op that has to come first where
    /// there is no mask yet.
    ///
    /// # Errors
    /// Too many steps, or a rectangle outside the canvas.
    pub(in crate::room) fn check_render(
        &self,
        request: &RenderRequest,
        model: &ModelInfo,
    ) -> Result<(Rect, Option<Op>), Refusal> {
        if let Some(steps) = request.steps {
            check_steps(steps, model)?;
        }
        let bounds = self.canvas.bounds();
        let rect = request.rect.unwrap_or(bounds).intersect(&bounds);
        if rect.is_empty() {
            return Err(Refusal::OutsideCanvas);
        }
        let is_masked = !self.canvas.masked_rects(&rect).is_empty();
        Ok((rect, (!is_masked).then_some(Op::Mask { rect })))
    }
}
