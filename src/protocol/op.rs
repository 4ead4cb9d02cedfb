//! Ops: accepted changes, in the one order that a room gives them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use super::{BrushKind, Gradient, LayerChange, PaintLayer, Rect, Settings, SettingsPatch};

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
    /// Drags the paint that is there along and mixes it, and lets the model repaint there.
    Smudge,
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
    /// The id of the layer that it is painted on; the lowest when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub layer: Option<u64>,
    /// What the tip is made of; `round` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub kind: Option<BrushKind>,
    /// Of a `flat` tip: how far its long side is turned from lying level, in degrees clockwise; 0
    /// when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub angle: Option<f32>,
    /// Above 0 … 1: how much one pass covers of what it can; where the stroke goes over itself it
    /// covers more. 1 when left out: then it covers all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub flow: Option<f32>,
    /// The colour runs to another one, or fades out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub gradient: Option<Gradient>,
    /// Of `smudge`: 0 … 1, how much of the paint on the tip is carried on from dab to dab; 0.7 when
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub strength: Option<f32>,
}

impl Default for Brush {
    /// A round brush of 24 pixels with black paint.
    fn default() -> Self {
        Self {
            tool: Tool::Brush,
            size: 24.0,
            hardness: 0.8,
            opacity: 1.0,
            color: "#000000".to_owned(),
            prompt: None,
            kind: None,
            angle: None,
            flow: None,
            gradient: None,
            strength: None,
            layer: None,
        }
    }
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
    kind: Option<BrushKind>,
    angle: Option<f32>,
    flow: Option<f32>,
    gradient: Option<Gradient>,
    strength: Option<f32>,
    #[ts(optional, type = "number")]
    layer: Option<u64>,
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

/// How an image is placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum PlaceMode {
    /// The pixels, as they are.
    #[default]
    Plain,
    /// The pixels, and their inverted noise for editing; the image becomes the base.
    Invert,
}

/// An uploaded image that becomes the base, or is laid on a layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Placement {
    /// The image's id, as the upload answered it.
    pub image: String,
    /// How it is placed.
    pub mode: PlaceMode,
    /// What it shows, for `invert`; empty when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub prompt: Option<String>,
    /// The id of the layer that it is laid on, with its transparency; the mask stays as it is. It
    /// becomes the base when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub layer: Option<u64>,
    /// True for a part of what the sender did last, such as adding the layer: one undo takes both
    /// back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub continues: bool,
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
    /// The layers, or one of them, became others.
    Layer(LayerChange),
    /// An uploaded image became the base, or was laid on a layer.
    Place(Placement),
    /// The result was flattened into the sketch.
    Apply {},
    /// A stroke, mask, placement, apply, change of settings or layers, or revert was taken back.
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
    /// The picture became what it was after an earlier op: the same strokes, placements, applies,
    /// settings and layers are in it.
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
    /// The room's settings after an undo, redo or revert that changed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub settings: Option<Box<Settings>>,
    /// The room's layers, the lowest first, after an op that changed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub layers: Option<Vec<PaintLayer>>,
}

impl SequencedOp {
    /// An op that switched nothing, and changed neither the settings nor the layers.
    pub const fn new(seq: u64, client: Uuid, op: Op) -> Self {
        Self {
            seq,
            client,
            op,
            switches: Vec::new(),
            settings: None,
            layers: None,
        }
    }
}

/// What a member asks to be rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct RenderRequest {
    /// Where; left out: everything that the mask covers, or the whole canvas where there is no mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rect: Option<Rect>,
    /// Steps for this render alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
}
