//! Undo, redo and going back: ops that switch entries of the picture off and on.

use std::time::Instant;

use uuid::Uuid;

use super::{
    core::RoomCore,
    ops::{Handled, refuse},
    timeline::{EntryKind, Switch},
};
use crate::protocol::{ErrorCode, Layer, Op};

impl RoomCore {
    pub(super) fn undo(&mut self, client: Uuid, now: Instant) -> Handled {
        let is_active = |entry| self.timeline.is_active(entry);
        let Some(target) = self.history.undo_target(&client, is_active) else {
            return refuse(
                ErrorCode::NothingToUndo,
                "Nothing of yours is left to undo.",
            );
        };
        self.accept(client, Op::Undo { target })?;
        self.history.undo(&client, target);
        self.switch(client, &self.timeline.switches_of(target, false), now);
        Ok(())
    }

    pub(super) fn redo(&mut self, client: Uuid, now: Instant) -> Handled {
        let is_active = |entry| self.timeline.is_active(entry);
        let Some(target) = self.history.redo_target(&client, is_active) else {
            return refuse(
                ErrorCode::NothingToUndo,
                "Nothing of yours is left to redo.",
            );
        };
        self.accept(client, Op::Redo { target })?;
        self.history.redo(&client, target);
        self.switch(client, &self.timeline.switches_of(target, true), now);
        Ok(())
    }

    /// The picture as it was after the op `seq`, from everybody's strokes, as an entry of
    /// `client`.
    pub(super) fn revert(&mut self, client: Uuid, seq: u64, now: Instant) -> Handled {
        if seq > self.seq {
            return refuse(
                ErrorCode::InvalidValue,
                "`seq` is that of an op of this room, or 0.",
            );
        }
        let Some(switches) = self.timeline.switches_back_to(seq) else {
            return refuse(
                ErrorCode::InvalidValue,
                "That picture is too old to go back to; choose a later one.",
            );
        };
        if switches.is_empty() {
            return refuse(
                ErrorCode::NothingToUndo,
                "The picture is already as it was then.",
            );
        }
        let entry = self.accept(client, Op::Revert { seq })?;
        self.history.push(client, entry);
        self.timeline.push(entry, EntryKind::Revert);
        self.switch(client, &switches, now);
        Ok(())
    }

    /// What the canvas folded away can be taken back no more.
    pub(super) fn forget_folded(&mut self) {
        for entry in self.timeline.forget(&self.canvas.take_folded()) {
            self.history.forget(entry);
            self.prompts.forget(entry);
        }
    }

    fn switch(&mut self, client: Uuid, switches: &[Switch], now: Instant) {
        let mut is_base_changed = false;
        for (entry, is_active) in self.timeline.switch(self.seq, switches) {
            if !is_active {
                self.strokes.end(entry);
            }
            match self.timeline.kind(entry) {
                Some(EntryKind::Apply) => {
                    is_base_changed = true;
                    self.epoch = if is_active {
                        self.epoch + 1
                    } else {
                        self.epoch.saturating_sub(1)
                    };
                }
                Some(EntryKind::Place) => is_base_changed = true,
                Some(EntryKind::Stroke | EntryKind::Revert) | None => {}
            }
        }
        let switched = self.canvas.switch(switches);
        let repaint = self.repainted(&switched.rect);
        self.mark(Layer::Sketch, &switched.rect);
        self.show_now(&repaint);
        if is_base_changed {
            self.start_over();
        }
        // An apply that is undone brings its result back; other changes want new pixels.
        let masked = if switched.is_result_back {
            Vec::new()
        } else {
            self.masked_rects(&repaint)
        };
        self.bar_older_renders(&repaint);
        masked.iter().for_each(|rect| self.await_better(rect));
        for (member, plan) in &mut self.plans {
            plan.hand_down = self.strokes.any_open(member);
        }
        let mut supersede = false;
        if let Some(plan) = self.plans.get_mut(&client) {
            supersede = plan.abandon();
            plan.heard(now);
            masked.iter().for_each(|rect| plan.dirty(rect));
        }
        self.pump(client, now, supersede);
    }
}
