//! One picture from nothing, from an image, or from given noise: what the
//! command line and the warm-up do.

use candle_core::Tensor;

use super::{
    NoiseSource, Pipeline, PipelineError, RenderInputs, RenderSettings, Rendered, Stage, Timings,
    latent_mask_from_mask, latent_rect_from_window,
};
use crate::canvas::{Mask, Pixels};
use crate::protocol::Rect;

/// What to generate.
pub struct GenerateRequest {
    /// How to sample.
    pub settings: RenderSettings,
    /// Width and height in pixels: multiples of the model's grid.
    pub size: (u32, u32),
    /// The image to start from, of that size. A model that sees sketches takes it as its sketch.
    pub image: Option<Pixels>,
    /// Where the image may change, of that size; everywhere when left out.
    pub mask: Option<Mask>,
    /// The initial noise, `[1, channels, height/8, width/8]`; from the seed when left out.
    pub latents: Option<Tensor>,
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
        let grid = self.model().window_grid();
        if width == 0 || height == 0 || width % grid != 0 || height % grid != 0 {
            return Err(PipelineError::Size {
                width,
                height,
                grid,
            });
        }
        let window = Rect::new(0, 0, width, height);
        let latent_rect = latent_rect_from_window(&window, self.model().vae.scale());
        let want = [
            1,
            self.model().vae.latent_channels(),
            latent_rect.height as usize,
            latent_rect.width as usize,
        ];
        let noise = match latents {
            Some(initial) if initial.dims() != want => {
                return Err(PipelineError::LatentsShape {
                    got: initial.dims().to_vec(),
                    want: want.to_vec(),
                });
            }
            Some(initial) => NoiseSource::Given {
                initial,
                seed: settings.seed,
            },
            None => NoiseSource::Seed(settings.seed),
        };
        let mut timings = Timings::default();
        let stage = timings.start(Stage::Encode);
        let encoded = image.as_ref().map(|image| self.encode(image)).transpose()?;
        let mask = match (&encoded, mask) {
            (Some(_), Some(mask)) => Some(latent_mask_from_mask(&mask, &self.model().device)?),
            _ => None,
        };
        timings.finish(stage);
        let sees_sketch = self.model().sketch_input;
        let starts_from_image = !sees_sketch || settings.strength < 1.0;
        let inputs = RenderInputs {
            latent_rect,
            start: encoded.clone().filter(|_| starts_from_image),
            sketch: encoded.clone().filter(|_| sees_sketch),
            known: encoded.filter(|_| mask.is_some()),
            mask,
            noise,
        };
        let mut render = self.begin_inputs(&settings, inputs)?;
        render
            .timings_mut()
            .add(Stage::Encode, timings.spent(Stage::Encode));
        while !render.is_done() {
            self.step(&mut [&mut render])?;
            progress(render.steps_done(), render.steps());
        }
        self.finish(render)
    }
}
