//! `/v1/rooms` and `/v1/rooms/{room}`: the rooms that there are, what they are called, and their end.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::{Invites, bearer};
use super::access_error::AccessError;
use super::authorise::{base_url, canvas_of, granted, granted_as};
use super::calls::{Call, Who};
use super::error::ApiError;
use super::identity::shown_text;
use super::links;
use super::serving::Client;
use super::state::AppState;
use crate::protocol::{CanvasSize, ErrorCode, Role};
use crate::room::{ListedRoom, RoomError, RoomFacts, TITLE_MOST};

/// Bytes of the body of a call here.
pub(super) const BODY_BYTES: usize = 16 * 1024;
/// Nothing between server and client keeps it.
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The calls of this file.
pub(super) fn calls() -> Vec<Call> {
    const ROOMS: &str = "/v1/rooms";
    const ROOM: &str = "/v1/rooms/{room}";
    let list_summary = "Every room that is kept or in memory, what changed last first.";
    let rename_summary = "Gives the room a title; an empty one takes it away.";
    let line = json!({"room": "studio", "changed_at": 1786406400});
    vec![
        Call::get(ROOMS, "listRooms", list_summary, list)
            .by(Who::Operator)
            .answers::<RoomList>(200, "The rooms.", json!({"rooms": [line]})),
        Call::post(ROOMS, "makeRoom", "Makes a room.", make)
            .by(Who::Operator)
            .json::<RoomRequest>(
                BODY_BYTES,
                json!({"name": "studio", "width": 768, "height": 512}),
            )
            .answers::<RoomMade>(201, "The room, and what opens it.", example_made()),
        Call::get(ROOM, "readRoom", "What there is to know of a room.", facts)
            .by(Who::Viewer)
            .answers::<RoomTold>(200, "The room.", example_told()),
        Call::new(Method::PATCH, ROOM, "renameRoom", rename_summary, rename)
            .by(Who::Owner)
            .json::<Renaming>(BODY_BYTES, json!({"title": "Harbour, second try"}))
            .answers::<RoomTold>(200, "The room.", example_told()),
        Call::new(
            Method::DELETE,
            ROOM,
            "deleteRoom",
            "Deletes a room for good.",
            delete,
        )
        .by(Who::Owner)
        .answers_nothing(204, "The room is deleted."),
    ]
}

/// A new room, in the API's documents.
pub(super) fn example_made() -> Value {
    json!({
        "room": "studio", "url": "http://localhost:7860/?room=studio",
        "invites": {"owner": "eyJyb29tIjoi…", "editor": "eyJyb29tIjoi…", "viewer": "eyJyb29tIjoi…"},
    })
}

fn example_told() -> Value {
    json!({
        "room": "studio", "title": "Harbour, second try", "canvas": {"width": 768, "height": 512},
        "changed_at": 1786406400, "members": 2, "kept": true, "role": "owner",
        "makes_rooms": true, "auth": false,
    })
}

/// A room to be made.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RoomRequest {
    /// 1 to 64 letters, digits, `-` or `_`; a random one when left out.
    #[schemars(length(min = 1, max = 64))]
    name: Option<String>,
    /// Pixels, rounded up to a multiple of 64; 512 when left out.
    #[serde(default, deserialize_with = "side")]
    #[schemars(range(min = 1, max = 4096))]
    width: Option<u32>,
    /// Pixels, rounded up to a multiple of 64; 512 when left out.
    #[serde(default, deserialize_with = "side")]
    #[schemars(range(min = 1, max = 4096))]
    height: Option<u32>,
}

/// A whole number, also where it is written as `512.0`.
fn side<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let number: Option<f64> = Option::deserialize(deserializer)?;
    number
        .map(|number| {
            match number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
                true => Ok(number as u32),
                false => Err(serde::de::Error::custom(
                    "a side is a whole number of pixels",
                )),
            }
        })
        .transpose()
}

async fn make(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Json<RoomRequest>, JsonRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let token = bearer(&headers);
    let operator = state.access().operator(token);
    operator.map_err(|refused| state.refused_token(client.address, refused))?;
    let Json(request) =
        body.map_err(|rejection| ApiError::bad_body(&rejection, "{name?, width?, height?}"))?;
    // Where everybody may make rooms, each address has its share of them.
    let counted = (!state.access().required()).then_some(client.address);
    let (room, invites) = state.make_room(request.name, request.width, request.height, counted)?;
    state.save_access().await?;
    Ok(made(&state, &headers, room, invites))
}

/// A new room, and what opens it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RoomMade {
    /// Its name.
    room: String,
    /// Its page.
    url: String,
    /// A token for each role.
    invites: Invites,
}

/// Tells of a new room.
pub(super) fn made(
    state: &AppState,
    headers: &HeaderMap,
    room: String,
    invites: Invites,
) -> Response {
    let url = links::room_url(&base_url(state, headers), &room);
    let no_store = [(header::CACHE_CONTROL, NO_STORE)];
    let made = Json(RoomMade { room, url, invites });
    (StatusCode::CREATED, no_store, made).into_response()
}

/// The rooms of a server.
#[derive(Debug, Serialize, JsonSchema)]
struct RoomList {
    /// What changed last first.
    rooms: Vec<RoomLine>,
}

/// A room in the list of all.
#[derive(Debug, Serialize, JsonSchema)]
struct RoomLine {
    /// Its name.
    room: String,
    /// When its picture last changed, in seconds since 1970, where it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_at: Option<u64>,
}

impl From<ListedRoom> for RoomLine {
    fn from(listed: ListedRoom) -> Self {
        Self {
            room: listed.name,
            changed_at: listed.changed_ms.map(seconds),
        }
    }
}

/// Every room. That is the operator's to see; without auth it is for this machine alone.
async fn list(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let refused = |refused: AccessError| state.refused_token(client.address, refused);
    let access = state.access();
    access.operator(bearer(&headers)).map_err(refused)?;
    if !access.required() && !state.options().is_private() {
        let message = "this server tells nobody of its rooms: start it with --auth on";
        let status = StatusCode::FORBIDDEN;
        return Err(ApiError::new(status, ErrorCode::Forbidden, message));
    }
    let rooms = state.rooms()?.list().await?;
    let rooms = rooms.into_iter().map(RoomLine::from).collect();
    let no_store = [(header::CACHE_CONTROL, NO_STORE)];
    Ok((no_store, Json(RoomList { rooms })))
}

/// What there is to know of a room.
#[derive(Debug, Serialize, JsonSchema)]
struct RoomTold {
    /// Its name.
    room: String,
    /// What its owner called it, otherwise its prompt; none where both are empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Its canvas.
    canvas: CanvasSize,
    /// When its picture last changed, in seconds since 1970, where it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_at: Option<u64>,
    /// Who is in it now.
    members: usize,
    /// It outlives the server.
    kept: bool,
    /// What the token gives.
    role: Role,
    /// The token makes rooms, too.
    makes_rooms: bool,
    /// The server asks for tokens.
    auth: bool,
}

/// What there is to know of a room; 404 where there is none.
pub(super) async fn facts_of(state: &AppState, room: &str) -> Result<RoomFacts, ApiError> {
    if let Some(facts) = state.rooms()?.facts(room).await? {
        return Ok(facts);
    }
    let size = state.access().canvas(room).ok_or(RoomError::Unknown)?;
    // It was made, and nobody has been in it.
    Ok(RoomFacts {
        title: None,
        size,
        changed_ms: None,
        members: 0,
        is_kept: false,
    })
}

async fn told(
    state: &AppState,
    headers: &HeaderMap,
    room: String,
    role: Role,
) -> Result<Response, ApiError> {
    let facts = facts_of(state, &room).await?;
    let told = RoomTold {
        room,
        title: facts.title,
        canvas: facts.size,
        changed_at: facts.changed_ms.map(seconds),
        members: facts.members,
        kept: facts.is_kept,
        role,
        makes_rooms: state.access().operator(bearer(headers)).is_ok(),
        auth: state.access().required(),
    };
    let no_store = [(header::CACHE_CONTROL, NO_STORE)];
    Ok((no_store, Json(told)).into_response())
}

async fn facts(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    state.rooms()?;
    let grant = granted(&state, &client, &room, &headers)?;
    told(&state, &headers, room, grant.role).await
}

/// Body of `PATCH /v1/rooms/{room}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Renaming {
    /// 80 characters at most.
    title: String,
}

async fn rename(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Json<Renaming>, JsonRejection>,
) -> Result<Response, ApiError> {
    let rooms = state.rooms()?;
    let message = "a room's title is its owner's to give: ask the room's owner";
    let grant = granted_as(&state, &client, &room, &headers, Role::Owner, message)?;
    let Json(request) = body.map_err(|rejection| ApiError::bad_body(&rejection, "{title}"))?;
    let title = title_of(&request.title)?;
    if !rooms.exists(&room) {
        // One that nobody has been in is kept from now on.
        state.existing_room(&room, &grant, client.address).await?;
    }
    rooms.rename(&room, title).await?;
    told(&state, &headers, room, grant.role).await
}

async fn delete(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let message = "a room is its owner's to delete: ask the room's owner";
    granted_as(&state, &client, &room, &headers, Role::Owner, message)?;
    if canvas_of(&state, &room)?.is_none() {
        return Err(RoomError::Unknown.into());
    }
    to_the_end(delete_for_good(state, room)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_for_good(state: AppState, room: String) -> Result<(), ApiError> {
    let rooms = state.rooms()?;
    // Before all else, so that nobody comes in meanwhile.
    let agreement = state.access().close(&room);
    if let Err(error) = rooms.delete(&room).await {
        state.access().reopen(&room, agreement);
        return Err(error.into());
    }
    tracing::info!(room, "a room was deleted");
    state.save_access().await
}

/// Does something whole, also where its client goes away meanwhile: in a task of its own.
pub(super) async fn to_the_end(
    work: impl Future<Output = Result<(), ApiError>> + Send + 'static,
) -> Result<(), ApiError> {
    let done = tokio::spawn(work).await;
    done.map_err(|cause| ApiError::internal(&cause))?
}

/// A title as it may be shown to others; none where nothing is left of it.
pub(super) fn title_of(wanted: &str) -> Result<Option<String>, ApiError> {
    let title = shown_text(wanted).trim().to_owned();
    if title.chars().count() > TITLE_MOST {
        let message = format!("a title has {TITLE_MOST} characters at most: make it shorter");
        return Err(ApiError::invalid_value(message));
    }
    Ok((!title.is_empty()).then_some(title))
}

fn seconds(milliseconds: u64) -> u64 {
    milliseconds / 1000
}
