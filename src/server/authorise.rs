//! What a request may do, by its token.

use axum::http::{HeaderMap, HeaderName, StatusCode};

use super::access::{Bearer, Grant, bearer};
use super::error::ApiError;
use super::identity::member_id;
use super::links;
use super::serving::Client;
use super::state::AppState;
use crate::protocol::{ErrorCode, Role};
use crate::room::RoomHandle;

/// The client's secret of `hello`, for invites that count their uses.
const CLIENT_HEADER: HeaderName = HeaderName::from_static("impasto-client");

/// What a request's token gives in the room.
///
/// # Errors
/// 401, or 429 for an address that tries many.
pub fn granted(
    state: &AppState,
    client: &Client,
    room: &str,
    headers: &HeaderMap,
) -> Result<Grant, ApiError> {
    let secret = headers.get(&CLIENT_HEADER).and_then(|id| id.to_str().ok());
    let member = secret
        .and_then(|secret| secret.trim().parse().ok())
        .map(|secret| member_id(room, secret));
    let access = state.access();
    match access.grant(room, bearer(headers), Bearer::Calling(member)) {
        Ok((grant, _)) => Ok(grant),
        Err(refused) => Err(state.refused_token(client.address, refused)),
    }
}

/// The room, for the bearer of a token that gives at least `role` in it.
///
/// # Errors
/// What [`granted`] refuses, 403 for a lesser role, 404 where there is no such room.
pub fn authorised(
    state: &AppState,
    client: &Client,
    room: &str,
    headers: &HeaderMap,
    role: Role,
) -> Result<RoomHandle, ApiError> {
    let grant = granted(state, client, room, headers)?;
    if grant.role < role {
        let message = "this invite lets you look only: ask the room's owner for an editor's";
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            ErrorCode::Forbidden,
            message,
        ));
    }
    state.existing_room(room, &grant, client.address)
}

/// Where browsers reach this server: as it was told, or as the request says.
pub fn base_url(state: &AppState, headers: &HeaderMap) -> String {
    let told = state.options().public_url.clone();
    told.or_else(|| links::base_of_request(headers))
        .unwrap_or_default()
}
