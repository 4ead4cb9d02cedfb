//! The views of all members over the same tiles.

use std::{collections::BTreeMap, time::Instant};

use uuid::Uuid;

use super::{
    tiles::Tiles,
    view::{FramePlan, View},
};
use crate::{
    canvas::{CellSet, TILE},
    protocol::{CanvasSize, Layer, Rect},
    room::document::Changed,
};

/// What each member has seen, and gets next.
#[derive(Debug)]
pub(in crate::room) struct Frames {
    size: CanvasSize,
    tiles: Tiles,
    views: BTreeMap<Uuid, MemberView>,
    /// Result tiles that strokes painted over and no frame has shown yet.
    inked: CellSet,
    was_resting: bool,
}

#[derive(Debug)]
struct MemberView {
    view: View,
    /// The member knows that frames are there to fetch.
    is_notified: bool,
}

/// A render that is in the picture now.
#[derive(Clone, Copy, Debug)]
pub(in crate::room) struct ShownRender<'a> {
    /// Where its window lies.
    pub(in crate::room) window: Rect,
    /// The parts of it that are shown, one for each tile.
    pub(in crate::room) shown: &'a [Rect],
    /// Those of them in which pixels changed.
    pub(in crate::room) changed: &'a [Rect],
    /// `seq` of the last op that it knows.
    pub(in crate::room) rev: u64,
    /// Its steps.
    pub(in crate::room) steps: u32,
    /// True when no better one is planned.
    pub(in crate::room) is_final: bool,
    /// When the oldest op came in that it shows for the first time.
    pub(in crate::room) arrived: Option<Instant>,
}

impl Frames {
    /// Nobody watches yet.
    pub(in crate::room) fn new(size: CanvasSize) -> Self {
        Self {
            size,
            tiles: Tiles::new(size),
            views: BTreeMap::new(),
            inked: CellSet::new(size, TILE),
            was_resting: true,
        }
    }

    /// A member that has seen nothing; it is notified that frames are there.
    pub(in crate::room) fn enter(&mut self, member: Uuid) {
        let view = MemberView {
            view: View::new(self.size),
            is_notified: true,
        };
        self.views.insert(member, view);
    }

    /// A member is gone.
    pub(in crate::room) fn leave(&mut self, member: &Uuid) {
        self.views.remove(member);
    }

    /// Takes in what the op `seq` changed.
    pub(in crate::room) fn take_in(&mut self, changed: &Changed, seq: u64, resting: bool) {
        self.mark(Layer::Sketch, &changed.sketch);
        self.inked.insert_rect(&changed.ink);
        self.show_now(&changed.result, seq);
        if changed.base {
            let everywhere = self.bounds();
            self.show_ink(&everywhere, seq, resting);
        }
        changed.mask.iter().for_each(|rect| self.await_better(rect));
    }

    /// A render will make these pixels better: what is there is a preview.
    pub(in crate::room) fn await_better(&mut self, rect: &Rect) {
        for tile in self.tiles.touching(rect) {
            self.tiles.result_mut(tile).is_final = false;
        }
    }

    /// Takes in that a render is in the picture now.
    pub(in crate::room) fn render_shown(&mut self, render: &ShownRender<'_>) {
        for part in render.shown {
            let Some(tile) = self.tiles.touching(part).next() else {
                continue;
            };
            let state = self.tiles.result_mut(tile);
            state.rev = state.rev.max(render.rev);
            state.step = render.steps;
            state.steps = render.steps;
            state.is_final = render.is_final;
            if render.changed.contains(part) || self.inked.contains(tile) {
                self.inked.remove(tile);
                self.mark(Layer::Result, part);
                if let Some(arrived) = render.arrived {
                    self.tiles.set_arrived(tile, arrived);
                }
            }
        }
        if render.is_final {
            self.finish(&render.window);
        }
    }

    /// The picture is at rest, or no more. When it comes to rest, what was sent as a preview goes
    /// out as it is now.
    pub(in crate::room) fn set_resting(&mut self, resting: bool, seq: u64) {
        if resting && !self.was_resting {
            let everywhere = self.bounds();
            self.show_ink(&everywhere, seq, resting);
            self.finish(&everywhere);
        }
        self.was_resting = resting;
    }

    /// The next frame of a member, and its pixels' place; none while nothing waits.
    pub(in crate::room) fn next_frame(
        &mut self,
        member: &Uuid,
        seq: u64,
        resting: bool,
    ) -> Option<FramePlan> {
        let member = self.views.get_mut(member)?;
        let plan = member.view.next_frame(&mut self.tiles, seq, resting);
        if plan.is_none() {
            member.is_notified = false;
        }
        plan
    }

    /// The members for whom frames wait since the last time, and who do not know it.
    pub(in crate::room) fn take_ready(&mut self) -> Vec<Uuid> {
        let waiting = self.views.iter_mut();
        waiting
            .filter(|(_, member)| !member.is_notified && member.view.is_dirty())
            .map(|(id, member)| {
                member.is_notified = true;
                *id
            })
            .collect()
    }

    /// The result changed by an op alone: its frame includes the op.
    fn show_now(&mut self, rect: &Rect, seq: u64) {
        for tile in self.tiles.touching(rect) {
            self.tiles.result_mut(tile).rev = seq;
            self.inked.remove(tile);
        }
        self.mark(Layer::Result, rect);
    }

    /// Shows what strokes painted over the result inside `rect`, where no frame has yet.
    fn show_ink(&mut self, rect: &Rect, seq: u64, resting: bool) {
        let touching = self.tiles.touching(rect);
        let inked: Vec<_> = touching.filter(|tile| self.inked.contains(*tile)).collect();
        for tile in inked {
            self.inked.remove(tile);
            if resting {
                self.tiles.result_mut(tile).rev = seq;
            }
            let pixels = self.tiles.rect(tile);
            self.mark(Layer::Result, &pixels);
        }
    }

    fn finish(&mut self, rect: &Rect) {
        for member in self.views.values_mut() {
            member.view.finish(rect);
        }
    }

    /// Pixels of a layer changed: every member has to see them.
    fn mark(&mut self, layer: Layer, rect: &Rect) {
        if rect.is_empty() {
            return;
        }
        self.tiles.touch(layer);
        for member in self.views.values_mut() {
            member.view.mark(layer, rect);
        }
    }

    fn bounds(&self) -> Rect {
        Rect::new(0, 0, self.size.width, self.size.height)
    }
}
