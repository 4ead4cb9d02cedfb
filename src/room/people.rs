//! Who comes and goes, what owners decide about people, and what is said.

use std::time::Instant;

use uuid::Uuid;

use super::{
    core::{Effect, RoomCore},
    document::Refusal,
    error::RoomError,
    members::{Arrival, CloseReason, Deed},
};
use crate::protocol::{
    MemberNews, PROTOCOL_VERSION, Presence, Role, RoomNews, ServerMessage, StrainLevel, Welcome,
};

/// The most missed ops that are sent to a member who comes back; past that the picture alone
/// tells what happened.
const MISSED_MOST: u64 = 256;

impl RoomCore {
    /// Lets a member in. A client that is here already is replaced by its new connection.
    ///
    /// # Errors
    /// [`RoomError::Full`], [`RoomError::Removed`].
    pub(super) fn join(&mut self, arrival: Arrival, now: Instant) -> Result<Welcome, RoomError> {
        let client = arrival.client;
        self.members.check_door(&arrival)?;
        if self.members.contains(&client) {
            self.leave(client, now);
        }
        let resent = self.document.resendable(&client);
        let info = self.members.enter(&arrival, resent)?.clone();
        let role = info.role;
        self.tell_others(client, MemberNews::Joined(info));
        self.effects.push(Effect::FramesReady(client));
        self.send_missed(client, arrival.last_seq);
        let level = self.scheduler.strain();
        if level != StrainLevel::Calm {
            let strain = ServerMessage::Strain { level };
            self.effects.push(Effect::Send(client, strain));
        }
        self.frames.enter(client);
        let rules = self.members.rules();
        let welcome = Welcome {
            protocol: PROTOCOL_VERSION,
            room: self.name.clone(),
            client,
            role,
            seq: self.document.seq(),
            canvas: self.options.size,
            settings: self.document.settings().clone(),
            layers: self.document.layers().to_vec(),
            model: self.model.clone(),
            members: self.members.infos(),
            photo: self.scheduler.photo_info(&self.document),
            kept: self.is_kept,
            locked: rules.is_locked(),
            removed: rules.removed().to_vec(),
            chat: self.chat.lines(now),
        };
        self.scheduler.enter(client, &self.document, now);
        self.finish(now);
        Ok(welcome)
    }

    /// The ops that a client missed, where the journal has them and they are not too many.
    fn send_missed(&mut self, client: Uuid, last_seq: Option<u64>) {
        let seq = self.document.seq();
        let Some(last_seq) = last_seq.filter(|last| *last < seq) else {
            return;
        };
        if seq - last_seq > MISSED_MOST {
            return;
        }
        match self.op_log.read_since(last_seq) {
            Ok(ops) => {
                let messages = ops.into_iter().map(ServerMessage::Op);
                self.effects
                    .extend(messages.map(|message| Effect::Send(client, message)));
            }
            Err(error) => tracing::debug!(%error, "the missed ops are not sent"),
        }
    }

    /// A member goes, or has gone.
    pub(super) fn leave(&mut self, client: Uuid, now: Instant) {
        if self.members.leave(&client) {
            self.gone(client, None, now);
            self.finish(now);
        }
    }

    /// Somebody is no member any more.
    fn gone(&mut self, client: Uuid, removed_by: Option<Uuid>, now: Instant) {
        self.tell_others(client, MemberNews::Left { client, removed_by });
        self.frames.leave(&client);
        self.scheduler.leave(client, &self.document, now);
    }

    /// A member's pointer moved.
    pub(super) fn point(&mut self, client: Uuid, presence: Presence) {
        let news = MemberNews::Presence { client, presence };
        self.effects.push(Effect::Point {
            whose: client,
            message: ServerMessage::Member(news),
        });
    }

    /// A member says something to everybody, itself included.
    pub(super) fn say(&mut self, client: Uuid, text: &str, now: Instant) -> Result<(), Refusal> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Refusal::NothingSaid);
        }
        let who = self.members.info(&client)?;
        let line = self.chat.say(who, text.to_owned(), now);
        self.tell_all(ServerMessage::Chat(line));
        Ok(())
    }

    /// An owner gives a member another role.
    pub(super) fn give_role(&mut self, by: Uuid, client: Uuid, role: Role) -> Result<(), Refusal> {
        if self.members.set_role(&by, &client, role)? {
            let news = MemberNews::Role { client, role, by };
            self.tell_all(ServerMessage::Member(news));
            self.decided();
        }
        Ok(())
    }

    /// An owner sends a member away and keeps it out.
    pub(super) fn send_away(
        &mut self,
        by: Uuid,
        client: Uuid,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.members.remove(&by, &client)?;
        self.effects
            .push(Effect::Close(client, CloseReason::Removed));
        self.gone(client, Some(by), now);
        self.tell_rules(by);
        self.decided();
        Ok(())
    }

    /// An owner lets somebody come back who was removed.
    pub(super) fn let_in(&mut self, by: Uuid, client: Uuid) -> Result<(), Refusal> {
        self.members.let_in(&client)?;
        self.tell_rules(by);
        self.decided();
        Ok(())
    }

    /// An owner locks the room or unlocks it.
    pub(super) fn lock(&mut self, by: Uuid, locked: bool) {
        if self.members.set_locked(locked) {
            self.tell_rules(by);
            self.decided();
        }
    }

    /// What the owners decided has changed.
    fn decided(&mut self) {
        let rules = self.members.rules().clone();
        self.effects.push(Effect::Decided(rules));
        // Who may not paint on ends no stroke, and the picture would wait for that.
        for client in self.members.barred_from(Deed::Change) {
            self.scheduler.lift_hand(&client);
        }
    }

    fn tell_rules(&mut self, by: Uuid) {
        let rules = self.members.rules();
        let news = RoomNews {
            locked: rules.is_locked(),
            removed: rules.removed().to_vec(),
            by,
        };
        self.tell_all(ServerMessage::Room(news));
    }

    fn tell_all(&mut self, message: ServerMessage) {
        let except = None;
        self.effects.push(Effect::Broadcast { except, message });
    }

    fn tell_others(&mut self, client: Uuid, news: MemberNews) {
        self.effects.push(Effect::Broadcast {
            except: Some(client),
            message: ServerMessage::Member(news),
        });
    }
}
