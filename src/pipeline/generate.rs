//! One picture from nothing, from an image, or from given noise: what the
//! command line and the warm-up do.

use candle_core::Tensor;

use super::{
    NoiseSource, Pipeline, PipelineError, RenderInputs, RenderSettings, Rendered, Stage, Timings,
    latent_rect_from_window,
};
use crate::canvas::{Mask, Pixels};
use crate::model::Family;
use crate::protocol::Rect;
use crate::sampler::LatentRect;

/// What to generate.
pub struct GenerateRequest {
    /// How to sample.
    pub settings: RenderSettings,
    /// Width and height in pixels: multiples of the model's grid.
    pub size: (u32, u32),
    /// The image to start from, of that size. A model that sees an image beside the noise sees
    /// this one: as its sketch, as the photo to edit, or as what lies around the mask.
    pub image: Option<Pixels>,
    /// Where the image may change, of that size; everywhere when left out.
    pub mask: Option<Mask>,
    /// The initial noise; from the seed when left out.
    pub latents: Option<GivenNoise>,
}

/// Noise that does not come from the seed.
pub struct GivenNoise {
    /// The initial noise, `[1, channels, height/8, width/8]`.
    pub initial: Tensor,
    /// Noise that the steps of stochastic samplers add, `[steps, channels, height/8, width/8]`;
    /// from the seed where there is none.
    pub between: Option<Tensor>,
}

impl Pipeline {
    /// Generates one picture, telling `progress` of every step that is done, out of how many.
    ///
    /// # Errors
    /// When sizes or settings cannot be used, or the device fails.
    pub fn generate(
        &mut self,
        request: GenerateRequest,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Rendered, PipelineError> {
        let GenerateRequest {
            settings,
            size: (width, height),
            image,
            mask,
            latents,
        } = request;
        let grid = self.model().vae.scale() as u32;
        if width == 0 || height == 0 || width % grid != 0 || height % grid != 0 {
            return Err(PipelineError::Size {
                width,
                height,
                grid,
            });
        }
        let window = Rect::new(0, 0, width, height);
        let latent_rect = latent_rect_from_window(&window, self.model().vae.scale());
        let noise = match latents {
            Some(GivenNoise { initial, between }) => {
                self.check_latents(&initial, 1, &latent_rect)?;
                if let Some(between) = &between {
                    self.check_latents(between, between.dim(0)?, &latent_rect)?;
                }
                NoiseSource::Given {
                    initial,
                    between,
                    seed: settings.seed,
                }
            }
            None => NoiseSource::Seed(settings.seed),
        };
        let mut timings = Timings::default();
        let stage = timings.start(Stage::Encode);
        let encoded = image.as_ref().map(|image| self.encode(image)).transpose()?;
        let image_input = match (self.model().family, &encoded) {
            (Family::Inpainting, _) => {
                let everything = || Mask::new(width, height, u8::MAX);
                let mask = mask.clone().unwrap_or_else(everything);
                let image = image.unwrap_or_else(|| Pixels::new(width, height, [0; 3]));
                Some(self.inpainting_input(&image, &mask)?)
            }
            (_, Some(latents)) => self.image_input(latents)?,
            (_, None) => None,
        };
        let mask = match (&encoded, mask) {
            (Some(_), Some(mask)) if self.blends_known() => Some(self.latent_mask(&mask)?),
            _ => None,
        };
        timings.finish(stage);
        let starts_from_image = self.starts_from_image(settings.strength);
        let inputs = RenderInputs {
            start: encoded.clone().filter(|_| starts_from_image),
            image_input,
            known: encoded.filter(|_| mask.is_some()),
            mask,
            noise,
            timings,
            ..RenderInputs::from_seed(latent_rect, settings.seed)
        };
        let mut render = self.begin_inputs(&settings, inputs)?;
        while !render.is_done() {
            self.step(&mut [&mut render])?;
            progress(render.steps_done(), render.steps());
        }
        self.finish(render)
    }

    /// Refuses latents of another shape than `rows` of the picture's.
    fn check_latents(
        &self,
        latents: &Tensor,
        rows: usize,
        rect: &LatentRect,
    ) -> Result<(), PipelineError> {
        let channels = self.model().vae.latent_channels();
        let want = [rows, channels, rect.height as usize, rect.width as usize];
        if latents.dims() == want {
            return Ok(());
        }
        Err(PipelineError::LatentsShape {
            got: latents.dims().to_vec(),
            want: want.to_vec(),
        })
    }
}
