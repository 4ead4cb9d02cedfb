//! What can go wrong in a render.

use crate::model::ModelError;
use crate::sampler::SamplerError;

/// Why a render could not be done.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The settings ask for something that the sampler cannot do.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// A setting of the request does not suit the model.
    #[error("`{field}` cannot be {value}; use {allowed}")]
    Setting {
        /// The field, as on the wire.
        field: &'static str,
        /// What it was.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// The model folder cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device failed, or shapes do not fit.
    #[error("the device could not compute the picture: {0}")]
    Device(#[from] candle_core::Error),
    /// A picture came out in another size than its window.
    #[error(
        "the decoder made a picture of {got:?} values instead of {want:?}; check the model's autoencoder"
    )]
    PictureSize {
        /// Values that came out.
        got: usize,
        /// Values that a picture of that size has.
        want: usize,
    },
    /// The model cannot make a picture of that size.
    #[error("width and height must be multiples of {grid} for this model, not {width} × {height}")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// What both must be a multiple of.
        grid: u32,
    },
    /// Given latents do not fit the picture.
    #[error(
        "the given latents are {got:?}, but this picture needs {want:?}; make them of that shape"
    )]
    LatentsShape {
        /// Their shape.
        got: Vec<usize>,
        /// `[1, channels, height/8, width/8]`.
        want: Vec<usize>,
    },
}
