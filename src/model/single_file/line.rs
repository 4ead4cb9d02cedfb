//! Which line of Stable Diffusion a checkpoint belongs to, and what no tensor tells about it.

use super::shapes::Shapes;

/// A line of models that share their text encoders and the habits of their networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Line {
    /// Stable Diffusion 1: OpenAI's CLIP.
    Sd1,
    /// Stable Diffusion 2: OpenCLIP.
    Sd2,
    /// SDXL: both.
    Sdxl,
}

/// The checkpoint's UNet.
pub(in crate::model) const UNET: &str = "model.diffusion_model.";
/// The checkpoint's autoencoder.
pub(in crate::model) const AUTOENCODER: &str = "first_stage_model.";

impl Line {
    /// The line that these text encoders belong to; none when there are none.
    pub fn of(shapes: &Shapes) -> Option<Self> {
        let lines = [Self::Sdxl, Self::Sd2, Self::Sd1];
        lines
            .into_iter()
            .find(|line| shapes.any_under(line.last_text_encoder()))
    }

    /// What the names of the line's last text encoder begin with: the one that tells it from
    /// others.
    fn last_text_encoder(self) -> &'static str {
        match self {
            Self::Sd1 => "cond_stage_model.transformer.",
            Self::Sd2 => "cond_stage_model.model.",
            Self::Sdxl => "conditioner.embedders.1.model.",
        }
    }

    /// Text encoders by their names in diffusers, and what their names in the file begin with.
    pub fn text_encoders(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Sd1 => &[("text_encoder", "cond_stage_model.transformer.")],
            Self::Sd2 => &[("text_encoder", "cond_stage_model.model.")],
            Self::Sdxl => &[
                ("text_encoder", "conditioner.embedders.0.transformer."),
                ("text_encoder_2", "conditioner.embedders.1.model."),
            ],
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sd1 => "Stable Diffusion 1",
            Self::Sd2 => "Stable Diffusion 2",
            Self::Sdxl => "SDXL",
        }
    }

    /// Attention heads in a UNet's block of this width: 8 in Stable Diffusion 1, later as many as
    /// are 64 wide.
    pub fn heads(self, width: usize) -> usize {
        match self {
            Self::Sd1 => 8,
            Self::Sd2 | Self::Sdxl => (width / 64).max(1),
        }
    }

    /// What latents are multiplied with.
    pub fn scaling_factor(self) -> f64 {
        match self {
            Self::Sd1 | Self::Sd2 => 0.18215,
            Self::Sdxl => 0.13025,
        }
    }
}
