//! What can be wrong with a request or a scheduler config.

use crate::protocol::ScheduleRefusal;

/// Why there is no step table.
#[derive(Debug, thiserror::Error)]
pub enum SamplerError {
    /// No sampler has this name.
    #[error("`sampler` cannot be `{name}`; use one of {allowed}")]
    UnknownSampler {
        /// The name asked for.
        name: String,
        /// All names.
        allowed: String,
    },
    /// No scheduler of this class can be read.
    #[error(
        "{file} names the scheduler {class:?}, which is not supported; supported are {allowed}"
    )]
    UnknownClass {
        /// The file that names it.
        file: &'static str,
        /// The class in that file.
        class: String,
        /// All classes.
        allowed: String,
    },
    /// The model's own scheduler has no sampler here, and none was chosen in its place.
    #[error(
        "the model's scheduler, {class}, is not supported, and no other is taken in its place: \
         choose a sampler with --sampler, or with `sampler` in an impasto.json in the model's \
         folder, from {allowed}"
    )]
    NoSampler {
        /// The class of diffusers.
        class: &'static str,
        /// All names that paint.
        allowed: String,
    },
    /// The model was trained in another formulation than the one that the sampler solves.
    #[error("`sampler` cannot be this one with a model whose scheduler is {class}; use {allowed}")]
    OtherFormulation {
        /// The model's scheduler, a class of diffusers.
        class: &'static str,
        /// Samplers that solve what the model was trained for.
        allowed: &'static str,
    },
    /// The sampler cannot have the schedule that was asked for.
    #[error(transparent)]
    Schedule(#[from] ScheduleRefusal),
    /// The sampler that the model wants cannot have the schedule that it wants.
    #[error("impasto.json: {0}")]
    DefaultSchedule(ScheduleRefusal),
    /// A field of the request is out of range for this model and sampler.
    #[error("`{field}` cannot be {value}; use {allowed}")]
    Request {
        /// The field, as on the wire.
        field: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        allowed: String,
    },
    /// A field of `scheduler_config.json` has a value that cannot be used.
    #[error("scheduler_config.json: `{field}` cannot be {value}; use {allowed}")]
    Config {
        /// The field, as diffusers calls it.
        field: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        allowed: String,
    },
    /// `scheduler_config.json` is not JSON.
    #[error("scheduler_config.json is not readable ({0}); save it again with diffusers")]
    Unreadable(#[from] serde_json::Error),
    /// The prediction cannot be turned into an image where no signal (or no noise) is left.
    #[error(
        "scheduler_config.json: `prediction_type` cannot be {prediction_type} at timestep \
         {timestep} of this noise schedule, where the sample is nothing but noise; use \
         v_prediction or sample, or set `rescale_betas_zero_snr` to false"
    )]
    NoSignal {
        /// The prediction type of the config.
        prediction_type: &'static str,
        /// The timestep without an answer.
        timestep: f64,
    },
}

impl SamplerError {
    pub(super) fn request(
        field: &'static str,
        value: impl ToString,
        allowed: impl Into<String>,
    ) -> Self {
        Self::Request {
            field,
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }

    pub(super) fn config(
        field: &'static str,
        value: impl ToString,
        allowed: impl Into<String>,
    ) -> Self {
        Self::Config {
            field,
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }
}
