//! `/v1/rooms/{room}/invites`: an owner makes, lists and revokes invites.

use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::access::{KeptInvite, LONGEST, MOST_USES};
use super::authorise::{base_url, canvas_of, granted_as};
use super::error::{ApiError, HttpOnlyCode};
use super::links;
use super::serving::Client;
use super::state::AppState;
use crate::protocol::{CanvasSize, Role};
use crate::room::is_room_name;

/// Body of `POST /v1/rooms/{room}/invites`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InviteWish {
    role: Role,
    expires_in_seconds: Option<u64>,
    uses: Option<u32>,
}

/// Answer to it.
#[derive(Debug, Serialize)]
struct InviteMade {
    #[serde(flatten)]
    invite: ListedInvite,
    token: String,
    url: String,
}

/// Answer to `GET /v1/rooms/{room}/invites`.
#[derive(Debug, Serialize)]
struct InviteList {
    invites: Vec<ListedInvite>,
}

#[derive(Debug, Serialize)]
struct ListedInvite {
    id: Uuid,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<usize>,
    revoked: bool,
}

impl From<KeptInvite> for ListedInvite {
    fn from(kept: KeptInvite) -> Self {
        let KeptInvite {
            invite,
            revoked,
            members,
        } = kept;
        Self {
            id: invite.id,
            role: invite.role,
            expires_at: invite.expires_at,
            uses: invite.uses,
            used: invite.uses.map(|_| members.len()),
            revoked,
        }
    }
}

pub(super) async fn mint(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Json<InviteWish>, JsonRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let canvas = owned_room(&state, &client, &room, &headers)?;
    let Json(wish) = body.map_err(|rejection| {
        ApiError::bad_body(&rejection, "{role, expires_in_seconds?, uses?}")
    })?;
    let expires_in = wish.expires_in_seconds.map(Duration::from_secs);
    if expires_in.is_some_and(|end| end.is_zero() || end > LONGEST) {
        let most = LONGEST.as_secs();
        let message = format!("expires_in_seconds is 1 to {most}: leave it out for no end");
        return Err(ApiError::invalid_value(message));
    }
    if wish
        .uses
        .is_some_and(|uses| !(1..=MOST_USES).contains(&uses))
    {
        let message = format!("uses is 1 to {MOST_USES}: leave it out for any number");
        return Err(ApiError::invalid_value(message));
    }
    let access = state.access();
    let (invite, token) = access.mint(&room, canvas, wish.role, expires_in, wish.uses)?;
    state.save_access().await?;
    let url = links::room_url(&base_url(&state, &headers), &room);
    let url = links::with_token(&url, &token);
    let invite = ListedInvite::from(KeptInvite {
        invite,
        revoked: false,
        members: Default::default(),
    });
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let made = InviteMade { invite, token, url };
    Ok((StatusCode::CREATED, no_store, Json(made)))
}

pub(super) async fn list(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    owned_room(&state, &client, &room, &headers)?;
    let kept = state.access().invites(&room);
    let invites = kept.into_iter().map(ListedInvite::from).collect();
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(InviteList { invites })))
}

pub(super) async fn revoke(
    State(state): State<AppState>,
    Path((room, invite)): Path<(String, String)>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    owned_room(&state, &client, &room, &headers)?;
    let id = invite.parse::<Uuid>().ok();
    if !id.is_some_and(|id| state.access().revoke(&room, id)) {
        return Err(ApiError::http(
            StatusCode::NOT_FOUND,
            HttpOnlyCode::NotFound,
            "this room has no such invite: GET its invites for their ids",
        ));
    }
    state.save_access().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The canvas of a room that the request's token owns.
fn owned_room(
    state: &AppState,
    client: &Client,
    room: &str,
    headers: &HeaderMap,
) -> Result<CanvasSize, ApiError> {
    let rooms = state.rooms()?;
    let message = "invites are the owner's to give: ask the room's owner";
    granted_as(state, client, room, headers, Role::Owner, message)?;
    if !is_room_name(room) {
        return Err(crate::room::RoomError::InvalidName.into());
    }
    // Where there is none, a first join makes it.
    Ok(canvas_of(state, room)?.unwrap_or(rooms.options().size))
}
