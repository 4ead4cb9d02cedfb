//! What kind of model a folder holds, told from its configuration.

use serde::Serialize;

use super::{ConfigFile, DenoiserConfig, ModelError, ModelFolder, UNetConfig};

/// A kind of model, as far as a pipeline has to treat it differently. Whether a UNet takes SDXL's
/// pooled text and sizes is a matter of its own ([`UNetConfig::text_time`]): inpainting and
/// InstructPix2Pix UNets may take them too.
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
    /// SDXL: two text encoders, pooled text and sizes beside the timestep.
    Sdxl,
    /// SDXL distilled to few steps without guidance (SDXL-Turbo).
    SdxlTurbo,
    /// Sees a mask and the masked image's latents beside the noise.
    Inpainting,
    /// Sees a photo's latents beside the noise, and edits it as the prompt says.
    #[serde(rename = "instruct-pix2pix")]
    InstructPix2Pix,
    /// Stable Diffusion 3 and 3.5: a flow, guided by a negative prompt.
    Sd3,
    /// FLUX.1 dev: a flow that takes the guidance scale as an input.
    Flux,
    /// FLUX.1 schnell: a flow distilled to few steps without guidance.
    FluxSchnell,
}

/// The traits that tell families apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits<'a> {
    pub pipeline_class: &'a str,
    pub denoiser: &'a DenoiserConfig,
    pub latent_channels: usize,
    pub scheduler: &'a SchedulerTraits,
}

/// What a model's scheduler says about how it was distilled.
#[derive(Debug, Clone)]
pub(super) struct SchedulerTraits {
    pub class: String,
    timestep_spacing: String,
    pub prediction_type: String,
    rescale_betas_zero_snr: bool,
}

impl SchedulerTraits {
    /// Reads them from `scheduler_config.json`; the class is the one that the folder's index names.
    pub fn read(file: &ConfigFile, folder: &ModelFolder) -> Result<Self, ModelError> {
        let class = match folder.classes().get("scheduler") {
            Some(class) => class.clone(),
            None => file.or("_class_name", String::new())?,
        };
        Ok(Self {
            timestep_spacing: file.or("timestep_spacing", String::new())?,
            prediction_type: match class.starts_with("FlowMatch") {
                true => "flow_prediction".to_owned(),
                false => file.or("prediction_type", "epsilon".to_owned())?,
            },
            rescale_betas_zero_snr: file.or("rescale_betas_zero_snr", false)?,
            class,
        })
    }

    /// ADD's students predict noise from trailing timesteps. Models of zero terminal SNR have that
    /// spacing too, but predict v and want guidance.
    fn is_turbo(&self) -> bool {
        self.class.starts_with("Euler")
            && self.timestep_spacing == "trailing"
            && self.prediction_type == "epsilon"
            && !self.rescale_betas_zero_snr
    }
}

impl Family {
    /// The name that people read, on the wire and on the command line; serde's too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sketch => "sketch",
            Self::Sd => "sd",
            Self::Lcm => "lcm",
            Self::Turbo => "turbo",
            Self::Sdxl => "sdxl",
            Self::SdxlTurbo => "sdxl-turbo",
            Self::Inpainting => "inpainting",
            Self::InstructPix2Pix => "instruct-pix2pix",
            Self::Sd3 => "sd3",
            Self::Flux => "flux",
            Self::FluxSchnell => "flux-schnell",
        }
    }

    /// The family with these traits. What the UNet's input looks like decides first, because a
    /// pipeline cannot run without it; how the model was distilled comes last.
    ///
    /// Twice the latents' channels are InstructPix2Pix's photo only where `model_index.json` names
    /// an InstructPix2Pix pipeline: diffusers has no other that drives such a UNet, and the two
    /// differ in what they see (a photo's latents unscaled, a sketch's scaled) and in guidance.
    pub(super) fn from_traits(traits: Traits) -> Self {
        match traits.denoiser {
            DenoiserConfig::UNet(unet) => Self::of_unet(unet, traits),
            DenoiserConfig::Sd3(_) => Self::Sd3,
            DenoiserConfig::Flux(flux) if flux.guidance_embeds => Self::Flux,
            DenoiserConfig::Flux(_) => Self::FluxSchnell,
        }
    }

    fn of_unet(unet: &UNetConfig, traits: Traits) -> Self {
        let latents = traits.latent_channels;
        let image_input = unet.in_channels == 2 * latents;
        if image_input && traits.pipeline_class.contains("InstructPix2Pix") {
            Self::InstructPix2Pix
        } else if image_input {
            Self::Sketch
        } else if unet.in_channels == 2 * latents + 1 {
            Self::Inpainting
        } else if unet.text_time.is_some() {
            if traits.scheduler.is_turbo() {
                Self::SdxlTurbo
            } else {
                Self::Sdxl
            }
        } else if unet.time_cond_proj_dim.is_some()
            || traits.scheduler.class == "LCMScheduler"
            || traits.pipeline_class.contains("LatentConsistency")
        {
            Self::Lcm
        } else if traits.scheduler.is_turbo() {
            Self::Turbo
        } else {
            Self::Sd
        }
    }

    /// True for models distilled without guidance: a scale above 1 only spoils their pictures.
    pub fn is_guidance_free(self) -> bool {
        matches!(self, Self::Turbo | Self::SdxlTurbo | Self::FluxSchnell)
    }

    /// True for rectified flows (arXiv 2209.03003), whose photos cannot be inverted yet.
    pub fn is_flow(self) -> bool {
        matches!(self, Self::Sd3 | Self::Flux | Self::FluxSchnell)
    }

    /// True for UNets that see an image beside the noise, so that even a run from pure noise
    /// follows it.
    pub fn sees_image(self) -> bool {
        matches!(
            self,
            Self::Sketch | Self::Inpainting | Self::InstructPix2Pix
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Family;

    #[test]
    fn a_family_has_one_name() {
        for family in [
            Family::Sketch,
            Family::Sd,
            Family::Lcm,
            Family::Turbo,
            Family::Sdxl,
            Family::SdxlTurbo,
            Family::Inpainting,
            Family::InstructPix2Pix,
            Family::Sd3,
            Family::Flux,
            Family::FluxSchnell,
        ] {
            assert_eq!(serde_json::to_value(family).unwrap(), family.name());
        }
    }
}
