//! Who may enter a room: invites, and the role that each of them gives; and who may change what
//! holds for all rooms.

use std::sync::OnceLock;

use axum::http::{HeaderMap, header};
use dashmap::DashMap;
use serde::Serialize;
use uuid::Uuid;

use crate::protocol::{CanvasSize, ErrorCode, Role};

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
        Self {
            owner: token(),
            editor: token(),
            viewer: token(),
        }
    }

    fn role(&self, token: &str) -> Option<Role> {
        // Every token is compared to its end, whichever of them fits.
        [
            (&self.owner, Role::Owner),
            (&self.editor, Role::Editor),
            (&self.viewer, Role::Viewer),
        ]
        .into_iter()
        .fold(None, |found, (invite, role)| {
            if same_text(invite, token) {
                Some(role)
            } else {
                found
            }
        })
    }
}

/// Compares in a time that does not depend on where the texts differ.
fn same_text(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left
            .bytes()
            .zip(right.bytes())
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
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
    /// Not the token of whoever started the server.
    #[error(
        "this call is the operator's: send the token of the link that the server printed when it \
         started"
    )]
    NotOperator,
}

impl AccessError {
    /// The protocol's code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::UnknownRoom => ErrorCode::UnknownRoom,
            Self::InvalidToken | Self::NotOperator => ErrorCode::InvalidToken,
        }
    }
}

/// What was agreed on when a room was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The room's tokens.
    pub invites: Invites,
    /// Its canvas.
    pub canvas: CanvasSize,
}

/// The invites of all rooms. They outlive a room that was dropped because
/// nobody was in it, so that its links still work.
#[derive(Debug)]
pub struct Access {
    required: bool,
    agreements: DashMap<String, Agreement>,
    operator: OnceLock<String>,
}

/// The most rooms whose invites are kept.
const AGREEMENTS: usize = 4096;

impl Access {
    /// With `required`, nobody enters a room without one of its tokens.
    pub fn new(required: bool) -> Self {
        Self {
            required,
            agreements: DashMap::new(),
            operator: OnceLock::new(),
        }
    }

    /// Whether tokens are required.
    pub fn required(&self) -> bool {
        self.required
    }

    /// Makes invites for a new room, and forgets those of rooms that are gone
    /// when there are too many of them; `alive` says which rooms are not.
    pub fn agree(&self, room: &str, canvas: CanvasSize, alive: impl Fn(&str) -> bool) -> Invites {
        if self.agreements.len() >= AGREEMENTS {
            self.agreements.retain(|room, _| alive(room));
        }
        let invites = Invites::random();
        let agreement = Agreement {
            invites: invites.clone(),
            canvas,
        };
        self.agreements.insert(room.to_owned(), agreement);
        invites
    }

    /// Whether the room was made, and its invites are still kept.
    pub fn knows(&self, room: &str) -> bool {
        self.agreements.contains_key(room)
    }

    /// The canvas of a room that was made with invites.
    pub fn canvas(&self, room: &str) -> Option<CanvasSize> {
        self.agreements.get(room).map(|agreement| agreement.canvas)
    }

    /// Makes `token` the operator's, for good: the first call counts, so that nobody can come by
    /// it later.
    pub fn appoint_operator(&self, token: String) {
        if self.operator.set(token).is_err() {
            tracing::warn!("the server has an operator already");
        }
    }

    /// Whether the bearer of `token` may change what holds for all rooms. Where no token is
    /// required, everybody may.
    ///
    /// # Errors
    /// [`AccessError::NotOperator`] for everybody but the operator.
    pub fn operator(&self, token: Option<&str>) -> Result<(), AccessError> {
        if !self.required {
            return Ok(());
        }
        match (self.operator.get(), token) {
            (Some(operator), Some(token)) if same_text(operator, token) => Ok(()),
            _ => Err(AccessError::NotOperator),
        }
    }

    /// What the bearer of `token` may do in `room`. Where no token is required,
    /// everybody without one is trusted as an owner.
    ///
    /// # Errors
    /// [`AccessError`] when the token is not one of the room's, or is required
    /// and missing.
    pub fn role(&self, room: &str, token: Option<&str>) -> Result<Role, AccessError> {
        let agreement = self.agreements.get(room);
        match (token, agreement) {
            (None, _) if !self.required => Ok(Role::Owner),
            (_, None) if self.required => Err(AccessError::UnknownRoom),
            (Some(token), Some(agreement)) => agreement
                .invites
                .role(token)
                .ok_or(AccessError::InvalidToken),
            _ => Err(AccessError::InvalidToken),
        }
    }
}

/// The token of `Authorization: Bearer <token>`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANVAS: CanvasSize = CanvasSize {
        width: 512,
        height: 512,
    };

    #[test]
    fn each_invite_gives_its_role_in_its_room_alone() {
        let access = Access::new(true);
        let invites = access.agree("one", CANVAS, |_| true);
        access.agree("two", CANVAS, |_| true);
        assert_eq!(access.role("one", Some(&invites.owner)), Ok(Role::Owner));
        assert_eq!(access.role("one", Some(&invites.editor)), Ok(Role::Editor));
        assert_eq!(access.role("one", Some(&invites.viewer)), Ok(Role::Viewer));
        assert_eq!(
            access.role("two", Some(&invites.owner)),
            Err(AccessError::InvalidToken)
        );
        assert_eq!(access.role("one", None), Err(AccessError::InvalidToken));
        assert_eq!(access.role("one", Some("")), Err(AccessError::InvalidToken));
        assert_eq!(
            access.role("three", Some(&invites.owner)),
            Err(AccessError::UnknownRoom)
        );
    }

    #[test]
    fn without_auth_a_token_may_be_left_out_but_not_be_wrong() {
        let access = Access::new(false);
        assert_eq!(access.role("studio", None), Ok(Role::Owner));
        assert_eq!(
            access.role("studio", Some("guess")),
            Err(AccessError::InvalidToken)
        );
        let viewer = access.agree("studio", CANVAS, |_| true).viewer;
        assert_eq!(access.role("studio", Some(&viewer)), Ok(Role::Viewer));
    }

    #[test]
    fn the_first_operator_stays_the_only_one() {
        let access = Access::new(true);
        assert_eq!(access.operator(None), Err(AccessError::NotOperator));
        assert_eq!(access.operator(Some("")), Err(AccessError::NotOperator));
        access.appoint_operator("first".to_owned());
        access.appoint_operator("second".to_owned());
        assert_eq!(access.operator(Some("first")), Ok(()));
        for token in [None, Some("second"), Some("")] {
            assert_eq!(access.operator(token), Err(AccessError::NotOperator));
        }
        let invites = access.agree("studio", CANVAS, |_| true);
        let owner = access.operator(Some(&invites.owner));
        assert_eq!(owner, Err(AccessError::NotOperator));
        assert_eq!(Access::new(false).operator(None), Ok(()));
    }

    #[test]
    fn invites_of_living_rooms_outlast_a_flood_of_others() {
        let access = Access::new(true);
        let owner = access.agree("studio", CANVAS, |_| true).owner;
        for room in 0..2 * AGREEMENTS {
            access.agree(&format!("room-{room}"), CANVAS, |room| room == "studio");
        }
        assert!(access.agreements.len() <= AGREEMENTS);
        assert_eq!(access.role("studio", Some(&owner)), Ok(Role::Owner));
        assert_eq!(access.canvas("studio"), Some(CANVAS));
    }
}
