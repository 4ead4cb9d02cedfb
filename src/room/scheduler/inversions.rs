//! Inversions: what goes out to the engine, and what comes back.

use std::{sync::Arc, time::Instant};

use super::{
    jobs::{InversionJob, Job, JobWork},
    next_inversion::{NextInversion, next_inversion},
    state::Scheduler,
};
use crate::{
    canvas::{PhotoPatch, Window},
    engine::{Command, Event, InversionWork, InvertedPatch, Priority, Request, Work},
    pipeline::hundredths,
    protocol::{EditMethod, RenderState},
    room::document::Document,
};

impl Scheduler {
    /// Asks the engine for what is inverted next; stops what is of another photo than the base.
    pub(super) fn dispatch_inversions(&mut self, document: &Document) {
        let base = document.photo().map(|(id, _)| id);
        self.stop_inversions(|inversion| Some(inversion.photo) != base);
        let focus = self.photos.focus(self.options.size);
        while let Some(photo) = self.photo(document)
            && let Some(next) = next_inversion(&self.jobs, photo, focus)
        {
            match next {
                NextInversion::Begin { patch, priority } => {
                    let (id, prompt) = (photo.id, photo.prompt.clone());
                    self.start_inversion(document, id, prompt, patch, priority);
                }
                NextInversion::Prioritise(ticket) => {
                    if let Some(inversion) = self.jobs.inversion_mut(ticket) {
                        inversion.priority = Priority::Interactive;
                    }
                    self.command(Command::Prioritise(ticket));
                }
            }
        }
    }

    fn start_inversion(
        &mut self,
        document: &Document,
        photo: u64,
        prompt: String,
        patch: PhotoPatch,
        priority: Priority,
    ) {
        let (rev, steps) = (document.seq(), self.options.inversion.steps);
        let job = JobWork::Inversion(InversionJob {
            photo,
            patch,
            priority,
            step: 0,
        });
        let ticket = self.jobs.push(rev, patch.core, steps, job);
        let work = Work::Inversion(Box::new(InversionWork {
            photo,
            rect: patch.rect,
            core: patch.core,
            pixels: Arc::new(document.canvas().base().crop(&patch.rect)),
            prompt,
            steps,
            refinements: self.options.inversion.refinements,
            priority,
        }));
        self.command(Command::Start(Request { ticket, work }));
    }

    /// A member wants no inversion: those under way stop, and no other begins until a window
    /// needs it.
    pub(in crate::room) fn cancel_inversions(&mut self, document: &Document) {
        if let Some((id, _)) = document.photo() {
            self.stop_photo(id);
        }
        self.stop_inversions(|_| true);
    }

    fn stop_inversions(&mut self, condition: impl Fn(&InversionJob) -> bool) {
        for ticket in self.jobs.cancel_inversions(condition) {
            self.command(Command::Cancel(ticket));
        }
    }

    /// Nothing of a photo is inverted before a window needs it; those that wait, wait for the next
    /// op of their author.
    fn stop_photo(&mut self, id: u64) {
        if let Some(photo) = self.photos.get_mut(id) {
            photo.stop();
        }
        self.queues.values_mut().for_each(|it| it.photo_failed());
    }

    /// True when a window has to wait for the photo under it, which is then noted.
    pub(super) fn has_to_wait(&mut self, document: &Document, window: &Window) -> bool {
        if document.settings().method != EditMethod::Ddim {
            return false;
        }
        let photo = document.photo();
        let Some(photo) = photo.and_then(|(id, _)| self.photos.get_mut(id)) else {
            return false;
        };
        if photo.covers(&window.rect) {
            return false;
        }
        photo.await_window(&window.rect);
        true
    }

    pub(super) fn inversion_event(&mut self, event: Event, document: &Document, now: Instant) {
        let ticket = event.ticket();
        let Some(job) = self.jobs.get(ticket).cloned() else {
            return;
        };
        let JobWork::Inversion(inversion) = &job.work else {
            return;
        };
        match event {
            // What it still has to say does not count: the room may have forgotten the photo.
            Event::Started { .. } | Event::Progress { .. } if !job.is_live => {}
            Event::Started { .. } => self.tell(job.news(RenderState::Started)),
            Event::Progress { step, .. } => self.progress(&job, inversion, step, document, now),
            Event::Inverted { patch, .. } if job.is_live => {
                self.jobs.remove(ticket);
                self.patch_inverted(inversion, document, now);
                self.show_inversion(&job, inversion, patch, document);
            }
            Event::Failed { message, .. } => {
                self.jobs.remove(ticket);
                let mut news = job.news(RenderState::Failed);
                news.message = Some(message);
                self.tell(news);
                self.stop_photo(inversion.photo);
            }
            Event::Inverted { .. }
            | Event::Superseded { .. }
            | Event::Rendered { .. }
            | Event::HeldBack { .. } => {
                self.jobs.remove(ticket);
                self.tell(job.news(RenderState::Superseded));
                if job.is_live {
                    // Nobody here cancelled it: the engine did. Ask again after the next op.
                    self.stop_photo(inversion.photo);
                }
            }
        }
        self.dispatch_inversions(document);
    }

    fn progress(
        &mut self,
        job: &Job,
        inversion: &InversionJob,
        step: u32,
        document: &Document,
        now: Instant,
    ) {
        let mut news = job.news(RenderState::Progress);
        news.step = Some(step);
        self.tell(news);
        let is_inverted = step >= job.steps;
        if let Some(inversion) = self.jobs.inversion_mut(job.ticket) {
            inversion.step = step;
            if is_inverted {
                inversion.priority = Priority::Verify;
            }
        }
        if is_inverted {
            self.patch_inverted(inversion, document, now);
        }
    }

    /// Windows over a patch can be edited now.
    fn patch_inverted(&mut self, inversion: &InversionJob, document: &Document, now: Instant) {
        if let Some(photo) = self.photos.get_mut(inversion.photo) {
            photo.inverted(&inversion.patch.core);
        }
        self.queues.values_mut().for_each(|it| it.photo_changed());
        self.tick(document, now);
    }

    fn show_inversion(
        &mut self,
        job: &Job,
        inversion: &InversionJob,
        patch: InvertedPatch,
        document: &Document,
    ) {
        let core = inversion.patch.core;
        let mut news = job.news(RenderState::Done);
        news.step = Some(news.steps);
        news.timings_ms = Some(patch.timings);
        // Shown only while the photo is the base: there it can be compared.
        if document
            .photo()
            .is_some_and(|(id, _)| id == inversion.photo)
            && let Some(photo) = self.photos.get_mut(inversion.photo)
        {
            let there = document.canvas().base().crop(&core);
            let pictures = [&patch.noise, &patch.reconstruction];
            photo.show(&core, self.options.size, &there, pictures);
            news.psnr_db = photo.psnr_db().map(hundredths);
        }
        self.tell(news);
    }
}
