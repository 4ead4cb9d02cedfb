//! How layers lie on each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layer_tiles::LayerTiles;
use super::{Mask, Pixels};
use crate::protocol::{BlendMode, LOWEST_LAYER};

/// How a layer is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StackLayer {
    /// Its id; [`LOWEST_LAYER`] is the lowest.
    pub id: u64,
    /// Whether it is in the picture. One that is not is kept all the same.
    pub is_shown: bool,
    /// 0 … 255.
    pub opacity: u8,
    /// How it is mixed with what lies under it.
    pub blend: BlendMode,
    /// Whether new strokes keep its alpha as it is.
    pub keeps_alpha: bool,
}

impl StackLayer {
    /// The lowest layer as it is at first.
    pub const LOWEST: Self = Self {
        id: LOWEST_LAYER,
        is_shown: true,
        opacity: u8::MAX,
        blend: BlendMode::Normal,
        keeps_alpha: false,
    };

    /// True where it makes the same picture.
    pub(super) fn looks_like(&self, other: &Self) -> bool {
        let keeps_alpha = self.keeps_alpha;
        *self
            == Self {
                keeps_alpha,
                ..*other
            }
    }
}

/// What the layers come to, where that is not the lowest alone.
#[derive(Debug)]
pub(super) struct Flattened {
    pub(super) sketch: Pixels,
    pub(super) footprint: Mask,
}

/// The picture that people see of a canvas's layers, of which the lowest may be all.
pub(super) fn sketch_of<'a>(
    flattened: &'a Option<Box<Flattened>>,
    lowest: &'a Pixels,
) -> &'a Pixels {
    flattened.as_ref().map_or(lowest, |flat| &flat.sketch)
}

/// Tiles by layer.
pub(super) type LayerMap = BTreeMap<u64, LayerTiles>;
