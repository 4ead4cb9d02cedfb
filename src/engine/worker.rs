//! The loop of a device thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use candle_core::Tensor;
use metrics::{counter, histogram};
use tokio::sync::watch;

use super::admission::{Admission, Running, Waiting, tell};
use super::loras::{LoraSwitch, weights_of};
use super::residency::{Residency, WindowKey};
use super::{EngineError, RenderEvent, RenderRequest};
use crate::canvas::{Pixels, WindowRules};
use crate::pipeline::{
    GenerateRequest, Pipeline, PipelineError, Render, RenderSettings, Stage, Timings,
};
use crate::protocol::{LoraWeight, Settings, TimingsMs};

/// A render on the device.
struct Active {
    request: RenderRequest,
    running: Running,
    render: Render,
}

/// Owns the model and everything on the device.
pub(super) struct Worker {
    pipeline: Pipeline,
    admission: Arc<Admission>,
    residency: Residency,
    batch: usize,
    text_seen: (u64, u64),
    loras: watch::Sender<Vec<LoraWeight>>,
}

impl Worker {
    /// `loras` is told which LoRAs are active whenever they change.
    pub fn new(
        pipeline: Pipeline,
        admission: Arc<Admission>,
        batch: usize,
        loras: watch::Sender<Vec<LoraWeight>>,
    ) -> Self {
        let residency = Residency::default();
        Self {
            pipeline,
            admission,
            residency,
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
            if let Some(switch) = admitted.switch {
                self.switch_loras(switch);
            }
            for (waiting, running) in admitted.begin {
                active.extend(self.begin(waiting, running));
            }
            active = self.drop_superseded(active);
            active = self.step(active);
            active = self.finish_done(active);
        }
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
            Ok(mut render) => {
                render.timings_mut().add(Stage::Queue, queue);
                Some(Active {
                    request,
                    running,
                    render,
                })
            }
            Err(error) => {
                self.fail(&request, &running, &error);
                None
            }
        }
    }

    fn prepare(&mut self, request: &RenderRequest) -> Result<Render, PipelineError> {
        let edit = &request.edit;
        let _span = tracing::debug_span!("prepare", room = request.room.0).entered();
        let mut timings = Timings::default();
        let stage = timings.start(Stage::Encode);
        let sketch = self.latents(request, &edit.sketch)?;
        let keeps_something = edit.mask.data().iter().any(|&value| value != u8::MAX);
        let known = match keeps_something && self.pipeline.blends_known() {
            true => Some(self.latents(request, &edit.known)?),
            false => None,
        };
        timings.finish(stage);
        let mut render = self.pipeline.begin(edit, sketch, known)?;
        render
            .timings_mut()
            .add(Stage::Encode, timings.spent(Stage::Encode));
        self.count_text();
        Ok(render)
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
    fn step(&self, mut active: Vec<Active>) -> Vec<Active> {
        let mut shapes: Vec<_> = active
            .iter()
            .map(|active| active.render.batch_shape())
            .collect();
        shapes.sort_unstable();
        shapes.dedup();
        for shape in shapes {
            let _span = tracing::debug_span!("step", ?shape).entered();
            let mut batch: Vec<&mut Render> = active
                .iter_mut()
                .map(|active| &mut active.render)
                .filter(|render| render.batch_shape() == shape)
                .collect();
            let Err(error) = self.pipeline.step(&mut batch) else {
                continue;
            };
            let (failed, kept) = active
                .into_iter()
                .partition::<Vec<_>, _>(|active| active.render.batch_shape() == shape);
            for Active {
                request, running, ..
            } in failed
            {
                self.fail(&request, &running, &error);
            }
            active = kept;
        }
        active
    }

    fn finish_done(&self, active: Vec<Active>) -> Vec<Active> {
        let (done, kept) = active
            .into_iter()
            .partition::<Vec<_>, _>(|active| active.render.is_done());
        for Active {
            request,
            running,
            render,
        } in done
        {
            let _span = tracing::debug_span!("decode", room = request.room.0).entered();
            match self.pipeline.finish(render) {
                Ok(rendered) => {
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
pub(super) fn warm_up(
    pipeline: &mut Pipeline,
    rules: &WindowRules,
    defaults: &Settings,
) -> Result<(), EngineError> {
    let settings = RenderSettings {
        prompt: defaults.prompt.clone(),
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
