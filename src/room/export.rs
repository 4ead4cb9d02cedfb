//! What leaves a room as files: which pictures are asked for, and what goes with them.

use crate::{
    picture_file::{FileLayer, Origin},
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
    /// How many pictures they take at once, at most.
    pub const fn most(self) -> usize {
        match self {
            Self::One(_) => 1,
            // The layers that people paint on share their pixels with the room, and are written one after
            // the other.
            Self::All => 6,
        }
    }
}

/// Copies of a room's pictures at one moment, and what they were made with.
#[derive(Debug)]
pub struct RoomExport {
    /// The pictures, the topmost first, all as large as the canvas; the topmost is opaque.
    pub layers: Vec<FileLayer>,
    /// The room's settings.
    pub settings: Settings,
    /// Where the topmost comes from.
    pub origin: Origin,
    /// The last op that is in them.
    pub seq: u64,
}
