//! One edit: what a room asks the model to do with a window.

use std::sync::Arc;

use super::{ControlPicture, Output, ReferencePicture};
use crate::canvas::{Mask, Pixels};
use crate::protocol::{EditMethod, Rect, Schedule, Settings};
use crate::sampler::StepTableRequest;

/// Sampling settings of one render.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderSettings {
    /// What the picture should show; words may be weighted, as in `a (red:1.2) apple`.
    pub prompt: String,
    /// What it should not show. None is not the same as empty: SDXL then guides away from zeros.
    pub negative_prompt: Option<String>,
    /// Classifier-free guidance scale; 1 or less runs without a second row.
    pub guidance_scale: f64,
    /// 0 … 1: how far guidance is brought back to the contrast of the prompt alone.
    pub guidance_rescale: f64,
    /// How closely InstructPix2Pix keeps to the photo; below 1 there is no guidance at all. Other
    /// models ignore it.
    pub image_guidance_scale: f64,
    /// Sampling steps, at least 1.
    pub steps: u32,
    /// 0 … 1: 1 starts from noise alone, less starts from the noised sketch.
    pub strength: f64,
    /// Whether a strength that is too small for any of the steps runs one all the same, as for a
    /// slider that is dragged down; otherwise it is refused.
    pub keeps_a_step: bool,
    /// Seed of the noise, which is a function of the seed and of canvas position.
    pub seed: u64,
    /// 0 … 1: how much of the seed's noise is used, at the start and wherever a step adds some. At 0
    /// the seed makes no difference; 1 is what diffusers does. A photo's own noise is never scaled.
    pub variation: f64,
    /// A name that [`crate::sampler::sampler_by_name`] knows.
    pub sampler: String,
    /// Which timesteps and sigmas the steps have: the scheduler's own, or what the sampler can have of
    /// others. A list says how many steps there are, whatever `steps` says.
    pub schedule: Schedule,
    /// DDIM's and TCD's eta, 0 … 1; the scheduler's own default when left out. Other samplers
    /// ignore it.
    pub eta: Option<f64>,
    /// What SDXL is told about sizes, instead of the picture's own. Other models ignore it.
    pub micro_conditioning: MicroConditioning,
    /// Parts with prompts of their own. Each costs a row of the batch; the base network knows of
    /// none.
    pub regions: Vec<PromptRegion>,
    /// Pictures beside the prompt; the base network sees none.
    pub references: Vec<ReferencePicture>,
}

impl Default for RenderSettings {
    /// Four steps of DDIM from pure noise, without a prompt or guidance.
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: None,
            guidance_scale: 1.0,
            guidance_rescale: 0.0,
            image_guidance_scale: 1.5,
            steps: 4,
            strength: 1.0,
            keeps_a_step: false,
            seed: 0,
            variation: 1.0,
            sampler: "ddim".to_owned(),
            schedule: Schedule::default(),
            eta: None,
            micro_conditioning: MicroConditioning::default(),
            regions: Vec::new(),
            references: Vec::new(),
        }
    }
}

impl From<&Settings> for RenderSettings {
    /// As people set them: an empty negative prompt is none, and a slider that is dragged down keeps
    /// a step.
    fn from(settings: &Settings) -> Self {
        let usual = Self::default();
        let Settings {
            prompt,
            negative_prompt,
            guidance_scale,
            guidance_rescale,
            image_guidance_scale,
            steps,
            strength,
            seed,
            variation,
            sampler,
            timestep_spacing,
            sigmas,
            ..
        } = settings;
        Self {
            prompt: prompt.clone(),
            negative_prompt: Some(negative_prompt.clone()).filter(|prompt| !prompt.is_empty()),
            guidance_scale: *guidance_scale,
            guidance_rescale: guidance_rescale.unwrap_or(usual.guidance_rescale),
            image_guidance_scale: image_guidance_scale.unwrap_or(usual.image_guidance_scale),
            steps: *steps,
            strength: *strength,
            keeps_a_step: true,
            seed: *seed,
            variation: *variation,
            sampler: sampler.clone(),
            schedule: Schedule::Spaced {
                timestep_spacing: *timestep_spacing,
                sigmas: *sigmas,
            },
            ..usual
        }
    }
}

impl RenderSettings {
    /// What is asked of the sampler, for an image of so many tokens.
    pub(super) fn step_table_request(&self, image_seq_len: usize) -> StepTableRequest {
        StepTableRequest {
            steps: self.steps,
            schedule: self.schedule.clone(),
            strength: self.strength,
            eta: self.eta,
            keeps_a_step: self.keeps_a_step,
            image_seq_len,
        }
    }
}

/// SDXL's micro-conditioning (section 2.2 of arXiv 2307.01952), in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MicroConditioning {
    /// Width and height of the picture before it was scaled; its own when left out. Small
    /// ones make blurred pictures.
    pub original_size: Option<(u32, u32)>,
    /// Left and top of the crop; 0 and 0 keep what is shown in the middle.
    pub crop: (u32, u32),
    /// Width and height of the picture; its own when left out.
    pub target_size: Option<(u32, u32)>,
}

impl MicroConditioning {
    /// diffusers' `add_time_ids` of a picture of this width and height: original size, crop and
    /// target size, each with the vertical number first.
    pub fn time_ids(&self, size: (u32, u32)) -> [f32; 6] {
        let (width, height) = self.original_size.unwrap_or(size);
        let (left, top) = self.crop;
        let (target_width, target_height) = self.target_size.unwrap_or(size);
        [height, width, top, left, target_height, target_width].map(|number| number as f32)
    }
}

/// A part of a picture that has a prompt of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptRegion {
    /// What this part should show.
    pub prompt: String,
    /// How much it holds at each pixel of the picture, 0 … 255; at most 255 with all regions
    /// together. The rest is left to the prompt of the settings.
    pub share: Arc<Mask>,
}

/// A window of the canvas with what was painted, what is shown, and where the
/// model may change it. The pixel buffers are as large as the window.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Where the window lies, in canvas pixels; sides are multiples of the model's grid.
    pub window: Rect,
    /// What people painted.
    pub sketch: Arc<Pixels>,
    /// What is shown now: kept where the mask is 0.
    pub known: Arc<Pixels>,
    /// 0 (stays) … 255 (may change).
    pub mask: Arc<Mask>,
    /// How to sample.
    pub settings: RenderSettings,
    /// What steers it, unless it lies over an inverted photo. White paper steers nothing.
    pub control: Option<ControlPicture>,
    /// How the decoded window is shown.
    pub output: Output,
    /// The inverted photo that the window lies over, where the base is one: the window is edited
    /// from its noise, and the sketch is not looked at.
    pub photo: Option<PhotoWindow>,
}

/// A window of an inverted photo.
#[derive(Clone, Debug)]
pub struct PhotoWindow {
    /// The room's number for the photo.
    pub photo: u64,
    /// The photo itself, as large as the window.
    pub pixels: Arc<Pixels>,
    /// The source prompt: what the photo shows.
    pub prompt: String,
    /// How it is edited.
    pub method: EditMethod,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_ids_name_the_vertical_number_first() {
        let own = MicroConditioning::default();
        assert_eq!(
            own.time_ids((640, 384)),
            [384.0, 640.0, 0.0, 0.0, 384.0, 640.0]
        );
        let conditioning = MicroConditioning {
            original_size: Some((1024, 768)),
            crop: (16, 8),
            target_size: Some((512, 256)),
        };
        assert_eq!(
            conditioning.time_ids((64, 64)),
            [768.0, 1024.0, 8.0, 16.0, 256.0, 512.0]
        );
    }
}
