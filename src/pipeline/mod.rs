//! What one edit is: window → encode → noise → steps → blend → decode, and the
//! cache of text embeddings.
//!
//! Everything here runs on the thread that owns the device. A render is a small
//! state machine ([`Render`]) so that the engine can put the steps of several
//! renders into one batch.

mod blending;
mod conditioning;
mod control;
mod default_sampler;
mod edit;
mod embedding;
mod error;
mod flow_text;
mod forward;
mod generate;
mod guidance;
mod image_cache;
mod image_input;
mod inputs;
mod output;
mod photo;
mod prompt;
mod reference;
mod render;
mod start;
mod steering;
mod step_span;
mod text;
mod timings;
mod windows;

pub use control::{ControlPicture, ControlSettings, Steering};
pub use default_sampler::{check_folder, check_model, scheduler_notice};
pub use edit::{Edit, MicroConditioning, PhotoWindow, PromptRegion, RenderSettings};
pub use embedding::TextEmbedding;
pub use error::PipelineError;
pub use forward::Network;
pub use generate::{GenerateRequest, GivenNoise};
pub use image_cache::ImageCache;
pub use inputs::{
    latent_mask_from_mask, latent_rect_from_window, pixels_from_tensor, tensor_from_pixels,
};
pub use output::Output;
pub use photo::{
    EditMethod, EditedPhoto, Inversion, InversionFileError, Inverting, KeptLatents,
    MAX_PHOTO_PIXELS, PhotoEdit, Reconstruction, tensor_bytes,
};
pub use prompt::{extra_networks, plain_prompt};
pub use reference::{ReferencePicture, ReferenceSettings};
pub use render::Render;
pub use start::{Kept, NoiseSource, RenderInputs, Start};
pub use text::{TextCache, TextCounts};
pub use timings::{Stage, Timings, hundredths};

use std::sync::Arc;

use candle_core::{Device, Tensor};
use default_sampler::{default_sampler, default_schedule, read_scheduler};
use guidance::check_guidance;

use crate::canvas::{Mask, Pixels};
use crate::model::{Family, LoraChoice, Model, ModelError, SafetyChecker};
use crate::protocol::{ModelDefaults, SigmasChoice, TimestepSpacingChoice};
use crate::sampler::{LatentRect, SchedulerConfig, gaussian_noise, sampler_by_name};

/// A model, its scheduler's settings, the text cache and perhaps a safety checker: all that an edit
/// needs.
pub struct Pipeline {
    model: Model,
    scheduler: SchedulerConfig,
    text: TextCache,
    images: ImageCache,
    safety_checker: Option<SafetyChecker>,
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

impl Rendered {
    /// The picture as it is shown.
    #[must_use]
    pub fn shown(mut self, output: &Output) -> Self {
        let stage = self.timings.start(Stage::Finish);
        self.pixels = output.apply(self.pixels);
        self.timings.finish(stage);
        self
    }
}

impl Pipeline {
    /// A pipeline around a loaded model, with room for `text_entries` prompts in its cache.
    ///
    /// # Errors
    /// When the folder's scheduler settings cannot be used.
    pub fn new(model: Model, text_entries: usize) -> Result<Self, PipelineError> {
        Ok(Self {
            scheduler: read_scheduler(&model.scheduler)?,
            model,
            text: TextCache::new(text_entries),
            images: ImageCache::default(),
            safety_checker: None,
        })
    }

    /// The same pipeline with a safety checker, or without: what it flags never leaves the pipeline.
    #[must_use]
    pub fn with_safety_checker(self, safety_checker: Option<SafetyChecker>) -> Self {
        Self {
            safety_checker,
            ..self
        }
    }

    /// True where a safety checker looks at every picture.
    pub fn has_safety_checker(&self) -> bool {
        self.safety_checker.is_some()
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The folder's scheduler settings.
    pub fn scheduler(&self) -> &SchedulerConfig {
        &self.scheduler
    }

    /// What the model's pictures look best with, the sampler among it: the one that the model wants
    /// or, where it does not say, the one of its scheduler.
    ///
    /// # Errors
    /// When no sampler has the name that the model's `impasto.json` gives, or its scheduler is of a
    /// class that there is not; when the sampler cannot have the schedule that the file gives.
    pub fn defaults(&self) -> Result<ModelDefaults, PipelineError> {
        let wanted = &self.model.defaults;
        let sampler = default_sampler(wanted, &self.scheduler)?;
        default_schedule(wanted, sampler, &self.scheduler)?;
        Ok(wanted.with_sampler(sampler.name()))
    }

    /// Where timesteps lie and how sigmas are spaced when nobody chose: as the model's `impasto.json`
    /// says for the sampler that the model paints with, as its scheduler says for others.
    ///
    /// # Errors
    /// When no sampler has this name, or the model's cannot have the schedule that the file gives.
    pub fn default_schedule(
        &self,
        sampler: &str,
    ) -> Result<(TimestepSpacingChoice, SigmasChoice), PipelineError> {
        let sampler = sampler_by_name(sampler)?;
        let schedule = default_schedule(&self.model.defaults, sampler, &self.scheduler)?;
        Ok(schedule)
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

    /// True where known latents are kept outside the mask at every step; an inpainting model sees
    /// for itself what is known.
    pub fn blends_known(&self) -> bool {
        self.model.family != Family::Inpainting
    }

    /// Starts the render of an edit, given the latents of its sketch and, where
    /// the mask leaves something as it is and [`Pipeline::blends_known`], of what is known.
    ///
    /// # Errors
    /// When the settings cannot be used or the device fails.
    pub fn begin(
        &mut self,
        edit: &Edit,
        sketch: Tensor,
        known: Option<Tensor>,
    ) -> Result<Render, PipelineError> {
        let mut timings = Timings::default();
        let stage = timings.start(Stage::Encode);
        let kept = match known {
            Some(latents) => Some(Kept {
                latents,
                mask: self.latent_mask(&edit.mask)?,
            }),
            None => None,
        };
        // White paper is no sketch: the words have the window to themselves, as in text to image.
        let sketch = (!edit.sketch.is_white()).then_some(sketch);
        let image_input = match (self.model.family, &sketch) {
            (Family::Inpainting, _) => Some(self.inpainting_input(&edit.known, &edit.mask)?),
            (_, Some(sketch)) => self.image_input(sketch)?,
            (_, None) => None,
        };
        let size = (edit.window.width, edit.window.height);
        let control = edit.control.iter();
        let control = control.filter(|control| !control.picture.is_white());
        let steering = self.all_steering(control, size)?;
        timings.finish(stage);
        let settings = self.window_settings(edit);
        let latent_rect = latent_rect_from_window(&edit.window, self.model.vae.scale());
        let inputs = RenderInputs {
            start: self.start_from(sketch, settings.strength),
            image_input,
            kept,
            steering,
            timings,
            ..RenderInputs::from_seed(latent_rect, settings.seed)
        };
        self.begin_inputs(&settings, inputs)
    }

    fn all_steering<'a>(
        &self,
        controls: impl IntoIterator<Item = &'a ControlPicture>,
        size: (u32, u32),
    ) -> Result<Vec<Arc<Steering>>, PipelineError> {
        let controls = controls.into_iter();
        controls
            .map(|control| Ok(Arc::new(self.steering(control, size)?)))
            .collect()
    }

    /// A window is a part of a picture of the model's own size; told that it is a whole one of
    /// its own size, SDXL would paint it as blurred as small pictures are.
    fn window_settings(&self, edit: &Edit) -> RenderSettings {
        let mut settings = edit.settings.clone();
        let native = self.model.native_side();
        let conditioning = &mut settings.micro_conditioning;
        conditioning.original_size.get_or_insert((native, native));
        conditioning.target_size.get_or_insert((native, native));
        settings
    }

    /// The first sample of a run with an image. A model that sees the image beside the noise needs
    /// no trace of it in the noise at full strength, and was trained without.
    fn start_from(&self, image: Option<Tensor>, strength: f64) -> Start {
        match image {
            Some(latents) if strength < 1.0 || !self.model.family.sees_image() => {
                Start::Image(latents)
            }
            _ => Start::Noise,
        }
    }

    fn latent_mask(&self, mask: &Mask) -> Result<Tensor, PipelineError> {
        latent_mask_from_mask(mask, self.model.vae.scale(), &self.model.device)
    }

    /// Starts a render from latents.
    ///
    /// # Errors
    /// When the settings cannot be used or the device fails.
    pub fn begin_inputs(
        &mut self,
        settings: &RenderSettings,
        mut inputs: RenderInputs,
    ) -> Result<Render, PipelineError> {
        check_guidance(settings)?;
        check_variation(settings.variation)?;
        let sampler = sampler_by_name(&settings.sampler)?;
        let mut request = settings.step_table_request(self.image_seq_len(&inputs.latent_rect));
        if matches!(inputs.start, Start::Noise) {
            request.strength = 1.0;
        }
        let step_table = sampler.step_table(&self.scheduler, &request)?;
        let stage = inputs.timings.start(Stage::Text);
        let size = self.pixel_size(&inputs.latent_rect);
        let (conditioning, source) = self.render_conditioning(settings, &inputs, size)?;
        inputs.timings.finish(stage);
        let variation = settings.variation;
        Render::new(
            &self.model,
            inputs,
            step_table,
            conditioning,
            source,
            variation,
        )
    }

    /// How many tokens the denoiser makes of a rectangle of latents.
    fn image_seq_len(&self, rect: &LatentRect) -> usize {
        let config = self.model.denoiser().config();
        config.image_seq_len(rect.height as usize, rect.width as usize)
    }

    /// Width and height in pixels of a rectangle of latents.
    fn pixel_size(&self, rect: &LatentRect) -> (u32, u32) {
        let scale = self.model.vae.scale() as u32;
        (rect.width * scale, rect.height * scale)
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
    /// `HeldBack` for what the safety checker flags; when the device fails.
    pub fn finish(&self, render: Render) -> Result<Rendered, PipelineError> {
        let (latents, timings) = render.into_latents();
        self.rendered(latents, timings)
    }

    fn rendered(&self, latents: Tensor, mut timings: Timings) -> Result<Rendered, PipelineError> {
        let stage = timings.start(Stage::Decode);
        let pixels = self.decode(&latents)?;
        timings.finish(stage);
        if let Some(safety_checker) = &self.safety_checker {
            let stage = timings.start(Stage::Safety);
            let is_flagged = safety_checker.is_flagged(&pixels)?;
            timings.finish(stage);
            if is_flagged {
                return Err(PipelineError::HeldBack);
            }
        }
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

fn check_variation(variation: f64) -> Result<(), PipelineError> {
    if (0.0..=1.0).contains(&variation) {
        return Ok(());
    }
    Err(PipelineError::Setting {
        field: "variation",
        value: variation,
        allowed: "a number from 0 to 1",
    })
}

/// Seeded noise of a rectangle of latents as a tensor, `[1, channels, height, width]`.
///
/// # Errors
/// When the device fails.
pub fn noise_tensor(
    seed: u64,
    draw: u32,
    channels: usize,
    rect: &LatentRect,
    device: &Device,
) -> Result<Tensor, PipelineError> {
    let values = gaussian_noise(seed, draw, channels, rect);
    let shape = (1, channels, rect.height as usize, rect.width as usize);
    Ok(Tensor::from_vec(values, shape, device)?)
}
