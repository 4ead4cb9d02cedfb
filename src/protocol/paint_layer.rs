//! The layers that people paint on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

/// The id of the lowest layer, which every room has: it lies on the paper, or on the placed picture.
pub const LOWEST_LAYER: u64 = 0;

/// How a layer is mixed with what lies under it, as in W3C Compositing and Blending Level 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(rename_all = "kebab-case")]
pub enum BlendMode {
    /// It covers.
    #[default]
    Normal,
    /// It darkens, as ink on ink.
    Multiply,
    /// It lightens, as light on light.
    Screen,
    /// It darkens what is dark and lightens what is light.
    Overlay,
    /// The same, more gently.
    SoftLight,
}

impl BlendMode {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Normal,
        Self::Multiply,
        Self::Screen,
        Self::Overlay,
        Self::SoftLight,
    ];
}

/// A layer of a room's sketch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct PaintLayer {
    /// `seq` of the op that added it; 0 for the lowest.
    #[ts(type = "number")]
    pub id: u64,
    /// What people call it.
    pub name: String,
    /// Who added it; nobody did the lowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string")]
    #[schemars(with = "Option<String>")]
    pub owner: Option<Uuid>,
    /// Whether it is in the picture.
    pub visible: bool,
    /// 0 … 1.
    pub opacity: f64,
    /// How it is mixed with what lies under it.
    pub blend: BlendMode,
    /// True while nobody may paint on it or remove it.
    pub locked: bool,
    /// Who locked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string")]
    #[schemars(with = "Option<String>")]
    pub locked_by: Option<Uuid>,
    /// True while strokes change its colours only, and not where it is transparent.
    pub alpha_locked: bool,
    /// Whether the model sees it: the sketch is made of the layers that are visible and seen.
    pub seen: bool,
}

impl PaintLayer {
    /// A layer with nothing on it, and as layers are at first.
    pub fn new(id: u64, name: impl Into<String>, owner: Option<Uuid>) -> Self {
        Self {
            id,
            name: name.into(),
            owner,
            visible: true,
            opacity: 1.0,
            blend: BlendMode::Normal,
            locked: false,
            locked_by: None,
            alpha_locked: false,
            seen: true,
        }
    }

    /// The layer with a patch of `author` laid over it.
    #[must_use]
    pub fn patched(&self, patch: &LayerPatch, author: Uuid) -> Self {
        let locked = patch.locked.unwrap_or(self.locked);
        Self {
            id: self.id,
            name: patch.name.clone().unwrap_or_else(|| self.name.clone()),
            owner: self.owner,
            visible: patch.visible.unwrap_or(self.visible),
            opacity: patch.opacity.unwrap_or(self.opacity),
            blend: patch.blend.unwrap_or(self.blend),
            locked,
            locked_by: match locked == self.locked {
                true => self.locked_by,
                false => locked.then_some(author),
            },
            alpha_locked: patch.alpha_locked.unwrap_or(self.alpha_locked),
            seen: patch.seen.unwrap_or(self.seen),
        }
    }
}

/// A layer that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct NewLayer {
    /// What it is called; the room finds a name when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layer that it lies on; the topmost when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number")]
    pub above: Option<u64>,
    /// True for a part of what the sender did last: one undo takes both back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>")]
    pub continues: bool,
}

/// What is to be different about a layer; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct LayerPatch {
    /// Which layer.
    #[ts(type = "number", optional = false)]
    pub layer: u64,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is in the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible: Option<bool>,
    /// 0 … 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opacity: Option<f64>,
    /// How it is mixed with what lies under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blend: Option<BlendMode>,
    /// Whether nobody may paint on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// Whether strokes change its colours only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha_locked: Option<bool>,
    /// Whether the model sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<bool>,
    /// True while a value is dragged: the change goes on with the sender's last one, and one undo
    /// takes both back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>")]
    pub continues: bool,
}

impl LayerPatch {
    /// True when it says nothing of the layer.
    pub fn is_empty(&self) -> bool {
        let nothing = Self {
            layer: self.layer,
            continues: self.continues,
            ..Self::default()
        };
        *self == nothing
    }

    /// This patch and a later one of the same layer as one.
    #[must_use]
    pub fn merged(&self, later: &Self) -> Self {
        Self {
            layer: self.layer,
            name: later.name.clone().or_else(|| self.name.clone()),
            visible: later.visible.or(self.visible),
            opacity: later.opacity.or(self.opacity),
            blend: later.blend.or(self.blend),
            locked: later.locked.or(self.locked),
            alpha_locked: later.alpha_locked.or(self.alpha_locked),
            seen: later.seen.or(self.seen),
            continues: self.continues,
        }
    }
}

/// A change of a room's layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum LayerChange {
    /// A new layer.
    Add(NewLayer),
    /// A layer is other than it was.
    Set(LayerPatch),
    /// A layer lies somewhere else.
    Move {
        /// Which.
        #[ts(type = "number")]
        layer: u64,
        /// The layer that it lies on from now on.
        #[ts(type = "number")]
        above: u64,
    },
    /// A layer goes, with all that is on it.
    Remove {
        /// Which.
        #[ts(type = "number")]
        layer: u64,
    },
}
