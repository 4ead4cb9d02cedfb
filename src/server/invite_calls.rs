//! `/v1/rooms/{room}/invites`: an owner makes, lists and revokes invites.

use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::access::LONGEST;
use super::agreement::{KeptInvite, MOST_USES};
use super::authorise::{base_url, canvas_of, granted_as};
use super::calls::{Call, Who};
use super::error::{ApiError, HttpOnlyCode};
use super::links;
use super::serving::Client;
use super::state::AppState;
use crate::protocol::{CanvasSize, Role};
use crate::room::is_room_name;

/// Body of `POST /v1/rooms/{room}/invites`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InviteRequest {
    /// What its bearer may do.
    role: Role,
    /// When it ends; never when left out.
    #[schemars(range(min = 1, max = 315_360_000))]
    expires_in_seconds: Option<u64>,
    /// How many different clients it lets in; any number when left out.
    #[schemars(range(min = 1, max = 1000))]
    uses: Option<u32>,
}

/// Bytes of the body of `POST /v1/rooms/{room}/invites`.
const BODY_BYTES: usize = 16 * 1024;

/// The calls of this file.
pub(super) fn calls() -> Vec<Call> {
    const PATH: &str = "/v1/rooms/{room}/invites";
    let revoke_path = "/v1/rooms/{room}/invites/{invite}";
    let revoke_summary = "Revokes an invite: it opens nothing any more.";
    let request = json!({"role": "viewer", "expires_in_seconds": 86400, "uses": 5});
    let mut made = listed();
    made["token"] = json!("eyJyb29tIjoi…");
    made["url"] = json!("http://localhost:7860/?room=studio#token=eyJyb29tIjoi…");
    vec![
        Call::post(PATH, "makeInvite", "Makes an invite.", mint)
            .by(Who::Owner)
            .json::<InviteRequest>(BODY_BYTES, request)
            .answers::<InviteMade>(201, "The invite, with its token.", made),
        Call::get(
            PATH,
            "listInvites",
            "The room's invites, without their tokens.",
            list,
        )
        .by(Who::Owner)
        .answers::<InviteList>(200, "The invites.", json!({"invites": [listed()]})),
        Call::new(
            Method::DELETE,
            revoke_path,
            "revokeInvite",
            revoke_summary,
            revoke,
        )
        .by(Who::Owner)
        .answers_nothing(204, "The invite is revoked."),
    ]
}

fn listed() -> Value {
    json!({
        "id": "0d9a4c1e-6f0b-4e57-8f35-6f2f6f5cbb6b", "role": "viewer", "expires_at": 1786406400,
        "uses": 5, "used": 0, "revoked": false,
    })
}

/// A new invite, with the token that opens its room.
#[derive(Debug, Serialize, JsonSchema)]
struct InviteMade {
    #[serde(flatten)]
    invite: ListedInvite,
    /// Opens the room.
    token: String,
    /// The room's page, with the token in it.
    url: String,
}

/// A room's invites.
#[derive(Debug, Serialize, JsonSchema)]
struct InviteList {
    /// In the order in which they were made.
    invites: Vec<ListedInvite>,
}

/// An invite, without its token.
#[derive(Debug, Serialize, JsonSchema)]
struct ListedInvite {
    /// What it is revoked by.
    #[schemars(with = "String")]
    id: Uuid,
    /// What its bearers may do.
    role: Role,
    /// When it ends, in seconds since 1970; never where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    /// How many different clients it lets in; any number where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<u32>,
    /// How many it has let in, where that is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<usize>,
    /// It opens nothing any more.
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

async fn mint(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Json<InviteRequest>, JsonRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let canvas = owned_room(&state, &client, &room, &headers)?;
    let Json(request) = body.map_err(|rejection| {
        ApiError::bad_body(&rejection, "{role, expires_in_seconds?, uses?}")
    })?;
    let expires_in = request.expires_in_seconds.map(Duration::from_secs);
    if expires_in.is_some_and(|end| end.is_zero() || end > LONGEST) {
        let most = LONGEST.as_secs();
        let message = format!("expires_in_seconds is 1 to {most}: leave it out for no end");
        return Err(ApiError::invalid_value(message));
    }
    if request
        .uses
        .is_some_and(|uses| !(1..=MOST_USES).contains(&uses))
    {
        let message = format!("uses is 1 to {MOST_USES}: leave it out for any number");
        return Err(ApiError::invalid_value(message));
    }
    let access = state.access();
    let (invite, token) = access.mint(&room, canvas, request.role, expires_in, request.uses)?;
    state.save_access().await?;
    let url = links::room_url(&base_url(&state, &headers), &room);
    let url = links::with_token(&url, &token);
    let invite = ListedInvite::from(KeptInvite::new(invite));
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let made = InviteMade { invite, token, url };
    Ok((StatusCode::CREATED, no_store, Json(made)))
}

async fn list(
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

async fn revoke(
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
