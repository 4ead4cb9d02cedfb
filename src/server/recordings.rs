//! `/v1/rooms/{room}/recording` and `/v1/rooms/{room}/timelapse`: a room's pictures over time, as they
//! were recorded and as one animation. Both are sent as they are read or made, so that whoever asks
//! sees how far it is, and whoever goes away ends it.

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use futures_util::{Stream, TryStreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::authorise::granted;
use super::budget::Held;
use super::calls::{Call, Who};
use super::error::{ApiError, HttpOnlyCode};
use super::images::{attachment, codec_turn, hold, in_turn, pixel_bytes};
use super::serving::Client;
use super::state::AppState;
use crate::canvas::{CodecError, fit_to, size_within};
use crate::engine::RoomKey;
use crate::picture_file::{ANIMATION_TYPE, Animation, Notes, Origin};
use crate::protocol::CanvasSize;
use crate::room::{RECORDED_SIDE_MOST, RecordedPicture, RoomRecording};

/// How many pictures an answer holds.
const FRAMES_HEADER: HeaderName = HeaderName::from_static("impasto-frames");
/// The media type of a recording.
const RECORDING_TYPE: &str = "application/octet-stream";
/// The shortest of the longer sides that a time-lapse can have, in pixels.
const SIDE_LEAST: u32 = 64;
/// As large as a recorded picture can be.
const LARGEST: CanvasSize = CanvasSize {
    width: RECORDED_SIDE_MOST,
    height: RECORDED_SIDE_MOST,
};
/// Seconds that a time-lapse takes where nothing is said, and at most.
const SECONDS: u32 = 10;
const SECONDS_MOST: u32 = 60;
/// The most pictures in a second of it.
const PICTURES_PER_SECOND: u32 = 15;
/// How much longer the last picture stays.
const REST: Duration = Duration::from_millis(1500);
/// Pictures that are in memory while one is sent: the one before, this one, and as it was recorded.
const PICTURES_HELD: usize = 4;

/// The calls of this file.
pub(super) fn calls() -> Vec<Call> {
    let recording_summary = "A room's recorded pictures over time, the oldest first.";
    let timelapse_summary = "A room's pictures over time as one animation.";
    let frames = "How many pictures it holds.";
    vec![
        Call::get(
            "/v1/rooms/{room}/recording",
            "readRecording",
            recording_summary,
            recording,
        )
        .by(Who::Viewer)
        .answers_files(
            200,
            "The pictures, sent as they are read.",
            &[RECORDING_TYPE],
        )
        .with_header("Impasto-Frames", frames),
        Call::get(
            "/v1/rooms/{room}/timelapse",
            "makeTimelapse",
            timelapse_summary,
            timelapse,
        )
        .by(Who::Viewer)
        .query::<TimelapseQuery>()
        .answers_files(200, "The animation, sent as it is made.", &[ANIMATION_TYPE])
        .with_header("Impasto-Frames", frames),
    ]
}

/// What stands before each picture of a recording, after its length.
#[derive(Serialize)]
struct PictureHeader {
    /// The last op that is in it.
    seq: u64,
    /// When it was recorded, in milliseconds since 1970.
    at_ms: u64,
    /// Bytes of the JPEG that follows.
    bytes: usize,
}

async fn recording(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (recording, _size) = recorded(&state, &client, &room, &headers).await?;
    let frames = recording.pictures().len();
    let held = hold_pictures(&state, LARGEST)?;
    let parts = try_unfold(
        (recording, 0, held),
        |(recording, place, held)| async move {
            let Some(picture) = recording.pictures().get(place).cloned() else {
                return Ok(None);
            };
            let (part, recording) =
                spawn_blocking(move || (part_of(&recording, place, &picture), recording))
                    .await
                    .map_err(|cause| ApiError::internal(&cause))?;
            Ok::<_, ApiError>(Some((part?, (recording, place + 1, held))))
        },
    );
    client.place.demand(state.options().limits.picture_rate);
    let body = Body::from_stream(logged(parts));
    let kind = HeaderValue::from_static(RECORDING_TYPE);
    Ok(answer(kind, frames, body))
}

fn part_of(
    recording: &RoomRecording,
    place: usize,
    picture: &RecordedPicture,
) -> Result<Vec<u8>, ApiError> {
    let file = recording.file(place)?;
    let header = PictureHeader {
        seq: picture.seq,
        at_ms: picture.at_ms,
        bytes: file.len(),
    };
    let header = serde_json::to_vec(&header).map_err(|cause| ApiError::internal(&cause))?;
    let length = u32::try_from(header.len()).map_err(|cause| ApiError::internal(&cause))?;
    Ok([&length.to_le_bytes(), &header[..], &file[..]].concat())
}

/// The kinds of animations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum TimelapseFormat {
    /// An animated PNG.
    #[default]
    Apng,
}

/// The query of a time-lapse.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TimelapseQuery {
    /// The kind of file; `apng` when left out.
    format: Option<TimelapseFormat>,
    /// How long it takes, without the rest on its last picture; 10 when left out.
    #[schemars(range(min = 1, max = 60))]
    seconds: Option<u32>,
    /// Pixels on its longer side, no more than the canvas has; 512 when left out.
    #[schemars(range(min = 64, max = 512))]
    side: Option<u32>,
}

/// How the query is written, for those who wrote it otherwise.
const QUERY_SHAPE: &str =
    "format is `apng`; beside it may stand seconds (1 to 60) and side (64 to 512)";

/// A time-lapse on its way.
struct Timelapse {
    state: AppState,
    recording: RoomRecording,
    size: CanvasSize,
    /// How long each picture is shown.
    delay: Duration,
    animation: Animation,
    place: usize,
    _held: Held,
}

async fn timelapse(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    query: Result<Query<TimelapseQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::invalid_value(QUERY_SHAPE))?;
    let seconds = query.seconds.unwrap_or(SECONDS);
    let side = query.side.unwrap_or(RECORDED_SIDE_MOST);
    if !(1..=SECONDS_MOST).contains(&seconds) || !(SIDE_LEAST..=RECORDED_SIDE_MOST).contains(&side)
    {
        return Err(ApiError::invalid_value(QUERY_SHAPE));
    }
    let TimelapseFormat::Apng = query.format.unwrap_or_default();
    let (mut recording, canvas) = recorded(&state, &client, &room, &headers).await?;
    let wanted = seconds * PICTURES_PER_SECOND;
    recording.choose(&evenly(recording.pictures().len(), wanted as usize));
    let frames = recording.pictures().len();
    let size = size_within(canvas, side);
    let held = hold_pictures(&state, size)?;
    let origins = recording.pictures().iter().map(|picture| picture.origin);
    let notes = Notes {
        dpi: None,
        origin: origins.max().unwrap_or(Origin::NotGenerated),
        parameters: None,
    };
    let count = u32::try_from(frames).map_err(|cause| ApiError::internal(&cause))?;
    let animation = Animation::new(size, count, &notes);
    let begun = Timelapse {
        state: state.clone(),
        recording,
        size,
        delay: Duration::from_secs(seconds.into()) / count.max(1),
        animation: animation.map_err(|cause| ApiError::internal(&cause))?,
        place: 0,
        _held: held,
    };
    let parts = try_unfold(Some(begun), |timelapse| async move {
        match timelapse {
            Some(timelapse) => timelapse.next().await.map(Some),
            None => Ok(None),
        }
    });
    client.place.demand(state.options().limits.picture_rate);
    let body = Body::from_stream(logged(parts));
    let kind = HeaderValue::from_static(ANIMATION_TYPE);
    let mut response = answer(kind, frames, body);
    let disposition = attachment(&format!("{room}-timelapse.png"))?;
    response
        .headers_mut()
        .insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

impl Timelapse {
    /// The file's next bytes, and what is left of it; none after the last. Each picture waits for its
    /// turn among all others that are encoded.
    async fn next(self) -> Result<(Vec<u8>, Option<Self>), ApiError> {
        let turn = codec_turn(&self.state).await?;
        let (made, _turn) = in_turn(turn, move || self.encode_next()).await?;
        made
    }

    fn encode_next(mut self) -> Result<(Vec<u8>, Option<Self>), ApiError> {
        let last = self.recording.pictures().len() - 1;
        let picture = fit_to(&self.recording.pixels(self.place)?, self.size);
        let is_last = self.place == last;
        let delay = self.delay + if is_last { REST } else { Duration::ZERO };
        let internal = |cause: CodecError| ApiError::internal(&cause);
        let mut bytes = self.animation.add(&picture, delay).map_err(internal)?;
        if is_last {
            bytes.extend(self.animation.finish().map_err(internal)?);
            return Ok((bytes, None));
        }
        self.place += 1;
        Ok((bytes, Some(self)))
    }
}

/// A room's recording and canvas, for whoever may see its picture.
async fn recorded(
    state: &AppState,
    client: &Client,
    room: &str,
    headers: &HeaderMap,
) -> Result<(RoomRecording, CanvasSize), ApiError> {
    granted(state, client, room, headers)?;
    let rooms = state.rooms()?;
    // It may have to encode a picture.
    let turn = codec_turn(state).await?;
    let recording = rooms.recording(room).await?;
    drop(turn);
    if recording.pictures().is_empty() {
        return Err(ApiError::http(
            StatusCode::NOT_FOUND,
            HttpOnlyCode::NotFound,
            "nothing is recorded of this room yet: paint something first",
        ));
    }
    let size = rooms.stored_size(room).unwrap_or(rooms.options().size);
    Ok((recording, size))
}

/// So many places of a row of `length`, the first and the last among them, in equal steps.
fn evenly(length: usize, wanted: usize) -> Vec<usize> {
    let count = wanted.min(length);
    match count {
        0 | 1 => (length - count..length).collect(),
        _ => (0..count)
            .map(|step| step * (length - 1) / (count - 1))
            .collect(),
    }
}

/// A place in the budget of pictures on their way.
fn hold_pictures(state: &AppState, size: CanvasSize) -> Result<Held, ApiError> {
    hold(state, RoomKey::NO_ROOM, pixel_bytes(size) * PICTURES_HELD)
}

/// What breaks off in the middle has sent its status already: the connection is cut, and the log says
/// why.
fn logged(
    parts: impl Stream<Item = Result<Vec<u8>, ApiError>> + Send,
) -> impl Stream<Item = Result<Vec<u8>, std::io::Error>> + Send {
    parts.map_err(|cause| {
        tracing::warn!(cause = cause.message(), "a recording broke off on its way");
        std::io::Error::other(cause.message().to_owned())
    })
}

fn answer(kind: HeaderValue, frames: usize, body: Body) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, no_store),
        (FRAMES_HEADER, HeaderValue::from(frames)),
    ];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_pictures_are_even_and_have_both_ends() {
        assert_eq!(evenly(5, 9), [0, 1, 2, 3, 4]);
        assert_eq!(evenly(9, 5), [0, 2, 4, 6, 8]);
        assert_eq!(evenly(10, 4), [0, 3, 6, 9]);
        assert_eq!(evenly(7, 1), [6]);
        assert_eq!(evenly(1, 3), [0]);
        assert!(evenly(0, 3).is_empty());
    }
}
