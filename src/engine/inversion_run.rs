//! Inversions of patches of photos on the device thread, a step at a time.

use std::collections::HashMap;
use std::sync::Arc;

use super::admission::{Admission, InversionTurn, WaitingInversion};
use super::keys::{JobKey, RoomKey};
use super::request::{InversionWork, InvertedPatch, Job};
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
pub(super) struct InversionRuns {
    runs: HashMap<JobKey, InversionRun>,
}

/// An inversion on the device: there, and back again to see what survives.
struct InversionRun {
    job: Job<InversionWork>,
    phase: Phase,
    timings: Timings,
}

enum Phase {
    There(Box<Inverting>),
    /// The noise is found; the way back has not begun.
    Found(Arc<Inversion>),
    Back(Box<PhotoEdit>),
}

impl InversionRuns {
    /// Takes the step whose turn it is, if there is one; answers for which room.
    pub fn step(
        &mut self,
        admission: &Admission,
        pipeline: &mut Pipeline,
        residency: &mut Residency,
    ) -> Option<RoomKey> {
        match admission.inversion_turn()? {
            InversionTurn::Begin(waiting) => {
                let key = waiting.job.key;
                match InversionRun::begin(pipeline, waiting) {
                    Some(run) => {
                        self.runs.insert(key, run);
                    }
                    None => admission.inversion_ended(key),
                }
                Some(key.room)
            }
            InversionTurn::GoOn(key) => {
                let run = self.runs.remove(&key);
                match run.and_then(|run| run.step(admission, pipeline, residency)) {
                    Some(run) => {
                        self.runs.insert(key, run);
                    }
                    None => admission.inversion_ended(key),
                }
                Some(key.room)
            }
        }
    }

    /// Ends an inversion where it is; its room is told.
    pub fn stop(&mut self, key: JobKey) {
        if let Some(run) = self.runs.remove(&key) {
            run.job.superseded();
        }
    }

    /// Ends all of them.
    pub fn stop_all(self) {
        self.runs.values().for_each(|run| run.job.superseded());
    }
}

impl InversionRun {
    /// Starts it; tells the room when that fails.
    fn begin(pipeline: &mut Pipeline, waiting: WaitingInversion) -> Option<Self> {
        let WaitingInversion { job, since } = waiting;
        job.started();
        let mut timings = Timings::default();
        timings.add(Stage::Queue, since.elapsed());
        let InversionWork {
            pixels,
            prompt,
            steps,
            refinements,
            ..
        } = &job.work;
        match pipeline.begin_inversion(pixels, prompt, *steps, *refinements) {
            Ok(inverting) => Some(Self {
                job,
                phase: Phase::There(Box::new(inverting)),
                timings,
            }),
            Err(error) => {
                job.failed(&error);
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
        let job = self.job.clone();
        self.stepped(admission, pipeline, residency)
            .unwrap_or_else(|error| {
                job.failed(&error);
                None
            })
    }

    fn stepped(
        self,
        admission: &Admission,
        pipeline: &mut Pipeline,
        residency: &mut Residency,
    ) -> Result<Option<Self>, PipelineError> {
        let Self {
            job,
            phase,
            mut timings,
        } = self;
        let phase = match phase {
            Phase::There(mut inverting) => {
                pipeline.step_inversion(&mut inverting)?;
                let steps = inverting.steps_done() as u32;
                if !inverting.is_done() {
                    job.progress(steps);
                    Phase::There(inverting)
                } else {
                    timings.add_all(inverting.timings());
                    let Some(inversion) = inverting.finish() else {
                        return Ok(None);
                    };
                    let kept = core_of(pipeline, &job.work, &inversion)?;
                    residency.keep_patch(job.key.room, job.work.photo, kept);
                    // Before the room gets it and asks for something else.
                    admission.inversion_found(job.key);
                    // From here on windows can be edited.
                    job.progress(steps);
                    Phase::Found(Arc::new(inversion))
                }
            }
            Phase::Found(inversion) => {
                let mut back = pipeline.begin_reconstruction(&inversion)?;
                pipeline.step_photo_edit(&mut back)?;
                Phase::Back(Box::new(back))
            }
            Phase::Back(mut back) if !back.is_done() => {
                pipeline.step_photo_edit(&mut back)?;
                Phase::Back(back)
            }
            Phase::Back(back) => {
                let patch = finished(pipeline, &job.work, *back, timings)?;
                job.inverted(patch);
                return Ok(None);
            }
        };
        Ok(Some(Self {
            job,
            phase,
            timings,
        }))
    }
}

/// The core of a patch, in pixels of the patch.
fn core_in_patch(work: &InversionWork) -> Rect {
    let InversionWork { rect, core, .. } = work;
    Rect::new(core.x - rect.x, core.y - rect.y, core.width, core.height)
}

/// What is kept of an inverted patch: its core.
fn core_of(
    pipeline: &Pipeline,
    work: &InversionWork,
    inversion: &Inversion,
) -> Result<Inversion, PipelineError> {
    let scale = pipeline.model().vae.scale();
    let core = core_in_patch(work);
    let LatentRect { x, y, .. } = latent_rect_from_window(&work.core, scale);
    let photo = work.pixels.crop(&core);
    inversion.part(&latent_rect_from_window(&core, scale), (x, y), photo)
}

/// The pictures of an inversion that has come back to its photo.
fn finished(
    pipeline: &Pipeline,
    work: &InversionWork,
    back: PhotoEdit,
    mut timings: Timings,
) -> Result<InvertedPatch, PipelineError> {
    let core = core_in_patch(work);
    let noise = pipeline.picture_of_noise(&back)?;
    let reconstruction = pipeline.finish_reconstruction(back)?;
    timings.add_all(&reconstruction.timings);
    Ok(InvertedPatch {
        noise: noise.crop(&core),
        reconstruction: reconstruction.pixels.crop(&core),
        timings: timings.to_ms(),
    })
}
