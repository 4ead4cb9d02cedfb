//! The room without its clock, its sockets and its device: a state machine.
//!
//! Calls go in with the time at which they came, [`Effect`]s come out. The same calls give the
//! same effects, so that a room can be simulated from a seed.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use uuid::Uuid;

use super::{
    RoomError, RoomOptions,
    history::History,
    images::ImageStore,
    photos::Photos,
    prompts::StrokePrompts,
    render_plan::RenderPlan,
    strokes::StrokeBook,
    timeline::Timeline,
    views::{FramePlan, Tiles, View},
};
use crate::{
    canvas::{Canvas, PhotoTile, Pixels, WindowRules},
    journal::Journal,
    pipeline::Edit,
    protocol::{
        ErrorMessage, Layer, MemberInfo, MemberNews, ModelInfo, Op, PROTOCOL_VERSION, Rect,
        RenderNews, Role, SequencedOp, ServerMessage, Settings, Welcome,
    },
};

/// The most missed ops that are sent to a member who comes back; past that the picture alone
/// tells what happened.
pub(super) const REPLAY_MOST: usize = 256;

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

/// Who wants in.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) client: Uuid,
    pub(super) name: Option<String>,
    pub(super) role: Role,
    pub(super) last_seq: Option<u64>,
}

/// A member of the room.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) info: MemberInfo,
    pub(super) view: View,
    told: bool,
}

/// A room's state.
pub(super) struct RoomCore {
    pub(super) name: String,
    pub(super) options: RoomOptions,
    pub(super) model: ModelInfo,
    pub(super) rules: WindowRules,
    pub(super) canvas: Canvas,
    pub(super) settings: Settings,
    pub(super) journal: Box<dyn Journal>,
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
        journal: Box<dyn Journal>,
    ) -> Self {
        let size = options.size;
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

    /// Lets a member in. A client that is here already is replaced by its new connection.
    ///
    /// # Errors
    /// [`RoomError::Full`].
    pub(super) fn join(&mut self, arrival: Arrival, now: Instant) -> Result<Welcome, RoomError> {
        let client = arrival.client;
        if self.members.contains_key(&client) {
            self.leave(client, now);
        }
        if self.members.len() >= self.options.members_max {
            return Err(RoomError::Full(self.options.members_max));
        }
        let name = arrival
            .name
            .as_deref()
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let info = MemberInfo {
            client,
            name: name.unwrap_or("Guest").to_owned(),
            role: arrival.role,
        };
        let news = MemberNews::Joined(info.clone());
        self.effects.push(Effect::Broadcast {
            except: Some(client),
            message: ServerMessage::Member(news),
        });
        self.strokes.come_back(&client);
        let mut plan = RenderPlan::new(self.options.size, now);
        let orphans: Vec<Uuid> = self
            .plans
            .keys()
            .copied()
            .filter(|id| !self.is_here(id))
            .collect();
        for orphan in orphans {
            if let Some(old) = self.plans.get_mut(&orphan) {
                plan.inherit(old);
                old.forget_dirty();
            }
        }
        match self.plans.get_mut(&client) {
            Some(old) => old.inherit(&plan),
            None => {
                self.plans.insert(client, plan);
            }
        }
        self.effects.push(Effect::FramesReady(client));
        self.replay_missed(client, arrival.last_seq);
        let view = View::new(self.options.size);
        self.members.insert(
            client,
            Member {
                info,
                view,
                told: true,
            },
        );
        let welcome = Welcome {
            protocol: PROTOCOL_VERSION,
            room: self.name.clone(),
            client,
            role: arrival.role,
            seq: self.seq,
            canvas: self.options.size,
            settings: self.settings.clone(),
            model: self.model.clone(),
            members: self
                .members
                .values()
                .map(|member| member.info.clone())
                .collect(),
        };
        self.pump(client, now, false);
        self.settle_down();
        Ok(welcome)
    }

    /// The ops that a client missed, where the journal has them and they are not too many.
    fn replay_missed(&mut self, client: Uuid, last_seq: Option<u64>) {
        let Some(last_seq) = last_seq.filter(|seq| *seq < self.seq) else {
            return;
        };
        if self.seq - last_seq > REPLAY_MOST as u64 {
            return;
        }
        match self.journal.read_since(last_seq) {
            Ok(ops) => {
                let messages = ops.into_iter().map(ServerMessage::Op);
                self.effects
                    .extend(messages.map(|message| Effect::Send(client, message)));
            }
            Err(error) => tracing::debug!(%error, "the missed ops are not replayed"),
        }
    }

    /// A member goes, or has gone.
    pub(super) fn leave(&mut self, client: Uuid, now: Instant) {
        if self.members.remove(&client).is_none() {
            return;
        }
        self.strokes.leave(&client);
        self.effects.push(Effect::Broadcast {
            except: Some(client),
            message: ServerMessage::Member(MemberNews::Left { client }),
        });
        let heir = self.members.keys().next().copied();
        if let Some(mut plan) = self.plans.remove(&client) {
            plan.hand_down = false;
            if let Some(heir) = heir
                && let Some(heirs) = self.plans.get_mut(&heir)
            {
                heirs.inherit(&plan);
                plan.forget_dirty();
                self.pump(heir, now, false);
            }
            if !plan.is_idle() {
                self.plans.insert(client, plan);
            }
        }
        self.settle_down();
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
