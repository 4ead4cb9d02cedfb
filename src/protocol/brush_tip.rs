//! Kinds of brush, and colours that run from one to another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What the tip of a brush is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum BrushKind {
    /// A disc.
    #[default]
    Round,
    /// An ellipse a quarter as thick as it is wide, held at the brush's `angle`.
    Flat,
    /// A disc that leaves the hollows of rough paper out, and more of them where it is pressed less.
    Chalk,
    /// A disc that is soft to its middle, and paints less where it is pressed less.
    Airbrush,
    /// A disc that shows fine paper, and paints less where it is pressed less.
    Pencil,
}

/// How a gradient runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum GradientKind {
    /// Along the line from `from` to `to`.
    Linear,
    /// From `from` outwards; `to` lies where it ends.
    Radial,
}

/// A stroke's colour runs from its `color` to another one, or fades out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Gradient {
    /// How it runs.
    pub kind: GradientKind,
    /// Where it begins, in canvas pixels.
    pub from: [f32; 2],
    /// Where it ends, in canvas pixels.
    pub to: [f32; 2],
    /// `#rrggbb`, what it ends with; it fades out when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub color: Option<String>,
}
