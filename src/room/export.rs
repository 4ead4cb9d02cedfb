//! What leaves a room as files: which pictures are asked for, and what goes with them.

use crate::{
    canvas::Pixels,
    picture_file::{LayerName, Origin},
    protocol::{Layer, Settings},
};

/// Which pictures of a room are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExportLayers {
    /// One.
    One(Layer),
    /// All that there are.
    All,
}

impl ExportLayers {
    /// How many there are, at most.
    pub const fn most(self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::All => 3,
        }
    }
}

/// Copies of a room's pictures at one moment, and what they were made with.
#[derive(Debug)]
pub struct RoomExport {
    /// The pictures, the topmost first, all as large as the canvas.
    pub layers: Vec<(LayerName, Pixels)>,
    /// The room's settings.
    pub settings: Settings,
    /// Where the topmost comes from.
    pub origin: Origin,
    /// The last op that is in them.
    pub seq: u64,
}
