//! Pictures over HTTP: read within limits, and their codecs one at a time and on blocking threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderValue, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::budget::Held;
use super::error::{ApiError, HttpOnlyCode};
use super::pictures::{Asked, HeldPicture};
use super::state::AppState;
use super::upload_request::UploadRequest;
use crate::canvas::{
    CodecError, ImageLimits, Pixels, Upload, decode_upload, encode_image, fit_to, size_within,
};
use crate::engine::RoomKey;
use crate::picture_file::{
    FilePixels, OpenRasterError, encode_upload, is_archive, read_open_raster,
};
use crate::protocol::{CanvasSize, ErrorCode, FrameFormat, MAX_CANVAS_SIDE, PictureLayer};
use crate::room::{RoomError, RoomHandle};

/// The longest side of a thumbnail, in pixels: a card of the start page on a fine screen.
const THUMBNAIL_SIDE: u32 = 384;
/// Its quality as a JPEG.
const THUMBNAIL_QUALITY: u8 = 85;
/// The longest side of a layer's thumbnail, in pixels: a line of a list on a fine screen.
const LAYER_THUMBNAIL_SIDE: u32 = 96;
/// Seconds after which a client may send again what found no place.
const RETRY_SECONDS: u32 = 5;
/// Bytes of a pixel.
const CHANNELS: usize = 3;
/// Bytes of a pixel of a layer while it is encoded: as it is kept, and as it is written.
const LAYER_CHANNELS: usize = 8;
/// How long the rest of an upload that is too large is read.
const DISCARD_FOR: Duration = Duration::from_secs(5);

/// An image that a room keeps until it is placed.
#[derive(Debug)]
pub struct KeptImage {
    /// Its id.
    pub id: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Reads an upload within the limits of the server. It holds what has come and nothing else: who
/// sends nothing is in nobody's way. The bytes are in the budget as long as the second value lives.
///
/// # Errors
/// 413 over the limit, 408 when it takes too long or rests, 400 when it breaks off, 503 when too
/// much is being uploaded.
pub async fn read_body(
    state: &AppState,
    room: RoomKey,
    body: Body,
) -> Result<(Bytes, Held), ApiError> {
    let limits = &state.options().limits;
    let mut held = state.upload_bytes().hold(room);
    let mut parts = body.into_data_stream();
    let mut whole = BytesMut::new();
    let reading = async {
        let began = Instant::now();
        loop {
            let next = timeout(limits.upload_stall, parts.next());
            let Some(part) = next.await.map_err(|_| too_slow())? else {
                return Ok::<bool, ApiError>(true);
            };
            let part = part.map_err(|cause| {
                tracing::debug!(%cause, "an upload broke off");
                let message = "the upload broke off: send the image again";
                ApiError::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidImage, message)
            })?;
            if whole.len() + part.len() > limits.image_bytes {
                return Ok(false);
            }
            if !held.grow(part.len()) {
                let message = "many images are being uploaded: send this one again soon";
                return Err(ApiError::unavailable(message, RETRY_SECONDS));
            }
            whole.extend_from_slice(&part);
            let due = began
                .elapsed()
                .saturating_sub(limits.upload_stall)
                .as_secs();
            if (whole.len() as u64) < due.saturating_mul(limits.upload_rate) {
                return Err(too_slow());
            }
        }
    };
    let complete = timeout(limits.upload_timeout, reading)
        .await
        .map_err(|_| too_slow())??;
    if complete {
        return Ok((whole.freeze(), held));
    }
    drop((whole, held));
    discard(parts).await;
    let most_bytes = limits.image_bytes;
    let message = format!("an image may have {most_bytes} bytes at most: make it smaller");
    Err(ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::TooLarge,
        message,
    ))
}

fn too_slow() -> ApiError {
    let message = "the upload took too long: send a smaller image";
    ApiError::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::TooLarge, message)
}

/// Reads on for a moment, because a client that is still sending does not see
/// the answer of a connection that is cut.
async fn discard(mut parts: BodyDataStream) {
    let rest = async { while let Some(Ok(_)) = parts.next().await {} };
    if timeout(DISCARD_FOR, rest).await.is_err() {
        tracing::debug!("the rest of an upload was not read");
    }
}

/// Decodes an uploaded image and gives it to the room, as the request says.
///
/// # Errors
/// 400 for a layer of a file that has none or a size of 0 or too many pixels, 413 or 422 when the image is too large or none, 503 when
/// the room has closed.
pub async fn keep_image(
    state: &AppState,
    room: &RoomHandle,
    bytes: Bytes,
    request: UploadRequest,
) -> Result<KeptImage, ApiError> {
    request.check()?;
    let (limits, layer) = (limits(state), request.file_layer());
    let is_layered = is_archive(&bytes);
    if layer.is_some() && !is_layered {
        let message = "only an OpenRaster file has layers: leave `layer` out, or send an .ora file";
        return Err(ApiError::invalid_value(message));
    }
    let turn = codec_turn(state).await?;
    let decode = move || match is_layered {
        true => read_open_raster(&bytes, layer, &limits).map(Upload::from),
        false => Ok(decode_upload(&bytes, &limits)?),
    };
    let arranged = move || decode().map(|picture| (picture.size(), request.arrange(picture)));
    let (decoded, turn) = in_turn(turn, arranged).await?;
    let (CanvasSize { width, height }, image) = decoded.map_err(decode_error)?;
    let id = match request {
        UploadRequest::Reference(_) => room.store_reference(image).await?,
        UploadRequest::Base(_) | UploadRequest::Layer { .. } => room.store_image(image).await?,
    };
    // Not before the room has it in the canvas's size: the picture as it came may be far larger.
    drop(turn);
    Ok(KeptImage { id, width, height })
}

/// The most that an image may be that somebody sends.
pub(super) fn limits(state: &AppState) -> ImageLimits {
    ImageLimits {
        max_bytes: state.options().limits.image_bytes,
        max_side: MAX_CANVAS_SIDE,
        max_pixels: u64::from(MAX_CANVAS_SIDE).pow(2),
    }
}

/// 413 or 422 for an image that is too large, or none.
pub(super) fn decode_error(cause: OpenRasterError) -> ApiError {
    let is_too_large = matches!(
        cause,
        OpenRasterError::TooManyParts { .. }
            | OpenRasterError::PartTooLarge { .. }
            | OpenRasterError::Picture(
                CodecError::TooManyBytes { .. } | CodecError::TooLarge { .. }
            )
    );
    let (status, code) = match is_too_large {
        true => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge),
        false => (StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidImage),
    };
    ApiError::new(status, code, cause.to_string())
}

/// A layer of the room as PNG.
///
/// # Errors
/// 404 for a layer of an inverted photo where nothing is inverted, and for a reference where there is
/// none, 503 when the room has closed or
/// too many pictures are on their way.
pub async fn encode_picture(
    state: &AppState,
    room: RoomHandle,
    layer: PictureLayer,
) -> Result<Bytes, ApiError> {
    let key = (room.key(), Asked::Layer(layer));
    let make = || encode(state.clone(), room, layer).boxed();
    state.pictures().join(key, make).await
}

async fn encode(state: AppState, room: RoomHandle, layer: PictureLayer) -> Result<Bytes, ApiError> {
    // First the turn, then the copy: those that wait hold none.
    let turn = codec_turn(&state).await?;
    let pictures = state.pictures();
    pictures.begins(&(room.key(), Asked::Layer(layer)));
    let held = hold(&state, room.key(), pixel_bytes(room.size()))?;
    let pixels = room.image(layer).await?.ok_or_else(|| {
        let (code, message) = match layer {
            PictureLayer::Reference => (
                HttpOnlyCode::NoReference,
                "no reference picture is seen here: name one in the room's settings",
            ),
            _ => (
                HttpOnlyCode::NotInverted,
                "nothing is inverted here: place a photo with the mode `invert`, and wait a moment",
            ),
        };
        ApiError::http(StatusCode::NOT_FOUND, code, message)
    })?;
    let encode = move || encode_image(&pixels, FrameFormat::Png, 100);
    let (encoded, _turn) = in_turn(turn, encode).await?;
    let file = encoded.map_err(|cause| ApiError::internal(&cause))?;
    Ok(keep_until_sent(file, held))
}

/// What is painted on a layer as PNG, with transparency above the lowest; small where it is only to be
/// told from others.
///
/// # Errors
/// 404 where there is no such layer, 503 when the room has closed or too many pictures are on their way.
pub async fn encode_paint_layer(
    state: &AppState,
    room: RoomHandle,
    layer: u64,
    is_small: bool,
) -> Result<Bytes, ApiError> {
    let asked = match is_small {
        true => Asked::LayerThumbnail(layer),
        false => Asked::PaintLayer(layer),
    };
    let key = (room.key(), asked);
    let make = || paint_layer(state.clone(), room, layer, asked).boxed();
    state.pictures().join(key, make).await
}

async fn paint_layer(
    state: AppState,
    room: RoomHandle,
    layer: u64,
    asked: Asked,
) -> Result<Bytes, ApiError> {
    let turn = codec_turn(&state).await?;
    let pictures = state.pictures();
    pictures.begins(&(room.key(), asked));
    let bytes = pixel_bytes(room.size()) / CHANNELS * LAYER_CHANNELS;
    let held = hold(&state, room.key(), bytes)?;
    let pixels = room.paint_layer(layer).await?.ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            ErrorCode::UnknownLayer,
            "no layer of that id is there any more: choose another one",
        )
    })?;
    let small = (asked == Asked::LayerThumbnail(layer))
        .then(|| size_within(room.size(), LAYER_THUMBNAIL_SIDE));
    let encode = move || {
        let painted = match pixels {
            FilePixels::Opaque(pixels) => Upload::from(pixels),
            FilePixels::Painted(copy) => Upload::from(copy.to_pixels()),
        };
        let painted = match small {
            Some(size) => painted.fitted(size),
            None => painted,
        };
        encode_upload(&painted)
    };
    let (encoded, _turn) = in_turn(turn, encode).await?;
    let file = encoded.map_err(|cause| ApiError::internal(&cause))?;
    Ok(keep_until_sent(file, held))
}

/// A file whose bytes stay in the budget until nobody sends it any more.
pub(super) fn keep_until_sent(mut file: Vec<u8>, mut held: Held) -> Bytes {
    file.shrink_to_fit();
    held.shrink_to(file.len());
    Bytes::from_owner(HeldPicture { file, held })
}

/// Bytes of a picture of this size.
pub(super) const fn pixel_bytes(size: CanvasSize) -> usize {
    size.width as usize * size.height as usize * CHANNELS
}

/// A place for so many bytes in the budget of pictures on their way.
///
/// # Errors
/// 503 where there is none.
pub(super) fn hold(state: &AppState, room: RoomKey, bytes: usize) -> Result<Held, ApiError> {
    let mut held = state.pictures().hold(room);
    match held.grow(bytes) {
        true => Ok(held),
        false => Err(too_many()),
    }
}

/// What makes a browser save an answer as a file of this name.
///
/// # Errors
/// 500 for a name that no header can have.
pub(super) fn attachment(name: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .map_err(|cause| ApiError::internal(&cause))
}

/// The refusal of a picture that the budget has no place for.
fn too_many() -> ApiError {
    let message = "many pictures are on their way already: try again soon";
    ApiError::unavailable(message, RETRY_SECONDS)
}

/// The result of a room as a small JPEG. A room that is not in memory does not come back for it: it
/// is read from the disk, one room at a time. One that nobody has been in is white paper.
///
/// # Errors
/// 503 when the room cannot be read, or many pictures wait.
pub async fn encode_thumbnail(
    state: &AppState,
    room: String,
    size: CanvasSize,
) -> Result<Bytes, ApiError> {
    let turn = codec_turn(state).await?;
    let rooms = state.rooms()?.clone();
    let running = match rooms.running_picture(&room).await {
        // It ended at this moment, and is on disk.
        Err(RoomError::Closed) => None,
        running => running?,
    };
    let make = move || {
        let picture = match running {
            Some(picture) => picture,
            None => rooms
                .stored_picture(&room)?
                .unwrap_or_else(|| Pixels::new(size.width, size.height, [255; 3])),
        };
        let small = fit_to(&picture, size_within(size, THUMBNAIL_SIDE));
        let jpeg = encode_image(&small, FrameFormat::Jpeg, THUMBNAIL_QUALITY);
        jpeg.map_err(|cause| ApiError::internal(&cause))
    };
    let (made, _turn) = in_turn(turn, make).await?;
    Ok(made?.into())
}

/// Waits for the turn of a codec.
///
/// # Errors
/// 503 when many wait.
pub(super) async fn codec_turn(state: &AppState) -> Result<OwnedSemaphorePermit, ApiError> {
    turn_of(state, state.codec_jobs()).await
}

/// Waits for the turn of a file that takes seconds: small pictures go on beside it.
///
/// # Errors
/// 503 when many wait.
pub(super) async fn export_turn(state: &AppState) -> Result<OwnedSemaphorePermit, ApiError> {
    turn_of(state, state.large_exports()).await
}

async fn turn_of(state: &AppState, jobs: Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    let turn = jobs.acquire_owned();
    match timeout(state.options().limits.codec_wait, turn).await {
        Ok(turn) => turn.map_err(|cause| ApiError::internal(&cause)),
        Err(_) => {
            let message = "many pictures wait for the server: try again soon";
            Err(ApiError::unavailable(message, RETRY_SECONDS))
        }
    }
}

/// Runs a codec. The turn goes with the work, so that a client that goes away meanwhile does not
/// let the next one begin beside it.
///
/// # Errors
/// 500 where it breaks.
pub(super) async fn in_turn<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<(T, OwnedSemaphorePermit), ApiError> {
    spawn_blocking(move || (work(), turn))
        .await
        .map_err(|cause| ApiError::internal(&cause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::access::Access;
    use crate::server::connections::ConnectionLimits;
    use crate::server::options::ServerOptions;
    use crate::server::origin::OriginRules;

    #[tokio::test]
    async fn nobody_waits_for_a_codec_without_end() {
        let mut options = ServerOptions::new(([127, 0, 0, 1], 0).into());
        options.limits.codec_wait = Duration::from_millis(20);
        let origins = OriginRules::new(true, &[]).unwrap();
        let connections = ConnectionLimits {
            most: 1,
            per_address: 1,
            waiting: 1,
        };
        let state = AppState::new(options, origins, Access::new(false), connections);
        let turn = codec_turn(&state).await.unwrap();
        let refused = codec_turn(&state).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        let large = export_turn(&state).await.unwrap();
        let refused = export_turn(&state).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(turn);
        assert!(codec_turn(&state).await.is_ok(), "beside a large export");
        drop(large);
    }
}
