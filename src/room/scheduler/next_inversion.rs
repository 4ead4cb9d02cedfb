//! Which inversion is asked of the engine next. Decisions only.
//!
//! The room asks for one patch that a window waits for at a time, because it knows best which is
//! the next one when that is there: by then the brush may be elsewhere. What was begun before waits
//! in the engine meanwhile: patches that are being verified, and at most one ahead of need.

use super::{
    jobs::{InversionJob, Jobs},
    photos::Photo,
};
use crate::{canvas::PhotoPatch, engine::Priority};

/// The most inversions that the engine has of a room: each holds the latents of a patch. When so
/// many patches wait to be verified, the oldest goes before the next one that is waited for.
pub(in crate::room) const INVERSIONS_MOST: usize = 16;

/// What to ask of the engine.
#[derive(Debug, PartialEq)]
pub(super) enum NextInversion {
    /// A patch is to be inverted.
    Begin {
        patch: PhotoPatch,
        priority: Priority,
    },
    /// A window waits for the inversion of this ticket.
    Prioritise(u64),
}

/// The next thing to ask for, for windows over `photo`, near `focus`.
pub(super) fn next_inversion(
    jobs: &Jobs,
    photo: &Photo,
    focus: (f32, f32),
) -> Option<NextInversion> {
    let mut live = jobs.inversions().filter(|(job, _)| job.is_live);
    let is_interactive = |it: &InversionJob| it.priority == Priority::Interactive;
    if live.clone().any(|(_, it)| is_interactive(it)) {
        return None;
    }
    let is_full = jobs.inversions().count() >= INVERSIONS_MOST;
    let begin = |patch, priority| (!is_full).then_some(NextInversion::Begin { patch, priority });
    let Some(patch) = photo.awaited_patch(focus) else {
        let is_idle = live.next().is_none();
        let patch = photo.patch_ahead(focus).filter(|_| is_idle)?;
        return begin(patch, Priority::Prefetch);
    };
    let is_of = |it: &InversionJob| (it.photo, it.patch.core) == (photo.id, patch.core);
    let begun = live.clone().find(|(_, it)| is_of(it));
    match begun.or_else(|| live.next().filter(|_| is_full)) {
        Some((job, _)) => Some(NextInversion::Prioritise(job.ticket)),
        None => begin(patch, Priority::Interactive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        canvas::{WindowRules, photo_patches},
        protocol::Rect,
        room::scheduler::{jobs::JobWork, photos::Photos},
    };

    const PHOTO: u64 = 3;

    struct Room {
        photos: Photos,
        patches: Vec<PhotoPatch>,
        jobs: Jobs,
    }

    impl Room {
        /// A photo with this many patches side by side.
        fn new(patches: usize) -> Self {
            let rules = WindowRules {
                zoom: 1,
                grid: 16,
                context: 16,
                minimum: 64,
                maximum: 64,
            };
            let canvas = Rect::new(0, 0, 32 * patches as u32 + 32, 64);
            let cut = photo_patches(&canvas, &rules);
            assert_eq!(cut.len(), patches);
            let mut photos = Photos::default();
            photos.push(PHOTO, String::new(), cut.clone(), 4);
            Self {
                photos,
                patches: cut,
                jobs: Jobs::default(),
            }
        }

        /// The first patch is where the brush is.
        fn next(&self) -> Option<NextInversion> {
            next_inversion(&self.jobs, self.photos.get(PHOTO).unwrap(), (0.0, 32.0))
        }

        /// Asks for the next one; answers its ticket, where it lies, and how urgent it is.
        fn begin(&mut self) -> (u64, Rect, Priority) {
            let Some(NextInversion::Begin { patch, priority }) = self.next() else {
                panic!("nothing to begin")
            };
            let work = JobWork::Inversion(InversionJob {
                photo: PHOTO,
                patch,
                priority,
                step: 0,
            });
            let ticket = self.jobs.push(0, patch.core, 2, work);
            (ticket, patch.core, priority)
        }

        fn await_patch(&mut self, patch: usize) {
            let core = self.patches[patch].core;
            self.photos.get_mut(PHOTO).unwrap().await_window(&core);
        }

        fn set_priority(&mut self, ticket: u64, priority: Priority) {
            self.jobs.inversion_mut(ticket).unwrap().priority = priority;
        }

        fn found_noise(&mut self, ticket: u64) {
            self.set_priority(ticket, Priority::Verify);
            let core = self.jobs.get(ticket).unwrap().rect;
            self.photos.get_mut(PHOTO).unwrap().inverted(&core);
        }
    }

    use Priority::{Interactive, Prefetch};

    #[test]
    fn one_ahead_of_need_and_one_that_is_waited_for_at_a_time() {
        let mut room = Room::new(4);
        let core = |room: &Room, patch: usize| room.patches[patch].core;
        assert_eq!(room.begin(), (1, core(&room, 0), Prefetch));
        assert_eq!(room.next(), None, "one ahead");
        room.await_patch(2);
        room.await_patch(1);
        assert_eq!(
            room.begin(),
            (2, core(&room, 1), Interactive),
            "the nearest"
        );
        assert_eq!(room.next(), None, "one at a time");
        room.found_noise(2);
        assert_eq!(room.begin(), (3, core(&room, 2), Interactive));
        room.found_noise(3);
        room.await_patch(0);
        let begun_before = Some(NextInversion::Prioritise(1));
        assert_eq!(room.next(), begun_before);
        room.set_priority(1, Interactive);
        assert_eq!(room.next(), None);
        room.found_noise(1);
        assert_eq!(room.next(), None, "nothing ahead before all are verified");
        for ticket in [2, 3, 1] {
            room.jobs.remove(ticket);
        }
        assert_eq!(room.begin(), (4, core(&room, 3), Prefetch));
    }

    #[test]
    fn where_too_many_wait_to_be_verified_the_oldest_goes_first() {
        let mut room = Room::new(INVERSIONS_MOST + 4);
        (0..INVERSIONS_MOST + 4).for_each(|patch| room.await_patch(patch));
        for ticket in 1..=INVERSIONS_MOST as u64 {
            assert_eq!(room.begin().0, ticket);
            room.found_noise(ticket);
        }
        assert_eq!(room.next(), Some(NextInversion::Prioritise(1)));
        room.set_priority(1, Interactive);
        assert_eq!(room.next(), None);
        room.jobs.remove(1);
        assert_eq!(room.begin().2, Interactive);
    }

    #[test]
    fn what_was_cancelled_counts_only_as_taking_room() {
        let mut room = Room::new(INVERSIONS_MOST + 1);
        room.await_patch(0);
        let first = room.patches[0].core;
        for ticket in 1..=INVERSIONS_MOST as u64 {
            assert_eq!(room.begin(), (ticket, first, Interactive));
            let all = room.jobs.cancel_inversions(|_| true);
            assert_eq!(all, [ticket], "the others were before");
        }
        assert_eq!(room.next(), None);
        room.jobs.remove(4);
        assert_eq!(room.begin().1, first);
        assert!(
            room.jobs
                .cancel_inversions(|it| it.photo != PHOTO)
                .is_empty()
        );
        assert_eq!(room.jobs.inversions().count(), INVERSIONS_MOST);
    }
}
