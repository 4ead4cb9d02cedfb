//! `GET` and `PUT /v1/loras`: which LoRAs are in the model.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::access::bearer;
use super::calls::{Call, Who};
use super::error::ApiError;
use super::serving::Client;
use super::state::AppState;
use crate::engine::EngineError;
use crate::protocol::LoraWeights;

/// Seconds after which a refused switch may be tried again.
const RETRY_SECONDS: u32 = 1;

/// Bytes of the body of `PUT /v1/loras`.
const BODY_BYTES: usize = 64 * 1024;

/// The calls of this file.
pub(super) fn calls() -> Vec<Call> {
    const PATH: &str = "/v1/loras";
    let read_summary =
        "The LoRAs that the server was started with, and how much of each is in the model.";
    let replace_summary = "Gives the LoRAs other weights; one that is left out is off.";
    vec![
        Call::get(PATH, "readLoras", read_summary, read).answers::<LoraWeights>(
            200,
            "The LoRAs.",
            example(),
        ),
        Call::new(Method::PUT, PATH, "replaceLoras", replace_summary, replace)
            .by(Who::Operator)
            .json::<LoraWeights>(BODY_BYTES, example())
            .answers::<LoraWeights>(200, "The LoRAs, once the switch is done.", example()),
    ]
}

fn example() -> Value {
    json!({"loras": [{"name": "lcm", "weight": 1.0}, {"name": "ink", "weight": 0.8}]})
}

async fn read(State(state): State<AppState>) -> Result<Json<LoraWeights>, ApiError> {
    let loras = state.loras()?.loras();
    Ok(Json(LoraWeights { loras }))
}

async fn replace(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Json<LoraWeights>, JsonRejection>,
) -> Result<Json<LoraWeights>, ApiError> {
    let control = state.loras()?;
    let operator = state.access().operator(bearer(&headers));
    operator.map_err(|refused| state.refused_token(client.address, refused))?;
    let Json(request) =
        body.map_err(|rejection| ApiError::bad_body(&rejection, "{loras: [{name, weight}, …]}"))?;
    control.set_loras(request.loras).await.map_err(refusal)?;
    let loras = control.loras();
    tracing::info!(?loras, "the LoRAs have other weights");
    Ok(Json(LoraWeights { loras }))
}

fn refusal(error: EngineError) -> ApiError {
    match error {
        EngineError::Switching | EngineError::Stopped => {
            ApiError::unavailable(error.to_string(), RETRY_SECONDS)
        }
        _ => ApiError::invalid_value(error.to_string()),
    }
}
