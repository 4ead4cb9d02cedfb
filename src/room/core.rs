//! The room without its clock, its sockets and its device: a state machine.
//!
//! Calls go in with the time at which they came, [`Effect`]s come out. The same calls give the
//! same effects, so that a room can be simulated from a seed.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use uuid::Uuid;

use super::{
    RoomOptions,
    history::History,
    images::ImageStore,
    members::Member,
    op_log::OpLog,
    photos::Photos,
    prompts::StrokePrompts,
    render_plan::RenderPlan,
    strokes::StrokeBook,
    timeline::Timeline,
    views::{FramePlan, Tiles},
};
use crate::{
    canvas::{Canvas, PhotoTile, Pixels, WindowRules, zoom_for},
    pipeline::Edit,
    protocol::{
        ErrorMessage, Layer, ModelInfo, Op, Rect, RenderNews, SequencedOp, ServerMessage, Settings,
    },
};

/// What the room wants done.
#[derive(Debug)]
pub(super) enum Effect {
    /// A message to one member.
    Send(Uuid, ServerMessage),
    /// A message to every member, or to every one but one.
    Broadcast {
        except: Option<Uuid>,
        message: ServerMessage,
    },
    /// A message to every member but one, that may be lost where a member is slow.
    Whisper {
        except: Uuid,
        message: ServerMessage,
    },
    /// A member has frames to fetch.
    FramesReady(Uuid),
    /// A render for the engine.
    Submit(Submission),
    /// An inversion for the engine.
    Invert(Box<InversionWish>),
    /// The inversion of this ticket is waited for now.
    WantInversion(u64),
    /// The inversion of this ticket is to stop.
    CancelInversion(u64),
    /// The engine may drop what is inverted of this photo.
    ForgetPhoto(u64),
    /// News of a render, to every member, in order.
    News(Box<News>),
}

/// A render for the engine.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) member: Uuid,
    pub(super) ticket: u64,
    pub(super) edit: Edit,
    pub(super) supersede: bool,
}

/// An inversion for the engine.
#[derive(Debug)]
pub(super) struct InversionWish {
    pub(super) ticket: u64,
    pub(super) photo: u64,
    pub(super) tile: PhotoTile,
    /// The photo inside the tile.
    pub(super) pixels: Arc<Pixels>,
    pub(super) prompt: String,
    /// A window waits for it.
    pub(super) is_wanted: bool,
}

/// News of a render, and the frames that it gave rise to.
#[derive(Debug)]
pub(super) struct News {
    pub(super) news: RenderNews,
    pub(super) frames: Vec<FramePlan>,
    /// When the oldest op came in that this render shows for the first time.
    pub(super) arrived: Option<Instant>,
}

/// A room's state.
pub(super) struct RoomCore {
    pub(super) name: String,
    pub(super) options: RoomOptions,
    pub(super) model: ModelInfo,
    pub(super) rules: WindowRules,
    pub(super) canvas: Canvas,
    pub(super) settings: Settings,
    pub(super) journal: OpLog,
    pub(super) seq: u64,
    pub(super) members: BTreeMap<Uuid, Member>,
    pub(super) plans: BTreeMap<Uuid, RenderPlan>,
    pub(super) strokes: StrokeBook,
    pub(super) timeline: Timeline,
    pub(super) prompts: StrokePrompts,
    pub(super) history: History,
    pub(super) images: ImageStore,
    pub(super) photos: Photos,
    pub(super) tiles: Tiles,
    /// Result tiles that strokes painted over and no frame has shown yet.
    pub(super) inked: super::cells::CellSet,
    pub(super) tickets: u64,
    /// How many applies are in the picture: each moves on to new noise.
    pub(super) epoch: u64,
    pub(super) effects: Vec<Effect>,
    was_resting: bool,
}

impl RoomCore {
    /// An empty room.
    pub(super) fn new(
        name: String,
        options: RoomOptions,
        model: ModelInfo,
        rules: WindowRules,
        journal: OpLog,
    ) -> Self {
        let size = options.size;
        let rules = WindowRules {
            zoom: zoom_for(size, model.native_size, model.largest_zoom),
            ..rules
        };
        let mut canvas = Canvas::new(size);
        canvas.set_spread(options.settings.spread);
        Self {
            name,
            model,
            rules,
            canvas,
            settings: options.settings.clone(),
            seq: journal.last_seq(),
            timeline: Timeline::new(journal.last_seq()),
            journal,
            members: BTreeMap::new(),
            plans: BTreeMap::new(),
            strokes: StrokeBook::default(),
            prompts: StrokePrompts::default(),
            history: History::default(),
            images: ImageStore::new(options.images_max, options.image_bytes_max),
            photos: Photos::default(),
            tiles: Tiles::new(size),
            inked: super::cells::CellSet::new(size, super::views::TILE),
            tickets: 0,
            epoch: 0,
            effects: Vec::new(),
            was_resting: true,
            options,
        }
    }

    /// True while the client is a member.
    pub(super) fn is_here(&self, client: &Uuid) -> bool {
        self.members.contains_key(client)
    }

    /// When [`Self::tick`] should be called.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let plans = self.plans.iter().filter(|(client, _)| self.is_here(client));
        plans
            .filter_map(|(_, plan)| plan.settles_at(self.settings.live, self.options.rest))
            .min()
    }

    /// Time has passed: hands may rest.
    pub(super) fn tick(&mut self, now: Instant) {
        let clients: Vec<Uuid> = self.members.keys().copied().collect();
        for client in clients {
            self.pump(client, now, false);
        }
        self.settle_down();
    }

    /// The next frame of a member, and its pixels' place.
    pub(super) fn next_frame(&mut self, client: &Uuid) -> Option<FramePlan> {
        let resting = self.is_resting();
        let member = self.members.get_mut(client)?;
        let plan = member.view.next_frame(&self.tiles, self.seq, resting);
        if plan.is_none() {
            member.told = false;
        }
        plan
    }

    /// A picture of the room.
    pub(super) fn layer(&self, layer: Layer) -> &Pixels {
        match layer {
            Layer::Result => self.canvas.result(),
            Layer::Sketch => self.canvas.sketch(),
        }
    }

    /// What is to be done since the last time.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        for (client, member) in &mut self.members {
            if !member.told && member.view.is_dirty() {
                member.told = true;
                self.effects.push(Effect::FramesReady(*client));
            }
        }
        std::mem::take(&mut self.effects)
    }

    /// True when no better picture comes without another op.
    pub(super) fn is_resting(&self) -> bool {
        let live = self.settings.live;
        self.plans.iter().all(|(client, plan)| {
            plan.is_at_rest(live) || (!self.is_here(client) && plan.flight.is_none())
        })
    }

    /// When the room comes to rest, what was sent as a preview goes out as it is now.
    pub(super) fn settle_down(&mut self) {
        self.plans
            .retain(|client, plan| self.members.contains_key(client) || !plan.is_idle());
        let resting = self.is_resting();
        if resting && !self.was_resting {
            self.show_ink(&self.canvas.bounds());
            let everywhere = self.canvas.bounds();
            for member in self.members.values_mut() {
                member.view.finish(&everywhere);
            }
        }
        self.was_resting = resting;
    }

    /// Shows what strokes painted over the result inside `rect`, where no frame has yet.
    pub(super) fn show_ink(&mut self, rect: &Rect) {
        let resting = self.is_resting();
        let inked: Vec<_> = self
            .tiles
            .touching(rect)
            .filter(|tile| self.inked.contains(*tile))
            .collect();
        for tile in inked {
            self.inked.remove(tile);
            if resting {
                self.tiles.result_mut(tile).rev = self.seq;
            }
            let pixels = self.tiles.rect(tile);
            self.mark(Layer::Result, &pixels);
        }
    }

    /// Pixels of a layer changed: every member has to see them.
    pub(super) fn mark(&mut self, layer: Layer, rect: &Rect) {
        if rect.is_empty() {
            return;
        }
        self.tiles.touch(layer);
        for member in self.members.values_mut() {
            member.view.mark(layer, rect);
        }
    }

    /// Gives an op its place, keeps it, and tells everybody.
    ///
    /// # Errors
    /// `internal` when the journal cannot keep it; then nothing has happened.
    pub(super) fn accept(&mut self, client: Uuid, op: Op) -> Result<u64, ErrorMessage> {
        let seq = self.seq + 1;
        let id = match &op {
            Op::Stroke(chunk) => Some(chunk.id.clone()),
            _ => None,
        };
        let op = SequencedOp { seq, client, op };
        if let Err(error) = self.journal.append(&op) {
            tracing::error!(%error, room = %self.name, "an op could not be kept");
            return Err(ErrorMessage::new(
                crate::protocol::ErrorCode::Internal,
                "The server could not keep the op; try again.",
            ));
        }
        self.seq = seq;
        self.effects
            .push(Effect::Send(client, ServerMessage::Ack { id, seq }));
        self.effects.push(Effect::Broadcast {
            except: None,
            message: ServerMessage::Op(op),
        });
        Ok(seq)
    }
}
