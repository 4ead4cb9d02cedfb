//! Pictures from nothing, from an image, or from given noise: what the command line and the
//! warm-up do.

use std::sync::Arc;

use candle_core::Tensor;

use super::{
    ControlPicture, Kept, NoiseSource, Pipeline, PipelineError, Render, RenderInputs,
    RenderSettings, Rendered, Stage, Steering, Timings, latent_rect_from_window,
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
    /// What steers it, all of them at once.
    pub controls: Vec<ControlPicture>,
    /// Where the image may change, of that size; everywhere when left out.
    pub mask: Option<Mask>,
    /// The initial noise; from the seed when left out.
    pub latents: Option<GivenNoise>,
}

/// Noise that does not come from the seed.
pub struct GivenNoise {
    /// The initial noise, `[batch, channels, height/8, width/8]`: a picture for each row.
    pub initial: Tensor,
    /// Noise that the steps of stochastic samplers add, `[steps, channels, height/8, width/8]`, or
    /// for several pictures `[steps, batch, channels, height/8, width/8]`; from the seed where
    /// there is none.
    pub between: Option<Tensor>,
}

/// A request's image and mask in latents.
struct Encoded {
    image: Option<Tensor>,
    image_input: Option<Tensor>,
    mask: Option<Tensor>,
    steering: Vec<Arc<Steering>>,
    timings: Timings,
}

impl Pipeline {
    /// Generates one picture, telling `progress` of every step that is done, out of how many.
    ///
    /// # Errors
    /// When sizes or settings cannot be used, noise is given for more than one picture, or the
    /// device fails; `HeldBack` for what the safety checker flags.
    pub fn generate(
        &mut self,
        request: GenerateRequest,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Rendered, PipelineError> {
        let mut noise = self.noise_of(&request)?;
        let first = noise.swap_remove(0);
        if !noise.is_empty() {
            return Err(PipelineError::OnePicture {
                rows: noise.len() + 1,
            });
        }
        let encoded = self.encode_request(&request)?;
        let mut render = self.begin_picture(&request, &encoded, first)?;
        while !render.is_done() {
            self.step(&mut [&mut render])?;
            progress(render.steps_done(), render.steps());
        }
        self.finish(render)
    }

    /// Generates a picture for each row of the given noise, all in one batch; one, where none is
    /// given. Where the noise between steps comes from the seed, each row has the next seed.
    ///
    /// # Errors
    /// When sizes or settings cannot be used, or the device fails; `HeldBack` where the safety
    /// checker flags one of them.
    pub fn generate_batch(
        &mut self,
        request: GenerateRequest,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Vec<Rendered>, PipelineError> {
        let mut renders = self.begin_generate(&request)?;
        while let Some(render) = renders.iter().find(|render| !render.is_done()) {
            let (done, steps) = (render.steps_done() + 1, render.steps());
            self.step(&mut renders.iter_mut().collect::<Vec<_>>())?;
            progress(done, steps);
        }
        renders
            .into_iter()
            .map(|render| self.finish(render))
            .collect()
    }

    /// Starts a render for each row of the given noise; one, where none is given.
    ///
    /// # Errors
    /// When sizes or settings cannot be used, or the device fails.
    pub fn begin_generate(
        &mut self,
        request: &GenerateRequest,
    ) -> Result<Vec<Render>, PipelineError> {
        let rows = self.noise_of(request)?;
        let encoded = self.encode_request(request)?;
        let mut renders = Vec::with_capacity(rows.len());
        for noise in rows {
            renders.push(self.begin_picture(request, &encoded, noise)?);
        }
        Ok(renders)
    }

    /// Encodes what all pictures of a request start from.
    fn encode_request(&self, request: &GenerateRequest) -> Result<Encoded, PipelineError> {
        let (width, height) = request.size;
        let mut timings = Timings::default();
        let stage = timings.start(Stage::Encode);
        let image = request.image.as_ref();
        let latents = image.map(|image| self.encode(image)).transpose()?;
        let image_input = match (self.model().family, &latents) {
            (Family::Inpainting, _) => {
                let everything = Mask::new(width, height, u8::MAX);
                let black = Pixels::new(width, height, [0; 3]);
                let mask = request.mask.as_ref().unwrap_or(&everything);
                Some(self.inpainting_input(image.unwrap_or(&black), mask)?)
            }
            (_, Some(latents)) => self.image_input(latents)?,
            (_, None) => None,
        };
        let mask = match (&latents, &request.mask) {
            (Some(_), Some(mask)) if self.blends_known() => Some(self.latent_mask(mask)?),
            _ => None,
        };
        let steering = self.all_steering(&request.controls, request.size)?;
        timings.finish(stage);
        Ok(Encoded {
            image: latents,
            image_input,
            mask,
            steering,
            timings,
        })
    }

    /// Starts one picture of a request.
    fn begin_picture(
        &mut self,
        request: &GenerateRequest,
        encoded: &Encoded,
        noise: NoiseSource,
    ) -> Result<Render, PipelineError> {
        let settings = &request.settings;
        let kept = encoded.image.clone().zip(encoded.mask.clone());
        let inputs = RenderInputs {
            start: self.start_from(encoded.image.clone(), settings.strength),
            image_input: encoded.image_input.clone(),
            kept: kept.map(|(latents, mask)| Kept { latents, mask }),
            noise,
            steering: encoded.steering.clone(),
            timings: encoded.timings.clone(),
            ..RenderInputs::from_seed(self.latent_rect(request.size), settings.seed)
        };
        self.begin_inputs(settings, inputs)
    }

    fn latent_rect(&self, (width, height): (u32, u32)) -> LatentRect {
        latent_rect_from_window(&Rect::new(0, 0, width, height), self.model().vae.scale())
    }

    /// The noise of each picture of a request, at least one.
    fn noise_of(&self, request: &GenerateRequest) -> Result<Vec<NoiseSource>, PipelineError> {
        let (width, height) = request.size;
        let grid = self.model().least_grid();
        if let Some(most) = self.model().largest_side()
            && width.max(height) > most
        {
            return Err(PipelineError::LargestSize {
                width,
                height,
                most,
            });
        }
        if width == 0 || height == 0 || width % grid != 0 || height % grid != 0 {
            return Err(PipelineError::Size {
                width,
                height,
                grid,
            });
        }
        let seed = request.settings.seed;
        let Some(GivenNoise { initial, between }) = &request.latents else {
            return Ok(vec![NoiseSource::Seed(seed)]);
        };
        let rect = self.latent_rect(request.size);
        let batch = initial.dims().first().copied().unwrap_or(0).max(1);
        self.check_latents(initial, &[batch], &rect)?;
        if let Some(between) = between {
            let steps = between.dims().first().copied().unwrap_or(0);
            let rows = match batch {
                1 if between.rank() == 4 => vec![steps],
                _ => vec![steps, batch],
            };
            self.check_latents(between, &rows, &rect)?;
        }
        (0..batch)
            .map(|row| {
                let between = between.as_ref().map(|between| match between.rank() {
                    5 => between.narrow(1, row, 1)?.squeeze(1),
                    _ => Ok(between.clone()),
                });
                Ok(NoiseSource::Given {
                    initial: initial.narrow(0, row, 1)?,
                    between: between.transpose()?,
                    seed: seed.wrapping_add(row as u64),
                })
            })
            .collect()
    }

    /// Refuses latents of another shape than so many rows (of so many) of the picture's.
    fn check_latents(
        &self,
        latents: &Tensor,
        rows: &[usize],
        rect: &LatentRect,
    ) -> Result<(), PipelineError> {
        let channels = self.model().vae.latent_channels();
        let mut want = rows.to_vec();
        want.extend([channels, rect.height as usize, rect.width as usize]);
        if latents.dims() == want {
            return Ok(());
        }
        Err(PipelineError::LatentsShape {
            got: latents.dims().to_vec(),
            want,
        })
    }
}
