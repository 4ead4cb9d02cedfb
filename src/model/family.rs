//! What kind of model a folder holds, told from its configuration.

use serde::Serialize;

use super::UNetConfig;

/// A kind of model, as far as a pipeline has to treat it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Sees the sketch's latents beside the noise: twice the latents' channels.
    Sketch,
    /// Stable Diffusion 1 or 2 and what is trained like them.
    Sd,
    /// A latent consistency model: few steps, guidance inside.
    Lcm,
    /// Distilled to few steps without guidance (SD-Turbo).
    Turbo,
    /// SDXL and SDXL-Turbo: two text encoders, pooled text and sizes beside the timestep.
    Sdxl,
    /// Sees a mask and the masked image's latents beside the noise.
    Inpainting,
    /// Sees a photo's latents beside the noise, and edits it as the prompt says.
    InstructPix2Pix,
}

/// The traits that tell families apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits<'a> {
    pub pipeline_class: &'a str,
    pub unet: &'a UNetConfig,
    pub latent_channels: usize,
    pub scheduler_class: &'a str,
    pub timestep_spacing: &'a str,
}

impl Family {
    /// The family with these traits. What the UNet's input looks like decides first, because a
    /// pipeline cannot run without it; how the model was distilled comes last.
    pub(super) fn from_traits(traits: Traits) -> Self {
        let latents = traits.latent_channels;
        let image_input = traits.unet.in_channels == 2 * latents;
        if image_input && traits.pipeline_class.contains("InstructPix2Pix") {
            Self::InstructPix2Pix
        } else if image_input {
            Self::Sketch
        } else if traits.unet.in_channels == 2 * latents + 1 {
            Self::Inpainting
        } else if traits.unet.text_time.is_some() {
            Self::Sdxl
        } else if traits.unet.time_cond_proj_dim.is_some()
            || traits.scheduler_class == "LCMScheduler"
            || traits.pipeline_class.contains("LatentConsistency")
        {
            Self::Lcm
        } else if traits.scheduler_class.starts_with("Euler")
            && traits.timestep_spacing == "trailing"
        {
            Self::Turbo
        } else {
            Self::Sd
        }
    }
}
