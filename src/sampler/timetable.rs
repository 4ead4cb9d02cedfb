//! The one affine form that every sampler's step has.

use super::{PredictionType, SamplerError};

/// What is asked of a sampler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimetableRequest {
    /// `num_inference_steps`: 1 to the number of training timesteps (LCM: to 50). With a
    /// strength below 1 fewer steps run, as in diffusers' image-to-image pipelines.
    pub steps: u32,
    /// How much of the image may change, above 0 to 1; 1 is from pure noise.
    pub strength: f64,
    /// How much of each DDIM step is fresh noise, 0 to 1. Other samplers ignore it.
    pub eta: f64,
    /// Whether a strength that is too small for any step runs one all the same; otherwise it is
    /// refused.
    pub keeps_a_step: bool,
}

impl TimetableRequest {
    /// All steps from pure noise, eta 0.
    pub fn new(steps: u32) -> Self {
        Self {
            steps,
            strength: 1.0,
            eta: 0.0,
            keeps_a_step: false,
        }
    }
}

/// How much image and how much noise a sample holds: `x_t = signal · x0 + noise · e`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseLevel {
    /// Factor of the image: `√ᾱ`, or 1 in sigma space, or `1 − σ` in flow matching.
    pub signal: f64,
    /// Factor of the unit noise: `√(1 − ᾱ)`, or σ.
    pub noise: f64,
}

impl NoiseLevel {
    /// An image without noise.
    pub const CLEAN: Self = Self {
        signal: 1.0,
        noise: 0.0,
    };

    /// The variance-preserving level of an `ᾱ` in 0..=1.
    pub fn from_alpha_cumprod(alpha_cumprod: f64) -> Self {
        Self {
            signal: alpha_cumprod.sqrt(),
            noise: (1.0 - alpha_cumprod).sqrt(),
        }
    }

    /// The factor that gives a sample of this level unit variance, as UNets trained on
    /// variance-preserving schedules want it.
    pub(super) fn to_unit_variance(self) -> f64 {
        1.0 / self.signal.hypot(self.noise)
    }

    /// The noise of this level once the sample has unit variance, 0 to 1: `√(1 − ᾱ)` of the
    /// variance-preserving sample with the same signal-to-noise ratio.
    pub fn variance_preserving_sigma(&self) -> f64 {
        self.noise * self.to_unit_variance()
    }

    /// `x_t` of an image and unit noise.
    pub fn mix(&self, image: f64, noise: f64) -> f64 {
        self.signal * image + self.noise * noise
    }
}

/// The denoised image from the model's output: `x0 = sample · x_t + output · model_output`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Denoised {
    /// Factor of the sample (before `input_scale`).
    pub sample: f64,
    /// Factor of the model's output.
    pub output: f64,
}

impl Denoised {
    /// Solves the definition of the prediction type for the image, at a level.
    pub(super) fn new(prediction: PredictionType, level: NoiseLevel) -> Self {
        let NoiseLevel { signal, noise } = level;
        match prediction {
            PredictionType::Epsilon => Self {
                sample: 1.0 / signal,
                output: -noise / signal,
            },
            PredictionType::Sample => Self {
                sample: 0.0,
                output: 1.0,
            },
            PredictionType::VPrediction => {
                let scale = level.to_unit_variance();
                Self {
                    sample: scale * scale * signal,
                    output: -scale * noise,
                }
            }
            PredictionType::FlowPrediction => Self {
                sample: 1.0 / (signal + noise),
                output: -noise / (signal + noise),
            },
        }
    }
}

/// The next sample: each field is the factor of what it names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Next {
    /// The denoised image of this step, after clipping and after the mask's blend.
    pub denoised: f64,
    /// The sample that this step began with.
    pub sample: f64,
    /// The denoised image of the step before, after its blend; never used by a first step.
    pub previous_denoised: f64,
    /// The model's output. Only inverse DDIM, and DDIM with `clip_sample`, use it.
    pub output: f64,
    /// Fresh unit noise: `gaussian_noise(seed, draw = 1 + index of the step, …)`.
    pub noise: f64,
}

impl Next {
    /// Moves from one level to the next along the noise that the sample and the denoised image
    /// imply, of which `fresh` (a standard deviation) is replaced by new noise: DDIM's formula
    /// (12) (arXiv 2010.02502), of which Euler's step is a change of variables.
    pub(super) fn along(level: NoiseLevel, next: NoiseLevel, fresh: f64) -> Self {
        let kept = (next.noise * next.noise - fresh * fresh).max(0.0).sqrt();
        let ratio = if kept == 0.0 { 0.0 } else { kept / level.noise };
        Self {
            denoised: next.signal - level.signal * ratio,
            sample: ratio,
            noise: fresh,
            ..Self::default()
        }
    }
}

/// One call of the model and what is made of its output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What the model is told; fractional for some spacings.
    pub timestep: f64,
    /// Factor of the sample before it goes into the model (`scale_model_input`).
    pub input_scale: f64,
    /// From the model's output to the denoised image.
    pub denoised: Denoised,
    /// From the denoised image to the next sample.
    pub next: Next,
    /// The level of the sample that this step begins with.
    pub level: NoiseLevel,
    /// The level of the sample that this step leaves.
    pub next_level: NoiseLevel,
}

/// One element of everything that [`Step::next_sample`] mixes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepValues {
    /// The denoised image, clipped and blended.
    pub denoised: f64,
    /// The sample that the step began with.
    pub sample: f64,
    /// The denoised image of the step before.
    pub previous_denoised: f64,
    /// The model's output.
    pub output: f64,
    /// Fresh unit noise.
    pub noise: f64,
}

impl Step {
    /// One element of the denoised image, before clipping and blending.
    pub fn denoise(&self, sample: f64, output: f64) -> f64 {
        self.denoised.sample * sample + self.denoised.output * output
    }

    /// One element of the next sample.
    pub fn next_sample(&self, values: &StepValues) -> f64 {
        self.next.denoised * values.denoised
            + self.next.sample * values.sample
            + self.next.previous_denoised * values.previous_denoised
            + self.next.output * values.output
            + self.next.noise * values.noise
    }

    fn is_finite(&self) -> bool {
        let Denoised { sample, output } = self.denoised;
        let Next {
            denoised,
            sample: kept,
            previous_denoised,
            output: direct,
            noise,
        } = self.next;
        [self.timestep, self.input_scale, sample, output]
            .into_iter()
            .chain([denoised, kept, previous_denoised, direct, noise])
            .all(f64::is_finite)
    }
}

/// All steps of one run, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Timetable {
    /// At least one.
    pub steps: Vec<Step>,
    /// Factor of unit noise when a run begins from noise alone (`init_noise_sigma`).
    pub initial_noise_scale: f64,
    /// How an image is noised when a run begins from one (`add_noise` at the first timestep).
    pub initial: NoiseLevel,
    /// Denoised images are clamped to ± this, when it is set (`clip_sample`).
    pub clip_denoised: Option<f64>,
}

impl Timetable {
    /// Takes the initial level from the first step, and makes sure that all numbers are finite.
    pub(super) fn new(
        steps: Vec<Step>,
        initial_noise_scale: f64,
        clip_denoised: Option<f64>,
        prediction: PredictionType,
    ) -> Result<Self, SamplerError> {
        if let Some(step) = steps.iter().find(|step| !step.is_finite()) {
            return Err(SamplerError::NoSignal {
                prediction_type: prediction.name(),
                timestep: step.timestep,
            });
        }
        let initial = steps.first().map_or(NoiseLevel::CLEAN, |step| step.level);
        Ok(Self {
            steps,
            initial_noise_scale,
            initial,
            clip_denoised,
        })
    }
}
