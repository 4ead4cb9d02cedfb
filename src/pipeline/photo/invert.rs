//! From a photo to its noise: inverse DDIM (Song et al., arXiv 2010.02502; diffusers'
//! `DDIMInverseScheduler`), one step at a time.

use candle_core::{DType, Tensor};

use super::{Inversion, KeptLatents};
use crate::canvas::{Mask, Pixels};
use crate::model::Family;
use crate::pipeline::{
    Network, Pipeline, PipelineError, Render, RenderInputs, RenderSettings, Stage, Start, Timings,
};
use crate::sampler::{Step, StepTableRequest, sampler_by_name};

/// The largest photo that is inverted in one piece, in pixels: 1024 × 1024.
pub const MAX_PHOTO_PIXELS: u64 = 1024 * 1024;

/// An inversion that is under way. Dropping it cancels it.
pub struct Inverting {
    inversion: Inversion,
    /// None for a photo that is only encoded.
    render: Option<Render>,
    refinements: u32,
    /// DDIM's steps, in the order in which they are inverted.
    way_back: Vec<Step>,
    timings: Timings,
}

impl Inverting {
    /// Steps done so far.
    pub fn steps_done(&self) -> usize {
        self.inversion.trajectory.len()
    }

    /// Steps in all.
    pub fn steps(&self) -> usize {
        self.render.as_ref().map_or(0, Render::steps)
    }

    /// True when every step is done.
    pub fn is_done(&self) -> bool {
        self.steps_done() >= self.steps()
    }

    /// Time spent so far.
    pub fn timings(&self) -> &Timings {
        self.render.as_ref().map_or(&self.timings, Render::timings)
    }

    /// The inverted photo; none before all steps are done.
    pub fn finish(self) -> Option<Inversion> {
        self.is_done().then_some(self.inversion)
    }
}

impl Pipeline {
    /// Starts the inversion of a photo of any size, with a prompt that says what it shows, on the
    /// UNet without LoRAs and without guidance. With 0 steps the photo is only encoded, which is
    /// all that the methods without inversion need.
    ///
    /// Inverse DDIM asks the model about the latents that a step begins with, DDIM about those
    /// that it leaves, so a way back of as many steps misses a little each time. Each refinement
    /// runs the model once more in every step to solve for the latents that DDIM does take back;
    /// one brings more than twice as many steps do. With 0 refinements the trajectory is that of
    /// `DDIMInverseScheduler`.
    ///
    /// A UNet that sees a sketch beside the noise gets none (zeros, as in text to image), and one
    /// that sees a photo gets none either. The photo itself there would give a better
    /// reconstruction, but for the wrong reason: the noise would say nothing about the photo, and
    /// an edit would copy what it sees beside the noise instead of following its prompt.
    ///
    /// # Errors
    /// When the photo has no pixels or more than [`MAX_PHOTO_PIXELS`], the scheduler cannot be
    /// inverted, or the device fails.
    pub fn begin_inversion(
        &mut self,
        photo: &Pixels,
        prompt: &str,
        steps: u32,
        refinements: u32,
    ) -> Result<Inverting, PipelineError> {
        self.check_inverts()?;
        let (width, height) = (photo.width(), photo.height());
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 || pixels > MAX_PHOTO_PIXELS {
            return Err(PipelineError::PhotoSize { width, height });
        }
        let mut timings = Timings::default();
        let stage = timings.start(Stage::Encode);
        let grid = self.model().window_grid();
        let extended = photo.extended(width.next_multiple_of(grid), height.next_multiple_of(grid));
        let latents = self.encode(&extended)?.to_dtype(DType::F32)?;
        let inversion = self.encoded_photo(photo, prompt, latents, (0, 0));
        let image_input = self.no_image(&inversion)?;
        timings.finish(stage);
        if steps == 0 {
            return Ok(Inverting {
                inversion,
                render: None,
                refinements,
                way_back: Vec::new(),
                timings,
            });
        }
        let settings = RenderSettings {
            prompt: prompt.to_owned(),
            steps,
            sampler: "ddim-inverse".to_owned(),
            ..RenderSettings::default()
        };
        let inputs = RenderInputs {
            start: Start::Image(inversion.latents.clone()),
            image_input,
            network: Network::Base,
            timings,
            ..RenderInputs::from_seed(inversion.latent_rect(), 0)
        };
        let render = self.begin_inputs(&settings, inputs)?;
        let ddim = sampler_by_name("ddim")?;
        let step_table = ddim.step_table(self.scheduler(), &StepTableRequest::new(steps))?;
        let way_back = step_table.steps.into_iter().rev().collect();
        Ok(Inverting {
            inversion,
            render: Some(render),
            refinements,
            way_back,
            timings: Timings::default(),
        })
    }

    /// Refuses models whose photos cannot be inverted.
    pub(super) fn check_inverts(&self) -> Result<(), PipelineError> {
        let kind = if self.model().family.is_flow() {
            "a flow model"
        } else if self.scheduler().class().is_edm() {
            "a model of EDM"
        } else {
            return Ok(());
        };
        Err(PipelineError::NoInversion {
            model: self.model().name.clone(),
            kind,
        })
    }

    /// A photo without a trajectory, of its latents in f32. `origin` is where they begin on the
    /// canvas that it is a part of.
    pub(super) fn encoded_photo(
        &self,
        photo: &Pixels,
        prompt: &str,
        latents: Tensor,
        origin: (u32, u32),
    ) -> Inversion {
        Inversion {
            photo: photo.clone(),
            origin,
            prompt: prompt.to_owned(),
            model: self.model().name.clone(),
            latents,
            trajectory: Vec::new(),
        }
    }

    /// Runs one step of an inversion and keeps its latents.
    ///
    /// # Errors
    /// When the device fails.
    pub fn step_inversion(&self, inverting: &mut Inverting) -> Result<(), PipelineError> {
        let Some(render) = &mut inverting.render else {
            return Ok(());
        };
        let Some(step) = render.step().copied() else {
            return Ok(());
        };
        let before = render.sample().clone();
        self.step(&mut [&mut *render])?;
        if let Some(way_back) = inverting.way_back.get(inverting.inversion.trajectory.len()) {
            for _ in 0..inverting.refinements {
                render.refine(self.model(), &before, way_back)?;
            }
        }
        inverting.inversion.trajectory.push(KeptLatents {
            timestep: step.timestep,
            level: step.next_level,
            latents: render.sample().clone(),
        });
        Ok(())
    }

    /// What a UNet sees beside the noise of a photo: nothing. None where that is zeros; an
    /// inpainting UNet is told that everything is to be filled.
    pub(super) fn no_image(&self, inversion: &Inversion) -> Result<Option<Tensor>, PipelineError> {
        if self.model().family != Family::Inpainting {
            return Ok(None);
        }
        let (width, height) = self.pixel_size(&inversion.latent_rect());
        let everything = Mask::new(width, height, u8::MAX);
        let unseen = Pixels::new(width, height, [0; 3]);
        Ok(Some(self.inpainting_input(&unseen, &everything)?))
    }
}
