//! Ops: accepted changes, in the one order that a room gives them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use super::Rect;

/// What a stroke does to the sketch and to the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// Paints colour on the sketch and lets the model repaint there.
    Brush,
    /// Lets the model repaint there, without painting.
    Mask,
    /// Takes paint away, down to the base image, and the mask with it.
    Erase,
    /// Takes the mask away and keeps the paint: the model no longer changes these pixels.
    Restore,
}

/// How a stroke is drawn. Stands in the first message of a stroke.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Brush {
    /// What the stroke does.
    pub tool: Tool,
    /// Diameter in canvas pixels at pressure 1.
    pub size: f32,
    /// 0 (soft to the centre) … 1 (hard edge).
    pub hardness: f32,
    /// 0 … 1, the most that the whole stroke covers.
    pub opacity: f32,
    /// `#rrggbb`.
    pub color: String,
    /// What this stroke should become, instead of the room's prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub prompt: Option<String>,
}

/// A [`StrokeChunk`] as TypeScript sees it: the brush fields are all there or none.
#[derive(TS)]
#[ts(optional_fields)]
#[expect(dead_code, reason = "describes the wire to TypeScript; never made")]
struct StrokeChunkFields {
    id: String,
    tool: Option<Tool>,
    size: Option<f32>,
    hardness: Option<f32>,
    opacity: Option<f32>,
    color: Option<String>,
    prompt: Option<String>,
    points: Vec<StrokePoint>,
    done: bool,
}

/// A point of a stroke: `[x, y, pressure]`, canvas pixels and 0 … 1.
pub type StrokePoint = [f32; 3];

/// One message of a stroke.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(as = "StrokeChunkFields")]
pub struct StrokeChunk {
    /// The client's id of the whole stroke.
    pub id: String,
    /// The brush; required in the first chunk of a stroke, left out in later ones.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub brush: Option<Brush>,
    /// New points since the last chunk.
    pub points: Vec<StrokePoint>,
    /// True in the last chunk.
    #[serde(default)]
    pub done: bool,
}

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

/// Settings that a client wants changed; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct SettingsPatch {
    /// What the picture should show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What it should not show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// Classifier-free guidance scale, 0 … 30; 1 or less runs without guidance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance_scale: Option<f64>,
    /// 0 … 1: how far guidance is brought back to the contrast of the prompt alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance_rescale: Option<f64>,
    /// How closely a model that edits photos keeps to the photo, 0 … 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_guidance_scale: Option<f64>,
    /// Sampling steps, 1 … the model's `max_steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// 0 … 1: how far from the sketch the model may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// Seed of the room's noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number")]
    pub seed: Option<u64>,
    /// 0 … 1: how much of the noise is used that the seed makes. At 0 the seed makes no difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variation: Option<f64>,
    /// One of the names in the model's `samplers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<String>,
    /// Canvas pixels beyond the strokes that the model may repaint, 0 … 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<u32>,
    /// Whether strokes are rendered while they are painted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<bool>,
    /// How windows over an inverted photo are edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<EditMethod>,
    /// What the picture looks as if it was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
    /// 0 … 1: how much of the finish is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_strength: Option<f64>,
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
}

fn all_of_it() -> f64 {
    1.0
}

impl Settings {
    /// These settings with a patch's fields laid over them.
    pub fn patched(&self, patch: &SettingsPatch) -> Settings {
        let mut settings = self.clone();
        if let Some(prompt) = &patch.prompt {
            settings.prompt.clone_from(prompt);
        }
        if let Some(negative_prompt) = &patch.negative_prompt {
            settings.negative_prompt.clone_from(negative_prompt);
        }
        if let Some(sampler) = &patch.sampler {
            settings.sampler.clone_from(sampler);
        }
        settings.guidance_scale = patch.guidance_scale.unwrap_or(settings.guidance_scale);
        settings.guidance_rescale = patch.guidance_rescale.or(settings.guidance_rescale);
        settings.image_guidance_scale =
            patch.image_guidance_scale.or(settings.image_guidance_scale);
        settings.steps = patch.steps.unwrap_or(settings.steps);
        settings.strength = patch.strength.unwrap_or(settings.strength);
        settings.seed = patch.seed.unwrap_or(settings.seed);
        settings.variation = patch.variation.unwrap_or(settings.variation);
        settings.spread = patch.spread.unwrap_or(settings.spread);
        settings.live = patch.live.unwrap_or(settings.live);
        settings.method = patch.method.unwrap_or(settings.method);
        settings.finish = patch.finish.unwrap_or(settings.finish);
        settings.finish_strength = patch.finish_strength.unwrap_or(settings.finish_strength);
        settings
    }
}

/// How a placed image becomes the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum PlaceMode {
    /// The pixels, as they are.
    Plain,
    /// The pixels, and their inverted noise for editing.
    Invert,
}

/// One accepted change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Op {
    /// A chunk of a stroke.
    Stroke(StrokeChunk),
    /// The model may repaint a rectangle: somebody asked for a render where there was no mask.
    Mask {
        /// Where, in canvas pixels.
        rect: Rect,
    },
    /// A change of settings.
    Settings(SettingsPatch),
    /// An uploaded image became the base.
    Place {
        /// The image's id, as the upload answered it.
        image: String,
        /// How it was placed.
        mode: PlaceMode,
        /// What it shows, where it was inverted and the member said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        prompt: Option<String>,
    },
    /// The result was flattened into the sketch.
    Apply {},
    /// A stroke, mask, placement, apply or revert was taken back.
    Undo {
        /// `seq` of the first op of what was taken back.
        #[ts(type = "number")]
        target: u64,
    },
    /// Something taken back was done again.
    Redo {
        /// `seq` of the first op of what was done again.
        #[ts(type = "number")]
        target: u64,
    },
    /// The picture became what it was after an earlier op: the same strokes, placements and
    /// applies are in it. Settings stay.
    Revert {
        /// `seq` of that op; 0 is the empty room.
        #[ts(type = "number")]
        seq: u64,
    },
}

/// An entry of the room's history went into the picture, or out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Switch {
    /// `seq` of the entry's first op.
    #[ts(type = "number")]
    pub entry: u64,
    /// True where it is in the picture now.
    pub active: bool,
}

/// An op with its place in the room's order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct SequencedOp {
    /// Place in the order: 1, 2, 3…
    #[ts(type = "number")]
    pub seq: u64,
    /// Who did it.
    #[ts(type = "string")]
    #[schemars(with = "String")]
    pub client: Uuid,
    /// What was done.
    pub op: Op,
    /// The entries that an undo, redo or revert switched, itself included where it is an entry that
    /// was there before. An op that adds an entry to the picture does not name it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<Switch>>", optional)]
    pub switches: Vec<Switch>,
}

/// What a member asks to be rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct RenderWish {
    /// Where; left out: everything that the mask covers, or the whole canvas where there is no mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rect: Option<Rect>,
    /// Steps for this render alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
}
