//! What the owners decided about the people of a room. It is kept with the room.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::protocol::{RemovedMember, Role};

/// The most clients whose role differs from their invite's; the oldest goes for the newest.
const ROLES_MOST: usize = 256;
/// The most clients that are kept out; the oldest goes for the newest.
const REMOVED_MOST: usize = 256;

/// What the owners decided about the people of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::room) struct HouseRules {
    /// Only owners change anything.
    #[serde(default)]
    locked: bool,
    /// Roles that count instead of the invite's, the newest last.
    #[serde(default)]
    roles: Vec<(Uuid, Role)>,
    /// Who is kept out, the newest last.
    #[serde(default)]
    removed: Vec<RemovedMember>,
}

impl HouseRules {
    /// Whether only owners change anything.
    pub(in crate::room) fn is_locked(&self) -> bool {
        self.locked
    }

    /// Locks the room or unlocks it.
    pub(super) fn set_locked(&mut self, locked: bool) {
        self.locked = locked;
    }

    /// The role that an owner gave a client, if one did.
    pub(super) fn role_of(&self, client: &Uuid) -> Option<Role> {
        let given = self.roles.iter().find(|(known, _)| known == client);
        given.map(|(_, role)| *role)
    }

    /// Gives a client a role, whatever its invite says; takes that back where there is none.
    pub(super) fn set_role(&mut self, client: Uuid, role: Option<Role>) {
        self.roles.retain(|(known, _)| *known != client);
        let Some(role) = role else { return };
        if self.roles.len() >= ROLES_MOST {
            self.roles.remove(0);
        }
        self.roles.push((client, role));
    }

    /// Who is kept out, the newest last.
    pub(in crate::room) fn removed(&self) -> &[RemovedMember] {
        &self.removed
    }

    /// Whether a client is kept out.
    pub(in crate::room) fn is_removed(&self, client: &Uuid) -> bool {
        self.removed.iter().any(|known| known.client == *client)
    }

    /// Keeps a client out from now on.
    pub(super) fn keep_out(&mut self, member: RemovedMember) {
        self.let_in(&member.client);
        if self.removed.len() >= REMOVED_MOST {
            self.removed.remove(0);
        }
        self.removed.push(member);
    }

    /// Lets a client in again; false when it was not kept out.
    pub(super) fn let_in(&mut self, client: &Uuid) -> bool {
        let before = self.removed.len();
        self.removed.retain(|known| known.client != *client);
        self.removed.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody(number: usize) -> RemovedMember {
        RemovedMember {
            client: Uuid::from_u128(number as u128),
            name: number.to_string(),
        }
    }

    #[test]
    fn what_is_kept_has_an_end_and_the_oldest_goes_first() {
        let mut rules = HouseRules::default();
        for number in 0..=REMOVED_MOST {
            rules.keep_out(somebody(number));
            rules.set_role(somebody(number).client, Some(Role::Viewer));
        }
        assert_eq!(rules.removed().len(), REMOVED_MOST);
        assert!(!rules.is_removed(&somebody(0).client));
        assert!(rules.is_removed(&somebody(1).client));
        assert_eq!(rules.role_of(&somebody(0).client), None);
        assert_eq!(rules.role_of(&somebody(1).client), Some(Role::Viewer));
        assert!(rules.let_in(&somebody(1).client) && !rules.let_in(&somebody(1).client));
        assert!(!rules.is_removed(&somebody(1).client));
    }

    #[test]
    fn a_role_that_is_given_again_replaces_the_one_before() {
        let (mut rules, client) = (HouseRules::default(), somebody(7).client);
        rules.set_role(client, Some(Role::Owner));
        rules.set_role(client, Some(Role::Viewer));
        assert_eq!(rules.role_of(&client), Some(Role::Viewer));
        rules.set_role(client, None);
        assert_eq!(rules, HouseRules::default());
    }

    #[test]
    fn what_an_older_server_kept_has_no_rules() {
        let rules: HouseRules = serde_json::from_str("{}").unwrap();
        assert_eq!(rules, HouseRules::default());
    }
}
