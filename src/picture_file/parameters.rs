//! What a picture was made with, as the text that programs for Stable Diffusion write into their
//! files and read from them. The page reads it back (`web/src/studio/parameters.ts`).

use std::fmt::{self, Display, Formatter};

use crate::protocol::SigmasChoice;

/// What a picture was made with.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// What it should show.
    pub prompt: String,
    /// What it should not show; empty for nothing.
    pub negative_prompt: String,
    /// Sampling steps.
    pub steps: u32,
    /// The sampler, by our name for it.
    pub sampler: String,
    /// How its sigmas are spaced, where that was asked for.
    pub sigmas: SigmasChoice,
    /// Classifier-free guidance scale.
    pub guidance_scale: f64,
    /// Seed of the noise.
    pub seed: u64,
    /// Width at which it was made, in pixels.
    pub width: u32,
    /// Height at which it was made, in pixels.
    pub height: u32,
    /// The model's name.
    pub model: String,
    /// 0 … 1: how far the model went from what it was given; none where it was given nothing.
    pub strength: Option<f64>,
}

/// Our samplers, and what the other programs call them.
pub(super) const SAMPLER_NAMES: [(&str, &str); 11] = [
    ("lcm", "LCM"),
    ("ddim", "DDIM"),
    ("ddpm", "DDPM"),
    ("euler", "Euler"),
    ("euler-ancestral", "Euler a"),
    ("dpm-solver++", "DPM++ 2M"),
    ("dpm-solver++-sde", "DPM++ 2M SDE"),
    ("unipc", "UniPC"),
    ("deis", "DEIS"),
    ("pndm", "PLMS"),
    ("tcd", "TCD"),
];

impl Parameters {
    /// What the other programs call the sampler; our name where they have none.
    fn sampler_name(&self) -> &str {
        SAMPLER_NAMES
            .iter()
            .find(|(own, _)| *own == self.sampler)
            .map_or(&self.sampler, |(_, other)| other)
    }

    /// What the other programs call the spacing of sigmas; none for the scheduler's own.
    fn schedule_type(&self) -> Option<&'static str> {
        match self.sigmas {
            SigmasChoice::Default => None,
            SigmasChoice::Karras => Some("Karras"),
            SigmasChoice::Exponential => Some("Exponential"),
            SigmasChoice::Beta => Some("Beta"),
        }
    }
}

impl Display for Parameters {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.prompt)?;
        if !self.negative_prompt.is_empty() {
            writeln!(formatter, "Negative prompt: {}", self.negative_prompt)?;
        }
        write!(
            formatter,
            "Steps: {}, Sampler: {}, ",
            self.steps,
            quoted(self.sampler_name()),
        )?;
        if let Some(schedule_type) = self.schedule_type() {
            write!(formatter, "Schedule type: {schedule_type}, ")?;
        }
        write!(
            formatter,
            "CFG scale: {}, Seed: {}, Size: {}x{}, Model: {}",
            self.guidance_scale,
            self.seed,
            self.width,
            self.height,
            quoted(&self.model),
        )?;
        if let Some(strength) = self.strength {
            write!(formatter, ", Denoising strength: {strength}")?;
        }
        write!(
            formatter,
            ", Version: Impasto {}",
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// A value as it stands in the last line: as JSON where a comma, a colon or a line break in it would
/// end it.
fn quoted(value: &str) -> String {
    match value.contains([',', ':', '\n', '"']) {
        true => serde_json::Value::from(value).to_string(),
        false => value.to_owned(),
    }
}
