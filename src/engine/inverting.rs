//! Inversions of parts of photos on the device thread, a step at a time.

use std::collections::HashMap;
use std::sync::Arc;

use super::admission::{Admission, InversionTurn, WaitingInversion};
use super::inversion_line::InversionKey;
use super::request::{InversionEvent, InversionRequest, InvertedPart, tell_inversion};
use super::residency::Residency;
use crate::pipeline::{
    Inversion, Inverting, PhotoEdit, Pipeline, PipelineError, Stage, Timings,
    latent_rect_from_window,
};
use crate::protocol::Rect;
use crate::sampler::LatentRect;

/// The inversions on the device. One of them takes a step at a time; the others keep the steps that
/// they have done.
#[derive(Default)]
pub(super) struct InversionJobs {
    jobs: HashMap<InversionKey, InversionJob>,
}

/// An inversion on the device: there, and back again to see what survives.
struct InversionJob {
    request: InversionRequest,
    way: Way,
    timings: Timings,
}

enum Way {
    There(Box<Inverting>),
    /// The noise is found; the way back has not begun.
    Turned(Arc<Inversion>),
    Back(Box<PhotoEdit>),
}

impl InversionJobs {
    /// Takes the step whose turn it is, if there is one.
    pub fn step(
        &mut self,
        admission: &Admission,
        pipeline: &mut Pipeline,
        residency: &mut Residency,
    ) {
        match admission.inversion_turn() {
            None => {}
            Some(InversionTurn::Begin(waiting)) => {
                let key = waiting.request.key();
                match InversionJob::begin(pipeline, waiting) {
                    Some(job) => {
                        self.jobs.insert(key, job);
                    }
                    None => admission.inversion_ended(key),
                }
            }
            Some(InversionTurn::GoOn(key)) => {
                let job = self.jobs.remove(&key);
                match job.and_then(|job| job.step(admission, pipeline, residency)) {
                    Some(job) => {
                        self.jobs.insert(key, job);
                    }
                    None => admission.inversion_ended(key),
                }
            }
        }
    }

    /// Ends an inversion where it is; its room hears of it.
    pub fn give_up(&mut self, key: InversionKey) {
        if let Some(job) = self.jobs.remove(&key) {
            job.tell_given_up();
        }
    }

    /// Ends all of them.
    pub fn give_up_all(self) {
        self.jobs.values().for_each(InversionJob::tell_given_up);
    }
}

impl InversionJob {
    /// Starts it; tells the room when that fails.
    fn begin(pipeline: &mut Pipeline, waiting: WaitingInversion) -> Option<Self> {
        let WaitingInversion { request, since } = waiting;
        let ticket = request.ticket;
        tell_inversion(&request, InversionEvent::Started { ticket });
        let mut timings = Timings::default();
        timings.add(Stage::Queue, since.elapsed());
        let (steps, refinements) = (request.steps, request.refinements);
        match pipeline.begin_inversion(&request.pixels, &request.prompt, steps, refinements) {
            Ok(inverting) => Some(Self {
                request,
                way: Way::There(Box::new(inverting)),
                timings,
            }),
            Err(error) => {
                fail(&request, &error);
                None
            }
        }
    }

    /// One step; none when that was the last, or when it failed.
    fn step(
        self,
        admission: &Admission,
        pipeline: &mut Pipeline,
        residency: &mut Residency,
    ) -> Option<Self> {
        let request = self.request.clone();
        self.stepped(admission, pipeline, residency)
            .unwrap_or_else(|error| {
                fail(&request, &error);
                None
            })
    }

    fn tell_given_up(&self) {
        let ticket = self.request.ticket;
        tell_inversion(&self.request, InversionEvent::Superseded { ticket });
    }

    fn stepped(
        self,
        admission: &Admission,
        pipeline: &mut Pipeline,
        residency: &mut Residency,
    ) -> Result<Option<Self>, PipelineError> {
        let Self {
            request,
            way,
            mut timings,
        } = self;
        let way = match way {
            Way::There(mut inverting) => {
                pipeline.step_inversion(&mut inverting)?;
                let steps = inverting.steps_done();
                if !inverting.is_done() {
                    tell_progress(&request, steps);
                    Way::There(inverting)
                } else {
                    timings.add_all(inverting.timings());
                    let Some(inversion) = inverting.finish() else {
                        return Ok(None);
                    };
                    let part = part_of(pipeline, &request, &inversion)?;
                    residency.keep_part(request.room, request.photo, part);
                    // Before the room hears of it and wants something else.
                    admission.inversion_turned(request.key());
                    // From here on windows can be edited.
                    tell_progress(&request, steps);
                    Way::Turned(Arc::new(inversion))
                }
            }
            Way::Turned(inversion) => {
                let mut back = pipeline.begin_reconstruction(&inversion)?;
                pipeline.step_photo_edit(&mut back)?;
                Way::Back(Box::new(back))
            }
            Way::Back(mut back) if !back.is_done() => {
                pipeline.step_photo_edit(&mut back)?;
                Way::Back(back)
            }
            Way::Back(back) => {
                let part = finished(pipeline, &request, *back, timings)?;
                let ticket = request.ticket;
                tell_inversion(&request, InversionEvent::Done { ticket, part });
                return Ok(None);
            }
        };
        Ok(Some(Self {
            request,
            way,
            timings,
        }))
    }
}

/// The core of a tile, in pixels of the tile.
fn core_in_tile(request: &InversionRequest) -> Rect {
    let InversionRequest { rect, core, .. } = request;
    Rect::new(core.x - rect.x, core.y - rect.y, core.width, core.height)
}

/// What is kept of an inverted tile: its core.
fn part_of(
    pipeline: &Pipeline,
    request: &InversionRequest,
    inversion: &Inversion,
) -> Result<Inversion, PipelineError> {
    let scale = pipeline.model().vae.scale();
    let core = core_in_tile(request);
    let LatentRect { x, y, .. } = latent_rect_from_window(&request.core, scale);
    let photo = request.pixels.crop(&core);
    inversion.part(&latent_rect_from_window(&core, scale), (x, y), photo)
}

/// The pictures of an inversion that has come back to its photo.
fn finished(
    pipeline: &Pipeline,
    request: &InversionRequest,
    back: PhotoEdit,
    mut timings: Timings,
) -> Result<InvertedPart, PipelineError> {
    let core = core_in_tile(request);
    let noise = pipeline.picture_of_noise(&back)?;
    let reconstruction = pipeline.finish_reconstruction(back)?;
    timings.add_all(&reconstruction.timings);
    Ok(InvertedPart {
        noise: noise.crop(&core),
        reconstruction: reconstruction.pixels.crop(&core),
        timings: timings.to_ms(),
    })
}

fn tell_progress(request: &InversionRequest, steps_done: usize) {
    let (ticket, step) = (request.ticket, steps_done as u32);
    tell_inversion(request, InversionEvent::Progress { ticket, step });
}

fn fail(request: &InversionRequest, error: &PipelineError) {
    let event = InversionEvent::Failed {
        ticket: request.ticket,
        message: error.to_string(),
    };
    tell_inversion(request, event);
}
