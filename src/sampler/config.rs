//! `scheduler_config.json` as diffusers writes it.

use serde_json::{Map, Value};

use super::SamplerError;
use crate::python_json::without_infinities;

/// A scheduler class of diffusers whose config can be read. Several of them have no
/// sampler of their own here; their configs still say how the model was trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulerClass {
    /// `DDPMScheduler`
    Ddpm,
    /// `DDIMScheduler`
    Ddim,
    /// `DDIMInverseScheduler`
    DdimInverse,
    /// `EulerDiscreteScheduler`
    Euler,
    /// `EulerAncestralDiscreteScheduler`
    EulerAncestral,
    /// `DPMSolverMultistepScheduler`
    DpmSolverMultistep,
    /// `LCMScheduler`
    Lcm,
    /// `FlowMatchEulerDiscreteScheduler`
    FlowMatchEuler,
    /// `PNDMScheduler`, which Stable Diffusion 1.5 ships with
    Pndm,
    /// `LMSDiscreteScheduler`
    Lms,
    /// `HeunDiscreteScheduler`
    Heun,
    /// `KDPM2DiscreteScheduler`
    Kdpm2,
    /// `KDPM2AncestralDiscreteScheduler`
    Kdpm2Ancestral,
    /// `UniPCMultistepScheduler`
    UniPc,
    /// `DEISMultistepScheduler`
    Deis,
    /// `DPMSolverSinglestepScheduler`
    DpmSolverSinglestep,
    /// `TCDScheduler`
    Tcd,
    /// `EDMEulerScheduler`
    EdmEuler,
    /// `EDMDPMSolverMultistepScheduler`, which Playground v2.5 ships with
    EdmDpmSolverMultistep,
}

use SchedulerClass as Class;

/// Class, its name in `_class_name`, and the sampler that does what it does, where there is one.
const CLASSES: [(Class, &str, Option<&str>); 19] = [
    (Class::Ddpm, "DDPMScheduler", Some("ddpm")),
    (Class::Ddim, "DDIMScheduler", Some("ddim")),
    // Makes noise of pictures.
    (Class::DdimInverse, "DDIMInverseScheduler", None),
    (Class::Euler, "EulerDiscreteScheduler", Some("euler")),
    (
        Class::EulerAncestral,
        "EulerAncestralDiscreteScheduler",
        Some("euler-ancestral"),
    ),
    (
        Class::DpmSolverMultistep,
        "DPMSolverMultistepScheduler",
        Some("dpm-solver++"),
    ),
    (Class::Lcm, "LCMScheduler", Some("lcm")),
    (
        Class::FlowMatchEuler,
        "FlowMatchEulerDiscreteScheduler",
        Some("flow-euler"),
    ),
    (Class::Pndm, "PNDMScheduler", Some("pndm")),
    (Class::Lms, "LMSDiscreteScheduler", None),
    (Class::Heun, "HeunDiscreteScheduler", None),
    (Class::Kdpm2, "KDPM2DiscreteScheduler", None),
    (
        Class::Kdpm2Ancestral,
        "KDPM2AncestralDiscreteScheduler",
        None,
    ),
    (Class::UniPc, "UniPCMultistepScheduler", Some("unipc")),
    (Class::Deis, "DEISMultistepScheduler", Some("deis")),
    (
        Class::DpmSolverSinglestep,
        "DPMSolverSinglestepScheduler",
        None,
    ),
    (Class::Tcd, "TCDScheduler", Some("tcd")),
    (Class::EdmEuler, "EDMEulerScheduler", Some("edm-euler")),
    (
        Class::EdmDpmSolverMultistep,
        "EDMDPMSolverMultistepScheduler",
        Some("edm-dpm-solver++"),
    ),
];

impl SchedulerClass {
    /// Whether its models are trained in EDM's formulation, on sigmas instead of betas.
    pub fn is_edm(self) -> bool {
        matches!(self, Class::EdmEuler | Class::EdmDpmSolverMultistep)
    }
}

/// What the model's output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PredictionType {
    /// The noise.
    Epsilon,
    /// `√ᾱ · noise − √(1 − ᾱ) · image` (Salimans and Ho, arXiv 2202.00512).
    VPrediction,
    /// The denoised image itself.
    Sample,
    /// `noise − image`, the velocity of rectified flow (arXiv 2209.03003).
    FlowPrediction,
}

impl PredictionType {
    pub(super) const NAMES: [(&'static str, Self); 4] = [
        ("epsilon", Self::Epsilon),
        ("v_prediction", Self::VPrediction),
        ("sample", Self::Sample),
        ("flow_prediction", Self::FlowPrediction),
    ];

    /// The name in `scheduler_config.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::VPrediction => "v_prediction",
            Self::Sample => "sample",
            Self::FlowPrediction => "flow_prediction",
        }
    }
}

/// The sampler that does what a scheduler class of diffusers does.
pub(super) fn sampler_of_class(name: &str) -> Option<&'static str> {
    CLASSES
        .iter()
        .find(|(_, known, _)| *known == name)
        .and_then(|(_, _, sampler)| *sampler)
}

/// A read `scheduler_config.json`. Only the class and the fields that the file sets are kept:
/// each sampler fills in the defaults of its own diffusers class, as `from_config` does.
#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    class: SchedulerClass,
    prediction_type: PredictionType,
    fields: Map<String, Value>,
    ends_a_step_early: bool,
}

impl SchedulerConfig {
    /// Reads the text of a `scheduler_config.json`. Python's `Infinity`, `-Infinity` and `NaN`
    /// are understood and, like `null`, count as not set.
    ///
    /// # Errors
    /// When the text is not JSON, the class is unknown, or a field has a value that its own
    /// class does not allow.
    pub fn from_json(text: &str) -> Result<Self, SamplerError> {
        Self::of_class(text, None)
    }

    /// The same for the class that `model_index.json` names, which diffusers takes whatever
    /// `_class_name` says or whether it is there.
    ///
    /// # Errors
    /// Those of [`SchedulerConfig::from_json`].
    pub fn of_class(text: &str, class: Option<&str>) -> Result<Self, SamplerError> {
        let mut fields: Map<String, Value> = serde_json::from_str(&without_infinities(text))?;
        fields.retain(|_, value| !value.is_null());
        let names = || {
            let supported = CLASSES.iter().filter(|(.., sampler)| sampler.is_some());
            supported
                .map(|(_, name, _)| *name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (file, name) = match (class, fields.get("_class_name")) {
            (Some(name), _) => ("model_index.json", name),
            (None, Some(Value::String(name))) => ("scheduler_config.json", name.as_str()),
            (None, Some(other)) => return Err(SamplerError::config("_class_name", other, names())),
            (None, None) => {
                return Err(SamplerError::config("_class_name", "left out", names()));
            }
        };
        let Some((class, ..)) = CLASSES.into_iter().find(|(_, known, _)| *known == name) else {
            return Err(SamplerError::UnknownClass {
                file,
                class: name.to_owned(),
                allowed: names(),
            });
        };
        let mut config = Self {
            class,
            prediction_type: PredictionType::Epsilon,
            fields,
            ends_a_step_early: false,
        };
        config.prediction_type = if class == SchedulerClass::FlowMatchEuler {
            PredictionType::FlowPrediction
        } else {
            config.choice("prediction_type", "epsilon", &PredictionType::NAMES)?
        };
        match class.is_edm() {
            true => super::edm::Edm::read(&config).map(|_| ())?,
            false => super::diffusion::Diffusion::read(&config, class).map(|_| ())?,
        }
        Ok(config)
    }

    /// The diffusers class that wrote the file.
    pub fn class(&self) -> SchedulerClass {
        self.class
    }

    /// What the model's output means.
    pub fn prediction_type(&self) -> PredictionType {
        self.prediction_type
    }

    /// The name of the class, as in `model_index.json`.
    pub fn class_name(&self) -> &'static str {
        CLASSES
            .iter()
            .find(|(class, ..)| *class == self.class)
            .map_or("", |(_, name, _)| *name)
    }

    /// The sampler of this scheduler, to use when nobody chose another.
    ///
    /// # Errors
    /// [`SamplerError::NoSampler`] where there is none that does the same.
    pub fn default_sampler(&self) -> Result<&'static str, SamplerError> {
        sampler_of_class(self.class_name()).ok_or_else(|| SamplerError::NoSampler {
            class: self.class_name(),
            allowed: super::painting_names(),
        })
    }

    /// The config as a pipeline class corrects it when it is built, whatever the file or the
    /// scheduler's defaults say: Stable Diffusion's set `steps_offset` to 1 and, but for
    /// inpainting, `clip_sample` to false; Flux's give the sigmas themselves, evenly from 1 to that
    /// of the last of their steps. The other classes take it as it is.
    #[must_use]
    pub fn for_pipeline(mut self, pipeline_class: &str) -> Self {
        self.ends_a_step_early = pipeline_class.starts_with("Flux");
        let (offset, clip) = match pipeline_class {
            "StableDiffusionPipeline" | "StableDiffusionImg2ImgPipeline" => (true, true),
            "StableDiffusionInpaintPipeline" => (true, false),
            _ => (false, false),
        };
        if offset {
            self.set("steps_offset", Value::from(1));
        }
        if clip {
            self.set("clip_sample", Value::from(false));
        }
        self
    }

    /// Gives a field another value, whatever the file says.
    pub(super) fn set(&mut self, field: &str, value: Value) {
        self.fields.insert(field.to_owned(), value);
    }

    /// How many timesteps the model was trained on.
    pub(super) fn num_train_timesteps(&self) -> Result<usize, SamplerError> {
        self.whole("num_train_timesteps", 1000, 2..=100_000)
    }

    /// Whether a flow's sigmas go evenly from 1 to `1 / steps`, instead of to the least that was
    /// trained, before they are shifted.
    pub(super) fn ends_a_step_early(&self) -> bool {
        self.ends_a_step_early
    }

    pub(super) fn number(
        &self,
        field: &'static str,
        default: f64,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<f64, SamplerError> {
        let Some(value) = self.fields.get(field) else {
            return Ok(default);
        };
        value
            .as_f64()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let allowed = format!("a number from {} to {}", range.start(), range.end());
                SamplerError::config(field, value, allowed)
            })
    }

    pub(super) fn whole(
        &self,
        field: &'static str,
        default: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, SamplerError> {
        let Some(value) = self.fields.get(field) else {
            return Ok(default);
        };
        value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let allowed = format!("a whole number from {} to {}", range.start(), range.end());
                SamplerError::config(field, value, allowed)
            })
    }

    pub(super) fn flag(&self, field: &'static str, default: bool) -> Result<bool, SamplerError> {
        let Some(value) = self.fields.get(field) else {
            return Ok(default);
        };
        value
            .as_bool()
            .ok_or_else(|| SamplerError::config(field, value, "true or false"))
    }

    /// The entry of `choices` that the field names.
    pub(super) fn choice<T: Copy>(
        &self,
        field: &'static str,
        default: &str,
        choices: &[(&'static str, T)],
    ) -> Result<T, SamplerError> {
        let value = self.fields.get(field);
        let name = value.map_or(Some(default), Value::as_str);
        choices
            .iter()
            .find(|(known, _)| Some(*known) == name)
            .map(|(_, choice)| *choice)
            .ok_or_else(|| {
                let shown = value.map_or_else(|| default.to_owned(), Value::to_string);
                let names: Vec<_> = choices.iter().map(|(known, _)| *known).collect();
                SamplerError::config(field, shown, names.join(", "))
            })
    }

    /// A list of whole numbers; empty when the file has none.
    pub(super) fn indices(&self, field: &'static str) -> Result<Vec<usize>, SamplerError> {
        let Some(value) = self.fields.get(field) else {
            return Ok(Vec::new());
        };
        let list = value.as_array().and_then(|list| {
            let whole = |value: &Value| usize::try_from(value.as_u64()?).ok();
            list.iter().map(whole).collect()
        });
        list.ok_or_else(|| SamplerError::config(field, value, "a list of whole numbers"))
    }

    /// A list of numbers in 0..=1, when the file has one.
    pub(super) fn fractions(&self, field: &'static str) -> Result<Option<Vec<f64>>, SamplerError> {
        let Some(value) = self.fields.get(field) else {
            return Ok(None);
        };
        value
            .as_array()
            .and_then(|list| list.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>())
            .filter(|list| list.iter().all(|number| (0.0..=1.0).contains(number)))
            .map(Some)
            .ok_or_else(|| {
                SamplerError::config(
                    field,
                    "what it is",
                    "a list of numbers from 0 to 1, or null",
                )
            })
    }

    /// Refuses `true` in a field whose meaning is not supported.
    pub(super) fn refuse(&self, field: &'static str) -> Result<(), SamplerError> {
        if self.flag(field, false)? {
            return Err(SamplerError::config(
                field,
                "true",
                "false: it is not supported",
            ));
        }
        Ok(())
    }
}
