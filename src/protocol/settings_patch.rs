//! Changes to a room's settings, and what several of them add up to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::settings::{EditMethod, Finish, Settings};
use super::{ControlPreprocess, SigmasChoice, TimestepSpacingChoice};

/// Settings that a client wants changed; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct SettingsPatch {
    /// What the picture should show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What it should not show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// Classifier-free guidance scale, 0 … 30; 1 or less runs without guidance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance_scale: Option<f64>,
    /// 0 … 1: how far guidance is brought back to the contrast of the prompt alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance_rescale: Option<f64>,
    /// How closely a model that edits photos keeps to the photo, 0 … 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_guidance_scale: Option<f64>,
    /// Sampling steps, 1 … the model's `max_steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// 0 … 1: how far from the sketch the model may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// Seed of the room's noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number")]
    pub seed: Option<u64>,
    /// 0 … 1: how much of the noise is used that the seed makes. At 0 the seed makes no difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variation: Option<f64>,
    /// One of the names in the model's `samplers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<String>,
    /// Where the sampler's timesteps lie, as the model's `schedules` allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestep_spacing: Option<TimestepSpacingChoice>,
    /// How the sampler's sigmas are spaced, as the model's `schedules` allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigmas: Option<SigmasChoice>,
    /// Canvas pixels beyond the strokes that the model may repaint, 0 … 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<u32>,
    /// Whether strokes are rendered while they are painted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<bool>,
    /// How windows over an inverted photo are edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<EditMethod>,
    /// What the picture looks as if it was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
    /// 0 … 1: how much of the finish is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_strength: Option<f64>,
    /// One of the names in the model's `controls`; empty for none. The sketch steers what is painted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// What is made of the sketch first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_preprocess: Option<ControlPreprocess>,
    /// How much the control steers, 0 … 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_scale: Option<f64>,
    /// From where on it steers, 0 … 1 of the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_start: Option<f64>,
    /// Up to where it steers, 0 … 1 of the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_end: Option<f64>,
    /// One of the names in the model's `ip_adapters`; empty for none. It sees the reference picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_adapter: Option<String>,
    /// The id of an uploaded image that is seen beside the prompt; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// How much of it is seen, 0 … 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_scale: Option<f64>,
    /// From where on it is seen, 0 … 1 of the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_start: Option<f64>,
    /// Up to where it is seen, 0 … 1 of the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_end: Option<f64>,
    /// True while a value is dragged: the change goes on with the sender's last one, and one undo
    /// takes both back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>")]
    pub continues: bool,
}

/// Calls a macro with the names of all settings.
macro_rules! with_settings {
    ($call:ident) => {
        $call!(
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
            spread,
            live,
            method,
            finish,
            finish_strength,
            control,
            control_preprocess,
            control_scale,
            control_start,
            control_end,
            ip_adapter,
            reference,
            reference_scale,
            reference_start,
            reference_end
        )
    };
}

impl SettingsPatch {
    /// True when it changes nothing.
    pub fn is_empty(&self) -> bool {
        let nothing = Self {
            continues: self.continues,
            ..Self::default()
        };
        *self == nothing
    }

    /// This patch and a later one as one.
    #[must_use]
    pub fn merged(&self, later: &Self) -> Self {
        macro_rules! newest {
            ($($field:ident),*) => {
                Self {
                    $($field: later.$field.clone().or_else(|| self.$field.clone()),)*
                    continues: self.continues,
                }
            };
        }
        with_settings!(newest)
    }

    /// This patch without the fields that another one has.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        macro_rules! others {
            ($($field:ident),*) => {
                Self {
                    $($field: self.$field.clone().filter(|_| other.$field.is_none()),)*
                    continues: self.continues,
                }
            };
        }
        with_settings!(others)
    }

    /// The fields that make a difference to these settings.
    #[must_use]
    pub fn changes_to(&self, settings: &Settings) -> Self {
        let patched = settings.patched(self);
        macro_rules! changes {
            ($($field:ident),*) => {
                Self {
                    $($field: self.$field.clone().filter(|_| patched.$field != settings.$field),)*
                    continues: self.continues,
                }
            };
        }
        with_settings!(changes)
    }
}

impl Settings {
    /// These settings with a patch's fields laid over them.
    pub fn patched(&self, patch: &SettingsPatch) -> Settings {
        let mut settings = self.clone();
        if let Some(prompt) = &patch.prompt {
            settings.prompt.clone_from(prompt);
        }
        if let Some(negative_prompt) = &patch.negative_prompt {
            settings.negative_prompt.clone_from(negative_prompt);
        }
        if let Some(sampler) = &patch.sampler {
            settings.sampler.clone_from(sampler);
        }
        if let Some(control) = &patch.control {
            settings.control.clone_from(control);
        }
        if let Some(ip_adapter) = &patch.ip_adapter {
            settings.ip_adapter.clone_from(ip_adapter);
        }
        if let Some(reference) = &patch.reference {
            settings.reference.clone_from(reference);
        }
        settings.guidance_scale = patch.guidance_scale.unwrap_or(settings.guidance_scale);
        settings.guidance_rescale = patch.guidance_rescale.or(settings.guidance_rescale);
        settings.image_guidance_scale =
            patch.image_guidance_scale.or(settings.image_guidance_scale);
        settings.steps = patch.steps.unwrap_or(settings.steps);
        settings.strength = patch.strength.unwrap_or(settings.strength);
        settings.seed = patch.seed.unwrap_or(settings.seed);
        settings.variation = patch.variation.unwrap_or(settings.variation);
        let spacing = patch.timestep_spacing;
        settings.timestep_spacing = spacing.unwrap_or(settings.timestep_spacing);
        settings.sigmas = patch.sigmas.unwrap_or(settings.sigmas);
        settings.spread = patch.spread.unwrap_or(settings.spread);
        settings.live = patch.live.unwrap_or(settings.live);
        settings.method = patch.method.unwrap_or(settings.method);
        settings.finish = patch.finish.unwrap_or(settings.finish);
        settings.finish_strength = patch.finish_strength.unwrap_or(settings.finish_strength);
        let preprocess = patch.control_preprocess;
        settings.control_preprocess = preprocess.unwrap_or(settings.control_preprocess);
        settings.control_scale = patch.control_scale.unwrap_or(settings.control_scale);
        settings.control_start = patch.control_start.unwrap_or(settings.control_start);
        settings.control_end = patch.control_end.unwrap_or(settings.control_end);
        settings.reference_scale = patch.reference_scale.unwrap_or(settings.reference_scale);
        settings.reference_start = patch.reference_start.unwrap_or(settings.reference_start);
        settings.reference_end = patch.reference_end.unwrap_or(settings.reference_end);
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(json: &str) -> SettingsPatch {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn patches_add_up_and_know_what_they_change() {
        let (first, later) = (
            patch(r#"{"seed":3,"prompt":"sea","steps":2}"#),
            patch(r#"{"seed":4,"live":false}"#),
        );
        let both = first.merged(&later);
        assert_eq!(
            both,
            patch(r#"{"seed":4,"prompt":"sea","steps":2,"live":false}"#)
        );
        assert_eq!(both.without(&later), patch(r#"{"prompt":"sea","steps":2}"#));
        assert!(later.without(&later).is_empty());
        let settings: Settings = serde_json::from_str(
            r#"{"prompt":"sea","negative_prompt":"","guidance_scale":1,"steps":4,"strength":1,
                "seed":4,"sampler":"lcm","spread":0,"live":true}"#,
        )
        .unwrap();
        assert_eq!(
            both.changes_to(&settings),
            patch(r#"{"steps":2,"live":false}"#)
        );
        assert!(patch(r#"{"continues":true}"#).is_empty());
    }
}
