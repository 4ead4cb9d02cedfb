//! What an op changed.

use crate::protocol::{PaintLayer, Rect, Settings, Switch};

/// What an op changed. Rectangles are in canvas pixels, and empty where nothing changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::room) struct Changed {
    /// Where the sketch may have changed.
    pub(in crate::room) sketch: Rect,
    /// Where the op painted over the result what members see already, because they draw the ink of
    /// strokes themselves.
    pub(in crate::room) ink: Rect,
    /// Where the result may have changed otherwise.
    pub(in crate::room) result: Rect,
    /// Where the model has to paint: the mask, or what lies under it, is another.
    pub(in crate::room) mask: Vec<Rect>,
    /// Where the pixels of renders that were begun before the op may not be shown any more.
    pub(in crate::room) stale: Rect,
    /// True when another picture is the base, and the mask begins anew.
    pub(in crate::room) base: bool,
    /// Which renders under way are of no use any more.
    pub(in crate::room) obsolete: Obsolete,
    /// The entries that an undo, redo or revert switched.
    pub(in crate::room) switches: Vec<Switch>,
    /// The settings, where that changed them.
    pub(in crate::room) settings: Option<Box<Settings>>,
    /// The layers, where it changed them.
    pub(in crate::room) layers: Option<Vec<PaintLayer>>,
    /// The stroke that the op is of.
    pub(in crate::room) stroke: Option<StrokeChange>,
}

impl Changed {
    /// What two parts of one op changed.
    pub(super) fn and(self, other: Changed) -> Self {
        Self {
            sketch: self.sketch.union(&other.sketch),
            ink: self.ink.union(&other.ink),
            result: self.result.union(&other.result),
            mask: [self.mask, other.mask].concat(),
            stale: self.stale.union(&other.stale),
            base: self.base || other.base,
            obsolete: self.obsolete.max(other.obsolete),
            switches: [self.switches, other.switches].concat(),
            settings: self.settings.or(other.settings),
            layers: self.layers.or(other.layers),
            stroke: self.stroke.or(other.stroke),
        }
    }
}

/// A stroke that an op went on with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::room) struct StrokeChange {
    /// `seq` of its first op.
    pub(in crate::room) entry: u64,
    /// The hand has lifted.
    pub(in crate::room) done: bool,
    /// Its last point.
    pub(in crate::room) at: Option<(f32, f32)>,
}

/// Which renders under way are of no use after an op, from none to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::room) enum Obsolete {
    /// None: what they show is a fair preview.
    #[default]
    Nothing,
    /// Those of the op's author.
    OfAuthor,
    /// All of them; everything under the mask has to be rendered anew.
    Running,
    /// All of them, and all that waits to be rendered.
    RunningAndWaiting,
}
