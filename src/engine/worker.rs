//! The loop of a device thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use candle_core::Tensor;
use metrics::{counter, histogram};
use tokio::sync::watch;

use super::active::{Active, Run};
use super::admission::{Admission, Running, Waiting, tell};
use super::inverting::InversionJobs;
use super::loras::{LoraSwitch, weights_of};
use super::residency::{Residency, WindowKey};
use super::{EngineError, RenderEvent, RenderRequest};
use crate::canvas::{Pixels, WindowRules};
use crate::pipeline::{
    Edit, GenerateRequest, PhotoWindow, Pipeline, PipelineError, Render, RenderSettings, Stage,
    Timings, latent_rect_from_window,
};
use crate::protocol::{EditMethod, LoraWeight, TimingsMs};

/// Owns the model and everything on the device.
pub(super) struct Worker {
    pipeline: Pipeline,
    admission: Arc<Admission>,
    residency: Residency,
    inversions: InversionJobs,
    batch: usize,
    text_seen: (u64, u64),
    loras: watch::Sender<Vec<LoraWeight>>,
}

impl Worker {
    /// `latent_budget` is in bytes; `loras` is told which LoRAs are active whenever they change.
    pub fn new(
        pipeline: Pipeline,
        admission: Arc<Admission>,
        batch: usize,
        latent_budget: u64,
        loras: watch::Sender<Vec<LoraWeight>>,
    ) -> Self {
        let residency = Residency::new(pipeline.model().device.clone(), latent_budget);
        Self {
            pipeline,
            admission,
            residency,
            inversions: InversionJobs::default(),
            batch: batch.max(1),
            text_seen: (0, 0),
            loras,
        }
    }

    /// Runs until the engine is closed.
    pub fn run(mut self) {
        let mut active: Vec<Active> = Vec::new();
        while let Some(admitted) = self.admission.next(self.batch - active.len()) {
            for room in admitted.forgotten {
                self.residency.forget(room);
            }
            for (room, photo) in admitted.forgotten_photos {
                self.residency.forget_photo(room, photo);
            }
            if let Some(switch) = admitted.switch {
                self.switch_loras(switch);
            }
            for key in admitted.stopped {
                self.inversions.give_up(key);
            }
            for (waiting, running) in admitted.begin {
                active.extend(self.begin(waiting, running));
            }
            active = self.drop_superseded(active);
            active = self.step(active);
            let running = active.len();
            active = self.finish_done(active);
            // Between renders, so that each of them waits for one step of an inversion at most.
            if active.is_empty() || active.len() < running {
                self.step_inversion();
            }
        }
        self.inversions.give_up_all();
        for Active { request, .. } in active {
            tell(
                &request,
                RenderEvent::Superseded {
                    ticket: request.ticket,
                },
            );
        }
    }

    fn switch_loras(&mut self, switch: LoraSwitch) {
        let LoraSwitch { choices, done } = switch;
        let _span = tracing::info_span!("switch LoRAs").entered();
        let result = self.pipeline.set_loras(&choices);
        if result.is_ok() {
            self.loras.send_replace(weights_of(&choices));
        }
        // Whoever asked may have gone away: the switch is done all the same.
        let _ = done.send(result.map_err(EngineError::from));
    }

    fn step_inversion(&mut self) {
        let _span = tracing::debug_span!("invert").entered();
        let (pipeline, residency) = (&mut self.pipeline, &mut self.residency);
        self.inversions.step(&self.admission, pipeline, residency);
        self.count_text();
    }

    fn begin(&mut self, waiting: Waiting, running: Running) -> Option<Active> {
        let Waiting { request, since } = waiting;
        tell(
            &request,
            RenderEvent::Started {
                ticket: request.ticket,
            },
        );
        let queue = since.elapsed();
        match self.prepare(&request) {
            Ok(mut run) => {
                run.timings_mut().add(Stage::Queue, queue);
                Some(Active {
                    request,
                    running,
                    run,
                })
            }
            Err(error) => {
                self.fail(&request, &running, &error);
                None
            }
        }
    }

    fn prepare(&mut self, request: &RenderRequest) -> Result<Run, PipelineError> {
        let edit = &request.edit;
        let _span = tracing::debug_span!("prepare", room = request.room.0).entered();
        let mut timings = Timings::default();
        if let Some(photo) = &edit.photo {
            return self.prepare_photo(request, edit, photo, timings);
        }
        let stage = timings.start(Stage::Encode);
        let sketch = self.latents(request, &edit.sketch)?;
        let keeps_something = edit.mask.data().iter().any(|&value| value != u8::MAX);
        let known = match keeps_something && self.pipeline.blends_known() {
            true => Some(self.latents(request, &edit.known)?),
            false => None,
        };
        timings.finish(stage);
        let mut render = self.pipeline.begin(edit, sketch, known)?;
        render.timings_mut().add_all(&timings);
        self.count_text();
        Ok(Run::Painting(Box::new(render)))
    }

    /// A window over an inverted photo: from the parts that are inverted or, for methods that need
    /// no noise of the photo's own, from its pixels.
    fn prepare_photo(
        &mut self,
        request: &RenderRequest,
        edit: &Edit,
        photo: &PhotoWindow,
        mut timings: Timings,
    ) -> Result<Run, PipelineError> {
        let stage = timings.start(Stage::Encode);
        let inversion = match photo.method {
            EditMethod::Ddim => {
                let scale = self.pipeline.model().vae.scale();
                let rect = latent_rect_from_window(&edit.window, scale);
                let pixels = Pixels::clone(&photo.pixels);
                self.residency
                    .window(request.room, photo.photo, &rect, pixels)?
            }
            EditMethod::EditFriendly | EditMethod::InfEdit => {
                let latents = self.latents(request, &photo.pixels)?;
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
        Ok(Run::Photo(Box::new(run)))
    }

    /// Latents of the window's pixels, kept from an earlier render where they are the same.
    fn latents(
        &mut self,
        request: &RenderRequest,
        pixels: &Pixels,
    ) -> Result<Tensor, PipelineError> {
        let key = WindowKey::new(pixels);
        if let Some(latents) = self.residency.get(request.room, &key) {
            return Ok(latents);
        }
        let latents = self.pipeline.encode(pixels)?;
        self.residency.keep(request.room, key, latents.clone());
        Ok(latents)
    }

    fn drop_superseded(&self, active: Vec<Active>) -> Vec<Active> {
        let (gone, kept) = active
            .into_iter()
            .partition::<Vec<_>, _>(|active| active.running.superseded.load(Ordering::Relaxed));
        for Active {
            request, running, ..
        } in gone
        {
            self.admission.ended(&running);
            tell(
                &request,
                RenderEvent::Superseded {
                    ticket: request.ticket,
                },
            );
        }
        kept
    }

    /// One step of every active render, batched by shape.
    fn step(&self, active: Vec<Active>) -> Vec<Active> {
        let (mut active, alone) = active
            .into_iter()
            .map(|mut active| (active.run.batch_shape(), active))
            .partition::<Vec<_>, _>(|(shape, _)| shape.is_some());
        let mut shapes: Vec<_> = active.iter().map(|(shape, _)| *shape).collect();
        shapes.sort_unstable();
        shapes.dedup();
        for shape in shapes {
            let _span = tracing::debug_span!("step", ?shape).entered();
            let mut batch: Vec<&mut Render> = active
                .iter_mut()
                .filter(|(other, _)| *other == shape)
                .filter_map(|(_, active)| active.run.as_render_mut())
                .collect();
            let Err(error) = self.pipeline.step(&mut batch) else {
                continue;
            };
            let (failed, kept) = active
                .into_iter()
                .partition::<Vec<_>, _>(|(other, _)| *other == shape);
            for (_, active) in failed {
                self.fail(&active.request, &active.running, &error);
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
        let stepped = match &mut active.run {
            Run::Photo(edit) => self.pipeline.step_photo_edit(edit),
            Run::Painting(render) => self.pipeline.step(&mut [render.as_mut()]),
        };
        match stepped {
            Ok(()) => Some(active),
            Err(error) => {
                self.fail(&active.request, &active.running, &error);
                None
            }
        }
    }

    fn finish_done(&self, active: Vec<Active>) -> Vec<Active> {
        let (done, kept) = active
            .into_iter()
            .partition::<Vec<_>, _>(|active| active.run.is_done());
        for Active {
            request,
            running,
            run,
        } in done
        {
            let _span = tracing::debug_span!("decode", room = request.room.0).entered();
            match run.finish(&self.pipeline) {
                Ok(rendered) => {
                    let rendered = rendered.shown(&request.edit.output);
                    self.admission.ended(&running);
                    record(&rendered.timings);
                    let timings: TimingsMs = rendered.timings.to_ms();
                    let (ticket, pixels) = (request.ticket, rendered.pixels);
                    tell(
                        &request,
                        RenderEvent::Done {
                            ticket,
                            pixels,
                            timings,
                        },
                    );
                }
                Err(error) => self.fail(&request, &running, &error),
            }
        }
        kept
    }

    fn fail(&self, request: &RenderRequest, running: &Running, error: &PipelineError) {
        self.admission.ended(running);
        let message = error.to_string();
        tell(
            request,
            RenderEvent::Failed {
                ticket: request.ticket,
                message,
            },
        );
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

/// One render of a native window, so that the first stroke does not pay for
/// page faults and kernel selection.
pub(super) fn warm_up(pipeline: &mut Pipeline, rules: &WindowRules) -> Result<(), EngineError> {
    let defaults = pipeline.defaults()?;
    let settings = RenderSettings {
        guidance_scale: defaults.guidance_scale,
        steps: 1,
        // Less would leave none of a single step.
        strength: 1.0,
        sampler: defaults.sampler.clone(),
        ..RenderSettings::default()
    };
    let side = rules.maximum;
    let image = Some(Pixels::new(side, side, [255; 3]));
    let request = GenerateRequest {
        settings,
        size: (side, side),
        image,
        mask: None,
        latents: None,
    };
    pipeline.generate(request, |_, _| ())?;
    Ok(())
}
