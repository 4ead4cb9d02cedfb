//! The scheduler's state, and what the room asks of it at any time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    floors::Floors,
    jobs::Jobs,
    photos::{Photo, Photos},
    render_queue::RenderQueue,
    strain::Strain,
};
use crate::{
    canvas::{Pixels, WindowRules},
    engine::Command,
    pipeline::hundredths,
    protocol::{
        CanvasSize, PhotoInfo, PhotoPart, PictureLayer, RenderNews, ScheduleChoices, StrainLevel,
    },
    room::{document::Document, options::InversionOptions},
};

/// What a scheduler has to know of room and model.
#[derive(Clone, Debug)]
pub(in crate::room) struct SchedulerOptions {
    /// The canvas.
    pub(in crate::room) size: CanvasSize,
    /// How windows are cut where the base is no photo.
    pub(in crate::room) rules: WindowRules,
    /// The most steps of a render.
    pub(in crate::room) max_steps: u32,
    /// What of the schedule each sampler can have.
    pub(in crate::room) schedules: BTreeMap<String, ScheduleChoices>,
    /// How long a hand must rest before the picture is refined.
    pub(in crate::room) rest: Duration,
    /// How photos are inverted.
    pub(in crate::room) inversion: InversionOptions,
}

/// What a scheduler wants done, in order.
#[derive(Debug)]
pub(in crate::room) enum Output {
    /// For the engine.
    Command(Command),
    /// For everybody.
    News(Box<RenderNews>),
    /// For everybody: what the room does without from now on.
    Strain(StrainLevel),
}

/// What is rendered or inverted next.
#[derive(Debug)]
pub(in crate::room) struct Scheduler {
    pub(super) options: SchedulerOptions,
    pub(super) queues: BTreeMap<Uuid, RenderQueue>,
    /// The authors whose queues are served.
    pub(super) present: BTreeSet<Uuid>,
    pub(super) jobs: Jobs,
    pub(super) photos: Photos,
    pub(super) floors: Floors,
    pub(super) strain: Strain,
    /// What everybody was told of it.
    told_strain: StrainLevel,
    outputs: Vec<Output>,
}

impl Scheduler {
    /// Nothing to do yet.
    pub(in crate::room) fn new(options: SchedulerOptions) -> Self {
        Self {
            queues: BTreeMap::new(),
            present: BTreeSet::new(),
            jobs: Jobs::default(),
            photos: Photos::default(),
            floors: Floors::new(options.size),
            strain: Strain::default(),
            told_strain: StrainLevel::Calm,
            outputs: Vec::new(),
            options,
        }
    }

    /// What is to be done since the last time.
    pub(in crate::room) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Tells the engine.
    pub(super) fn command(&mut self, command: Command) {
        self.outputs.push(Output::Command(command));
    }

    /// Tells everybody.
    pub(in crate::room) fn tell(&mut self, news: RenderNews) {
        self.outputs.push(Output::News(Box::new(news)));
    }

    /// An author's queue is served from now on, with what the absent still had to render.
    pub(in crate::room) fn enter(&mut self, author: Uuid, document: &Document, now: Instant) {
        let mut queue = RenderQueue::new(self.options.size, now);
        let (queues, present) = (&mut self.queues, &self.present);
        for (_, old) in queues.iter_mut().filter(|(id, _)| !present.contains(*id)) {
            queue.inherit(old);
            old.forget_dirty();
        }
        match self.queues.get_mut(&author) {
            Some(old) => old.inherit(&queue),
            None => {
                self.queues.insert(author, queue);
            }
        }
        self.present.insert(author);
        self.dispatch(author, document, now);
    }

    /// An author's queue is not served any more: another one takes over what it still has to render.
    pub(in crate::room) fn leave(&mut self, author: Uuid, document: &Document, now: Instant) {
        self.present.remove(&author);
        let Some(mut queue) = self.queues.remove(&author) else {
            return;
        };
        queue.lift_hand();
        if let Some(heir) = self.present.first().copied()
            && let Some(heirs) = self.queues.get_mut(&heir)
        {
            heirs.inherit(&queue);
            queue.forget_dirty();
            self.dispatch(heir, document, now);
        }
        if !queue.is_idle() {
            self.queues.insert(author, queue);
        }
    }

    /// An author cannot go on with the strokes that it began.
    pub(in crate::room) fn lift_hand(&mut self, author: &Uuid) {
        if let Some(queue) = self.queues.get_mut(author) {
            queue.lift_hand();
        }
    }

    /// What the room does without now.
    pub(in crate::room) fn strain(&self) -> StrainLevel {
        self.strain.level()
    }

    /// When to ask again for a render that would be refused now; none where none would.
    pub(in crate::room) fn retry_after(&self) -> Option<Duration> {
        self.strain.retry_after()
    }

    /// How long a hand must rest now before the picture is refined.
    pub(super) fn rest_time(&self) -> Duration {
        self.strain.rest_time(self.options.rest)
    }

    /// Takes in whether anything of the room is with the device, once all that can has gone out, and
    /// tells everybody when the strain has changed.
    pub(in crate::room) fn follow_strain(&mut self, now: Instant) {
        let is_put_off = self.retries().next().is_some();
        if !self.jobs.has_renders() && !is_put_off {
            self.strain.rest(now);
        }
        let level = self.strain.level();
        if level != self.told_strain {
            self.told_strain = level;
            self.outputs.push(Output::Strain(level));
        }
    }

    /// Time has passed: hands may rest.
    pub(in crate::room) fn tick(&mut self, document: &Document, now: Instant) {
        let authors: Vec<Uuid> = self.present.iter().copied().collect();
        for author in authors {
            self.dispatch(author, document, now);
        }
    }

    /// Forgets the queues of the absent that have nothing left.
    pub(in crate::room) fn forget_idle(&mut self) {
        let present = &self.present;
        self.queues
            .retain(|author, queue| present.contains(author) || !queue.is_idle());
    }

    /// When [`Self::tick`] should be called.
    pub(in crate::room) fn next_deadline(&self, live: bool) -> Option<Instant> {
        let served = self.queues.iter();
        let served = served.filter(|(author, _)| self.present.contains(author));
        let refining = served.filter_map(|(_, queue)| queue.refines_at(live, self.rest_time()));
        // While something is with the device its next event says more.
        let is_quiet = !self.jobs.has_renders();
        let falls = self.strain.falls_at().filter(|_| is_quiet);
        refining.chain(falls).chain(self.retries()).min()
    }

    /// When renders are offered again for which the device had no place.
    fn retries(&self) -> impl Iterator<Item = Instant> {
        let (queues, present) = (&self.queues, &self.present);
        let served = queues
            .iter()
            .filter(move |(author, _)| present.contains(*author));
        served.filter_map(|(_, queue)| queue.retries_at())
    }

    /// True when no better picture comes without another op.
    pub(in crate::room) fn is_resting(&self, live: bool) -> bool {
        self.queues.iter().all(|(author, queue)| {
            let is_absent = !self.present.contains(author);
            queue.is_at_rest(live) || (is_absent && !queue.is_running())
        })
    }

    /// The inverted photo that is the base now.
    pub(super) fn photo(&self, document: &Document) -> Option<&Photo> {
        self.photos.get(document.photo()?.0)
    }

    /// How the inversion of the photo stands that is the base; none where that is no photo.
    pub(in crate::room) fn photo_info(&self, document: &Document) -> Option<PhotoInfo> {
        let photo = self.photo(document)?;
        let running = self.jobs.inversions().filter(|(job, _)| job.is_live);
        let running = running.filter(|(_, inversion)| inversion.photo == photo.id);
        let running = running.map(|(_, inversion)| PhotoPart {
            rect: inversion.patch.core,
            step: inversion.step,
        });
        Some(PhotoInfo {
            seq: photo.id,
            done: photo.shown().collect(),
            running: running.collect(),
            steps: self.options.inversion.steps,
            psnr_db: photo.psnr_db().map(hundredths),
        })
    }

    /// What an inversion shows of the photo that is the base; none where nothing is inverted.
    pub(in crate::room) fn photo_picture(
        &self,
        document: &Document,
        layer: PictureLayer,
    ) -> Option<&Pixels> {
        let photo = self.photo(document)?;
        match layer {
            PictureLayer::Noise => photo.noise(),
            PictureLayer::Reconstruction => photo.reconstruction(),
            PictureLayer::Result
            | PictureLayer::Sketch
            | PictureLayer::Mask
            | PictureLayer::Reference => None,
        }
    }
}

#[cfg(test)]
impl Scheduler {
    /// Inversions that the engine has, those that were cancelled included.
    pub(in crate::room) fn inversions(&self) -> usize {
        self.jobs.inversions().count()
    }

    /// True while an author's window waits for the photo under it.
    pub(in crate::room) fn is_anybody_waiting(&self) -> bool {
        use super::render_queue::State;
        let mut queues = self.queues.values();
        queues.any(|queue| queue.state == State::WaitingForPhoto)
    }

    /// True while an author's window waits for its next op.
    pub(in crate::room) fn is_anybody_stalled(&self) -> bool {
        use super::render_queue::State;
        let mut queues = self.queues.values();
        queues.any(|queue| queue.state == State::Stalled)
    }
}
