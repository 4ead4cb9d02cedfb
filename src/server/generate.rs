//! `POST /v1/images`: a picture without a room, for programs.
//!
//! The body is JSON alone. A form in parts would save the third that base64 adds to a sketch, and cost
//! another parser of what strangers send; most calls have no sketch at all.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::access::bearer;
use super::calls::{Call, Who};
use super::error::ApiError;
use super::image_request::{Encoding, FORMATS, ImageRequest, bytes_of, media_type};
use super::images::{codec_turn, decode_error, hold, in_turn, keep_until_sent, limits, read_body};
use super::origin::{SEED_HEADER, TIMING_HEADER};
use super::schedule_request::listed_schedule;
use super::serving::Client;
use super::state::AppState;
use crate::canvas::{Mask, Pixels, decode_image, decode_image_over, fit_to, resize_lanczos};
use crate::engine::RoomKey;
use crate::picture_file::{Notes, Origin, Parameters, check_notes, encode_with_notes};
use crate::protocol::{CanvasSize, Schedule, Settings, TimingsMs, decode_body};
use crate::room::{PictureRequest, RoomRegistry};

/// The calls of this file.
pub(super) fn calls() -> Vec<Call> {
    let summary = "Makes a picture without a room, in its turn among what rooms render.";
    let example = json!({
        "prompt": "a lighthouse at dusk", "seed": 7, "width": 512, "height": 512, "format": "png",
    });
    let media_types = FORMATS.map(media_type);
    vec![
        Call::post("/v1/images", "generateImage", summary, generate)
            .by(Who::Operator)
            .takes_json::<ImageRequest>(example)
            .answers_files(200, "The picture, with its settings in it.", &media_types)
            .with_header("Impasto-Seed", "The seed that it was made with.")
            .with_header(
                "Server-Timing",
                "Milliseconds by stage, as Server Timing writes them.",
            ),
    ]
}

/// Makes a picture. On a server with auth the operator's call, because it takes a share of the device.
async fn generate(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let rooms = state.rooms()?.clone();
    let operator = state.access().operator(bearer(&headers));
    operator.map_err(|refused| state.refused_token(client.address, refused))?;
    if !is_json(&headers) {
        return Err(ApiError::not_json());
    }
    let (bytes, held) = read_body(&state, RoomKey::NO_ROOM, body).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        ApiError::invalid_body("the body is not text in UTF-8: send the JSON object in UTF-8")
    })?;
    let request: ImageRequest = decode_body(text)?;
    drop(bytes);
    state.options().blocked_words.check(&request.prompt)?;
    let encoding = request.encoding()?;
    let is_spaced = request.steps.is_some() || request.timestep_spacing.is_some();
    let sigmas = request.sigmas.as_ref();
    let listed = listed_schedule(request.timesteps.as_ref(), sigmas, is_spaced)?;
    let settings = rooms.generate_settings(&request.patch(listed.as_ref()))?;
    if let Some(listed) = &listed {
        rooms.check_schedule(&settings, listed)?;
    }
    request.check_pictures(&settings)?;
    let place = rooms.picture_place()?;
    let request = request_of(&state, rooms, request, settings, listed).await?;
    drop(held);
    let notes = notes_of(&request, state.model()?.id.clone());
    check_notes(&notes, encoding.format)
        .map_err(|cause| ApiError::invalid_value(cause.to_string()))?;
    let seed = request.settings.seed;
    let made = place.generate(request).await?;
    let mut timings = made.timings;
    let coding = Instant::now();
    let file = encode(&state, made.pixels, encoding, notes).await?;
    let coding = coding.elapsed().as_secs_f64() * 1000.0;
    timings.insert("codec".to_owned(), coding);
    *timings.entry("total".to_owned()).or_default() += coding;
    client.place.demand(state.options().limits.picture_rate);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(media_type(encoding.format)),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (SEED_HEADER, HeaderValue::from(seed)),
        (TIMING_HEADER, server_timing(&timings)?),
    ];
    Ok((headers, file).into_response())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|it| it.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Decodes what the request starts from, in its size.
async fn request_of(
    state: &AppState,
    rooms: RoomRegistry,
    request: ImageRequest,
    settings: Settings,
    listed: Option<Schedule>,
) -> Result<PictureRequest, ApiError> {
    let limits = limits(state);
    let decode = move || -> Result<PictureRequest, ApiError> {
        let read = |field: &str, text: &str, background: Option<u8>| {
            let bytes = bytes_of(field, text)?;
            let picture = match background {
                Some(background) => decode_image_over(&bytes, &limits, background),
                None => decode_image(&bytes, &limits),
            };
            picture.map_err(|cause| decode_error(cause.into()))
        };
        let sketch = request.sketch.as_deref();
        let sketch = sketch.map(|text| read("sketch", text, None)).transpose()?;
        let drawn = sketch.as_ref().map(size_of);
        let size = rooms.generate_size(request.width, request.height, drawn)?;
        let mask = request.mask.as_deref();
        // What is transparent in a mask stays as it is.
        let mask = mask.map(|text| read("mask", text, Some(0))).transpose()?;
        let control = request.control_image.as_deref();
        let control = control
            .map(|text| read("control_image", text, None))
            .transpose()?;
        let reference = request.reference_image.as_deref();
        let reference = reference
            .map(|text| read("reference_image", text, None))
            .transpose()?;
        Ok(PictureRequest {
            reference: reference.map(Arc::new),
            settings,
            listed,
            size,
            sketch: sketch.map(|picture| fit_to(&picture, size)),
            mask: mask.map(|picture| Mask::from_brightness(&fit_to(&picture, size))),
            control: control.map(|picture| resize_lanczos(&picture, size)),
        })
    };
    let turn = codec_turn(state).await?;
    let (decoded, _turn) = in_turn(turn, decode).await?;
    decoded
}

fn size_of(picture: &Pixels) -> CanvasSize {
    CanvasSize {
        width: picture.width(),
        height: picture.height(),
    }
}

/// What the file says besides its pixels, as with the command line's.
fn notes_of(request: &PictureRequest, model: String) -> Notes {
    let Settings {
        prompt,
        negative_prompt,
        steps,
        sampler,
        sigmas,
        guidance_scale,
        seed,
        strength,
        ..
    } = request.settings.clone();
    let has_sketch = request.sketch.is_some();
    Notes {
        origin: Origin::of(has_sketch, true),
        dpi: None,
        parameters: Some(Parameters {
            prompt,
            negative_prompt,
            steps,
            sampler,
            sigmas,
            guidance_scale,
            seed,
            width: request.size.width,
            height: request.size.height,
            model,
            strength: has_sketch.then_some(strength),
        }),
    }
}

async fn encode(
    state: &AppState,
    pixels: Pixels,
    Encoding { format, quality }: Encoding,
    notes: Notes,
) -> Result<bytes::Bytes, ApiError> {
    let turn = codec_turn(state).await?;
    let held = hold(state, RoomKey::NO_ROOM, pixels.data().len())?;
    let work = move || encode_with_notes(&pixels, format, quality, &notes);
    let (encoded, _turn) = in_turn(turn, work).await?;
    let file = encoded.map_err(|cause| ApiError::internal(&cause))?;
    Ok(keep_until_sent(file, held))
}

/// `queue;dur=0.4, text;dur=1.2, …`, in milliseconds.
fn server_timing(timings: &TimingsMs) -> Result<HeaderValue, ApiError> {
    let stages: Vec<String> = timings
        .iter()
        .map(|(stage, spent)| format!("{stage};dur={spent:.2}"))
        .collect();
    HeaderValue::from_str(&stages.join(", ")).map_err(|cause| ApiError::internal(&cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_server_timing() {
        let timings = TimingsMs::from([("denoise".to_owned(), 12.345), ("total".to_owned(), 20.0)]);
        let written = server_timing(&timings).unwrap();
        assert_eq!(written, "denoise;dur=12.35, total;dur=20.00");
    }
}
