//! What each command of a member does to the room.

use std::time::Instant;

use uuid::Uuid;

use super::{
    RoomCommand,
    core::{Effect, RoomCore},
    settings::{changes_the_picture, check_against_model, check_steps},
    strokes::Verdict,
    timeline::EntryKind,
};
use crate::protocol::{
    Brush, ErrorCode, ErrorMessage, Layer, MemberNews, Op, PlaceMode, Rect, RenderWish, Role,
    ServerMessage, SettingsPatch, StrokeChunk, StrokePoint, Tool,
};

/// Done, or why not.
pub(super) type Handled = Result<(), ErrorMessage>;

/// A refusal as what [`Handled`] holds.
pub(super) fn refuse(code: ErrorCode, message: impl Into<String>) -> Handled {
    Err(ErrorMessage::new(code, message))
}

impl RoomCore {
    /// Does what a member asks, or tells it why not. `now` is when the command came in.
    pub(super) fn handle(&mut self, client: Uuid, command: RoomCommand, now: Instant) {
        let Some(member) = self.members.get(&client) else {
            return;
        };
        let role = member.info.role;
        let stroke = match &command {
            RoomCommand::Stroke(chunk) => Some(chunk.id.clone()),
            _ => None,
        };
        let handled = match command {
            RoomCommand::Presence(presence) => {
                let news = MemberNews::Presence { client, presence };
                let message = ServerMessage::Member(news);
                self.effects.push(Effect::Whisper {
                    except: client,
                    message,
                });
                return;
            }
            _ if role == Role::Viewer => refuse(
                ErrorCode::Forbidden,
                "A viewer cannot change the picture; ask for an invite.",
            ),
            RoomCommand::Stroke(chunk) => self.stroke(client, chunk, now),
            RoomCommand::Settings(patch) => self.change_settings(client, patch, now),
            RoomCommand::Render(wish) => self.wish(client, wish, now),
            RoomCommand::Apply => self.apply(client, now),
            RoomCommand::Place {
                image,
                mode,
                prompt,
            } => self.place(client, image, mode, prompt, now),
            RoomCommand::CancelInversion => {
                self.cancel_inversion();
                Ok(())
            }
            RoomCommand::Undo => self.undo(client, now),
            RoomCommand::Redo => self.redo(client, now),
            RoomCommand::Revert { seq } => self.revert(client, seq, now),
        };
        self.forget_folded();
        if let Err(mut error) = handled {
            error.id = error.id.or(stroke);
            self.effects
                .push(Effect::Send(client, ServerMessage::Error(error)));
        }
        self.settle_down();
    }

    fn heard(&mut self, client: Uuid, now: Instant) {
        if let Some(plan) = self.plans.get_mut(&client) {
            plan.heard(now);
        }
    }

    fn stroke(&mut self, client: Uuid, chunk: StrokeChunk, now: Instant) -> Handled {
        let entry = match self.strokes.judge(client, &chunk)? {
            Verdict::Repeated(seq) => {
                let ack = ServerMessage::Ack {
                    id: Some(chunk.id),
                    seq,
                };
                self.effects.push(Effect::Send(client, ack));
                return Ok(());
            }
            Verdict::Later(entry) => {
                let seq = self.accept(client, Op::Stroke(chunk.clone()))?;
                self.strokes.accept(client, &chunk, seq);
                entry
            }
            Verdict::First => self.begin_stroke(client, &chunk)?,
        };
        self.draw(client, entry, &chunk.points, chunk.done, now);
        let plan = self.plans.get_mut(&client);
        let supersede = plan.is_some_and(|plan| plan.give_way(chunk.done, now));
        self.pump(client, now, supersede);
        Ok(())
    }

    fn begin_stroke(&mut self, client: Uuid, chunk: &StrokeChunk) -> Result<u64, ErrorMessage> {
        let entry = self.accept(client, Op::Stroke(chunk.clone()))?;
        self.strokes.accept(client, chunk, entry);
        self.history.push(client, entry);
        self.timeline.push(entry, EntryKind::Stroke);
        if let Some(brush) = &chunk.brush {
            self.prompts.push(entry, brush.prompt.clone());
            if let Err(error) = self.canvas.begin_stroke(entry, brush) {
                // The brush was validated, and a seq is new.
                tracing::error!(%error, "the canvas refused a stroke");
            }
        }
        Ok(entry)
    }

    fn draw(&mut self, client: Uuid, entry: u64, points: &[StrokePoint], done: bool, now: Instant) {
        let painted = self.canvas.extend_stroke(entry, points);
        if done {
            self.canvas.end_stroke(entry);
        }
        let tool = self.strokes.brush(&client, entry).map(|brush| brush.tool);
        self.mark(Layer::Sketch, &painted);
        match tool {
            Some(Tool::Brush) => self.inked.insert_rect(&painted),
            Some(Tool::Mask) => {}
            Some(Tool::Erase | Tool::Restore) | None => self.show_now(&painted),
        }
        let repaint = self.repainted(&painted);
        self.await_better(&repaint);
        let hand_down = self.strokes.any_open(&client);
        let live = self.settings.live;
        if let Some(plan) = self.plans.get_mut(&client) {
            plan.heard(now);
            plan.hand_down = hand_down;
            plan.dirty(&repaint);
            if live && !repaint.is_empty() {
                plan.start_watch(now);
            }
            if let Some([x, y, _]) = points.last() {
                plan.look_at(*x, *y);
            }
        }
        if let Some([x, y, _]) = points.last() {
            self.photos.look_at(*x, *y);
        }
    }

    /// Where the mask may have changed with a change of the footprint.
    pub(super) fn repainted(&self, rect: &Rect) -> Rect {
        rect.inflate_within(self.settings.spread, &self.canvas.bounds())
    }

    /// The result changed by an op alone: its frame includes the op.
    pub(super) fn show_now(&mut self, rect: &Rect) {
        for tile in self.tiles.touching(rect) {
            self.tiles.result_mut(tile).rev = self.seq;
            self.inked.remove(tile);
        }
        self.mark(Layer::Result, rect);
    }

    /// A render will make these pixels better: what is there is a preview.
    pub(super) fn await_better(&mut self, rect: &Rect) {
        for tile in self.tiles.touching(rect) {
            self.tiles.result_mut(tile).is_final = false;
        }
    }

    /// Renders that do not know the last op may not change these pixels.
    pub(super) fn bar_older_renders(&mut self, rect: &Rect) {
        for tile in self.tiles.touching(rect) {
            self.tiles.result_mut(tile).floor = self.seq;
        }
    }

    fn change_settings(&mut self, client: Uuid, patch: SettingsPatch, now: Instant) -> Handled {
        check_against_model(&patch, &self.model)?;
        let settings = self.settings.patched(&patch);
        self.accept(client, Op::Settings(patch))?;
        let old = std::mem::replace(&mut self.settings, settings);
        self.heard(client, now);
        self.release_held();
        if self.settings.spread != old.spread {
            let changed = self.canvas.set_spread(self.settings.spread);
            self.show_now(&changed);
            self.await_better(&changed);
            if let Some(plan) = self.plans.get_mut(&client) {
                plan.dirty(&changed);
            }
        }
        let mut supersede = false;
        if changes_the_picture(&old, &self.settings) {
            let everywhere = self.canvas.bounds();
            self.bar_older_renders(&everywhere);
            let masked = self.masked_rects(&everywhere);
            masked.iter().for_each(|rect| self.await_better(rect));
            for (member, plan) in &mut self.plans {
                let gave_up = plan.abandon();
                plan.hand_over_painted();
                if *member == client {
                    supersede = gave_up;
                    masked.iter().for_each(|rect| plan.dirty(rect));
                }
            }
        }
        self.pump(client, now, supersede);
        self.tick(now);
        Ok(())
    }

    /// Rectangles around what the mask covers inside `within`.
    pub(super) fn masked_rects(&self, within: &Rect) -> Vec<Rect> {
        let footprint = self.canvas.footprint();
        let spread = self.settings.spread;
        let reach = within.inflate_within(spread, &self.canvas.bounds());
        self.tiles
            .touching(&reach)
            .filter_map(|tile| {
                let tile = self.tiles.rect(tile);
                let painted = footprint.crop(&tile).bounds();
                let painted = Rect::new(
                    tile.x + painted.x,
                    tile.y + painted.y,
                    painted.width,
                    painted.height,
                );
                let masked = painted
                    .inflate_within(spread, &self.canvas.bounds())
                    .intersect(within);
                (!masked.is_empty()).then_some(masked)
            })
            .collect()
    }

    fn wish(&mut self, client: Uuid, wish: RenderWish, now: Instant) -> Handled {
        if let Some(steps) = wish.steps {
            check_steps(steps, &self.model)?;
        }
        let bounds = self.canvas.bounds();
        let rect = wish.rect.unwrap_or(bounds).intersect(&bounds);
        if rect.is_empty() {
            return refuse(ErrorCode::InvalidValue, "`rect` lies outside the canvas.");
        }
        if self.masked_rects(&rect).is_empty() {
            let chunk = mask_chunk(format!("render-{}", self.seq + 1), &rect, &bounds);
            let entry = self.begin_stroke(client, &chunk)?;
            self.draw(client, entry, &chunk.points, true, now);
        }
        let masked = self.masked_rects(&rect);
        masked.iter().for_each(|rect| self.await_better(rect));
        if let Some(plan) = self.plans.get_mut(&client) {
            plan.heard(now);
            plan.start_watch(now);
            plan.wish(&masked, &wish);
        }
        self.pump(client, now, false);
        Ok(())
    }

    fn apply(&mut self, client: Uuid, now: Instant) -> Handled {
        let entry = self.accept(client, Op::Apply {})?;
        self.heard(client, now);
        self.history.push(client, entry);
        self.timeline.push(entry, EntryKind::Apply);
        self.epoch += 1;
        let changed = self.canvas.apply(entry);
        self.mark(Layer::Sketch, &changed);
        self.start_over();
        Ok(())
    }

    fn place(
        &mut self,
        client: Uuid,
        image: String,
        mode: PlaceMode,
        prompt: Option<String>,
        now: Instant,
    ) -> Handled {
        let Some(pixels) = self.images.get(&image).cloned() else {
            return refuse(
                ErrorCode::UnknownImage,
                "No uploaded image has that id; upload it again.",
            );
        };
        let source_prompt = prompt.clone().unwrap_or_default();
        let op = Op::Place {
            image,
            mode,
            prompt,
        };
        let entry = self.accept(client, op)?;
        self.heard(client, now);
        self.history.push(client, entry);
        self.timeline.push(entry, EntryKind::Place);
        let changed = self.canvas.place(entry, pixels);
        if mode == PlaceMode::Invert {
            self.begin_photo(entry, source_prompt);
        }
        self.mark(Layer::Sketch, &changed);
        self.show_now(&changed);
        self.start_over();
        Ok(())
    }

    /// The base is another and the mask is empty: no render that is under way matters.
    pub(super) fn start_over(&mut self) {
        let everywhere = self.canvas.bounds();
        self.bar_older_renders(&everywhere);
        self.show_ink(&everywhere);
        for plan in self.plans.values_mut() {
            plan.abandon();
            plan.forget_dirty();
        }
        self.follow_base();
    }
}

/// A finished mask stroke over `rect`: rows of a hard brush, close enough to leave no gap. Where
/// the rectangle ends with the canvas the rows run over its edge, so that corners are full.
fn mask_chunk(id: String, rect: &Rect, canvas: &Rect) -> StrokeChunk {
    let size = (rect.width.min(rect.height) as f32 / 16.0)
        .clamp(1.0, 128.0)
        .max(
            // Two points a row, and at most 2000 of them.
            rect.height as f32 / 450.0,
        );
    let half = size / 2.0;
    // Half a pixel more than the radius: a smooth edge may not reach over the rectangle's.
    let outwards = |edge: u32, end: u32| if edge == end { size } else { -half - 0.5 };
    let left = rect.x as f32 - outwards(rect.x, canvas.x);
    let right = rect.right() as f32 + outwards(rect.right(), canvas.right());
    let top = rect.y as f32 - outwards(rect.y, canvas.y);
    let bottom = rect.bottom() as f32 + outwards(rect.bottom(), canvas.bottom());
    let rows = ((bottom - top) / half).ceil().max(1.0);
    let points = (0..=rows as u32)
        .flat_map(|row| {
            let y = top + (bottom - top) * row as f32 / rows;
            let (from, to) = if row % 2 == 0 {
                (left, right)
            } else {
                (right, left)
            };
            [[from, y, 1.0], [to, y, 1.0]]
        })
        .collect();
    let brush = Brush {
        tool: Tool::Mask,
        size,
        hardness: 1.0,
        opacity: 1.0,
        color: "#000000".to_owned(),
        prompt: None,
    };
    StrokeChunk {
        id,
        brush: Some(brush),
        points,
        done: true,
    }
}
