//! The HTTP calls of `docs/protocol.md`.

use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;

use super::access::bearer;
use super::authorise::authorised;
use super::error::{ApiError, HttpOnlyCode};
use super::serving::Client;
use super::state::AppState;
use super::{assets, connection, exports, generate, images, invite_calls, loras, metrics, room_calls};
use crate::picture_file::LayerName;
use crate::protocol::{ModelInfo, PictureLayer, Role, SUBPROTOCOL};

/// Bytes of the body of `POST /v1/rooms`.
const ROOM_BODY_BYTES: usize = 16 * 1024;
/// Bytes of the body of `PUT /v1/loras`.
const LORAS_BODY_BYTES: usize = 64 * 1024;
/// Bytes of a websocket message before the connection itself judges its size:
/// what is a little too large is read whole and answered properly.
const OVERSIZE_FACTOR: usize = 4;
/// Bytes that a websocket buffers between its messages, for each direction: most are smaller, and
/// every open socket has both.
const SOCKET_BUFFER_BYTES: usize = 8 * 1024;
/// Bytes of the largest frame: a canvas of 4096 × 4096 that does not compress.
const WRITE_BUFFER_BYTES: usize = 64 * 1024 * 1024;

/// A Vite application that draws on canvases and speaks to its own server alone.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; font-src 'self' data:; \
    connect-src 'self' blob: data:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// All routes.
pub fn router(state: AppState) -> Router {
    let calls = Router::new()
        .route("/model", get(model))
        .route(
            "/loras",
            get(loras::read)
                .put(loras::replace)
                .layer(DefaultBodyLimit::max(LORAS_BODY_BYTES)),
        )
        .route("/images", post(generate::generate))
        .route(
            "/rooms",
            get(room_calls::list)
                .post(make_room)
                .layer(DefaultBodyLimit::max(ROOM_BODY_BYTES)),
        )
        .route(
            "/rooms/{room}",
            get(room_calls::facts)
                .patch(room_calls::rename)
                .delete(room_calls::delete)
                .layer(DefaultBodyLimit::max(ROOM_BODY_BYTES)),
        )
        .route(
            "/rooms/{room}/duplicate",
            post(room_calls::duplicate).layer(DefaultBodyLimit::max(ROOM_BODY_BYTES)),
        )
        .route("/rooms/{room}/thumbnail", get(room_calls::thumbnail))
        .route(
            "/rooms/{room}/invites",
            get(invite_calls::list)
                .post(invite_calls::mint)
                .layer(DefaultBodyLimit::max(ROOM_BODY_BYTES)),
        )
        .route(
            "/rooms/{room}/invites/{invite}",
            delete(invite_calls::revoke),
        )
        .route("/rooms/{room}/image", get(picture))
        .route("/rooms/{room}/export", get(exports::export))
        .route("/rooms/{room}/images", post(upload))
        .route("/rooms/{room}/ws", get(upgrade))
        // Before the layers: a preflight asks with a method that no call has.
        .method_not_allowed_fallback(assets::method_not_allowed)
        .layer(from_fn_with_state(state.clone(), check_origin))
        .layer(state.origins().cors());
    let files = Router::new()
        .fallback(assets::serve)
        .layer(CompressionLayer::new());
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .nest("/v1", calls)
        .fallback_service(files)
        .method_not_allowed_fallback(assets::method_not_allowed)
        .layer(from_fn(log_failures))
        // Failures are logged above, with who met them.
        .layer(TraceLayer::new_for_http().on_failure(()))
        .layer(fixed(
            header::CONTENT_SECURITY_POLICY,
            CONTENT_SECURITY_POLICY,
        ))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
        .layer(fixed(
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ))
        .layer(fixed(
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ))
        .with_state(state)
}

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

/// On a server that asks for no token, other websites' pages stay outside.
async fn check_origin(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if !state.access().required() {
        state.origins().check(request.headers())?;
    }
    Ok(next.run(request).await)
}

/// Logs what is the server's fault, with who met it.
async fn log_failures(request: Request, next: Next) -> Response {
    let address = client_address(&request);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    match status {
        // While the model is loaded, and when there is too much to do.
        StatusCode::SERVICE_UNAVAILABLE => {
            tracing::debug!(address, %method, path, %status, "a request was put off");
        }
        _ if status.is_server_error() => {
            tracing::error!(address, %method, path, %status, "a request failed");
        }
        _ => {}
    }
    response
}

fn client_address(request: &Request) -> Option<String> {
    let client = request.extensions().get::<Client>()?;
    Some(client.address.to_string())
}

async fn ready(State(state): State<AppState>) -> Result<&'static str, ApiError> {
    state.rooms().map(|_| "ready\n")
}

/// On a server with auth the operator's; otherwise for pages and programs of this machine.
async fn metrics_text(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    if !state.access().required() {
        state.origins().check(&headers)?;
    }
    let operator = state.access().operator(bearer(&headers));
    operator.map_err(|refused| state.refused_token(client.address, refused))?;
    let counts = state
        .rooms_if_open()
        .map(|rooms| rooms.counts())
        .unwrap_or_default();
    let text = metrics::render(
        counts.rooms,
        counts.members,
        state.sockets_open(),
        state.connections().count(),
    );
    Ok((
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    ))
}

async fn model(State(state): State<AppState>) -> Result<Json<ModelInfo>, ApiError> {
    state.model().map(|model| Json(model.clone()))
}

/// Body of `POST /v1/rooms`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomWish {
    name: Option<String>,
    #[serde(default, deserialize_with = "side")]
    width: Option<u32>,
    #[serde(default, deserialize_with = "side")]
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

async fn make_room(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Json<RoomWish>, JsonRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let token = bearer(&headers);
    let operator = state.access().operator(token);
    operator.map_err(|refused| state.refused_token(client.address, refused))?;
    let Json(wish) =
        body.map_err(|rejection| ApiError::bad_body(&rejection, "{name?, width?, height?}"))?;
    // Where everybody may make rooms, each address has its share of them.
    let counted = (!state.access().required()).then_some(client.address);
    let (room, invites) = state.make_room(wish.name, wish.width, wish.height, counted)?;
    state.save_access().await?;
    Ok(room_calls::made(&state, &headers, room, invites))
}

#[derive(Debug, Deserialize)]
struct LayerChoice {
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
            "layer is `result`, `sketch`, `mask`, `noise` or `reconstruction`: name one",
        )
    })?;
    let handle = authorised(&state, &client, &room, &headers, Role::Viewer)?;
    let layer = choice.layer.unwrap_or(PictureLayer::Result);
    let png = images::encode_picture(&state, handle, layer).await?;
    client.place.demand(state.options().limits.picture_rate);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, png).into_response())
}

/// Which picture of an OpenRaster file is meant.
#[derive(Debug, Deserialize)]
struct UploadChoice {
    layer: Option<LayerName>,
}

/// Answer to `POST /v1/rooms/{room}/images`.
#[derive(Debug, Serialize)]
struct ImageKept {
    image: String,
    width: u32,
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
    let handle = authorised(&state, &client, &room, &headers, Role::Editor)?;
    let Query(choice) = choice.map_err(|_| {
        ApiError::invalid_value("layer is `result`, `sketch` or `photo`: name one, or leave it out")
    })?;
    let (bytes, held) = images::read_body(&state, handle.key(), body).await?;
    let kept = images::keep_image(&state, &handle, bytes, choice.layer).await?;
    drop(held);
    let kept = ImageKept {
        image: kept.id,
        width: kept.width,
        height: kept.height,
    };
    Ok((StatusCode::CREATED, Json(kept)))
}

async fn upgrade(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|rejection| {
        let message = format!("this path is a websocket: {}", rejection.body_text());
        ApiError::http(rejection.status(), HttpOnlyCode::UpgradeRequired, message)
    })?;
    let offered: Vec<_> = upgrade.requested_protocols().collect();
    if !offered.is_empty() && !offered.iter().any(|offer| *offer == SUBPROTOCOL) {
        return Err(ApiError::http(
            StatusCode::BAD_REQUEST,
            HttpOnlyCode::UpgradeRequired,
            format!("the subprotocol is {SUBPROTOCOL}: offer it, or none"),
        ));
    }
    state.rooms()?;
    let permit = state
        .free_sockets()
        .try_acquire_owned()
        .map_err(|_| ApiError::unavailable("too many sockets are open: try again soon", 5))?;
    let limits = &state.options().limits;
    let tracked = state.sockets().token();
    Ok(upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(limits.message_bytes * OVERSIZE_FACTOR)
        .max_frame_size(limits.message_bytes * OVERSIZE_FACTOR)
        .read_buffer_size(SOCKET_BUFFER_BYTES)
        .write_buffer_size(SOCKET_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES)
        .on_failed_upgrade(|cause| tracing::debug!(%cause, "a websocket was not opened"))
        .on_upgrade(move |socket| async move {
            connection::run(socket, state, room, client).await;
            drop((permit, tracked));
        }))
}
