//! Members of the room: who comes, what they are told of what they missed, and who goes.

use std::time::Instant;

use uuid::Uuid;

use super::{
    RoomError,
    core::{Effect, RoomCore},
    render_plan::RenderPlan,
    views::View,
};
use crate::protocol::{MemberInfo, MemberNews, PROTOCOL_VERSION, Role, ServerMessage, Welcome};

/// The most missed ops that are sent to a member who comes back; past that the picture alone
/// tells what happened.
pub(super) const REPLAY_MOST: usize = 256;

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
    /// The member was told that frames are there to fetch.
    pub(super) told: bool,
}

impl RoomCore {
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
            photo: self.photo_info(),
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
}
