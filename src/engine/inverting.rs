//! The inversion of one part of a photo on the device thread, a step at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::request::{InversionEvent, InversionRequest, InvertedPart, tell_inversion};
use super::residency::Residency;
use crate::pipeline::{
    Inversion, Inverting, PhotoEdit, Pipeline, PipelineError, Stage, Timings,
    latent_rect_from_window,
};
use crate::protocol::Rect;
use crate::sampler::LatentRect;

/// An inversion that waits for the device.
pub(super) struct WaitingInversion {
    pub request: InversionRequest,
    pub since: Instant,
    pub cancelled: Arc<AtomicBool>,
}

/// An inversion on the device: there, and back again to see what survives.
pub(super) struct InversionJob {
    request: InversionRequest,
    cancelled: Arc<AtomicBool>,
    way: Way,
    timings: Timings,
}

enum Way {
    There(Box<Inverting>),
    Back(Box<PhotoEdit>),
}

impl InversionJob {
    /// Starts it; tells the room when that fails.
    pub fn begin(pipeline: &mut Pipeline, waiting: WaitingInversion) -> Option<Self> {
        let WaitingInversion {
            request,
            since,
            cancelled,
        } = waiting;
        let ticket = request.ticket;
        tell_inversion(&request, InversionEvent::Started { ticket });
        let mut timings = Timings::default();
        timings.add(Stage::Queue, since.elapsed());
        let (steps, refinements) = (request.steps, request.refinements);
        match pipeline.begin_inversion(&request.pixels, &request.prompt, steps, refinements) {
            Ok(inverting) => Some(Self {
                request,
                cancelled,
                way: Way::There(Box::new(inverting)),
                timings,
            }),
            Err(error) => {
                fail(&request, &error);
                None
            }
        }
    }

    /// One step; none when that was the last, when it was cancelled, or when it failed.
    pub fn step(self, pipeline: &mut Pipeline, residency: &mut Residency) -> Option<Self> {
        if self.cancelled.load(Ordering::Relaxed) {
            self.give_up();
            return None;
        }
        let request = self.request.clone();
        self.stepped(pipeline, residency).unwrap_or_else(|error| {
            fail(&request, &error);
            None
        })
    }

    /// The room hears that it ends here.
    pub fn give_up(self) {
        let ticket = self.request.ticket;
        tell_inversion(&self.request, InversionEvent::Superseded { ticket });
    }

    fn stepped(
        self,
        pipeline: &mut Pipeline,
        residency: &mut Residency,
    ) -> Result<Option<Self>, PipelineError> {
        let Self {
            request,
            cancelled,
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
                    // From here on windows can be edited.
                    tell_progress(&request, steps);
                    let back = pipeline.begin_reconstruction(&Arc::new(inversion))?;
                    Way::Back(Box::new(back))
                }
            }
            Way::Back(mut back) => {
                pipeline.step_photo_edit(&mut back)?;
                if !back.is_done() {
                    Way::Back(back)
                } else {
                    let part = finished(pipeline, &request, *back, timings)?;
                    let ticket = request.ticket;
                    tell_inversion(&request, InversionEvent::Done { ticket, part });
                    return Ok(None);
                }
            }
        };
        Ok(Some(Self {
            request,
            cancelled,
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
