//! What pictures of a model look best with: a row for each family, and over it what the folder's
//! `impasto.json` says.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ConfigFile, Family, ModelError};
use crate::protocol::{
    Finish, MAX_GUIDANCE_SCALE, MIN_STRENGTH, ModelDefaults, PhotoDefaults, SigmasChoice,
    TimestepSpacingChoice,
};

/// The file in a model's folder that says what the model wants; beside a single file it is called
/// after that, as in `dream.impasto.json`. It may be absent.
pub const DEFAULTS_FILE: &str = "impasto.json";

/// The fields of [`DEFAULTS_FILE`], and those of its `photo`.
const FIELDS: [&str; 11] = [
    "sampler",
    TimestepSpacingChoice::FIELD,
    SigmasChoice::FIELD,
    "steps",
    "guidance_scale",
    "strength",
    "variation",
    "finish",
    "finish_strength",
    "largest_zoom",
    "photo",
];
const PHOTO_FIELDS: [&str; 3] = ["guidance_scale", "strength", "finish"];

/// The most steps that a folder, or a client, may ask for.
pub const MAX_STEPS: u32 = 50;

/// What a model's pictures look best with.
#[derive(Debug, Clone, PartialEq)]
pub struct Defaults {
    /// The sampler's name; the one of the folder's scheduler when left out.
    pub sampler: Option<String>,
    /// Where that sampler's timesteps lie. Whether it can have that is known where samplers are.
    pub timestep_spacing: TimestepSpacingChoice,
    /// How that sampler's sigmas are spaced; the same.
    pub sigmas: SigmasChoice,
    /// Sampling steps, 1 … 50.
    pub steps: u32,
    /// Classifier-free guidance scale, 0 … 30.
    pub guidance_scale: f64,
    /// How far from a sketch, or an image to start from, the model may go, above 0, up to 1.
    pub strength: f64,
    /// The same where a mask is filled without a sketch: inpainting models then make all of it new,
    /// as their pipelines in diffusers do.
    pub fill_strength: f64,
    /// How much of the seed's noise is used, 0 … 1.
    pub variation: f64,
    /// What pictures look as if they were made with.
    pub finish: Finish,
    /// How much of the finish is seen, 0 … 1.
    pub finish_strength: f64,
    /// How many times smaller than it is the model may see a canvas, at least 1.
    pub largest_zoom: u32,
    /// What edits of an inverted photo look best with.
    pub photo: PhotoDefaults,
}

impl Defaults {
    /// What a family wants. `embeds_guidance` is true for UNets that take the guidance scale as an
    /// embedding (`time_cond_proj_dim`).
    ///
    /// Guidance scales are the defaults of the families' pipelines in diffusers.
    pub fn of_family(family: Family, embeds_guidance: bool) -> Self {
        let usual = Self {
            sampler: None,
            timestep_spacing: TimestepSpacingChoice::Default,
            sigmas: SigmasChoice::Default,
            steps: 12,
            guidance_scale: 7.5,
            strength: 0.7,
            fill_strength: 0.7,
            variation: 1.0,
            finish: Finish::None,
            finish_strength: 1.0,
            largest_zoom: 1,
            photo: PhotoDefaults {
                guidance_scale: 3.0,
                strength: 0.7,
                finish: Finish::None,
            },
        };
        let sampler = |name: &str| Some(name.to_owned());
        match family {
            Family::Sd => usual,
            Family::Inpainting => Self {
                fill_strength: 1.0,
                ..usual
            },
            Family::Sdxl => Self {
                guidance_scale: 5.0,
                ..usual
            },
            // Their pipelines take 28; a hand that paints does not wait for that many.
            Family::Sd3 => Self {
                steps: 20,
                guidance_scale: 7.0,
                ..usual
            },
            Family::Flux => Self {
                steps: 20,
                guidance_scale: 3.5,
                ..usual
            },
            Family::FluxSchnell => Self {
                steps: 4,
                guidance_scale: 1.0,
                ..usual
            },
            Family::InstructPix2Pix => Self {
                strength: 1.0,
                fill_strength: 1.0,
                ..usual
            },
            Family::Lcm => Self {
                sampler: sampler("lcm"),
                steps: 4,
                guidance_scale: if embeds_guidance { 8.5 } else { 1.0 },
                ..usual
            },
            Family::Turbo | Family::SdxlTurbo => Self {
                steps: 2,
                guidance_scale: 1.0,
                photo: PhotoDefaults {
                    guidance_scale: 1.0,
                    ..usual.photo
                },
                ..usual
            },
            // Taught by regression from a sketch: its noise says nothing and only shows. It knows
            // things and landscapes as whole small pictures, not parts of large ones.
            Family::Sketch => Self {
                sampler: sampler("lcm"),
                steps: 2,
                guidance_scale: 1.0,
                strength: 1.0,
                fill_strength: 1.0,
                variation: 0.0,
                largest_zoom: 2,
                ..usual
            },
        }
    }

    /// What a model wants: its family's row, and what the file at this path says instead, where
    /// there is one.
    ///
    /// # Errors
    /// `Config` for a field that is unknown, out of its range, or against another; `Json` for a
    /// file that is not JSON.
    pub fn of_file(path: &Path, family: Family, embeds_guidance: bool) -> Result<Self, ModelError> {
        Self::of_family(family, embeds_guidance).overridden_by(path)
    }

    fn overridden_by(mut self, path: &Path) -> Result<Self, ModelError> {
        if !path.is_file() {
            return Ok(self);
        }
        let file = ConfigFile::read(path)?;
        known_fields(&file, &FIELDS)?;
        self.sampler = file.optional("sampler")?.or(self.sampler);
        let spacings = TimestepSpacingChoice::ALL.map(TimestepSpacingChoice::name);
        self.timestep_spacing = choice(&file, TimestepSpacingChoice::FIELD, &spacings)?
            .unwrap_or(self.timestep_spacing);
        let sigmas = SigmasChoice::ALL.map(SigmasChoice::name);
        self.sigmas = choice(&file, SigmasChoice::FIELD, &sigmas)?.unwrap_or(self.sigmas);
        self.steps = file.or("steps", self.steps)?;
        if !(1..=MAX_STEPS).contains(&self.steps) {
            return Err(file.refuse("steps", format!("is a whole number from 1 to {MAX_STEPS}")));
        }
        self.largest_zoom = file.or("largest_zoom", self.largest_zoom)?;
        if !(1..=8).contains(&self.largest_zoom) {
            return Err(file.refuse("largest_zoom", "is a whole number from 1 to 8"));
        }
        range(
            &file,
            "guidance_scale",
            &mut self.guidance_scale,
            0.0,
            MAX_GUIDANCE_SCALE,
        )?;
        range(&file, "strength", &mut self.strength, MIN_STRENGTH, 1.0)?;
        if file.fields().contains_key("strength") {
            self.fill_strength = self.strength;
        }
        range(&file, "variation", &mut self.variation, 0.0, 1.0)?;
        range(
            &file,
            "finish_strength",
            &mut self.finish_strength,
            0.0,
            1.0,
        )?;
        self.finish = finish(&file)?.unwrap_or(self.finish);
        if self.finish == Finish::None && file.fields().contains_key("finish_strength") {
            let reason = "says how much of a finish is seen, but `finish` is \"none\": name one, or \
                          leave this out";
            return Err(file.refuse("finish_strength", reason));
        }
        let photo = file.section("photo")?;
        known_fields(&photo, &PHOTO_FIELDS)?;
        let edits = &mut self.photo;
        range(
            &photo,
            "guidance_scale",
            &mut edits.guidance_scale,
            0.0,
            MAX_GUIDANCE_SCALE,
        )?;
        range(&photo, "strength", &mut edits.strength, MIN_STRENGTH, 1.0)?;
        edits.finish = finish(&photo)?.unwrap_or(edits.finish);
        Ok(self)
    }

    /// As clients are told, with the sampler that is used where the model names none.
    pub fn with_sampler(&self, sampler: &str) -> ModelDefaults {
        ModelDefaults {
            sampler: sampler.to_owned(),
            timestep_spacing: self.timestep_spacing,
            sigmas: self.sigmas,
            steps: self.steps,
            guidance_scale: self.guidance_scale,
            strength: self.strength,
            variation: self.variation,
            finish: self.finish,
            finish_strength: self.finish_strength,
            photo: self.photo,
        }
    }
}

fn known_fields(file: &ConfigFile, known: &[&str]) -> Result<(), ModelError> {
    match file
        .fields()
        .keys()
        .find(|name| !known.contains(&name.as_str()))
    {
        None => Ok(()),
        Some(name) => Err(file.refuse(
            name,
            format!("is unknown: this file may have {}", known.join(", ")),
        )),
    }
}

fn range(
    file: &ConfigFile,
    field: &str,
    value: &mut f64,
    least: f64,
    most: f64,
) -> Result<(), ModelError> {
    *value = file.or(field, *value)?;
    if (least..=most).contains(value) {
        return Ok(());
    }
    Err(file.refuse(field, format!("is a number from {least} to {most}")))
}

fn finish(file: &ConfigFile) -> Result<Option<Finish>, ModelError> {
    choice(file, "finish", &Finish::ALL.map(Finish::name))
}

/// A field that is one of these names, where it is there.
fn choice<T: DeserializeOwned>(
    file: &ConfigFile,
    field: &str,
    names: &[&str],
) -> Result<Option<T>, ModelError> {
    let Some(value) = file.optional::<Value>(field)? else {
        return Ok(None);
    };
    let read = serde_json::from_value(value).map(Some);
    read.map_err(|_| file.refuse(field, format!("is one of {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, family: Family) -> Result<Defaults, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DEFAULTS_FILE);
        std::fs::write(&path, text).unwrap();
        Defaults::of_family(family, false)
            .overridden_by(&path)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_folder_without_the_file_has_what_its_family_wants() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = Defaults::of_family(Family::Sketch, false);
        let read = wanted
            .clone()
            .overridden_by(&folder.path().join(DEFAULTS_FILE))
            .unwrap();
        assert_eq!(read, wanted);
    }

    #[test]
    fn the_file_overrides_what_it_names() {
        let text =
            r#"{"steps": 3, "finish": "oil", "finish_strength": 0.5, "photo": {"strength": 0.4}}"#;
        let read = read(text, Family::Sketch).unwrap();
        let family = Defaults::of_family(Family::Sketch, false);
        assert_eq!(
            (read.steps, read.finish, read.finish_strength),
            (3, Finish::Oil, 0.5)
        );
        assert_eq!(read.photo.strength, 0.4);
        assert_eq!(read.fill_strength, family.fill_strength);
        let filled = self::read(r#"{"strength": 0.5}"#, Family::Inpainting).unwrap();
        assert_eq!((filled.strength, filled.fill_strength), (0.5, 0.5));
        assert_eq!(read.photo.guidance_scale, family.photo.guidance_scale);
        assert_eq!(read.variation, family.variation);
    }

    #[test]
    fn a_schedule_comes_with_the_sampler_and_clients_are_told() {
        let text = r#"{"sampler": "euler", "timestep_spacing": "trailing", "sigmas": "karras"}"#;
        let read = read(text, Family::Sd).unwrap();
        let trailing = TimestepSpacingChoice::Trailing;
        assert_eq!(
            (read.timestep_spacing, read.sigmas),
            (trailing, SigmasChoice::Karras)
        );
        let told = serde_json::to_value(read.with_sampler("euler")).unwrap();
        assert_eq!(told["timestep_spacing"], "trailing");
        assert_eq!(told["sigmas"], "karras");
        // Clients of an older day are told nothing that they do not know.
        let usual = Defaults::of_family(Family::Sd, false).with_sampler("euler");
        let told = serde_json::to_value(&usual).unwrap();
        assert!(told.get("timestep_spacing").is_none() && told.get("sigmas").is_none());
        assert_eq!(
            serde_json::from_value::<ModelDefaults>(told).unwrap(),
            usual
        );
    }

    #[test]
    fn a_model_that_looks_distilled_without_guidance_may_want_some() {
        let text = r#"{"guidance_scale": 1.5, "photo": {"guidance_scale": 2}}"#;
        let read = read(text, Family::SdxlTurbo).unwrap();
        assert_eq!((read.guidance_scale, read.photo.guidance_scale), (1.5, 2.0));
    }

    #[test]
    fn what_cannot_be_names_the_field_and_what_it_may_be() {
        for (text, family, field, words) in [
            (r#"{"step": 3}"#, Family::Sketch, "`step`", "unknown"),
            (
                r#"{"photo": {"steps": 3}}"#,
                Family::Sketch,
                "`photo.steps`",
                "unknown",
            ),
            (r#"{"variation": 1.5}"#, Family::Sd, "`variation`", "0 to 1"),
            (
                r#"{"variation": "much"}"#,
                Family::Sd,
                "`variation`",
                "wrong type",
            ),
            (r#"{"strength": 0}"#, Family::Sd, "`strength`", "to 1"),
            (r#"{"steps": 0}"#, Family::Sd, "`steps`", "1 to 50"),
            (
                r#"{"timestep_spacing": "even"}"#,
                Family::Sd,
                "`timestep_spacing`",
                "default, leading, linspace, trailing",
            ),
            (
                r#"{"sigmas": [14.6, 0]}"#,
                Family::Sd,
                "`sigmas`",
                "default, karras, exponential, beta",
            ),
            (
                r#"{"finish": "pastel"}"#,
                Family::Sd,
                "`finish`",
                "none, oil, watercolour, ink",
            ),
            (
                r#"{"finish_strength": 0.5}"#,
                Family::Sd,
                "`finish_strength`",
                "`finish`",
            ),
            (
                r#"{"guidance_scale": 31}"#,
                Family::Turbo,
                "`guidance_scale`",
                "0 to 30",
            ),
            (
                r#"{"photo": {"guidance_scale": -1}}"#,
                Family::Turbo,
                "`photo.guidance_scale`",
                "0 to 30",
            ),
            (r#"[]"#, Family::Sd, "impasto.json", "object"),
        ] {
            let said = read(text, family).unwrap_err();
            assert!(
                said.contains(field) && said.contains(words),
                "{text}: {said}"
            );
        }
    }
}
