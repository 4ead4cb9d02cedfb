//! The schedule of a picture that is asked for over HTTP: spaced, as a room's settings say, or a list.

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::ApiError;
use crate::protocol::{Schedule, SigmasChoice};

/// How sigmas are spaced, or what they are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "unknown variant of `sigmas`, expected default, karras, exponential or beta, or a \
                 list of numbers"
)]
pub(super) enum Sigmas {
    /// By its name.
    Choice(SigmasChoice),
    /// One for each step, and 0.
    List(Vec<f64>),
}

impl Sigmas {
    /// The choice, where it is one.
    pub(super) fn choice(&self) -> Option<SigmasChoice> {
        match self {
            Self::Choice(choice) => Some(*choice),
            Self::List(_) => None,
        }
    }
}

/// The list of timesteps or sigmas that was given, which says how many steps there are. `is_spaced` is
/// true where the request says that by other fields.
///
/// # Errors
/// `invalid_value` where fields do not go together.
pub(super) fn listed_schedule(
    timesteps: Option<&Vec<u32>>,
    sigmas: Option<&Sigmas>,
    is_spaced: bool,
) -> Result<Option<Schedule>, ApiError> {
    let listed = match (timesteps, sigmas) {
        (Some(timesteps), None) => Schedule::Timesteps(timesteps.clone()),
        (None, Some(Sigmas::List(sigmas))) => Schedule::Sigmas(sigmas.clone()),
        (None, Some(Sigmas::Choice(_)) | None) => return Ok(None),
        (Some(_), Some(_)) => {
            let message = "timesteps say what every step is: leave sigmas out";
            return Err(ApiError::invalid_value(message));
        }
    };
    if is_spaced {
        let message = "a list of timesteps or sigmas says what every step is: leave steps and \
                       timestep_spacing out";
        return Err(ApiError::invalid_value(message));
    }
    Ok(Some(listed))
}
