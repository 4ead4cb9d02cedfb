//! `GET` and `PUT /v1/loras`: which LoRAs are in the model.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use axum::{Extension, Json};

use super::access::bearer;
use super::error::ApiError;
use super::serving::Client;
use super::state::AppState;
use crate::engine::EngineError;
use crate::protocol::LoraWeights;

/// Seconds after which a refused switch may be tried again.
const RETRY_SECONDS: u32 = 1;

pub(super) async fn read(State(state): State<AppState>) -> Result<Json<LoraWeights>, ApiError> {
    let loras = state.loras()?.loras();
    Ok(Json(LoraWeights { loras }))
}

pub(super) async fn replace(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Json<LoraWeights>, JsonRejection>,
) -> Result<Json<LoraWeights>, ApiError> {
    let control = state.loras()?;
    let operator = state.access().operator(bearer(&headers));
    operator.map_err(|refused| state.refused_token(client.address, refused))?;
    let Json(wish) =
        body.map_err(|rejection| ApiError::bad_body(&rejection, "{loras: [{name, weight}, …]}"))?;
    control.set_loras(wish.loras).await.map_err(refusal)?;
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
