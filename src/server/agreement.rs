//! What was agreed about a room: its canvas, its invites, and who came in by each.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::access_error::AccessError;
use super::invites::Invite;
use crate::protocol::CanvasSize;

/// The most different clients that an invite with a number of uses may let in.
pub const MOST_USES: u32 = 1000;
/// The most different clients that are remembered of an invite without one.
const MEMBERS_MOST: u32 = MOST_USES;

/// Who shows a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A member that comes in, by its public id.
    Joining(Uuid),
    /// Somebody over HTTP, by the public id that they say is theirs.
    Calling(Option<Uuid>),
}

/// An invite, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptInvite {
    /// What was signed.
    pub invite: Invite,
    /// It opens nothing any more.
    #[serde(default)]
    pub revoked: bool,
    /// Who came in by it, by their public ids; the first [`MEMBERS_MOST`] where its uses are not
    /// counted.
    #[serde(default)]
    pub members: BTreeSet<Uuid>,
}

impl KeptInvite {
    /// One that nobody has come in by yet.
    pub fn new(invite: Invite) -> Self {
        Self {
            invite,
            revoked: false,
            members: BTreeSet::new(),
        }
    }

    /// Whether it lets its bearer in now. One by which somebody came who was removed lets in those
    /// who came by it before, and nobody else: a new id would otherwise be a way back, and over HTTP
    /// none at all. True where the bearer came in by it for the first time.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn admit(
        &mut self,
        bearer: Bearer,
        is_removed: &dyn Fn(&Uuid) -> bool,
    ) -> Result<bool, AccessError> {
        if self.revoked {
            return Err(AccessError::Revoked);
        }
        let uses = self.invite.uses;
        match bearer {
            Bearer::Joining(member) | Bearer::Calling(Some(member))
                if self.members.contains(&member) =>
            {
                Ok(false)
            }
            Bearer::Calling(_) if uses.is_some() => Err(AccessError::NotJoined),
            Bearer::Calling(_) if self.let_in_any(is_removed) => Err(AccessError::Anonymous),
            Bearer::Calling(_) => Ok(false),
            // The room refuses that one, who does not close the invite for others by trying it.
            Bearer::Joining(member) if is_removed(&member) => Ok(false),
            Bearer::Joining(_) if self.let_in_any(is_removed) => Err(AccessError::Closed),
            Bearer::Joining(member) => {
                match self.members.len() < uses.unwrap_or(MEMBERS_MOST) as usize {
                    true => Ok(self.members.insert(member)),
                    false if uses.is_some() => Err(AccessError::UsedUp),
                    false => Ok(false),
                }
            }
        }
    }

    /// Whether somebody came in by it of whom that is true.
    fn let_in_any(&self, is_so: &dyn Fn(&Uuid) -> bool) -> bool {
        self.members.iter().any(is_so)
    }
}

/// A room that was made, whether or not it is in memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Agreement {
    /// Its canvas.
    pub canvas: CanvasSize,
    /// In the order in which they were made.
    pub invites: Vec<KeptInvite>,
}

impl Agreement {
    /// Whether forgetting it would make an invite stronger than it is.
    pub fn is_restricted(&self) -> bool {
        let restricted = |kept: &KeptInvite| kept.revoked || kept.invite.uses.is_some();
        self.invites.iter().any(restricted)
    }
}
