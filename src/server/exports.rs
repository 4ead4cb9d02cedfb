//! `GET /v1/rooms/{room}/export`: files to take away, with what they were made with in them.

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;

use super::authorise::authorised;
use super::calls::{Call, Who};
use super::error::ApiError;
use super::export_request::{ExportFormat, ExportQuery, ExportRequest, QUERY_SHAPE};
use super::images::{
    attachment, codec_turn, export_turn, hold, in_turn, keep_until_sent, pixel_bytes,
};
use super::pictures::Asked;
use super::serving::Client;
use super::state::AppState;
use crate::canvas::fit_to;
use crate::picture_file::{
    FilePixels, Notes, OpenRasterError, Parameters, encode_with_notes, write_open_raster,
};
use crate::protocol::{CanvasSize, Layer, ModelInfo, Role, Settings};
use crate::room::{ExportLayers, RoomExport, RoomHandle};

/// The calls of this file.
pub(super) fn calls() -> Vec<Call> {
    let summary = "A file to take away, with what the picture was made with in it.";
    vec![
        Call::get("/v1/rooms/{room}/export", "exportPicture", summary, export)
            .by(Who::Viewer)
            .query::<ExportQuery>()
            .answers_files(
                200,
                "The file.",
                &ExportFormat::ALL.map(ExportFormat::media_type),
            ),
    ]
}

/// A file of the room's picture. Whoever may see the picture may have it.
async fn export(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    query: Result<Query<ExportQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::invalid_value(QUERY_SHAPE))?;
    let handle = authorised(&state, &client, &room, &headers, Role::Viewer).await?;
    let request = ExportRequest::of(&query, handle.size()).map_err(ApiError::invalid_value)?;
    let key = (handle.key(), Asked::Export(request));
    let name = file_name(&room, &request);
    let make = || encode(state.clone(), handle, request).boxed();
    let file = state.pictures().join(key, make).await?;
    client.place.demand(state.options().limits.picture_rate);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(request.format.media_type()),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_DISPOSITION, attachment(&name)?),
    ];
    Ok((headers, file).into_response())
}

/// Names of rooms have only characters that fit into a file's.
fn file_name(room: &str, request: &ExportRequest) -> String {
    let layer = match request.layers {
        ExportLayers::One(Layer::Sketch) => "-sketch",
        ExportLayers::One(Layer::Result) | ExportLayers::All => "",
    };
    format!("{room}{layer}.{}", request.format.ending())
}

async fn encode(
    state: AppState,
    room: RoomHandle,
    request: ExportRequest,
) -> Result<Bytes, ApiError> {
    let model = state.model()?.clone();
    // First the turn, then the copy: those that wait hold none.
    let turn = match request.is_large(room.size()) {
        true => export_turn(&state).await?,
        false => codec_turn(&state).await?,
    };
    let pictures = state.pictures();
    pictures.begins(&(room.key(), Asked::Export(request)));
    let size = room.size();
    let enlarged = match request.scale {
        1 => 0,
        _ => pixel_bytes(request.size(size)),
    };
    let bytes = pixel_bytes(size) * request.layers.most() + enlarged;
    let held = hold(&state, room.key(), bytes)?;
    let export = room.export(request.layers).await?;
    let work = move || write(export, &request, size, model);
    let (written, _turn) = in_turn(turn, work).await?;
    let file = written.map_err(|cause| ApiError::internal(&cause))?;
    Ok(keep_until_sent(file, held))
}

/// Blocks for as long as the encoding takes.
fn write(
    export: RoomExport,
    request: &ExportRequest,
    size: CanvasSize,
    model: ModelInfo,
) -> Result<Vec<u8>, OpenRasterError> {
    let RoomExport {
        layers,
        settings,
        origin,
        seq: _,
    } = export;
    let notes = Notes {
        origin,
        dpi: request.dpi,
        parameters: request
            .with_settings
            .then(|| parameters(settings, size, model)),
    };
    let picture = layers.first().and_then(|layer| match &layer.pixels {
        FilePixels::Opaque(picture) => Some(picture),
        FilePixels::Painted(_) => None,
    });
    let (Some(format), Some(picture)) = (request.encoding(), picture) else {
        return write_open_raster(&layers, &notes);
    };
    let enlarged = (request.scale > 1).then(|| fit_to(picture, request.size(size)));
    let picture = enlarged.as_ref().unwrap_or(picture);
    Ok(encode_with_notes(picture, format, request.quality, &notes)?)
}

/// What a room's picture was made with.
fn parameters(settings: Settings, size: CanvasSize, model: ModelInfo) -> Parameters {
    let choices = model.schedule_choices(&settings.sampler);
    let schedule = choices.possible(settings.timestep_spacing, settings.sigmas);
    Parameters {
        prompt: settings.prompt,
        negative_prompt: settings.negative_prompt,
        steps: settings.steps,
        sampler: settings.sampler,
        sigmas: schedule.sigmas(),
        guidance_scale: settings.guidance_scale,
        seed: settings.seed,
        width: size.width,
        height: size.height,
        model: model.id,
        strength: Some(settings.strength),
    }
}
