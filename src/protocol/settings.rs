//! The settings of a room.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{ControlPreprocess, SigmasChoice, TimestepSpacingChoice};

/// How windows over an inverted photo are edited.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(rename_all = "kebab-case")]
pub enum EditMethod {
    /// From the noise that inverse DDIM found, with any sampler. Needs an inversion with steps,
    /// and gives the closest likeness where the model has a base to invert with.
    #[default]
    Ddim,
    /// Noise of its own for each step, at shifted timesteps (TurboEdit, arXiv 2408.00735). Needs
    /// no inversion; for models that were distilled to few steps. It has timesteps of its own,
    /// whatever the sampler.
    EditFriendly,
    /// The difference that the prompts make, step by step (InfEdit, arXiv 2312.04965). Needs no
    /// inversion; for consistency models.
    #[serde(rename = "infedit")]
    InfEdit,
}

/// What a picture looks as if it was made with: a stage of pure pixels after decoding.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// As it was decoded.
    #[default]
    None,
    /// Brush strokes with a relief of paint.
    Oil,
    /// Dark edges, granulation and paper.
    Watercolour,
    /// Lines over flat colours.
    Ink,
}

/// A name that no finish has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no finish {name:?}: choose none, oil, watercolour or ink")]
pub struct UnknownFinish {
    /// The name that was given.
    pub name: String,
}

impl Finish {
    /// All of them.
    pub const ALL: [Finish; 4] = [Finish::None, Finish::Oil, Finish::Watercolour, Finish::Ink];

    /// The name on the wire and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Finish::None => "none",
            Finish::Oil => "oil",
            Finish::Watercolour => "watercolour",
            Finish::Ink => "ink",
        }
    }
}

impl std::fmt::Display for Finish {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::str::FromStr for Finish {
    type Err = UnknownFinish;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|finish| finish.name() == name);
        found.ok_or_else(|| UnknownFinish {
            name: name.to_owned(),
        })
    }
}

/// The room's settings in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Settings {
    /// What the picture should show.
    pub prompt: String,
    /// What it should not show.
    pub negative_prompt: String,
    /// Classifier-free guidance scale.
    pub guidance_scale: f64,
    /// 0 … 1: how far guidance is brought back to the contrast of the prompt alone; 0 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub guidance_rescale: Option<f64>,
    /// How closely a model that edits photos keeps to the photo; 1.5 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub image_guidance_scale: Option<f64>,
    /// Sampling steps.
    pub steps: u32,
    /// 0 … 1: how far from the sketch the model may go.
    pub strength: f64,
    /// Seed of the room's noise; below 2^53, so that every client can hold it.
    #[ts(type = "number")]
    pub seed: u64,
    /// 0 … 1: how much of the noise is used that the seed makes.
    #[serde(default = "all_of_it")]
    pub variation: f64,
    /// Sampler name.
    pub sampler: String,
    /// Where its timesteps lie.
    #[serde(default)]
    pub timestep_spacing: TimestepSpacingChoice,
    /// How its sigmas are spaced.
    #[serde(default)]
    pub sigmas: SigmasChoice,
    /// Canvas pixels beyond the strokes that the model may repaint.
    pub spread: u32,
    /// Whether strokes are rendered while they are painted.
    pub live: bool,
    /// How windows over an inverted photo are edited.
    #[serde(default)]
    pub method: EditMethod,
    /// What the picture looks as if it was made with.
    #[serde(default)]
    pub finish: Finish,
    /// 0 … 1: how much of the finish is seen.
    #[serde(default = "all_of_it")]
    pub finish_strength: f64,
    /// The control that steers what is painted, by the sketch; empty for none.
    #[serde(default)]
    pub control: String,
    /// What is made of the sketch before the control reads it.
    #[serde(default)]
    pub control_preprocess: ControlPreprocess,
    /// How much the control steers.
    #[serde(default = "all_of_it")]
    pub control_scale: f64,
    /// From where on it steers, 0 … 1 of the steps.
    #[serde(default)]
    pub control_start: f64,
    /// Up to where it steers, 0 … 1 of the steps.
    #[serde(default = "all_of_it")]
    pub control_end: f64,
    /// The IP-Adapter that sees the reference picture; empty for none.
    #[serde(default)]
    pub ip_adapter: String,
    /// The id of the uploaded image that is seen beside the prompt; empty for none.
    #[serde(default)]
    pub reference: String,
    /// How much of it is seen.
    #[serde(default = "usual_reference_scale")]
    pub reference_scale: f64,
    /// From where on it is seen, 0 … 1 of the steps.
    #[serde(default)]
    pub reference_start: f64,
    /// Up to where it is seen, 0 … 1 of the steps.
    #[serde(default = "all_of_it")]
    pub reference_end: f64,
}

/// How much of a reference picture is seen beside a prompt, unless something else is asked for: at 1
/// little is left of the words (diffusers' guide to IP-Adapters).
pub const REFERENCE_SCALE: f64 = 0.6;

fn all_of_it() -> f64 {
    1.0
}

fn usual_reference_scale() -> f64 {
    REFERENCE_SCALE
}
