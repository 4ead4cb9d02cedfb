//! Who may enter a room: invites, and the role that each of them gives.

use dashmap::DashMap;
use serde::Serialize;
use uuid::Uuid;

use crate::protocol::{ErrorCode, Role};

/// The three tokens of a room, each a random text of 122 bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invites {
    /// Lets its bearer in as owner.
    pub owner: String,
    /// Lets its bearer in as editor.
    pub editor: String,
    /// Lets its bearer in as viewer.
    pub viewer: String,
}

impl Invites {
    fn random() -> Self {
        let token = || Uuid::new_v4().simple().to_string();
        Self { owner: token(), editor: token(), viewer: token() }
    }

    fn role(&self, token: &str) -> Option<Role> {
        // Every token is compared to its end, whichever of them fits.
        [(&self.owner, Role::Owner), (&self.editor, Role::Editor), (&self.viewer, Role::Viewer)]
            .into_iter()
            .fold(None, |found, (invite, role)| {
                if same_text(invite, token) { Some(role) } else { found }
            })
    }
}

/// Compares in a time that does not depend on where the texts differ.
fn same_text(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left.bytes().zip(right.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Why a token opens no door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The room was never made, or is gone.
    #[error("this room does not exist: make one with POST /v1/rooms")]
    UnknownRoom,
    /// No token, or not one of the room's.
    #[error("this room needs one of its invites: ask its owner for a link")]
    InvalidToken,
}

impl AccessError {
    /// The protocol's code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::UnknownRoom => ErrorCode::UnknownRoom,
            Self::InvalidToken => ErrorCode::InvalidToken,
        }
    }
}

/// The invites of all rooms.
#[derive(Debug)]
pub struct Access {
    required: bool,
    invites: DashMap<String, Invites>,
}

impl Access {
    /// With `required`, nobody enters a room without one of its tokens.
    pub fn new(required: bool) -> Self {
        Self { required, invites: DashMap::new() }
    }

    /// Whether tokens are required.
    pub fn required(&self) -> bool {
        self.required
    }

    /// The room's invites, made when it has none.
    pub fn invite(&self, room: &str) -> Invites {
        self.invites.entry(room.to_owned()).or_insert_with(Invites::random).clone()
    }

    /// Forgets the invites of rooms that are gone.
    pub fn keep_only(&self, mut exists: impl FnMut(&str) -> bool) {
        self.invites.retain(|room, _| exists(room));
    }

    /// What the bearer of `token` may do in `room`. Where no token is required,
    /// everybody without one is trusted as an owner.
    ///
    /// # Errors
    /// [`AccessError`] when the token is not one of the room's, or is required
    /// and missing.
    pub fn role(&self, room: &str, token: Option<&str>) -> Result<Role, AccessError> {
        let invites = self.invites.get(room);
        match (token, invites) {
            (None, _) if !self.required => Ok(Role::Owner),
            (_, None) if self.required => Err(AccessError::UnknownRoom),
            (Some(token), Some(invites)) => invites.role(token).ok_or(AccessError::InvalidToken),
            _ => Err(AccessError::InvalidToken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invite_gives_its_role_in_its_room_alone() {
        let access = Access::new(true);
        let invites = access.invite("one");
        access.invite("two");
        assert_eq!(access.role("one", Some(&invites.owner)), Ok(Role::Owner));
        assert_eq!(access.role("one", Some(&invites.editor)), Ok(Role::Editor));
        assert_eq!(access.role("one", Some(&invites.viewer)), Ok(Role::Viewer));
        assert_eq!(access.role("two", Some(&invites.owner)), Err(AccessError::InvalidToken));
        assert_eq!(access.role("one", None), Err(AccessError::InvalidToken));
        assert_eq!(access.role("one", Some("")), Err(AccessError::InvalidToken));
        assert_eq!(access.role("three", Some(&invites.owner)), Err(AccessError::UnknownRoom));
    }

    #[test]
    fn without_auth_a_token_may_be_left_out_but_not_be_wrong() {
        let access = Access::new(false);
        assert_eq!(access.role("studio", None), Ok(Role::Owner));
        assert_eq!(access.role("studio", Some("guess")), Err(AccessError::InvalidToken));
        let viewer = access.invite("studio").viewer;
        assert_eq!(access.role("studio", Some(&viewer)), Ok(Role::Viewer));
    }

    #[test]
    fn invites_stay_the_same_until_the_room_is_gone() {
        let access = Access::new(true);
        let first = access.invite("studio");
        assert_eq!(access.invite("studio"), first);
        access.keep_only(|room| room != "studio");
        assert_ne!(access.invite("studio"), first);
    }
}
