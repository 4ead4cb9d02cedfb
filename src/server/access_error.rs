//! Why a token is not accepted.

use crate::protocol::ErrorCode;

/// The most rooms whose invites are kept.
pub const AGREEMENTS_MOST: usize = 4096;
/// The most invites of a room, revoked ones among them.
pub const INVITES_OF_A_ROOM_MOST: usize = 256;

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No token, or not one of the room's; also where there is no such room, so that nobody finds
    /// out which rooms there are.
    #[error("this room needs one of its invites: ask its owner for a link")]
    InvalidToken,
    /// The invite's time is over.
    #[error("this invite has expired: ask the room's owner for a new link")]
    Expired,
    /// The invite was revoked.
    #[error("this invite was revoked: ask the room's owner for a new link")]
    Revoked,
    /// The invite has let in as many clients as it may.
    #[error("this invite is used up: ask the room's owner for a new link")]
    UsedUp,
    /// An invite with a number of uses, shown over HTTP by nobody who joined with it.
    #[error(
        "this invite counts its uses: join the room with it first, and send the `client` of that \
         hello as the header `Impasto-Client`"
    )]
    NotJoined,
    /// An invite by which somebody came who was removed, shown over HTTP by nobody who came by it.
    #[error(
        "somebody who came by this invite was removed: send the `client` of your hello as the \
         header `Impasto-Client`, or ask the room's owner for a new link"
    )]
    Anonymous,
    /// An invite by which somebody came who was removed, shown by somebody new.
    #[error(
        "somebody who came by this invite was removed, so it lets in nobody new: ask the room's \
         owner for a new link"
    )]
    Closed,
    /// The token was one of a room that was deleted.
    #[error("this room was deleted: ask for a link to another one")]
    Deleted,
    /// Not the operator's token.
    #[error(
        "this call is the operator's: send the token of the link that the server printed when it \
         started"
    )]
    NotOperator,
    /// The room has as many invites as are kept.
    #[error("this room has {INVITES_OF_A_ROOM_MOST} invites: revoke those that are not needed")]
    TooManyInvites,
    /// There are as many rooms as are kept.
    #[error("the server knows {AGREEMENTS_MOST} rooms already: try again later")]
    TooManyRooms,
}

impl AccessError {
    /// The protocol's code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::InvalidToken | Self::NotOperator | Self::NotJoined | Self::Anonymous => {
                ErrorCode::InvalidToken
            }
            Self::Expired => ErrorCode::InviteExpired,
            Self::Revoked | Self::Closed => ErrorCode::InviteRevoked,
            Self::UsedUp => ErrorCode::InviteUsedUp,
            Self::Deleted => ErrorCode::RoomDeleted,
            Self::TooManyInvites | Self::TooManyRooms => ErrorCode::Unavailable,
        }
    }
}
