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
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::access::bearer;
use super::calls::{Call, Who};
use super::error::ApiError;
use super::export_request::JPEG_QUALITY;
use super::images::{codec_turn, decode_error, hold, in_turn, keep_until_sent, limits, read_body};
use super::origin::{SEED_HEADER, TIMING_HEADER};
use super::schedule_request::{Sigmas, listed_schedule};
use super::serving::Client;
use super::state::AppState;
use crate::canvas::{Mask, Pixels, decode_image, decode_image_over, fit_to, resize_lanczos};
use crate::engine::RoomKey;
use crate::picture_file::{Notes, Origin, Parameters, check_notes, encode_with_notes};
use crate::protocol::{
    CanvasSize, ControlPreprocess, Finish, FrameFormat, SEED_LIMIT, Schedule, Settings,
    SettingsPatch, TimestepSpacingChoice, TimingsMs, decode_body,
};
use crate::room::{PictureRequest, RoomRegistry};

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a picture should be. What is left out is what the model's pictures look best with; names and
/// ranges are those of `settings` over the websocket.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ImageRequest {
    /// What the picture should show.
    #[schemars(length(max = 1000))]
    prompt: String,
    /// What it should not show.
    #[schemars(length(max = 1000))]
    negative_prompt: Option<String>,
    /// Classifier-free guidance scale; 1 or less runs without guidance.
    #[schemars(range(min = 0.0, max = 30.0))]
    guidance_scale: Option<f64>,
    /// How far guidance is brought back to the contrast of the prompt alone.
    #[schemars(range(min = 0.0, max = 1.0))]
    guidance_rescale: Option<f64>,
    /// How closely a model that edits photos keeps to the sketch.
    #[schemars(range(min = 0.0, max = 30.0))]
    image_guidance_scale: Option<f64>,
    /// Sampling steps, at most the model's `max_steps`.
    #[schemars(range(min = 1))]
    steps: Option<u32>,
    /// How far from the sketch the model may go.
    #[schemars(range(min = 0.01, max = 1.0))]
    strength: Option<f64>,
    /// Seed of the noise, below 2^53; a random one when left out, which the answer's header
    /// `Impasto-Seed` tells.
    seed: Option<u64>,
    /// How much of the noise is used that the seed makes. At 0 the seed makes no difference.
    #[schemars(range(min = 0.0, max = 1.0))]
    variation: Option<f64>,
    /// One of the names in the model's `samplers`.
    sampler: Option<String>,
    /// Where its timesteps lie, as the model's `schedules` allow.
    timestep_spacing: Option<TimestepSpacingChoice>,
    /// How its sigmas are spaced, as the model's `schedules` allow, or in place of `steps` the sigmas
    /// themselves, which descend to 0.
    sigmas: Option<Sigmas>,
    /// In place of `steps` the timesteps themselves, which descend.
    timesteps: Option<Vec<u32>>,
    /// What the picture looks as if it was made with.
    finish: Option<Finish>,
    /// How much of the finish is seen.
    #[schemars(range(min = 0.0, max = 1.0))]
    finish_strength: Option<f64>,
    /// Pixels, rounded up to a multiple of 64; the sketch's when left out, or the model's own.
    #[schemars(range(min = 1, max = 4096))]
    width: Option<u32>,
    /// Pixels, rounded up to a multiple of 64; the sketch's when left out, or the model's own.
    #[schemars(range(min = 1, max = 4096))]
    height: Option<u32>,
    /// A PNG, JPEG or WebP to start from, in base64 or as a `data:` URL. It is scaled to cover the
    /// picture, and what stands out is cut off evenly.
    sketch: Option<String>,
    /// Where the sketch may change: white may, black stays to the byte. A PNG, JPEG or WebP like the
    /// sketch, which it needs.
    mask: Option<String>,
    /// One of the names in the model's `controls`, or an empty one for none; the first when left
    /// out, where there is something to steer by.
    control: Option<String>,
    /// What the control steers by: a PNG, JPEG or WebP like the sketch; the sketch when left out.
    control_image: Option<String>,
    /// What is made of that picture first.
    control_preprocess: Option<ControlPreprocess>,
    /// How much the control steers.
    #[schemars(range(min = 0.0, max = 2.0))]
    control_scale: Option<f64>,
    /// From where on it steers, of the steps.
    #[schemars(range(min = 0.0, max = 1.0))]
    control_start: Option<f64>,
    /// Up to where it steers, of the steps.
    #[schemars(range(min = 0.0, max = 1.0))]
    control_end: Option<f64>,
    /// One of the names in the model's `ip_adapters`, or an empty one for none; the first when left out.
    ip_adapter: Option<String>,
    /// What is seen beside the prompt through it: a PNG, JPEG or WebP like the sketch.
    reference_image: Option<String>,
    /// How much of it is seen.
    #[schemars(range(min = 0.0, max = 1.0))]
    reference_scale: Option<f64>,
    /// From where on it is seen, of the steps.
    #[schemars(range(min = 0.0, max = 1.0))]
    reference_start: Option<f64>,
    /// Up to where it is seen, of the steps.
    #[schemars(range(min = 0.0, max = 1.0))]
    reference_end: Option<f64>,
    /// The encoding of the answer; `png` when left out.
    format: Option<FrameFormat>,
    /// Quality of a JPEG; 92 when left out.
    #[schemars(range(min = 1, max = 100))]
    quality: Option<u8>,
}

/// The encodings that there are.
const FORMATS: [FrameFormat; 3] = [FrameFormat::Png, FrameFormat::Jpeg, FrameFormat::Webp];

/// How the answer is encoded.
#[derive(Clone, Copy)]
struct Encoding {
    format: FrameFormat,
    quality: u8,
}

impl ImageRequest {
    fn encoding(&self) -> Result<Encoding, ApiError> {
        let format = self.format.unwrap_or(FrameFormat::Png);
        if format != FrameFormat::Jpeg && self.quality.is_some() {
            let message = "quality is a JPEG's: leave it out, or ask for the format jpeg";
            return Err(ApiError::invalid_value(message));
        }
        match self.quality.unwrap_or(JPEG_QUALITY) {
            quality @ 1..=100 => Ok(Encoding { format, quality }),
            _ => Err(ApiError::invalid_value(
                "quality is a number from 1 to 100: choose one",
            )),
        }
    }

    fn patch(&self, listed: Option<&Schedule>) -> SettingsPatch {
        // A list without steps is refused as the list that it is.
        let listed_steps = listed.and_then(Schedule::listed_steps);
        let listed_steps = listed_steps.map(|steps| steps.max(1));
        SettingsPatch {
            prompt: Some(self.prompt.clone()),
            negative_prompt: self.negative_prompt.clone(),
            guidance_scale: self.guidance_scale,
            guidance_rescale: self.guidance_rescale,
            image_guidance_scale: self.image_guidance_scale,
            steps: listed_steps.or(self.steps),
            strength: self.strength,
            seed: Some(self.seed.unwrap_or_else(random_seed)),
            variation: self.variation,
            sampler: self.sampler.clone(),
            timestep_spacing: self.timestep_spacing,
            sigmas: self.sigmas.as_ref().and_then(Sigmas::choice),
            finish: self.finish,
            finish_strength: self.finish_strength,
            control: self.control.clone(),
            control_preprocess: self.control_preprocess,
            control_scale: self.control_scale,
            control_start: self.control_start,
            control_end: self.control_end,
            ip_adapter: self.ip_adapter.clone(),
            reference_scale: self.reference_scale,
            reference_start: self.reference_start,
            reference_end: self.reference_end,
            ..SettingsPatch::default()
        }
    }
}

fn random_seed() -> u64 {
    let (_, low) = Uuid::new_v4().as_u64_pair();
    // The lowest bits of a random UUID are all random.
    low % SEED_LIMIT
}

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
    if request.mask.is_some() && request.sketch.is_none() {
        let message = "a mask says where a sketch may change: send a sketch with it";
        return Err(ApiError::invalid_value(message));
    }
    if request.control_image.is_some() && settings.control.is_empty() {
        let message = "nothing reads a control_image: name one of the model's controls with it";
        return Err(ApiError::invalid_value(message));
    }
    if request.reference_image.is_some() && settings.ip_adapter.is_empty() {
        let message = "nothing sees a reference_image: name one of the model's ip_adapters with it, or start \
             the server with --ip-adapter";
        return Err(ApiError::invalid_value(message));
    }
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

/// The bytes of a field in base64, with or without the head of a `data:` URL.
fn bytes_of(field: &str, text: &str) -> Result<Vec<u8>, ApiError> {
    let text = match text.strip_prefix("data:") {
        Some(url) => url.split_once(',').map_or("", |(_, data)| data),
        None => text,
    };
    BASE64.decode(text.trim()).map_err(|_| {
        ApiError::invalid_value(format!(
            "{field} is not base64: encode the bytes of a PNG, JPEG or WebP"
        ))
    })
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

const fn media_type(format: FrameFormat) -> &'static str {
    match format {
        FrameFormat::Png => "image/png",
        FrameFormat::Jpeg => "image/jpeg",
        FrameFormat::Webp => "image/webp",
    }
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
    fn base64_is_read_with_padding_and_without_and_from_data_urls() {
        for text in [
            "aW1hZ2U=",
            "aW1hZ2U",
            " aW1hZ2U=\n",
            "data:image/png;base64,aW1hZ2U=",
        ] {
            assert_eq!(bytes_of("sketch", text).unwrap(), b"image", "{text}");
        }
        for text in ["aW1h*2U=", "data:image/png;base64", "a"] {
            let refused = bytes_of("mask", text);
            let is_empty = refused.as_ref().is_ok_and(|bytes| bytes.is_empty());
            assert!(is_empty || refused.is_err(), "{text}");
        }
        let refused = bytes_of("mask", "a*").unwrap_err();
        assert!(refused.message().contains("mask is not base64"));
    }

    #[test]
    fn times_are_written_as_server_timing() {
        let timings = TimingsMs::from([("denoise".to_owned(), 12.345), ("total".to_owned(), 20.0)]);
        let written = server_timing(&timings).unwrap();
        assert_eq!(written, "denoise;dur=12.35, total;dur=20.00");
    }

    #[test]
    fn random_seeds_are_within_the_protocols_and_differ() {
        let seeds = [random_seed(), random_seed(), random_seed()];
        assert!(seeds.iter().all(|seed| *seed < SEED_LIMIT));
        assert!(seeds[0] != seeds[1] || seeds[1] != seeds[2]);
    }
}
