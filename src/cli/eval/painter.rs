//! Paints pictures and takes the time.

use std::time::{Duration, Instant};

use super::plan::{BACK, INVERSE};
use super::scores::{pixel_rms, psnr};
use crate::canvas::Pixels;
use crate::pipeline::{
    GenerateRequest, NoiseSource, Pipeline, PipelineError, RenderInputs, RenderSettings, Rendered,
    Stage, latent_rect_from_window,
};
use crate::protocol::Rect;

/// A pipeline and what all its pictures have in common.
pub struct Painter {
    pipeline: Pipeline,
    /// Width and height in pixels.
    size: (u32, u32),
    guidance_scale: f64,
}

/// A picture, and how long it took.
pub struct Painted {
    /// The picture.
    pub pixels: Pixels,
    /// From the request to the pixels, without the text encoder, in milliseconds.
    pub image_ms: f64,
    /// Each step's share of the time before decoding, in milliseconds.
    pub step_ms: f64,
    /// Steps that were run.
    pub steps_run: usize,
    /// How close a round trip came to its source, in decibels.
    pub round_trip_psnr: Option<f64>,
}

/// What is painted.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The prompt.
    pub prompt: &'a str,
    /// Sampling steps.
    pub steps: u32,
    /// Seed of the noise.
    pub seed: u64,
}

impl Painter {
    /// A painter of square pictures of the model's native side. Paints one to warm up, so that
    /// no measured one pays for page faults and kernel selection.
    ///
    /// # Errors
    /// When the model cannot paint from a prompt alone.
    pub fn new(
        pipeline: Pipeline,
        sampler: &str,
        guidance_scale: f64,
    ) -> Result<Self, PipelineError> {
        let side = pipeline.model().native_side();
        let mut painter = Self {
            pipeline,
            size: (side, side),
            guidance_scale,
        };
        let subject = Subject {
            prompt: "",
            steps: 1,
            seed: 0,
        };
        painter.paint(if sampler == INVERSE { BACK } else { sampler }, subject)?;
        Ok(painter)
    }

    /// Width and height of the pictures, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Paints from noise.
    ///
    /// # Errors
    /// When the sampler refuses, or the device fails.
    pub fn paint(&mut self, sampler: &str, subject: Subject) -> Result<Painted, PipelineError> {
        let request = GenerateRequest {
            settings: settings(sampler, subject, self.guidance_scale),
            size: self.size,
            image: None,
            mask: None,
            latents: None,
        };
        let device = self.pipeline.model().device.clone();
        let mut waited = Ok(());
        let mut steps_run = 0;
        let started = Instant::now();
        let mut stepped = started;
        let rendered = self.pipeline.generate(request, |done, _| {
            // Other devices only queue a step: without this it would take no time.
            waited = device.synchronize();
            stepped = Instant::now();
            steps_run = done;
        })?;
        waited?;
        let image = started.elapsed();
        let text = rendered.timings.spent(Stage::Text);
        Ok(Painted {
            pixels: rendered.pixels,
            image_ms: ms(image.saturating_sub(text)),
            step_ms: ms((stepped - started).saturating_sub(text)) / steps_run.max(1) as f64,
            steps_run,
            round_trip_psnr: None,
        })
    }

    /// Turns a picture into its noise and back, without guidance, both in that number of steps
    /// and with the prompt in view. The time of a step is that of the way there.
    ///
    /// # Errors
    /// When a sampler refuses, or the device fails.
    pub fn round_trip(
        &mut self,
        source: &Pixels,
        subject: Subject,
    ) -> Result<Painted, PipelineError> {
        let started = Instant::now();
        let start = self.pipeline.encode(source)?;
        // The noise is not seen: inversion starts from the clean picture.
        let there = self.run(
            INVERSE,
            subject,
            Some(start),
            NoiseSource::Seed(subject.seed),
        )?;
        let noise = NoiseSource::Given {
            initial: there.rendered.latents,
            between: None,
            seed: subject.seed,
        };
        let back = self.run(BACK, subject, None, noise)?;
        let total = started.elapsed();
        let text = there.text + back.rendered.timings.spent(Stage::Text);
        let pixels = back.rendered.pixels;
        Ok(Painted {
            round_trip_psnr: pixel_rms(source.data(), pixels.data()).map(psnr),
            pixels,
            // The noise is decoded on the way, which nobody would look at.
            image_ms: ms(total.saturating_sub(text + there.decode)),
            step_ms: ms(there.steps) / there.steps_run.max(1) as f64,
            steps_run: there.steps_run,
        })
    }

    fn run(
        &mut self,
        sampler: &str,
        subject: Subject,
        start: Option<candle_core::Tensor>,
        noise: NoiseSource,
    ) -> Result<Run, PipelineError> {
        let (width, height) = self.size;
        let window = Rect::new(0, 0, width, height);
        let inputs = RenderInputs {
            latent_rect: latent_rect_from_window(&window, self.pipeline.model().vae.scale()),
            start,
            image_input: None,
            known: None,
            mask: None,
            noise,
        };
        let device = self.pipeline.model().device.clone();
        let mut render = self
            .pipeline
            .begin_inputs(&settings(sampler, subject, 1.0), inputs)?;
        device.synchronize()?;
        let started = Instant::now();
        while !render.is_done() {
            self.pipeline.step(&mut [&mut render])?;
        }
        device.synchronize()?;
        let steps = started.elapsed();
        let steps_run = render.steps_done();
        let rendered = self.pipeline.finish(render)?;
        Ok(Run {
            steps,
            steps_run,
            text: rendered.timings.spent(Stage::Text),
            decode: rendered.timings.spent(Stage::Decode),
            rendered,
        })
    }
}

/// One way of a round trip.
struct Run {
    rendered: Rendered,
    steps: Duration,
    steps_run: usize,
    text: Duration,
    decode: Duration,
}

fn settings(sampler: &str, subject: Subject, guidance_scale: f64) -> RenderSettings {
    RenderSettings {
        prompt: subject.prompt.to_owned(),
        guidance_scale,
        steps: subject.steps,
        seed: subject.seed,
        sampler: sampler.to_owned(),
        ..RenderSettings::default()
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
