//! The members of a room, and what each may do.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    protocol::{MemberInfo, Role},
    room::{
        document::{Refusal, Resent},
        error::RoomError,
    },
};

/// One connection of a client to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberId {
    /// The client.
    pub client: Uuid,
    /// Which of its connections, counted by the room.
    pub connection: u64,
}

/// Who wants in.
#[derive(Clone, Debug)]
pub(in crate::room) struct Arrival {
    pub(in crate::room) client: Uuid,
    pub(in crate::room) name: Option<String>,
    pub(in crate::room) role: Role,
    pub(in crate::room) last_seq: Option<u64>,
}

/// The members of a room, by their clients.
#[derive(Debug)]
pub(in crate::room) struct Members {
    all: BTreeMap<Uuid, Member>,
    most: usize,
}

#[derive(Debug)]
struct Member {
    info: MemberInfo,
    /// What it may send again after a reconnect.
    resent: Resent,
}

impl Members {
    /// Nobody, and never more than `most`.
    pub(in crate::room) fn new(most: usize) -> Self {
        let all = BTreeMap::new();
        Self { all, most }
    }

    /// Lets a member in that is not here.
    ///
    /// # Errors
    /// [`RoomError::Full`].
    pub(in crate::room) fn enter(
        &mut self,
        arrival: &Arrival,
        resent: Resent,
    ) -> Result<&MemberInfo, RoomError> {
        if self.all.len() >= self.most {
            return Err(RoomError::Full(self.most));
        }
        let name = arrival.name.as_deref().map(str::trim);
        let name = name.filter(|name| !name.is_empty());
        let info = MemberInfo {
            client: arrival.client,
            name: name.unwrap_or("Guest").to_owned(),
            role: arrival.role,
        };
        self.all.remove(&arrival.client);
        let member = self.all.entry(arrival.client);
        Ok(&member.or_insert(Member { info, resent }).info)
    }

    /// Takes a member out; false when it was not here.
    pub(in crate::room) fn leave(&mut self, client: &Uuid) -> bool {
        self.all.remove(client).is_some()
    }

    /// True while the client is a member.
    pub(in crate::room) fn contains(&self, client: &Uuid) -> bool {
        self.all.contains_key(client)
    }

    /// All members.
    pub(in crate::room) fn infos(&self) -> Vec<MemberInfo> {
        self.all
            .values()
            .map(|member| member.info.clone())
            .collect()
    }

    /// Checks that a client may change the picture. Answers what it may have sent before.
    ///
    /// # Errors
    /// [`Refusal::Viewer`] for everybody else.
    pub(in crate::room) fn painter(&mut self, client: &Uuid) -> Result<&mut Resent, Refusal> {
        match self.all.get_mut(client) {
            Some(member) if member.info.role != Role::Viewer => Ok(&mut member.resent),
            _ => Err(Refusal::Viewer),
        }
    }
}
