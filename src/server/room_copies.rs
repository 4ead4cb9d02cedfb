//! `/v1/rooms/{room}/duplicate`: a new room with a copy of another.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::access::bearer;
use super::authorise::{FOR_EDITORS, granted_as};
use super::calls::{Call, Who};
use super::error::ApiError;
use super::room_calls::{BODY_BYTES, RoomMade, example_made, facts_of, made, title_of, to_the_end};
use super::serving::Client;
use super::state::AppState;
use crate::protocol::{CanvasSize, Role};
use crate::room::TITLE_MOST;

/// The calls of this file.
pub(super) fn calls() -> Vec<Call> {
    let path = "/v1/rooms/{room}/duplicate";
    let summary = "Makes a new room with a copy of all that is on disk of this one.";
    vec![
        Call::post(path, "duplicateRoom", summary, duplicate)
            .by(Who::Editor)
            .json::<Duplicating>(BODY_BYTES, json!({"title": "Harbour, third try"}))
            .answers::<RoomMade>(201, "The new room, and what opens it.", example_made()),
    ]
}

/// Body of `POST /v1/rooms/{room}/duplicate`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Duplicating {
    /// 80 characters at most; `Copy of …` when left out.
    title: Option<String>,
}

async fn duplicate(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Json<Duplicating>, JsonRejection>,
) -> Result<Response, ApiError> {
    state.rooms()?;
    let operator = state.access().operator(bearer(&headers));
    operator.map_err(|refused| state.refused_token(client.address, refused))?;
    granted_as(&state, &client, &room, &headers, Role::Editor, FOR_EDITORS)?;
    let Json(request) = body.map_err(|rejection| ApiError::bad_body(&rejection, "{title?}"))?;
    let facts = facts_of(&state, &room).await?;
    let title = match request.title {
        Some(title) => title_of(&title)?,
        None => facts.title.map(|title| copy_title(&title)),
    };
    let counted = (!state.access().required()).then_some(client.address);
    let CanvasSize { width, height } = facts.size;
    let (copy, invites) = state.make_room(None, Some(width), Some(height), counted)?;
    to_the_end(copy_into(state.clone(), room, copy.clone(), title)).await?;
    Ok(made(&state, &headers, copy, invites))
}

async fn copy_into(
    state: AppState,
    from: String,
    copy: String,
    title: Option<String>,
) -> Result<(), ApiError> {
    let rooms = state.rooms()?;
    // In a room that nobody has been in there is nothing to copy.
    if rooms.exists(&from)
        && let Err(error) = rooms.copy(&from, &copy, title).await
    {
        state.access().forget(&copy);
        return Err(error.into());
    }
    state.save_access().await
}

fn copy_title(title: &str) -> String {
    let copy = format!("Copy of {title}");
    copy.chars().take(TITLE_MOST).collect()
}
