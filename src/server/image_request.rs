//! What the body of `POST /v1/images` may ask for: its fields, what they mean together, and how the
//! pictures in them are written.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::error::ApiError;
use super::export_request::JPEG_QUALITY;
use super::schedule_request::Sigmas;
use crate::protocol::{
    ControlPreprocess, Finish, FrameFormat, SEED_LIMIT, Schedule, Settings, SettingsPatch,
    SigmasChoice, TimestepSpacingChoice,
};

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a picture should be. What is left out is what the model's pictures look best with; names and
/// ranges are those of `settings` over the websocket.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageRequest {
    /// What the picture should show.
    #[schemars(length(max = 1000))]
    pub prompt: String,
    /// What it should not show.
    #[schemars(length(max = 1000))]
    pub negative_prompt: Option<String>,
    /// Classifier-free guidance scale; 1 or less runs without guidance.
    #[schemars(range(min = 0.0, max = 30.0))]
    pub guidance_scale: Option<f64>,
    /// How far guidance is brought back to the contrast of the prompt alone.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub guidance_rescale: Option<f64>,
    /// How closely a model that edits photos keeps to the sketch.
    #[schemars(range(min = 0.0, max = 30.0))]
    pub image_guidance_scale: Option<f64>,
    /// Sampling steps, at most the model's `max_steps`.
    #[schemars(range(min = 1))]
    pub steps: Option<u32>,
    /// How far from the sketch the model may go.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub strength: Option<f64>,
    /// Seed of the noise, below 2^53; a random one when left out, which the answer's header
    /// `Impasto-Seed` tells.
    pub seed: Option<u64>,
    /// How much of the noise is used that the seed makes. At 0 the seed makes no difference.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub variation: Option<f64>,
    /// One of the names in the model's `samplers`.
    pub sampler: Option<String>,
    /// Where its timesteps lie, as the model's `schedules` allow.
    pub timestep_spacing: Option<TimestepSpacingChoice>,
    /// How its sigmas are spaced, as the model's `schedules` allow, or in place of `steps` the sigmas
    /// themselves, which descend to 0.
    pub sigmas: Option<Sigmas>,
    /// In place of `steps` the timesteps themselves, which descend.
    pub timesteps: Option<Vec<u32>>,
    /// What the picture looks as if it was made with.
    pub finish: Option<Finish>,
    /// How much of the finish is seen.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub finish_strength: Option<f64>,
    /// Pixels, rounded up to a multiple of 64; the sketch's when left out, or the model's own.
    #[schemars(range(min = 1, max = 4096))]
    pub width: Option<u32>,
    /// Pixels, rounded up to a multiple of 64; the sketch's when left out, or the model's own.
    #[schemars(range(min = 1, max = 4096))]
    pub height: Option<u32>,
    /// A PNG, JPEG or WebP to start from, in base64 or as a `data:` URL. It is scaled to cover the
    /// picture, and what stands out is cut off evenly.
    pub sketch: Option<String>,
    /// Where the sketch may change: white may, black stays to the byte. A PNG, JPEG or WebP like the
    /// sketch, which it needs.
    pub mask: Option<String>,
    /// One of the names in the model's `controls`, or an empty one for none; the first when left
    /// out, where there is something to steer by.
    pub control: Option<String>,
    /// What the control steers by: a PNG, JPEG or WebP like the sketch; the sketch when left out.
    pub control_image: Option<String>,
    /// What is made of that picture first.
    pub control_preprocess: Option<ControlPreprocess>,
    /// How much the control steers.
    #[schemars(range(min = 0.0, max = 2.0))]
    pub control_scale: Option<f64>,
    /// From where on it steers, of the steps.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub control_start: Option<f64>,
    /// Up to where it steers, of the steps.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub control_end: Option<f64>,
    /// One of the names in the model's `ip_adapters`, or an empty one for none; the first when left out.
    pub ip_adapter: Option<String>,
    /// What is seen beside the prompt through it: a PNG, JPEG or WebP like the sketch.
    pub reference_image: Option<String>,
    /// How much of it is seen.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub reference_scale: Option<f64>,
    /// From where on it is seen, of the steps.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub reference_start: Option<f64>,
    /// Up to where it is seen, of the steps.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub reference_end: Option<f64>,
    /// The encoding of the answer; `png` when left out.
    pub format: Option<FrameFormat>,
    /// Quality of a JPEG; 92 when left out.
    #[schemars(range(min = 1, max = 100))]
    pub quality: Option<u8>,
}

/// The encodings that there are.
pub(super) const FORMATS: [FrameFormat; 3] =
    [FrameFormat::Png, FrameFormat::Jpeg, FrameFormat::Webp];

/// How the answer is encoded.
#[derive(Clone, Copy)]
pub(super) struct Encoding {
    pub format: FrameFormat,
    pub quality: u8,
}

impl ImageRequest {
    /// How the answer is to be encoded.
    ///
    /// # Errors
    /// A quality that is none, or is given for what has none.
    pub fn encoding(&self) -> Result<Encoding, ApiError> {
        let format = self.format.unwrap_or(FrameFormat::Png);
        if format != FrameFormat::Jpeg && self.quality.is_some() {
            let message = "quality is a JPEG's: leave it out, or ask for the format jpeg";
            return Err(ApiError::invalid_value(message));
        }
        match self.quality.unwrap_or(JPEG_QUALITY) {
            quality @ 1..=100 => Ok(Encoding { format, quality }),
            _ => Err(ApiError::invalid_value(
                "quality is a number from 1 to 100: choose one",
            )),
        }
    }

    /// The settings that it asks for; `listed` is the schedule that it lists in place of `steps`.
    pub fn patch(&self, listed: Option<&Schedule>) -> SettingsPatch {
        // A list without steps is refused as the list that it is.
        let listed_steps = listed.and_then(Schedule::listed_steps);
        let listed_steps = listed_steps.map(|steps| steps.max(1));
        let sigmas = self.sigmas.as_ref().and_then(Sigmas::choice);
        // What the model wants spaced says nothing of a list.
        let (timestep_spacing, sigmas) = match listed {
            Some(_) => (
                Some(TimestepSpacingChoice::Default),
                Some(SigmasChoice::Default),
            ),
            None => (self.timestep_spacing, sigmas),
        };
        SettingsPatch {
            prompt: Some(self.prompt.clone()),
            negative_prompt: self.negative_prompt.clone(),
            guidance_scale: self.guidance_scale,
            guidance_rescale: self.guidance_rescale,
            image_guidance_scale: self.image_guidance_scale,
            steps: listed_steps.or(self.steps),
            strength: self.strength,
            seed: Some(self.seed.unwrap_or_else(random_seed)),
            variation: self.variation,
            sampler: self.sampler.clone(),
            timestep_spacing,
            sigmas,
            finish: self.finish,
            finish_strength: self.finish_strength,
            control: self.control.clone(),
            control_preprocess: self.control_preprocess,
            control_scale: self.control_scale,
            control_start: self.control_start,
            control_end: self.control_end,
            ip_adapter: self.ip_adapter.clone(),
            reference_scale: self.reference_scale,
            reference_start: self.reference_start,
            reference_end: self.reference_end,
            ..SettingsPatch::default()
        }
    }

    /// Refuses pictures that nothing would read with these settings.
    ///
    /// # Errors
    /// A mask without a sketch, a picture for a control or an IP-Adapter without one.
    pub fn check_pictures(&self, settings: &Settings) -> Result<(), ApiError> {
        if self.mask.is_some() && self.sketch.is_none() {
            let message = "a mask says where a sketch may change: send a sketch with it";
            return Err(ApiError::invalid_value(message));
        }
        if self.control_image.is_some() && settings.control.is_empty() {
            let message = "nothing reads a control_image: name one of the model's controls with it";
            return Err(ApiError::invalid_value(message));
        }
        if self.reference_image.is_some() && settings.ip_adapter.is_empty() {
            let message = "nothing sees a reference_image: name one of the model's ip_adapters with it, or start \
             the server with --ip-adapter";
            return Err(ApiError::invalid_value(message));
        }
        Ok(())
    }
}

fn random_seed() -> u64 {
    let (_, low) = Uuid::new_v4().as_u64_pair();
    // The lowest bits of a random UUID are all random.
    low % SEED_LIMIT
}

/// The bytes of a field in base64, with or without the head of a `data:` URL.
pub(super) fn bytes_of(field: &str, text: &str) -> Result<Vec<u8>, ApiError> {
    let text = match text.strip_prefix("data:") {
        Some(url) => url.split_once(',').map_or("", |(_, data)| data),
        None => text,
    };
    BASE64.decode(text.trim()).map_err(|_| {
        ApiError::invalid_value(format!(
            "{field} is not base64: encode the bytes of a PNG, JPEG or WebP"
        ))
    })
}

/// The media type of an encoding.
pub(super) const fn media_type(format: FrameFormat) -> &'static str {
    match format {
        FrameFormat::Png => "image/png",
        FrameFormat::Jpeg => "image/jpeg",
        FrameFormat::Webp => "image/webp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_padding_and_without_and_from_data_urls() {
        for text in [
            "aW1hZ2U=",
            "aW1hZ2U",
            " aW1hZ2U=\n",
            "data:image/png;base64,aW1hZ2U=",
        ] {
            assert_eq!(bytes_of("sketch", text).unwrap(), b"image", "{text}");
        }
        for text in ["aW1h*2U=", "data:image/png;base64", "a"] {
            let refused = bytes_of("mask", text);
            let is_empty = refused.as_ref().is_ok_and(|bytes| bytes.is_empty());
            assert!(is_empty || refused.is_err(), "{text}");
        }
        let refused = bytes_of("mask", "a*").unwrap_err();
        assert!(refused.message().contains("mask is not base64"));
    }

    #[test]
    fn random_seeds_are_within_the_protocols_and_differ() {
        let seeds = [random_seed(), random_seed(), random_seed()];
        assert!(seeds.iter().all(|seed| *seed < SEED_LIMIT));
        assert!(seeds[0] != seeds[1] || seeds[1] != seeds[2]);
    }
}
