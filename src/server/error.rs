//! Refusals over HTTP: `{"error":{"code":…,"message":…}}` with a fitting status.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics::counter;
use schemars::JsonSchema;
use serde::Serialize;

use super::access_error::AccessError;
use super::metrics::{REFUSALS, code_name};
use crate::protocol::{ErrorCode, ErrorMessage};
use crate::room::{GenerateError, RoomError};

/// Seconds after which a room that is full or has closed may be tried again.
const RETRY_SECONDS: u32 = 5;

/// Why a server could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Something else listens on that address.
    #[error(
        "{address} is in use by another program: stop it, or choose another port with --listen"
    )]
    AddressInUse {
        /// The address that was asked for.
        address: std::net::SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address} ({source}): choose another address with --listen")]
    Listen {
        /// The address that was asked for.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A setting that no request could be served with.
    #[error("{0}")]
    Options(String),
    /// The data folder cannot be used.
    #[error("the data folder cannot be used ({0}): make it writable, or give --data another")]
    Data(std::io::Error),
    /// The listener broke while serving.
    #[error("the listener stopped working ({0}): start the server again")]
    Serve(std::io::Error),
    /// The thread that paints ended.
    #[error("the device thread stopped working: look at the log, and start the server again")]
    DeviceStopped,
}

/// What a client is told: the code of the protocol, or one that only HTTP has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum HttpErrorCode {
    /// A code that the websocket uses too.
    Protocol(ErrorCode),
    /// A code of HTTP alone.
    Http(HttpOnlyCode),
}

/// Codes that no websocket message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HttpOnlyCode {
    /// The path is none of the protocol's.
    NotFound,
    /// The path does not know that method.
    MethodNotAllowed,
    /// The picture is one of an inverted photo, and there is none.
    NotInverted,
    /// The room's settings name no reference picture.
    NoReference,
    /// A room of that name exists already.
    RoomExists,
    /// Nothing keeps the rooms of this server.
    NotKept,
    /// The page that sent the request is not one of this server's.
    ForeignOrigin,
    /// The safety checker does not let the picture be shown.
    PictureHeldBack,
    /// The websocket handshake is not one, or offers no subprotocol spoken here.
    UpgradeRequired,
}

/// The body of a refusal.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorBody {
    /// What was refused.
    error: ErrorTold,
}

/// A refusal in words and as a code.
#[derive(Debug, Serialize, JsonSchema)]
struct ErrorTold {
    /// Stable: programs may rely on it.
    code: HttpErrorCode,
    /// One sentence that says what to do.
    message: String,
}

/// A refusal over HTTP.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: HttpErrorCode,
    message: String,
    retry_after_seconds: Option<u32>,
}

impl ApiError {
    /// A refusal with a code that the websocket uses too; `message` is one
    /// sentence that says what to do.
    pub fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code: HttpErrorCode::Protocol(code),
            message,
            retry_after_seconds: None,
        }
    }

    /// A refusal with a code that only HTTP has.
    pub fn http(status: StatusCode, code: HttpOnlyCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code: HttpErrorCode::Http(code),
            message,
            retry_after_seconds: None,
        }
    }

    /// 503 with `Retry-After`.
    pub fn unavailable(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Unavailable,
            message,
        );
        error.retry_after_seconds = Some(retry_after_seconds);
        error
    }

    /// 429 with `Retry-After`.
    pub fn rate_limited(message: impl Into<String>, wait: Duration) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut error = Self::new(status, ErrorCode::RateLimited, message);
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
        error.retry_after_seconds = Some(seconds.saturating_add(1));
        error
    }

    /// The same refusal as a message of the websocket: its code where the websocket has it.
    pub fn to_message(&self) -> ErrorMessage {
        let code = match self.code {
            HttpErrorCode::Protocol(code) => code,
            HttpErrorCode::Http(_) => ErrorCode::InvalidValue,
        };
        let mut message = ErrorMessage::new(code, sentence(&self.message));
        let wait = self
            .retry_after_seconds
            .map(|seconds| u64::from(seconds) * 1000);
        message.retry_after_ms = wait;
        message
    }

    /// 400 for a number or a text out of its range.
    pub fn invalid_value(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidValue, message)
    }

    /// A body that is not the JSON object that a call takes; `shape` is how that one is written.
    pub fn bad_body(rejection: &JsonRejection, shape: &str) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorCode::TooLarge,
                format!("the body is too large: it is {shape}"),
            ),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::not_json(),
            _ => Self::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::MalformedMessage,
                format!("the body is not {shape}: {}", rejection.body_text()),
            ),
        }
    }

    /// 400 for a body of another shape.
    pub fn invalid_body(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::MalformedMessage,
            message,
        )
    }

    /// 415 for a body that does not say that it is JSON.
    pub fn not_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::MalformedMessage,
            "the body is JSON: send content-type application/json",
        )
    }

    /// 500; the cause goes to the log and not to the client.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Internal,
            "something went wrong on the server: try again, and look at its log if it stays",
        )
    }

    /// 404 for a path that the protocol does not have.
    pub fn not_found() -> Self {
        Self::http(
            StatusCode::NOT_FOUND,
            HttpOnlyCode::NotFound,
            "there is nothing at this path: docs/protocol.md lists the calls",
        )
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What went wrong and what to do.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// With a capital letter and a full stop, as people read it.
pub fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => String::new(),
    }
}

impl From<AccessError> for ApiError {
    fn from(refused: AccessError) -> Self {
        let status = match refused {
            AccessError::TooManyInvites | AccessError::TooManyRooms => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            AccessError::Deleted => StatusCode::GONE,
            _ => StatusCode::UNAUTHORIZED,
        };
        Self::new(status, refused.code(), refused.to_string())
    }
}

impl From<RoomError> for ApiError {
    fn from(error: RoomError) -> Self {
        let conflict = match error {
            RoomError::NameTaken => Some(HttpOnlyCode::RoomExists),
            RoomError::NotKept => Some(HttpOnlyCode::NotKept),
            _ => None,
        };
        if let Some(code) = conflict {
            return Self::http(StatusCode::CONFLICT, code, error.to_string());
        }
        let status = match error.code() {
            ErrorCode::UnknownRoom => StatusCode::NOT_FOUND,
            ErrorCode::RoomDeleted => StatusCode::GONE,
            ErrorCode::Removed => StatusCode::FORBIDDEN,
            ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::Unavailable | ErrorCode::Busy | ErrorCode::RoomFull => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut refusal = Self::new(status, error.code(), error.to_string());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            refusal.retry_after_seconds = Some(RETRY_SECONDS);
        }
        refusal
    }
}

impl From<ErrorMessage> for ApiError {
    fn from(refusal: ErrorMessage) -> Self {
        let status = match refusal.code {
            ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::PromptBlocked => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refusal.code, refusal.message)
    }
}

impl From<GenerateError> for ApiError {
    fn from(error: GenerateError) -> Self {
        let message = error.to_string();
        match error {
            GenerateError::Settings(refusal) => refusal.into(),
            GenerateError::Size(error) => error.into(),
            GenerateError::TooLarge { .. } => Self::invalid_value(message),
            GenerateError::TooMany(_) | GenerateError::Refused(_) | GenerateError::Stopped => {
                Self::unavailable(message, RETRY_SECONDS)
            }
            GenerateError::HeldBack(_) => Self::http(
                StatusCode::FORBIDDEN,
                HttpOnlyCode::PictureHeldBack,
                message,
            ),
            GenerateError::Failed(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                ErrorCode::Internal,
                message,
            ),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        counter!(REFUSALS, "code" => code_name(self.code)).increment(1);
        let body = ErrorBody {
            error: ErrorTold {
                code: self.code,
                message: sentence(&self.message),
            },
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
