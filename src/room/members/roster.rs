//! The members of a room, and what owners do about them.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{house_rules::HouseRules, rights::Deed};
use crate::{
    protocol::{MemberInfo, RemovedMember, Role},
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
    /// What its invite gives.
    pub(in crate::room) role: Role,
    /// It runs the server: owners decide nothing about it.
    pub(in crate::room) is_operator: bool,
    pub(in crate::room) last_seq: Option<u64>,
}

/// The members of a room, by their clients, and what its owners decided.
#[derive(Debug)]
pub(in crate::room) struct Members {
    all: BTreeMap<Uuid, Member>,
    most: usize,
    rules: HouseRules,
}

#[derive(Debug)]
struct Member {
    info: MemberInfo,
    /// What its invite gives.
    invited_as: Role,
    is_operator: bool,
    /// What it may send again after a reconnect.
    resent: Resent,
}

impl Members {
    /// Nobody, and never more than `most`, under the rules that were kept.
    pub(in crate::room) fn new(most: usize, rules: HouseRules) -> Self {
        let all = BTreeMap::new();
        Self { all, most, rules }
    }

    /// What the owners decided.
    pub(in crate::room) fn rules(&self) -> &HouseRules {
        &self.rules
    }

    /// Checks that nobody has removed who wants in.
    ///
    /// # Errors
    /// [`RoomError::Removed`].
    pub(in crate::room) fn check_door(&self, arrival: &Arrival) -> Result<(), RoomError> {
        match self.rules.is_removed(&arrival.client) && !arrival.is_operator {
            true => Err(RoomError::Removed),
            false => Ok(()),
        }
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
        let given = self.rules.role_of(&arrival.client);
        let info = MemberInfo {
            client: arrival.client,
            name: name.unwrap_or("Guest").to_owned(),
            role: match arrival.is_operator {
                true => Role::Owner,
                false => given.unwrap_or(arrival.role),
            },
            hue: hue_of(&arrival.client),
        };
        self.all.remove(&arrival.client);
        let member = self.all.entry(arrival.client);
        let member = member.or_insert(Member {
            info,
            invited_as: arrival.role,
            is_operator: arrival.is_operator,
            resent,
        });
        Ok(&member.info)
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

    /// A member, as the others know it.
    ///
    /// # Errors
    /// [`Refusal::UnknownMember`].
    pub(in crate::room) fn info(&self, client: &Uuid) -> Result<&MemberInfo, Refusal> {
        let member = self.all.get(client);
        member
            .map(|member| &member.info)
            .ok_or(Refusal::UnknownMember)
    }

    /// What a member may have sent before.
    ///
    /// # Errors
    /// [`Refusal::UnknownMember`].
    pub(in crate::room) fn resent(&mut self, client: &Uuid) -> Result<&mut Resent, Refusal> {
        let member = self.all.get_mut(client);
        member
            .map(|member| &mut member.resent)
            .ok_or(Refusal::UnknownMember)
    }

    /// What a member is.
    ///
    /// # Errors
    /// [`Refusal::UnknownMember`].
    pub(in crate::room) fn role(&self, client: &Uuid) -> Result<Role, Refusal> {
        Ok(self.info(client)?.role)
    }

    /// Checks that a member may do something now.
    ///
    /// # Errors
    /// Why not.
    pub(in crate::room) fn check(&self, client: &Uuid, deed: Deed) -> Result<(), Refusal> {
        deed.check(self.info(client)?.role, self.rules.is_locked())
    }

    /// Everybody who may not do something now.
    pub(in crate::room) fn barred_from(&self, deed: Deed) -> Vec<Uuid> {
        let barred = |client: &&Uuid| self.check(client, deed).is_err();
        self.all.keys().filter(barred).copied().collect()
    }

    /// Gives a member another role; false when it has that role already. It counts for the client
    /// from now on, whatever its invite says.
    ///
    /// # Errors
    /// [`Refusal::UnknownMember`], [`Refusal::Oneself`], [`Refusal::Operator`].
    pub(in crate::room) fn set_role(
        &mut self,
        by: &Uuid,
        client: &Uuid,
        role: Role,
    ) -> Result<bool, Refusal> {
        let member = self.governed(by, client)?;
        if member.info.role == role {
            return Ok(false);
        }
        member.info.role = role;
        let differs = member.invited_as != role;
        self.rules.set_role(*client, differs.then_some(role));
        Ok(true)
    }

    /// Takes a member out and keeps its client out.
    ///
    /// # Errors
    /// [`Refusal::UnknownMember`], [`Refusal::Oneself`], [`Refusal::Operator`].
    pub(in crate::room) fn remove(&mut self, by: &Uuid, client: &Uuid) -> Result<(), Refusal> {
        let MemberInfo { client, name, .. } = self.governed(by, client)?.info.clone();
        self.rules.keep_out(RemovedMember { client, name });
        self.all.remove(&client);
        Ok(())
    }

    /// Lets a client come back that was removed.
    ///
    /// # Errors
    /// [`Refusal::UnknownMember`] when it was not.
    pub(in crate::room) fn let_in(&mut self, client: &Uuid) -> Result<(), Refusal> {
        match self.rules.let_in(client) {
            true => Ok(()),
            false => Err(Refusal::UnknownMember),
        }
    }

    /// Locks the room or unlocks it; false when it is so already.
    pub(in crate::room) fn set_locked(&mut self, locked: bool) -> bool {
        let changes = self.rules.is_locked() != locked;
        self.rules.set_locked(locked);
        changes
    }

    /// A member about whom the owner `by` may decide. Nobody decides about themselves, so a room
    /// that has an owner keeps one.
    fn governed(&mut self, by: &Uuid, client: &Uuid) -> Result<&mut Member, Refusal> {
        let member = self.all.get_mut(client).ok_or(Refusal::UnknownMember)?;
        match member {
            _ if by == client => Err(Refusal::Oneself),
            member if member.is_operator => Err(Refusal::Operator),
            member => Ok(member),
        }
    }
}

/// The hue of a client, 0 … 359 degrees. Ids are hashes, so their first bytes are as good as any.
fn hue_of(client: &Uuid) -> u16 {
    let [high, low, ..] = *client.as_bytes();
    u16::from_be_bytes([high, low]) % 360
}
