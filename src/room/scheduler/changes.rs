//! What the room's ops change for the scheduler.

use std::time::Instant;

use uuid::Uuid;

use super::{render_queue::RenderQueue, state::Scheduler};
use crate::{
    canvas::{MAX_UNDO_ENTRIES, photo_patches},
    engine::Command,
    protocol::Rect,
    room::document::{Changed, Document, Obsolete, StrokeChange},
};

impl Scheduler {
    /// Takes in what an op of `author` changed. What is to be rendered goes out with
    /// [`Self::dispatch_all`].
    pub(in crate::room) fn take_in(
        &mut self,
        author: Uuid,
        changed: &Changed,
        document: &Document,
        now: Instant,
    ) {
        self.floors.raise(&changed.stale, document.seq());
        for switch in changed.switches.iter().filter(|switch| !switch.active) {
            let queues = self.queues.values_mut();
            queues.for_each(|queue| queue.paint(switch.entry, true));
        }
        self.touch(author, now);
        self.drop_obsolete(author, changed.obsolete);
        if let Some(queue) = self.queues.get_mut(&author) {
            changed.mask.iter().for_each(|rect| queue.dirty(rect));
        }
        match &changed.stroke {
            Some(stroke) => {
                let is_rendered = changed.mask.iter().any(|rect| !rect.is_empty());
                let is_watched = document.settings().live && is_rendered;
                self.take_in_stroke(author, stroke, is_watched, now);
            }
            // Other ops may have changed the photo, or whether windows have to wait for it.
            None => self.queues.values_mut().for_each(|it| it.photo_changed()),
        }
        if changed.base {
            self.follow_base(document);
        }
    }

    fn touch(&mut self, author: Uuid, now: Instant) {
        if let Some(queue) = self.queues.get_mut(&author)
            && let Some(lost) = queue.touch(&mut self.jobs, now)
        {
            self.command(Command::Cancel(lost));
        }
    }

    fn drop_obsolete(&mut self, author: Uuid, obsolete: Obsolete) {
        let mut cancelled = Vec::new();
        for (id, queue) in &mut self.queues {
            match obsolete {
                Obsolete::Nothing => {}
                Obsolete::OfAuthor => {
                    if *id == author {
                        cancelled.extend(queue.cancel(&mut self.jobs));
                    }
                }
                Obsolete::Running => {
                    cancelled.extend(queue.cancel(&mut self.jobs));
                    queue.hand_over_painted();
                }
                Obsolete::RunningAndWaiting => {
                    cancelled.extend(queue.cancel(&mut self.jobs));
                    queue.forget_dirty();
                }
            }
        }
        for ticket in cancelled {
            self.command(Command::Cancel(ticket));
        }
    }

    fn take_in_stroke(
        &mut self,
        author: Uuid,
        stroke: &StrokeChange,
        is_watched: bool,
        now: Instant,
    ) {
        if let Some((x, y)) = stroke.at {
            self.photos.look_at(x, y);
        }
        let Some(queue) = self.queues.get_mut(&author) else {
            return;
        };
        queue.paint(stroke.entry, stroke.done);
        if let Some((x, y)) = stroke.at {
            queue.look_at(x, y);
        }
        if is_watched {
            queue.start_watch(now);
        }
        if let Some(cancelled) = queue.preempt(&mut self.jobs, stroke.done, now) {
            self.command(Command::Cancel(cancelled));
        }
    }

    /// The document came back from disk: what it still has to show is rendered for the first who
    /// comes, and its photo is inverted again.
    pub(in crate::room) fn resume(&mut self, document: &Document, now: Instant) {
        let unrendered = document.unrendered();
        if !unrendered.is_empty() {
            let mut queue = RenderQueue::new(self.options.size, now);
            unrendered.iter().for_each(|rect| queue.dirty(rect));
            // Nobody's: an author who comes takes over what the absent left.
            self.queues.insert(Uuid::nil(), queue);
        }
        self.follow_base(document);
    }

    /// An author asks for a render of these rectangles, perhaps with steps of its own.
    pub(in crate::room) fn request(
        &mut self,
        author: Uuid,
        rects: &[Rect],
        steps: Option<u32>,
        now: Instant,
    ) {
        self.touch(author, now);
        if let Some(queue) = self.queues.get_mut(&author) {
            queue.start_watch(now);
            queue.request(rects, steps);
        }
    }

    /// Sends out what can be rendered now, the author's first.
    pub(in crate::room) fn dispatch_all(
        &mut self,
        author: Uuid,
        document: &Document,
        now: Instant,
    ) {
        self.dispatch(author, document, now);
        self.tick(document, now);
    }

    /// The base may be another photo now, or none.
    fn follow_base(&mut self, document: &Document) {
        if let Some((id, prompt)) = document.photo() {
            if self.photos.get(id).is_none() {
                let patches = photo_patches(&document.canvas().bounds(), &self.options.rules);
                // The base itself may be one more than can be undone.
                self.photos
                    .push(id, prompt.to_owned(), patches, MAX_UNDO_ENTRIES + 1);
            }
            for lost in self.photos.edit(id) {
                self.command(Command::ForgetPhoto(lost));
            }
        }
        self.dispatch_inversions(document);
    }
}
