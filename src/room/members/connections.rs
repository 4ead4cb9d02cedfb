//! The members' connections, and what is written to them.

use std::collections::HashMap;

use bytes::Bytes;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    outbox::{CloseReason, MemberOutbox, OutboxRequest, OutboxSender, Outgoing, outbox},
    roster::MemberId,
};
use crate::{protocol::ServerMessage, room::frames::FrameEncoder};

/// The connections of a room's members, one for each.
#[derive(Debug, Default)]
pub(in crate::room) struct Connections {
    all: HashMap<Uuid, OutboxSender>,
    made: u64,
}

impl Connections {
    /// How many connections there were so far: each is numbered.
    pub(in crate::room) fn made(&self) -> u64 {
        self.made
    }

    /// How many there are.
    pub(in crate::room) fn count(&self) -> usize {
        self.all.len()
    }

    /// A new connection of a client that has none.
    pub(in crate::room) fn open(
        &mut self,
        client: Uuid,
        requests: mpsc::Sender<OutboxRequest>,
        encoder: FrameEncoder,
    ) -> (MemberId, MemberOutbox) {
        self.made += 1;
        let member = MemberId {
            client,
            connection: self.made,
        };
        let (sender, outbox) = outbox(member, requests, encoder);
        self.all.insert(client, sender);
        (member, outbox)
    }

    /// True for the connection that the client has now.
    pub(in crate::room) fn is_current(&self, member: MemberId) -> bool {
        let connection = self.all.get(&member.client);
        connection.is_some_and(|connection| connection.member == member)
    }

    /// Forgets a client's connection, and its pointer, which nobody needs to see any more.
    pub(in crate::room) fn forget(&mut self, client: &Uuid) {
        self.all.remove(client);
        for connection in self.all.values() {
            connection.forget_pointer(client);
        }
    }

    /// Says why a client's connection ends, and forgets it; false where it has none.
    pub(in crate::room) fn close(&mut self, client: &Uuid, reason: CloseReason) -> bool {
        let connection = self.all.get(client);
        connection.inspect(|connection| connection.close(reason));
        let is_closed = connection.is_some();
        self.forget(client);
        is_closed
    }

    /// Says why all connections end.
    pub(in crate::room) fn close_all(&self, reason: CloseReason) {
        for connection in self.all.values() {
            connection.close(reason);
        }
    }

    /// Queues a message for a client. False where it let too many wait: its connection is closed and
    /// forgotten then, and the member is to leave.
    #[must_use]
    pub(in crate::room) fn write(&mut self, client: &Uuid, message: &ServerMessage) -> bool {
        match text_from_message(message) {
            Some(text) => self.queue(client, text),
            None => true,
        }
    }

    /// Queues a message for every connection that it is to reach. Answers the clients that let too
    /// many wait, as in [`Self::write`].
    #[must_use]
    pub(in crate::room) fn broadcast(
        &mut self,
        message: &ServerMessage,
        reaches: impl Fn(MemberId) -> bool,
    ) -> Vec<Uuid> {
        let Some(text) = text_from_message(message) else {
            return Vec::new();
        };
        let members = self.all.values().map(|connection| connection.member);
        let mut reached: Vec<Uuid> = members
            .filter(|member| reaches(*member))
            .map(|member| member.client)
            .collect();
        reached.retain(|client| !self.queue(client, text.clone()));
        reached
    }

    fn queue(&mut self, client: &Uuid, text: Outgoing) -> bool {
        let connection = self.all.get(client);
        let is_queued = connection.is_none_or(|connection| connection.send(text));
        if !is_queued {
            self.close(client, CloseReason::TooSlow);
        }
        is_queued
    }

    /// Tells everybody else where a client's pointer is, in place of where it was.
    pub(in crate::room) fn point(&self, whose: Uuid, message: &ServerMessage) {
        let Some(text) = json_of(message) else {
            return;
        };
        let others = self.all.iter().filter(|(client, _)| **client != whose);
        others.for_each(|(_, connection)| connection.point(whose, text.clone()));
    }

    /// A client has frames to fetch.
    pub(in crate::room) fn frames_ready(&self, client: &Uuid) {
        if let Some(connection) = self.all.get(client) {
            connection.frames_ready();
        }
    }
}

fn json_of(message: &ServerMessage) -> Option<Bytes> {
    match serde_json::to_vec(message) {
        Ok(text) => Some(text.into()),
        Err(error) => {
            tracing::error!(%error, "a message could not be written");
            None
        }
    }
}

fn text_from_message(message: &ServerMessage) -> Option<Outgoing> {
    let text = json_of(message)?;
    Some(match message {
        ServerMessage::Error(error) => Outgoing::Refusal(error.code, text),
        _ => Outgoing::Text(text),
    })
}
