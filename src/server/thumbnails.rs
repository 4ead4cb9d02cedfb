//! `/v1/rooms/{room}/thumbnail`: a small picture of a room, for lists of rooms.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::authorise::{canvas_of, granted};
use super::calls::{Call, Who};
use super::error::ApiError;
use super::images;
use super::room_calls::NO_STORE;
use super::serving::Client;
use super::state::AppState;
use crate::room::RoomError;

/// Kept by the browser, and asked for anew each time: most rooms rest.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");

/// The calls of this file.
pub(super) fn calls() -> Vec<Call> {
    let path = "/v1/rooms/{room}/thumbnail";
    let summary = "The result, 384 pixels on its longer side at most.";
    vec![
        Call::get(path, "readThumbnail", summary, thumbnail)
            .by(Who::Viewer)
            .answers_files(200, "The picture.", &["image/jpeg"])
            .with_header("ETag", "Changes with the picture, where the room is kept.")
            .answers_nothing(304, "It is as `If-None-Match` says."),
    ]
}

async fn thumbnail(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    state.rooms()?;
    granted(&state, &client, &room, &headers)?;
    let size = canvas_of(&state, &room)?.ok_or(RoomError::Unknown)?;
    let version = state.rooms()?.picture_version(&room).await?;
    let tag = version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok());
    let known = headers.get(header::IF_NONE_MATCH);
    let mut response = match (&tag, known) {
        (Some(tag), Some(known)) if tag == known => StatusCode::NOT_MODIFIED.into_response(),
        _ => {
            let jpeg = images::encode_thumbnail(&state, room, size).await?;
            client.place.demand(state.options().limits.picture_rate);
            let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"))];
            (kind, jpeg).into_response()
        }
    };
    let caching = if tag.is_some() { ASK_AGAIN } else { NO_STORE };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, caching);
    if let Some(tag) = tag {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}
