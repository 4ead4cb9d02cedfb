//! Renders: what goes out to the engine, and what comes back.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{
    edit::edit_of_window,
    floors::Admissible,
    jobs::{Job, JobWork, Reason, RenderJob},
    render_queue::{Cutting, NextWindow},
    state::Scheduler,
};
use crate::{
    canvas::{CellSet, Mask, Pixels, Window, WindowRules, feather},
    engine::{Command, Event, RenderWork, Request, Work},
    protocol::{Rect, RenderNews, RenderState, StrainLevel, TimingsMs},
    room::document::{Document, refine_steps},
};

/// Over so many cells a window that is rendered while the hand moves fades out around what is dirty.
const FADE_CELLS: u32 = 1;
/// After so long a render is offered again for which the device had no place.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A render whose pixels are to be shown.
#[derive(Debug)]
pub(in crate::room) struct FinishedRender {
    /// Whose it is.
    pub(in crate::room) author: Uuid,
    /// Where it lies.
    pub(in crate::room) window: Window,
    /// As large as the window.
    pub(in crate::room) pixels: Pixels,
    /// As large as the window; 0 where something newer stands.
    pub(in crate::room) mask: Mask,
    /// The parts of the window that show it, one for each tile of the canvas.
    pub(in crate::room) shown: Vec<Rect>,
    /// `seq` of the last op that it knows.
    pub(in crate::room) rev: u64,
    /// Its steps.
    pub(in crate::room) steps: u32,
    /// True when no better one is planned.
    pub(in crate::room) is_final: bool,
    /// When the oldest op came in that this render shows for the first time.
    pub(in crate::room) arrived: Option<Instant>,
    /// News of it.
    pub(in crate::room) news: RenderNews,
}

impl Scheduler {
    /// How windows are cut now. The noise of a photo is that of the photo as large as it is.
    fn window_rules(&self, document: &Document) -> WindowRules {
        let zoom = match self.photo(document) {
            Some(_) => 1,
            None => self.options.rules.zoom,
        };
        WindowRules {
            zoom,
            ..self.options.rules
        }
    }

    /// How windows are cut that refine what is seen already. A small window shows the model little of
    /// the picture, and what it paints there may not fit to what is around: when the hand rests, it
    /// sees as much as it can. Over a photo windows stay small, for each patch has to be inverted.
    /// Neighbours overlap by half, so that they fade into one another: each has colours of its own.
    fn refining_rules(&self, document: &Document) -> WindowRules {
        let rules = self.window_rules(document);
        WindowRules {
            context: rules.context.max(rules.maximum / 4),
            minimum: match self.photo(document) {
                Some(_) => rules.minimum,
                None => rules.maximum,
            },
            ..rules
        }
    }

    fn cutting(&self, document: &Document) -> Cutting {
        let rules = self.window_rules(document);
        Cutting {
            painted: self.strain.live_rules(rules),
            asked_for: rules,
            refined: self.refining_rules(document),
            live: document.settings().live,
            after_strokes: self.strain.level() == StrainLevel::Busy,
            rest: self.rest_time(),
        }
    }

    /// Sends an author's next render out, unless one is under way.
    pub(in crate::room) fn dispatch(&mut self, author: Uuid, document: &Document, now: Instant) {
        let (size, cutting) = (self.options.size, self.cutting(document));
        while let Some(queue) = self.queues.get_mut(&author)
            && let Some(next) = queue.next_window(size, &cutting, now)
        {
            let NextWindow {
                reason,
                window,
                dirty,
            } = next;
            let usual = document.settings().steps;
            let better = refine_steps(usual, self.options.max_steps);
            let (steps, is_final) = match reason {
                Reason::Request(steps) => (steps.unwrap_or(usual), true),
                Reason::Live => {
                    let steps = self.strain.live_steps(usual);
                    (steps, better == steps)
                }
                Reason::Refine => (better, true),
            };
            // The model repaints up to the window's edges what is to be repainted there too, so that
            // neighbours agree; each shows its own part of it.
            let repainted = document.canvas().repaint_mask(&window.rect);
            let mask = feather(&window, &repainted);
            if mask.bounds().is_empty() {
                continue;
            }
            let mask = match dirty.filter(|_| !is_final) {
                Some(dirty) => near_dirty(mask, &dirty, &window),
                None => mask,
            };
            if self.has_to_wait(document, &window) {
                if let Some(queue) = self.queues.get_mut(&author) {
                    queue.wait_for_photo(reason, &window.core);
                }
                self.dispatch_inversions(document);
                return;
            }
            let photo = self.photo(document).and(document.photo());
            let schedules = &self.options.schedules;
            let edit = edit_of_window(document, &window, repainted, steps, photo, schedules);
            let is_alone = !self.jobs.has_begun_one_of(author);
            let Some(queue) = self.queues.get_mut(&author) else {
                return;
            };
            if !is_final {
                // What faded out would stay as a rim around what is refined.
                queue.refine_later(&window.shown_rect());
            }
            let work = JobWork::Render(RenderJob {
                author,
                reason,
                window,
                mask,
                is_final,
                arrived: match reason {
                    Reason::Refine => None,
                    Reason::Live | Reason::Request(_) => queue.take_arrival(),
                },
                submitted: now,
                has_begun: false,
                is_alone,
            });
            let ticket = self.jobs.push(document.seq(), window.rect, steps, work);
            queue.started(ticket);
            let work = Work::Render(Box::new(RenderWork {
                author,
                is_refinement: reason == Reason::Refine,
                edit,
            }));
            self.command(Command::Start(Request { ticket, work }));
            return;
        }
    }

    /// Takes in what the engine says of a job. Answers the render that is to be shown.
    pub(in crate::room) fn event(
        &mut self,
        event: Event,
        document: &Document,
        now: Instant,
    ) -> Option<FinishedRender> {
        let job = self.jobs.get(event.ticket())?;
        match &job.work {
            JobWork::Inversion(_) => {
                self.inversion_event(event, document, now);
                None
            }
            JobWork::Render(_) => self.render_event(event, document, now),
        }
    }

    fn render_event(
        &mut self,
        event: Event,
        document: &Document,
        now: Instant,
    ) -> Option<FinishedRender> {
        let ticket = event.ticket();
        if let Event::Started { .. } = event {
            let render = self.jobs.begin_render(ticket)?;
            // What is seen already may come late.
            if render.is_alone && render.reason != Reason::Refine {
                let wait = now.saturating_duration_since(render.submitted);
                self.strain.waited(wait, now);
            }
            let author = render.author;
            if let Some(queue) = self.queues.get_mut(&author) {
                queue.begun();
            }
            let news = self.jobs.get(ticket)?.news(RenderState::Started);
            self.tell(news);
            return None;
        }
        if let Event::Progress { .. } = event {
            return None;
        }
        let job = self.jobs.remove(ticket)?;
        let JobWork::Render(render) = &job.work else {
            return None;
        };
        if !job.is_live {
            self.tell(job.news(RenderState::Superseded));
            return None;
        }
        match event {
            Event::Rendered {
                pixels, timings, ..
            } if is_of_window(&pixels, &render.window) => {
                if let Some(queue) = self.queues.get_mut(&render.author) {
                    queue.finished();
                }
                Some(self.admit(&job, render, pixels, timings))
            }
            Event::Failed { message, .. } => self.fail(&job, render, message),
            Event::HeldBack { message, .. } => {
                self.hold_back(&job, render, message);
                self.dispatch(render.author, document, now);
                None
            }
            // Nobody here cancelled it: the engine did. Ask again after the next op.
            Event::Superseded { .. } => {
                self.stall(render);
                self.tell(job.news(RenderState::Superseded));
                None
            }
            _ => {
                let message = "The model made a picture of the wrong size.".to_owned();
                self.fail(&job, render, message)
            }
        }
    }

    /// The engine had no place for a job. A render is offered again in a while; answers its author and
    /// how long that is, where it is to be told. An inversion ends as one that failed.
    pub(in crate::room) fn put_off(
        &mut self,
        ticket: u64,
        document: &Document,
        now: Instant,
    ) -> Option<(Uuid, Duration)> {
        let is_render = self.jobs.get(ticket)?.render().is_some();
        if !is_render {
            let message = "The device has too much to do now; place the photo again in a while.";
            let message = message.to_owned();
            self.event(Event::Failed { ticket, message }, document, now);
            return None;
        }
        let job = self.jobs.remove(ticket)?;
        let render = job.render().filter(|_| job.is_live)?;
        self.strain.refused(now);
        let queue = self.queues.get_mut(&render.author)?;
        let is_to_be_told = queue.put_off(render, now + RETRY_AFTER);
        is_to_be_told.then_some((render.author, RETRY_AFTER))
    }

    fn stall(&mut self, render: &RenderJob) {
        if let Some(queue) = self.queues.get_mut(&render.author) {
            queue.stall(render);
        }
    }

    fn fail(&mut self, job: &Job, render: &RenderJob, message: String) -> Option<FinishedRender> {
        self.stall(render);
        let mut news = job.news(RenderState::Failed);
        news.message = Some(message);
        self.tell(news);
        None
    }

    /// The picture is not to be seen. Its window is not dirty again, as one that failed is: it would
    /// be held back again, before anything else of its author is rendered.
    fn hold_back(&mut self, job: &Job, render: &RenderJob, message: String) {
        if let Some(queue) = self.queues.get_mut(&render.author) {
            queue.finished();
        }
        let mut news = job.news(RenderState::Failed);
        news.message = Some(message);
        news.held_back = true;
        self.tell(news);
    }

    /// What can be shown of a render; where a newer render or an undo was faster it is rendered
    /// again.
    fn admit(
        &mut self,
        job: &Job,
        render: &RenderJob,
        pixels: Pixels,
        timings: TimingsMs,
    ) -> FinishedRender {
        let window = render.window;
        let Admissible { mask, shown, stale } =
            self.floors.admit(&window.rect, &render.mask, job.rev);
        if let Some(queue) = self.queues.get_mut(&render.author) {
            for part in stale {
                queue.put_back(render.reason, &part.intersect(&window.core));
            }
        }
        let mut news = job.news(RenderState::Done);
        news.timings_ms = Some(timings);
        FinishedRender {
            author: render.author,
            window,
            pixels,
            mask,
            shown,
            rev: job.rev,
            steps: job.steps,
            is_final: render.is_final,
            arrived: render.arrived,
            news,
        }
    }
}

/// The part of a window's mask that is near what is dirty, with a soft edge; all of it where that
/// would be nothing. Beside a stroke stands what was seen in a larger window: a small one does not
/// match it, and would show as a block until it is refined.
fn near_dirty(mask: Mask, dirty: &CellSet, window: &Window) -> Mask {
    let near = dirty.without_edge().softened(&window.rect, FADE_CELLS);
    let shown = mask.clone().times(&near);
    match shown.bounds().is_empty() {
        true => mask,
        false => shown,
    }
}

fn is_of_window(made: &Pixels, window: &Window) -> bool {
    let shown = window.rect;
    (made.width(), made.height()) == (shown.width, shown.height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canvas::windows_for, protocol::CanvasSize};

    #[test]
    fn near_what_is_dirty_all_shows_and_far_from_it_nothing() {
        let size = CanvasSize {
            width: 256,
            height: 256,
        };
        let canvas = Rect::new(0, 0, size.width, size.height);
        let rules = WindowRules {
            zoom: 1,
            grid: 32,
            context: 16,
            minimum: 64,
            maximum: 256,
        };
        let mut dirty = CellSet::new(size, 16);
        // A stroke across, as it lies in the cells.
        for step in 0..8 {
            dirty.insert_rect(&Rect::new(16 * step, 16 * step, 64, 64));
        }
        let window = windows_for(&Rect::new(0, 0, 176, 176), &canvas, &rules)[0];
        let mask = Mask::new(window.rect.width, window.rect.height, 255);
        let near = near_dirty(mask.clone(), &dirty, &window);
        assert_eq!(near.value(90, 90), 255);
        assert_eq!((near.value(150, 10), near.value(10, 150)), (0, 0));

        let mut thin = CellSet::new(size, 16);
        thin.insert((2, 2));
        thin.insert_rect(&Rect::new(192, 192, 64, 64));
        let window = windows_for(&Rect::new(32, 32, 16, 16), &canvas, &rules)[0];
        let mask = Mask::new(window.rect.width, window.rect.height, 255);
        assert_eq!(near_dirty(mask.clone(), &thin, &window), mask);
    }
}
