//! The router: every call of `docs/protocol.md`, and what holds for all of them.

use std::sync::LazyLock;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;

use super::access::bearer;
use super::asyncapi::asyncapi;
use super::calls::{Call, JSON, Who};
use super::error::{ApiError, HttpOnlyCode};
use super::openapi::openapi;
use super::serving::Client;
use super::state::AppState;
use super::websocket::{self, Upgrade};
use super::{
    assets, connection, exports, generate, invite_calls, loras, metrics, picture_calls, recordings,
};
use super::{room_calls, room_copies, thumbnails};
use crate::protocol::{ModelInfo, SUBPROTOCOL};

/// A Vite application that draws on canvases and speaks to its own server alone.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; font-src 'self' data:; \
    connect-src 'self' blob: data:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; \
    form-action 'none'; frame-ancestors ";

/// What the paths of the protocol's own calls begin with.
const VERSION: &str = "/v1";

/// Every call that there is: what is not among them is not served, apart from the page's files.
pub fn calls() -> Vec<Call> {
    [
        own_calls(),
        loras::calls(),
        generate::calls(),
        room_calls::calls(),
        room_copies::calls(),
        thumbnails::calls(),
        invite_calls::calls(),
        picture_calls::calls(),
        exports::calls(),
        recordings::calls(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The calls of this file.
fn own_calls() -> Vec<Call> {
    let text = ["text/plain"];
    let ready_summary = "Whether the model is loaded and warm, and the server not about to end.";
    let metrics_summary =
        "Prometheus text; without auth for this machine's names and allowed origins.";
    let socket_summary = "The websocket of a room, which /asyncapi.json describes.";
    vec![
        Call::get(
            "/healthz",
            "healthz",
            "200 while the process lives.",
            health,
        )
        .answers_files(200, "It lives.", &text),
        Call::get("/readyz", "readyz", ready_summary, ready).answers_files(
            200,
            "It is ready.",
            &text,
        ),
        Call::get("/metrics", "metrics", metrics_summary, metrics_text)
            .by(Who::Operator)
            .answers_files(200, "The metrics.", &text),
        Call::get(
            "/openapi.json",
            "readOpenApi",
            "This document.",
            openapi_document,
        )
        .answers_files(200, "The document.", &[JSON]),
        Call::get(
            "/asyncapi.json",
            "readAsyncApi",
            "What is said over the websocket, as AsyncAPI.",
            asyncapi_document,
        )
        .answers_files(200, "The document.", &[JSON]),
        Call::get(
            "/v1/model",
            "readModel",
            "The model that the server paints with.",
            model,
        )
        .answers::<ModelInfo>(200, "The model.", example_model()),
        Call::get("/v1/rooms/{room}/ws", "openSocket", socket_summary, upgrade).answers_nothing(
            101,
            "The websocket is open, with the subprotocol `impasto.v1`.",
        ),
    ]
}

fn example_model() -> Value {
    json!({
        "id": "storybook", "family": "sketch", "native_size": 256, "largest_zoom": 2,
        "device": "cpu", "dtype": "f32", "max_steps": 50, "guidance_free": false,
        "samplers": ["lcm", "ddim"],
        "schedules": {
            "lcm": {"timestep_spacing": [], "sigmas": [], "largest_timestep": 999},
            "ddim": {"timestep_spacing": ["leading", "linspace", "trailing"], "sigmas": []},
        },
        "defaults": {
            "sampler": "lcm", "steps": 2, "guidance_scale": 1.0, "strength": 1.0, "variation": 0.0,
            "finish": "oil", "finish_strength": 0.6,
            "photo": {"guidance_scale": 3.0, "strength": 0.7, "finish": "none"},
        },
    })
}

/// All routes.
pub fn router(state: AppState) -> Router {
    let (mut versioned, mut others) = (Router::new(), Router::new());
    for Call { path, route, .. } in calls() {
        match path.strip_prefix(VERSION) {
            Some(path) => versioned = versioned.route(path, route),
            None => others = others.route(path, route),
        }
    }
    let versioned = versioned
        // Before the layers: a preflight asks with a method that no call has.
        .method_not_allowed_fallback(assets::method_not_allowed)
        .layer(from_fn_with_state(state.clone(), check_origin))
        .layer(state.origins().cors());
    let files = Router::new()
        .fallback(assets::serve)
        .layer(CompressionLayer::new());
    others
        .nest(VERSION, versioned)
        .fallback_service(files)
        .method_not_allowed_fallback(assets::method_not_allowed)
        .layer(from_fn(log_failures))
        // Failures are logged above, with who met them.
        .layer(TraceLayer::new_for_http().on_failure(()))
        .layer(framing(&state))
        .layer(frame_options(&state))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
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

/// The policy, with who may show the page in a frame.
fn framing(state: &AppState) -> SetResponseHeaderLayer<Option<HeaderValue>> {
    let ancestors = state.origins().frame_ancestors();
    let ancestors = ancestors.as_deref().unwrap_or("'none'");
    let policy = format!("{CONTENT_SECURITY_POLICY}{ancestors}");
    // Origins are addresses, and so are policies made of them.
    let value = HeaderValue::from_str(&policy).ok();
    SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, value)
}

/// The same for old browsers, which know all pages or none.
fn frame_options(state: &AppState) -> SetResponseHeaderLayer<Option<HeaderValue>> {
    let is_closed = state.origins().frame_ancestors().is_none();
    let value = is_closed.then_some(HeaderValue::from_static("DENY"));
    SetResponseHeaderLayer::overriding(header::X_FRAME_OPTIONS, value)
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

async fn health() -> &'static str {
    "ok\n"
}

/// A document of the calls: the same for every server of this build.
type Document = LazyLock<Result<String, serde_json::Error>>;

async fn openapi_document() -> Result<Response, ApiError> {
    static DOCUMENT: Document = LazyLock::new(|| serde_json::to_string_pretty(&openapi(&calls())));
    document(&DOCUMENT)
}

async fn asyncapi_document() -> Result<Response, ApiError> {
    static DOCUMENT: Document = LazyLock::new(|| serde_json::to_string_pretty(&asyncapi()));
    document(&DOCUMENT)
}

/// For pages of any origin: it tells nothing of this server that its sources do not.
fn document(written: &'static Document) -> Result<Response, ApiError> {
    let text = written
        .as_ref()
        .map_err(|cause| ApiError::internal(cause))?;
    let headers = [
        (header::CONTENT_TYPE, JSON),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    Ok((headers, text.as_str()).into_response())
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
        state.room_bytes(),
        state.options().limits.room_bytes,
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

async fn upgrade(
    State(state): State<AppState>,
    Path(room): Path<String>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Result<Response, ApiError> {
    let refuse = |message: String| {
        ApiError::http(
            StatusCode::BAD_REQUEST,
            HttpOnlyCode::UpgradeRequired,
            message,
        )
    };
    let offers: Vec<String> = websocket::offered(request.headers())
        .map(str::to_owned)
        .collect();
    let upgrade =
        Upgrade::of(request).map_err(|lack| refuse(format!("this path is a websocket: {lack}")))?;
    let is_offered = offers.iter().any(|offer| offer == SUBPROTOCOL);
    if !offers.is_empty() && !is_offered {
        let message = format!("the subprotocol is {SUBPROTOCOL}: offer it, or none");
        return Err(refuse(message));
    }
    state.rooms()?;
    let permit = state
        .free_sockets()
        .try_acquire_owned()
        .map_err(|_| ApiError::unavailable("too many sockets are open: try again soon", 5))?;
    let tracked = state.sockets().token();
    let (answer, on_upgrade) = upgrade.accept(is_offered.then_some(SUBPROTOCOL));
    tokio::spawn(async move {
        let most_bytes = state.options().limits.message_bytes;
        match websocket::open(on_upgrade, most_bytes).await {
            Ok(socket) => connection::run(socket, state, room, client).await,
            Err(cause) => tracing::debug!(%cause, "a websocket was not opened"),
        }
        drop((permit, tracked));
    });
    Ok(answer)
}
