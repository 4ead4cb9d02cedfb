//! The loop of a device thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use candle_core::Tensor;
use metrics::{counter, histogram};
use tokio::sync::watch;

use super::admission::{Admission, Places, Running, Waiting};
use super::error::EngineError;
use super::inversion_run::InversionRuns;
use super::keys::RoomKey;
use super::loras::{LoraChange, weights_of};
use super::request::{Job, RenderWork};
use super::residency::Residency;
use super::run::Run;
use crate::canvas::{Pixels, PixelsKey};
use crate::kernels::interruptible;
use crate::pipeline::{
    Edit, PhotoWindow, Pipeline, PipelineError, Render, Stage, Timings, latent_rect_from_window,
};
use crate::protocol::{EditMethod, LoraWeight};

/// A render on the device.
struct Active {
    waiting: Waiting,
    running: Running,
    run: Box<dyn Run>,
    /// How long the device has worked for it.
    spent: Duration,
}

/// Owns the model and everything on the device.
pub(super) struct Worker {
    pipeline: Pipeline,
    admission: Arc<Admission>,
    residency: Residency,
    inversions: InversionRuns,
    batch: usize,
    text_seen: (u64, u64),
    loras: watch::Sender<Vec<LoraWeight>>,
    /// The device's name, in the metrics.
    device: String,
}

impl Worker {
    /// `latent_budget` is in bytes, `latent_parent` where the folder for the rest is made; `loras` is told which LoRAs are active whenever they change.
    pub fn new(
        pipeline: Pipeline,
        admission: Arc<Admission>,
        batch: usize,
        latent_budget: u64,
        latent_parent: PathBuf,
        loras: watch::Sender<Vec<LoraWeight>>,
        device: String,
    ) -> Self {
        let residency = Residency::new(
            pipeline.model().device.clone(),
            latent_budget,
            latent_parent,
        );
        Self {
            pipeline,
            admission,
            residency,
            inversions: InversionRuns::default(),
            batch: batch.max(1),
            text_seen: (0, 0),
            loras,
            device,
        }
    }

    /// Runs until the engine is closed.
    pub fn run(mut self) {
        let mut active: Vec<Active> = Vec::new();
        while let Some(admitted) = self.admission.next(self.places(&active)) {
            for room in admitted.forgotten {
                self.residency.forget(room);
            }
            for (room, photo) in admitted.forgotten_photos {
                self.residency.forget_photo(room, photo);
            }
            if let Some(change) = admitted.loras {
                self.change_loras(change);
            }
            for key in admitted.stopped {
                self.inversions.stop(key);
            }
            for (waiting, running) in admitted.begin {
                active.extend(self.begin(waiting, running));
            }
            active = self.drop_cancelled(active);
            active = self.step(active);
            let running = active.len();
            active = self.finish_done(active);
            // Between renders, so that each of them waits for one step of an inversion at most.
            if active.is_empty() || active.len() < running {
                self.step_inversion();
            }
        }
        self.inversions.stop_all();
        active
            .iter()
            .for_each(|active| active.waiting.job.superseded());
    }

    /// A refinement gives its place to what somebody waits for, and goes on afterwards.
    fn places(&self, active: &[Active]) -> Places {
        let now = Instant::now();
        let waited_for = active
            .iter()
            .filter(|active| active.waiting.is_waited_for(now));
        Places {
            waited_for: self.batch.saturating_sub(waited_for.count()),
            any: self.batch.saturating_sub(active.len()),
        }
    }

    fn change_loras(&mut self, change: LoraChange) {
        let LoraChange { choices, done } = change;
        let _span = tracing::info_span!("change LoRAs").entered();
        let result = self.pipeline.set_loras(&choices);
        if result.is_ok() {
            self.loras.send_replace(weights_of(&choices));
        }
        // Whoever asked may have gone away: the change is done all the same.
        let _ = done.send(result.map_err(EngineError::from));
    }

    fn step_inversion(&mut self) {
        let _span = tracing::debug_span!("invert").entered();
        let (pipeline, residency) = (&mut self.pipeline, &mut self.residency);
        let begun = Instant::now();
        if let Some(room) = self.inversions.step(&self.admission, pipeline, residency) {
            self.await_device();
            self.admission.charge(room, begun.elapsed());
        }
        self.count_text();
    }

    fn begin(&mut self, waiting: Waiting, running: Running) -> Option<Active> {
        waiting.job.started();
        let queue = waiting.since.elapsed();
        let begun = Instant::now();
        let flags = vec![running.is_cancelled.clone()];
        let prepared = interruptible(flags, || self.prepare(&waiting.job));
        self.await_device();
        match prepared {
            Ok(mut run) => {
                run.timings_mut().add(Stage::Queue, queue);
                Some(Active {
                    waiting,
                    running,
                    run,
                    spent: begun.elapsed(),
                })
            }
            Err(error) => {
                self.fail(&waiting.job, &running, begun.elapsed(), &error);
                None
            }
        }
    }

    fn prepare(&mut self, job: &Job<RenderWork>) -> Result<Box<dyn Run>, PipelineError> {
        let (room, edit) = (job.key.room, &job.work.edit);
        let _span = tracing::debug_span!("prepare", room = room.0).entered();
        let mut timings = Timings::default();
        if let Some(photo) = &edit.photo {
            return self.prepare_photo(room, edit, photo, timings);
        }
        let stage = timings.start(Stage::Encode);
        let sketch = self.latents(room, &edit.sketch)?;
        let keeps_something = edit.mask.data().iter().any(|&value| value != u8::MAX);
        let known = match keeps_something && self.pipeline.blends_known() {
            true => Some(self.latents(room, &edit.known)?),
            false => None,
        };
        timings.finish(stage);
        let mut render = self.pipeline.begin(edit, sketch, known)?;
        render.timings_mut().add_all(&timings);
        self.count_text();
        Ok(Box::new(render))
    }

    /// A window over an inverted photo: from the parts that are inverted or, for methods that need
    /// no noise of the photo's own, from its pixels.
    fn prepare_photo(
        &mut self,
        room: RoomKey,
        edit: &Edit,
        photo: &PhotoWindow,
        mut timings: Timings,
    ) -> Result<Box<dyn Run>, PipelineError> {
        let stage = timings.start(Stage::Encode);
        let inversion = match photo.method {
            EditMethod::Ddim => {
                let scale = self.pipeline.model().vae.scale();
                let rect = latent_rect_from_window(&edit.window, scale);
                let pixels = Pixels::clone(&photo.pixels);
                self.residency.window(room, photo.photo, &rect, pixels)?
            }
            EditMethod::EditFriendly | EditMethod::InfEdit => {
                let latents = self.latents(room, &photo.pixels)?;
                self.pipeline.encoded_window(edit, photo, &latents)?
            }
        };
        timings.finish(stage);
        let inversion = Arc::new(inversion);
        let mut run = self
            .pipeline
            .begin_window_edit(edit, &inversion, photo.method)?;
        run.timings_mut().add_all(&timings);
        self.count_text();
        Ok(Box::new(run))
    }

    /// Latents of the window's pixels, kept from an earlier render where they are the same.
    fn latents(&mut self, room: RoomKey, pixels: &Pixels) -> Result<Tensor, PipelineError> {
        let key = PixelsKey::new(pixels);
        if let Some(latents) = self.residency.get(room, &key) {
            return Ok(latents);
        }
        let latents = self.pipeline.encode(pixels)?;
        self.residency.keep(room, key, latents.clone());
        Ok(latents)
    }

    fn drop_cancelled(&self, active: Vec<Active>) -> Vec<Active> {
        let (gone, kept) = active
            .into_iter()
            .partition::<Vec<_>, _>(|active| active.running.is_cancelled.load(Ordering::Relaxed));
        gone.iter()
            .for_each(|active| self.supersede(&active.waiting.job, &active.running, active.spent));
        kept
    }

    /// One step of every active render that has a place, batched by shape.
    fn step(&self, mut active: Vec<Active>) -> Vec<Active> {
        let now = Instant::now();
        active.sort_by_key(|active| !active.waiting.is_waited_for(now));
        let paused = active.split_off(self.batch.min(active.len()));
        let mut stepped = self.step_all(active);
        stepped.extend(paused);
        stepped
    }

    fn step_all(&self, active: Vec<Active>) -> Vec<Active> {
        let (mut active, alone) = active
            .into_iter()
            .map(|mut active| {
                let render = active.run.batched();
                (render.map(|render| render.batch_shape()), active)
            })
            .partition::<Vec<_>, _>(|(shape, _)| shape.is_some());
        let mut shapes: Vec<_> = active.iter().map(|(shape, _)| *shape).collect();
        shapes.sort_unstable();
        shapes.dedup();
        for shape in shapes {
            let _span = tracing::debug_span!("step", ?shape).entered();
            let of_batch = active.iter().filter(|(other, _)| *other == shape);
            let flags = of_batch
                .map(|(_, active)| active.running.is_cancelled.clone())
                .collect();
            let mut batch: Vec<&mut Render> = active
                .iter_mut()
                .filter(|(other, _)| *other == shape)
                .filter_map(|(_, active)| active.run.batched())
                .collect();
            let (begun, rows) = (Instant::now(), batch.len().max(1) as u32);
            let stepped = interruptible(flags, || self.pipeline.step(&mut batch));
            self.await_device();
            // Rows of one shape cost the same.
            let share = begun.elapsed() / rows;
            let of_batch = active.iter_mut().filter(|(other, _)| *other == shape);
            of_batch.for_each(|(_, active)| active.spent += share);
            let Err(error) = stepped else {
                continue;
            };
            let (failed, kept) = active
                .into_iter()
                .partition::<Vec<_>, _>(|(other, _)| *other == shape);
            for (_, active) in failed {
                self.fail(&active.waiting.job, &active.running, active.spent, &error);
            }
            active = kept;
        }
        let mut active: Vec<Active> = active.into_iter().map(|(_, active)| active).collect();
        active.extend(
            alone
                .into_iter()
                .filter_map(|(_, one)| self.step_alone(one)),
        );
        active
    }

    /// One step of a render that runs the model in its own way.
    fn step_alone(&self, mut active: Active) -> Option<Active> {
        let _span = tracing::debug_span!("step alone").entered();
        let begun = Instant::now();
        let flags = vec![active.running.is_cancelled.clone()];
        let stepped = interruptible(flags, || active.run.step(&self.pipeline));
        self.await_device();
        active.spent += begun.elapsed();
        match stepped {
            Ok(()) => Some(active),
            Err(error) => {
                self.fail(&active.waiting.job, &active.running, active.spent, &error);
                None
            }
        }
    }

    fn finish_done(&self, active: Vec<Active>) -> Vec<Active> {
        let (done, kept) = active
            .into_iter()
            .partition::<Vec<_>, _>(|active| active.run.is_done());
        // A hand that lifted meanwhile waits for another picture.
        for Active {
            waiting: Waiting { job, .. },
            running,
            run,
            spent,
        } in self.drop_cancelled(done)
        {
            let begun = Instant::now();
            let _span = tracing::debug_span!("decode", room = job.key.room.0).entered();
            let flags = vec![running.is_cancelled.clone()];
            match interruptible(flags, || run.finish(&self.pipeline)) {
                Ok(_) if running.is_cancelled.load(Ordering::Relaxed) => {
                    self.supersede(&job, &running, spent + begun.elapsed());
                }
                Ok(rendered) => {
                    let rendered = rendered.shown(&job.work.edit.output);
                    self.admission
                        .ended(&running, spent + begun.elapsed(), true);
                    record(&rendered.timings);
                    counter!("impasto_device_renders_total", "device" => self.device.clone())
                        .increment(1);
                    job.rendered(rendered.pixels, rendered.timings.to_ms());
                }
                Err(error) => {
                    // What is held back was rendered all the same.
                    let is_whole = matches!(error, PipelineError::HeldBack);
                    self.admission
                        .ended(&running, spent + begun.elapsed(), is_whole);
                    job.failed(&error);
                }
            }
        }
        kept
    }

    fn supersede(&self, job: &Job<RenderWork>, running: &Running, spent: Duration) {
        self.admission.ended(running, spent, false);
        job.superseded();
    }

    /// A render that did not come to its end: nobody waits for the reason of one that was cancelled.
    fn fail(
        &self,
        job: &Job<RenderWork>,
        running: &Running,
        spent: Duration,
        error: &PipelineError,
    ) {
        if running.is_cancelled.load(Ordering::Relaxed) {
            return self.supersede(job, running, spent);
        }
        self.admission.ended(running, spent, false);
        job.failed(error);
    }

    /// Waits until the device has done what it was given, so that the time is measured that it takes
    /// and not the time to tell it. A CPU has done it by then.
    fn await_device(&self) {
        if let Err(cause) = self.pipeline.model().device.synchronize() {
            tracing::debug!(%cause, "the device does not say when it is done");
        }
    }

    fn count_text(&mut self) {
        let counts = self.pipeline.text().counts();
        let (runs, hits) = (counts.runs(), counts.hits());
        counter!("impasto_text_encoder_runs_total").increment(runs - self.text_seen.0);
        counter!("impasto_text_cache_hits_total").increment(hits - self.text_seen.1);
        self.text_seen = (runs, hits);
    }
}

fn record(timings: &Timings) {
    for stage in Stage::ALL {
        histogram!("impasto_stage_seconds", "stage" => stage.name()).record(timings.spent(stage));
    }
}

#[cfg(test)]
mod tests;
