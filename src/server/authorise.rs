//! What a request may do, by its token.

use axum::http::{HeaderMap, HeaderName, StatusCode};
use uuid::Uuid;

use super::access::{Grant, bearer};
use super::agreement::Bearer;
use super::error::ApiError;
use super::identity::member_id;
use super::links;
use super::serving::Client;
use super::state::AppState;
use crate::protocol::{CanvasSize, ErrorCode, Role};
use crate::room::{RoomError, RoomHandle};

/// The client's secret of `hello`, which says which member calls.
const CLIENT_HEADER: HeaderName = HeaderName::from_static("impasto-client");

/// What a viewer is told who wants to change something.
pub const FOR_EDITORS: &str =
    "this invite lets you look only: ask the room's owner for an editor's";

/// What a request's token gives in the room.
///
/// # Errors
/// 401, 403 for a member that was removed, 410 for a room that was deleted, or 429 for an address that tries many.
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
    let is_removed = |member: &Uuid| state.is_removed(room, member);
    match access.grant(room, bearer(headers), Bearer::Calling(member), &is_removed) {
        Ok(_) if access.is_deleted(room) => Err(RoomError::Deleted.into()),
        Ok((grant, _)) if !grant.is_operator && member.is_some_and(|it| is_removed(&it)) => {
            Err(RoomError::Removed.into())
        }
        Ok((grant, _)) => Ok(grant),
        Err(refused) => Err(state.refused_token(client.address, refused)),
    }
}

/// The same, for the bearer of a token that gives at least `role`; `message` tells the others.
///
/// # Errors
/// What [`granted`] refuses, 403 for a lesser role.
pub fn granted_as(
    state: &AppState,
    client: &Client,
    room: &str,
    headers: &HeaderMap,
    role: Role,
    message: &str,
) -> Result<Grant, ApiError> {
    let grant = granted(state, client, room, headers)?;
    match grant.role >= role {
        true => Ok(grant),
        false => Err(ApiError::new(
            StatusCode::FORBIDDEN,
            ErrorCode::Forbidden,
            message,
        )),
    }
}

/// The room, for the bearer of a token that gives at least `role` in it.
///
/// # Errors
/// What [`granted_as`] refuses, 404 where there is no such room.
pub async fn authorised(
    state: &AppState,
    client: &Client,
    room: &str,
    headers: &HeaderMap,
    role: Role,
) -> Result<RoomHandle, ApiError> {
    let grant = granted_as(state, client, room, headers, role, FOR_EDITORS)?;
    state.existing_room(room, &grant, client.address).await
}

/// The canvas of a room that was made, whether or not it is in memory; none where there is no such
/// room.
///
/// # Errors
/// 503 before the model is loaded and while draining.
pub fn canvas_of(state: &AppState, room: &str) -> Result<Option<CanvasSize>, ApiError> {
    let rooms = state.rooms()?;
    let kept = rooms.running(room).map(|room| room.size());
    let kept = kept.or_else(|| rooms.stored_size(room));
    Ok(kept.or_else(|| state.access().canvas(room)))
}

/// Where browsers reach this server: as it was told, or as the request says.
pub fn base_url(state: &AppState, headers: &HeaderMap) -> String {
    let told = state.options().public_url.clone();
    told.or_else(|| links::base_of_request(headers))
        .unwrap_or_default()
}
