//! What each command of a member does to the room.

use std::time::Instant;

use uuid::Uuid;

use super::{
    command::RoomCommand,
    core::{Effect, RoomCore},
    document::{Document, Refusal, Request, Verdict},
    members::Deed,
};
use crate::protocol::{Op, RenderRequest, ServerMessage, StrokeChunk};

/// What any command costs, in the unit of what strokes cost: pixels that are looked at.
const COMMAND_COST: u64 = 4096;

impl RoomCore {
    /// What a command costs, at most, in pixels that are looked at.
    pub(super) fn cost(&self, client: &Uuid, command: &RoomCommand) -> u64 {
        let pixels = match command {
            RoomCommand::Stroke(chunk) => self.document.painting_cost(client, chunk),
            // The whole canvas may be drawn anew.
            RoomCommand::Apply | RoomCommand::Place(_) | RoomCommand::Layer(_) => {
                self.document.canvas().bounds().area()
            }
            // And what lies under each smudge may be another.
            RoomCommand::Undo | RoomCommand::Redo | RoomCommand::Revert { .. } => {
                let canvas = self.document.canvas();
                canvas.bounds().area() + canvas.smudges_cost()
            }
            // The picture may be as large as the canvas, and is made small.
            RoomCommand::Settings(patch) if self.document.missing_reference(patch).is_some() => {
                self.document.canvas().bounds().area()
            }
            RoomCommand::Settings(_)
            | RoomCommand::Render(_)
            | RoomCommand::CancelInversion
            | RoomCommand::Presence(_)
            | RoomCommand::Chat(_)
            | RoomCommand::Role { .. }
            | RoomCommand::Remove { .. }
            | RoomCommand::Admit { .. }
            | RoomCommand::Lock { .. } => 0,
        };
        COMMAND_COST + pixels
    }

    /// Does what a member asks, or tells it why not. `now` is when the command came in.
    pub(super) fn handle(&mut self, client: Uuid, command: RoomCommand, now: Instant) {
        if !self.members.contains(&client) {
            return;
        }
        let stroke = match &command {
            RoomCommand::Stroke(chunk) => Some(chunk.id.clone()),
            _ => None,
        };
        let deed = Deed::of(&command);
        let allowed = self.members.check(&client, deed);
        let handled = allowed.and_then(|()| self.obey(client, command, now));
        match handled {
            // The rest is done when the stroke is painted.
            Ok(()) if self.is_painting() => return,
            Ok(()) if deed == Deed::Change => {
                self.scheduler.dispatch_all(client, &self.document, now);
            }
            Ok(()) => {}
            Err(refusal) => {
                let error = ServerMessage::Error(refusal.to_message(stroke));
                self.effects.push(Effect::Send(client, error));
            }
        }
        self.finish(now);
    }

    /// Does what a member asks that may ask it.
    fn obey(&mut self, client: Uuid, command: RoomCommand, now: Instant) -> Result<(), Refusal> {
        let op = match command {
            RoomCommand::Stroke(chunk) => {
                let resent = self.members.resent(&client)?;
                match self.document.judge(client, &chunk, resent)? {
                    Verdict::Repeated(seq) => {
                        self.acknowledge_again(client, chunk, seq);
                        return Ok(());
                    }
                    Verdict::New => {
                        self.document.check_stroke_layer(&chunk)?;
                        self.document.check_cost(&client, &chunk)?;
                        resent.goes_on(&chunk.id);
                    }
                }
                Op::Stroke(chunk)
            }
            RoomCommand::Settings(patch) => {
                if let Some(id) = self.document.missing_reference(&patch) {
                    self.images.get(id).ok_or(Refusal::UnknownImage)?;
                }
                let settings = self.document.settings();
                Op::Settings(Document::settings_change(settings, patch, &self.model)?)
            }
            RoomCommand::Layer(change) => {
                let role = self.members.role(&client)?;
                Op::Layer(self.document.check_layer_change(&client, role, change)?)
            }
            RoomCommand::Apply => Op::Apply {},
            RoomCommand::Place(placement) => {
                // One that was uploaded as a reference is of another size.
                self.images
                    .get(&placement.image)
                    .filter(|image| image.size() == self.document.canvas().size())
                    .ok_or(Refusal::UnknownImage)?;
                self.document.check_placement(&placement)?;
                Op::Place(placement)
            }
            RoomCommand::Undo => self.document.op_of(&client, Request::Undo)?,
            RoomCommand::Redo => self.document.op_of(&client, Request::Redo)?,
            RoomCommand::Revert { seq } => self.document.op_of(&client, Request::Revert(seq))?,
            RoomCommand::Render(request) => return self.render(client, &request, now),
            RoomCommand::CancelInversion => {
                self.scheduler.cancel_inversions(&self.document);
                return Ok(());
            }
            RoomCommand::Presence(presence) => {
                self.point(client, presence);
                return Ok(());
            }
            RoomCommand::Chat(text) => return self.say(client, &text, now),
            RoomCommand::Role {
                client: whose,
                role,
            } => {
                return self.give_role(client, whose, role);
            }
            RoomCommand::Remove { client: whom } => return self.send_away(client, whom, now),
            RoomCommand::Admit { client: whom } => return self.let_in(client, whom),
            RoomCommand::Lock { locked } => {
                self.lock(client, locked);
                return Ok(());
            }
        };
        self.accept(client, op, now);
        Ok(())
    }

    fn acknowledge_again(&mut self, client: Uuid, chunk: StrokeChunk, seq: u64) {
        self.effects.push(Effect::Acknowledge {
            client,
            id: Some(chunk.id),
            seq,
        });
    }

    fn render(
        &mut self,
        client: Uuid,
        request: &RenderRequest,
        now: Instant,
    ) -> Result<(), Refusal> {
        if let Some(wait) = self.scheduler.retry_after() {
            return Err(Refusal::Busy(wait));
        }
        let (rect, mask) = self.document.check_render(request, &self.model)?;
        if let Some(mask) = mask {
            self.accept(client, mask, now);
        }
        let masked = self.document.canvas().masked_rects(&rect);
        masked
            .iter()
            .for_each(|rect| self.frames.await_better(rect));
        self.scheduler.request(client, &masked, request.steps, now);
        Ok(())
    }
}
