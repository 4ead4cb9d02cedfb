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
    /// The safety checker does not let the picture be shown.
    #[error(
        "the safety checker holds this picture back, and it is kept nowhere: change the words or \
         what is painted, and try again"
    )]
    HeldBack,
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
    /// The model has no control of that name.
    #[error("there is no control {name:?}: {}", known_controls(.known))]
    UnknownControl {
        /// The name asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// The model has no IP-Adapter of that name.
    #[error("there is no IP-Adapter {name:?}: {}", known_ip_adapters(.known))]
    UnknownIpAdapter {
        /// The name asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// A control cannot read pictures of that size.
    #[error(
        "width and height must be multiples of {grid} for the control {name:?}, not {width} × \
         {height}"
    )]
    ControlSize {
        /// The control.
        name: String,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// What both must be a multiple of.
        grid: u32,
    },
    /// The model knows no places for a picture of that size.
    #[error(
        "width and height must be at most {most} pixels for this model, not {width} × {height}"
    )]
    LargestSize {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// What both may be at most.
        most: u32,
    },
    /// A text encoder is not there that the model's prompts are read with.
    #[error("the model has no text encoder of class {class}: get its whole folder")]
    NoTextEncoder {
        /// The class in `model_index.json`.
        class: &'static str,
    },
    /// Photos of flow models and of those that were trained with EDM cannot be inverted.
    #[error(
        "{model} is {kind}, whose photos cannot be inverted yet: paint over the photo as it is, or \
         invert it with a Stable Diffusion model"
    )]
    NoInversion {
        /// The model's name.
        model: String,
        /// What it is.
        kind: &'static str,
    },
    /// Given latents do not fit the picture.
    #[error(
        "the given latents are {got:?}, but this picture needs {want:?}; make them of that shape"
    )]
    LatentsShape {
        /// Their shape.
        got: Vec<usize>,
        /// `[batch, channels, height/8, width/8]`, or of noise between steps.
        want: Vec<usize>,
    },
    /// Noise is given for several pictures where one is made.
    #[error("the given latents hold {rows} pictures, but one is made here; give one row")]
    OnePicture {
        /// Rows of the given latents.
        rows: usize,
    },
    /// No method of editing photos has this name.
    #[error("`method` cannot be `{name}`; use one of {allowed}")]
    UnknownMethod {
        /// The name asked for.
        name: String,
        /// All names.
        allowed: String,
    },
    /// A photo that is too large, or has no pixels.
    #[error(
        "a photo of {width} × {height} cannot be inverted: scale it to at least one pixel and at \
         most 1024 × 1024 pixels in all"
    )]
    PhotoSize {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A mask of another size than the photo that it is for.
    #[error(
        "the mask is {} × {}, but the photo is {} × {}: make the mask of the photo's size",
        got.0, got.1, want.0, want.1
    )]
    MaskSize {
        /// Width and height of the mask.
        got: (u32, u32),
        /// Width and height of the photo.
        want: (u32, u32),
    },
    /// An inversion whose latents another model has to decode.
    #[error(
        "the inversion was made by {made_by} and has latents of {got:?}, but {model} needs \
         {want:?} for this photo: invert the photo with {model}"
    )]
    OtherModel {
        /// The model that inverted the photo.
        made_by: String,
        /// The model that is to edit it.
        model: String,
        /// The shape of the latents.
        got: Vec<usize>,
        /// `[1, channels, height/8, width/8]`.
        want: Vec<usize>,
    },
    /// A window over a photo of which some part was never inverted.
    #[error("a part of this window of the photo is not inverted: place the photo again")]
    PartNotInverted,
    /// A part of an inverted photo was put on disk and does not come back.
    #[error("a part of the inverted photo cannot be read back ({0}): place the photo again")]
    PartLost(String),
    /// A photo without a trajectory, where its noise is needed.
    #[error(
        "the photo was encoded but not inverted (0 steps): invert it with 25 steps or more, or \
         edit it by a method that needs no inversion, edit-friendly or infedit"
    )]
    NotInverted,
}

fn known_controls(known: &str) -> String {
    known_names(known, "--control")
}

fn known_ip_adapters(known: &str) -> String {
    known_names(known, "--ip-adapter")
}

fn known_names(known: &str, flag: &str) -> String {
    match known {
        "" => format!("the model was loaded without any {flag}"),
        known => format!("choose one of {known}"),
    }
}
