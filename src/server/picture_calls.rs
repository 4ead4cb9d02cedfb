//! `/v1/rooms/{room}/image`, `/v1/rooms/{room}/layers` and `/v1/rooms/{room}/images`: a room's pictures,
//! and images for it.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::authorise::authorised;
use super::calls::{Call, Who};
use super::error::ApiError;
use super::images;
use super::serving::Client;
use super::state::AppState;
use super::upload_request::UploadRequest;
use crate::picture_file::{LayerName, OPEN_RASTER_TYPE};
use crate::protocol::{PictureLayer, Role};

/// The calls of this file.
pub(super) fn calls() -> Vec<Call> {
    let upload_summary = "Uploads an image that `place` makes the base of the canvas or lays on a layer, or a reference.";
    let kept = json!({"image": "5c2f1d9e", "width": 1024, "height": 768});
    let media_types = ["image/png", "image/jpeg", "image/webp", OPEN_RASTER_TYPE];
    vec![
        Call::get(
            "/v1/rooms/{room}/image",
            "readPicture",
            "A picture of the room.",
            picture,
        )
        .by(Who::Viewer)
        .query::<LayerChoice>()
        .answers_files(200, "The picture.", &["image/png"]),
        Call::get(
            "/v1/rooms/{room}/layers/{layer}",
            "readLayer",
            "What is painted on a layer of the room, with transparency above the lowest.",
            paint_layer::<false>,
        )
        .by(Who::Viewer)
        .answers_files(200, "The layer.", &["image/png"]),
        Call::get(
            "/v1/rooms/{room}/layers/{layer}/thumbnail",
            "readLayerThumbnail",
            "A small picture of a layer: 96 pixels on its longer side at most.",
            paint_layer::<true>,
        )
        .by(Who::Viewer)
        .answers_files(200, "The layer.", &["image/png"]),
        Call::post(
            "/v1/rooms/{room}/images",
            "uploadImage",
            upload_summary,
            upload,
        )
        .by(Who::Editor)
        .query::<UploadChoice>()
        .takes_files(&media_types)
        .answers::<ImageKept>(201, "The image is kept until it is placed, or named.", kept),
    ]
}

/// Which picture of a room is meant.
#[derive(Debug, Deserialize, JsonSchema)]
struct LayerChoice {
    /// `result` when left out.
    layer: Option<PictureLayer>,
}

async fn picture(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    choice: Result<Query<LayerChoice>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(choice) = choice.map_err(|_| {
        ApiError::invalid_value(
            "layer is `result`, `sketch`, `mask`, `reference`, `noise` or `reconstruction`: name one",
        )
    })?;
    let handle = authorised(&state, &client, &room, &headers, Role::Viewer).await?;
    let layer = choice.layer.unwrap_or(PictureLayer::Result);
    let png = images::encode_picture(&state, handle, layer).await?;
    Ok(png_response(&state, &client, png))
}

async fn paint_layer<const IS_SMALL: bool>(
    State(state): State<AppState>,
    Path((room, layer)): Path<(String, u64)>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let handle = authorised(&state, &client, &room, &headers, Role::Viewer).await?;
    let png = images::encode_paint_layer(&state, handle, layer, IS_SMALL).await?;
    Ok(png_response(&state, &client, png))
}

fn png_response(state: &AppState, client: &Client, png: Bytes) -> Response {
    client.place.demand(state.options().limits.picture_rate);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, png).into_response()
}

/// Which picture of an OpenRaster file is meant, and what it is for.
#[derive(Debug, Deserialize, JsonSchema)]
struct UploadChoice {
    /// Of an OpenRaster file this picture; the whole when left out.
    layer: Option<LayerName>,
    /// What the image is for; `base` when left out.
    target: Option<UploadTarget>,
    /// For a layer: where its left edge lies in the whole, in pixels; 0 when left out.
    x: Option<i32>,
    /// For a layer: where its upper edge lies in the whole, in pixels; 0 when left out.
    y: Option<i32>,
    /// For a layer: how wide the whole is, in pixels; as the image when left out.
    width: Option<u32>,
    /// For a layer: how high the whole is, in pixels; as the image when left out.
    height: Option<u32>,
}

/// What an uploaded image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum UploadTarget {
    /// It covers the canvas, on white paper.
    Base,
    /// It is seen whole, with its transparency.
    Layer,
    /// `settings` name it as `reference`: its middle is kept, square.
    Reference,
}

impl UploadChoice {
    fn request(&self) -> Result<UploadRequest, ApiError> {
        let is_placed = self.x.is_some() || self.y.is_some();
        let is_framed = self.width.is_some() || self.height.is_some();
        if self.target == Some(UploadTarget::Layer) {
            return Ok(UploadRequest::Layer {
                place: (self.x.unwrap_or(0).into(), self.y.unwrap_or(0).into()),
                width: self.width,
                height: self.height,
                file_layer: self.layer,
            });
        }
        match is_placed || is_framed {
            false if self.target == Some(UploadTarget::Reference) => {
                Ok(UploadRequest::Reference(self.layer))
            }
            false => Ok(UploadRequest::Base(self.layer)),
            true => Err(ApiError::invalid_value(
                "`x`, `y`, `width` and `height` are for layers: say `target=layer`, or leave them out",
            )),
        }
    }
}

/// An image that the room keeps until it is placed.
#[derive(Debug, Serialize, JsonSchema)]
struct ImageKept {
    /// What `place` and `settings` call it.
    image: String,
    /// Pixels.
    width: u32,
    /// Pixels.
    height: u32,
}

async fn upload(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    choice: Result<Query<UploadChoice>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, ApiError> {
    let handle = authorised(&state, &client, &room, &headers, Role::Editor).await?;
    let Query(choice) = choice.map_err(|_| {
        ApiError::invalid_value(
            "layer is `result`, `sketch` or `photo`, target `base`, `layer` or `reference`, and the rest \
             are whole numbers: correct the query, or leave it out",
        )
    })?;
    let request = choice.request()?;
    let (bytes, held) = images::read_body(&state, handle.key(), body).await?;
    let kept = images::keep_image(&state, &handle, bytes, request).await?;
    drop(held);
    let kept = ImageKept {
        image: kept.id,
        width: kept.width,
        height: kept.height,
    };
    Ok((StatusCode::CREATED, Json(kept)))
}
