//! Paints pictures and takes the time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::plan::{BACK, INVERSE};
use super::schedules::Schedules;
use crate::canvas::Pixels;
use crate::pipeline::{GenerateRequest, Pipeline, PipelineError, RenderSettings, Stage};

/// A pipeline and what all its pictures have in common.
pub struct Painter {
    pipeline: Pipeline,
    /// Width and height in pixels.
    size: (u32, u32),
    guidance_scale: f64,
    variation: f64,
    schedules: Schedules,
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
        variation: f64,
        schedules: Schedules,
    ) -> Result<Self, PipelineError> {
        let side = pipeline.model().native_side();
        let mut painter = Self {
            pipeline,
            size: (side, side),
            guidance_scale,
            variation,
            schedules,
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
            settings: self.settings(sampler, subject),
            size: self.size,
            image: None,
            controls: Vec::new(),
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

    fn settings(&self, sampler: &str, subject: Subject) -> RenderSettings {
        RenderSettings {
            prompt: subject.prompt.to_owned(),
            guidance_scale: self.guidance_scale,
            steps: subject.steps,
            seed: subject.seed,
            variation: self.variation,
            sampler: sampler.to_owned(),
            schedule: self.schedules.get(sampler),
            ..RenderSettings::default()
        }
    }

    /// Turns a picture into its noise and back, without guidance or LoRAs, both in that number of
    /// steps and with the prompt in view. The time of a step is that of the way there.
    ///
    /// # Errors
    /// When a sampler refuses, or the device fails.
    pub fn round_trip(
        &mut self,
        source: &Pixels,
        subject: Subject,
    ) -> Result<Painted, PipelineError> {
        let device = self.pipeline.model().device.clone();
        let started = Instant::now();
        let begun = self
            .pipeline
            .begin_inversion(source, subject.prompt, subject.steps, 0);
        let mut inverting = begun?;
        device.synchronize()?;
        let stepping = Instant::now();
        while !inverting.is_done() {
            self.pipeline.step_inversion(&mut inverting)?;
        }
        device.synchronize()?;
        let there = stepping.elapsed();
        let steps_run = inverting.steps_done();
        let mut text = inverting.timings().spent(Stage::Text);
        let inversion = Arc::new(inverting.finish().ok_or(PipelineError::NotInverted)?);
        let mut back = self.pipeline.begin_reconstruction(&inversion)?;
        while !back.is_done() {
            self.pipeline.step_photo_edit(&mut back)?;
        }
        let reconstruction = self.pipeline.finish_reconstruction(back)?;
        let total = started.elapsed();
        text += reconstruction.timings.spent(Stage::Text);
        Ok(Painted {
            round_trip_psnr: Some(reconstruction.psnr),
            pixels: reconstruction.pixels,
            image_ms: ms(total.saturating_sub(text)),
            step_ms: ms(there) / steps_run.max(1) as f64,
            steps_run,
        })
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
