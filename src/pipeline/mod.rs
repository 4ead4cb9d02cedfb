//! What one edit is: window → encode → noise → steps → blend → decode, and the
//! cache of text embeddings.
//!
//! Everything here runs on the thread that owns the device. A render is a small
//! state machine ([`Render`]) so that the engine can put the steps of several
//! renders into one batch.

mod edit;
mod error;
mod generate;
mod guidance;
mod inputs;
mod render;
mod text;
mod timings;

pub use edit::{Edit, RenderSettings};
pub use error::PipelineError;
pub use generate::GenerateRequest;
pub use inputs::{
    latent_mask_from_mask, latent_rect_from_window, pixels_from_tensor, tensor_from_pixels,
};
pub use render::{NoiseSource, Render, RenderInputs};
pub use text::{TextCache, TextEmbedding};
pub use timings::{Stage, Timings};

use candle_core::{Device, Tensor};

use crate::canvas::Pixels;
use crate::model::{LoraChoice, Model, ModelError};
use crate::sampler::{SchedulerConfig, TimetableRequest, gaussian_noise, sampler_by_name};

/// A model, its scheduler's settings and the text cache: all that an edit needs.
pub struct Pipeline {
    model: Model,
    scheduler: SchedulerConfig,
    text: TextCache,
}

/// What a finished render leaves behind.
pub struct Rendered {
    /// The window, decoded; not yet blended with what was there.
    pub pixels: Pixels,
    /// Final latents, `[1, channels, height/8, width/8]`.
    pub latents: Tensor,
    /// How long each stage took.
    pub timings: Timings,
}

impl Pipeline {
    /// A pipeline around a loaded model, with room for `text_entries` prompts in its cache.
    ///
    /// # Errors
    /// When the folder's scheduler settings cannot be used.
    pub fn new(model: Model, text_entries: usize) -> Result<Self, PipelineError> {
        let scheduler =
            SchedulerConfig::from_json(&model.scheduler_config_json)?.for_stable_diffusion();
        Ok(Self {
            model,
            scheduler,
            text: TextCache::new(text_entries),
        })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The folder's scheduler settings.
    pub fn scheduler(&self) -> &SchedulerConfig {
        &self.scheduler
    }

    /// The cache of text embeddings.
    pub fn text(&self) -> &TextCache {
        &self.text
    }

    /// Makes these LoRAs the active ones ([`Model::set_loras`]). Renders that are under way must
    /// not go on after it: their prompts were read without these LoRAs.
    ///
    /// # Errors
    /// When one of them cannot be used; then those before stay active.
    pub fn set_loras(&mut self, loras: &[LoraChoice]) -> Result<(), ModelError> {
        self.model.set_loras(loras)?;
        // LoRAs change the text encoder too.
        self.text.clear();
        Ok(())
    }

    /// Pixels to scaled latents, `[1, channels, height/8, width/8]`.
    ///
    /// # Errors
    /// When the device fails.
    pub fn encode(&self, pixels: &Pixels) -> Result<Tensor, PipelineError> {
        let image = tensor_from_pixels(pixels, &self.model.device, self.model.dtype)?;
        Ok(self.model.vae.encode(&image)?)
    }

    /// Starts the render of an edit, given the latents of its sketch and, where
    /// the mask leaves something as it is, of what is known.
    ///
    /// # Errors
    /// When the settings cannot be used or the device fails.
    pub fn begin(
        &mut self,
        edit: &Edit,
        sketch: Tensor,
        known: Option<Tensor>,
    ) -> Result<Render, PipelineError> {
        let mask = match known {
            Some(_) => Some(latent_mask_from_mask(&edit.mask, &self.model.device)?),
            None => None,
        };
        let start = edit.settings.strength < 1.0 || !self.model.sketch_input;
        self.begin_inputs(
            &edit.settings,
            RenderInputs {
                latent_rect: latent_rect_from_window(&edit.window, self.model.vae.scale()),
                start: start.then(|| sketch.clone()),
                sketch: self.model.sketch_input.then_some(sketch),
                known,
                mask,
                noise: NoiseSource::Seed(edit.settings.seed),
            },
        )
    }

    /// Starts a render from latents.
    ///
    /// # Errors
    /// When the settings cannot be used or the device fails.
    pub fn begin_inputs(
        &mut self,
        settings: &RenderSettings,
        inputs: RenderInputs,
    ) -> Result<Render, PipelineError> {
        let sampler = sampler_by_name(&settings.sampler)?;
        let strength = if inputs.start.is_some() {
            settings.strength
        } else {
            1.0
        };
        let timetable = sampler.timetable(
            &self.scheduler,
            &TimetableRequest {
                steps: settings.steps,
                strength,
                eta: settings.eta,
            },
        )?;
        let mut timings = Timings::default();
        let stage = timings.start(Stage::Text);
        let prompt = self.text.embed(&self.model, &settings.prompt)?;
        let guided = settings.guidance_scale > 1.0 && !guidance::embeds_guidance(&self.model);
        let negative = match guided {
            true => Some(self.text.embed(&self.model, &settings.negative_prompt)?),
            false => None,
        };
        timings.finish(stage);
        Render::new(
            &self.model,
            settings,
            inputs,
            timetable,
            prompt,
            negative,
            timings,
        )
    }

    /// Runs one step of every render in the batch as one forward of the network.
    /// All must have latents and text of one shape.
    ///
    /// # Errors
    /// When the device fails.
    pub fn step(&self, renders: &mut [&mut Render]) -> Result<(), PipelineError> {
        render::step_batch(&self.model, renders)
    }

    /// Decodes a render whose steps are all done.
    ///
    /// # Errors
    /// When the device fails.
    pub fn finish(&self, render: Render) -> Result<Rendered, PipelineError> {
        let (latents, mut timings) = render.into_latents();
        let stage = timings.start(Stage::Decode);
        let pixels = self.decode(&latents)?;
        timings.finish(stage);
        Ok(Rendered {
            pixels,
            latents,
            timings,
        })
    }

    /// Scaled latents to pixels.
    ///
    /// # Errors
    /// When the device fails.
    pub fn decode(&self, latents: &Tensor) -> Result<Pixels, PipelineError> {
        pixels_from_tensor(&self.model.vae.decode(latents)?)
    }
}

/// Seeded noise of a rectangle of latents as a tensor, `[1, channels, height, width]`.
///
/// # Errors
/// When the device fails.
pub fn noise_tensor(
    seed: u64,
    draw: u32,
    channels: usize,
    rect: &crate::sampler::LatentRect,
    device: &Device,
) -> Result<Tensor, PipelineError> {
    let values = gaussian_noise(seed, draw, channels, rect);
    let shape = (1, channels, rect.height as usize, rect.width as usize);
    Ok(Tensor::from_vec(values, shape, device)?)
}
