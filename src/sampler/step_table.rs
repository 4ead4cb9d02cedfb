//! The one affine form that every sampler's step has.

use super::flow_shift::USUAL_SEQ_LEN;
use super::{PredictionType, SamplerError};
use crate::protocol::Schedule;

/// What is asked of a sampler.
#[derive(Clone, Debug, PartialEq)]
pub struct StepTableRequest {
    /// `num_inference_steps`: 1 to the number of training timesteps (LCM: to 50). With a
    /// strength below 1 fewer steps run, as in diffusers' image-to-image pipelines. Where the
    /// schedule is a list, that says how many steps there are instead.
    pub steps: u32,
    /// Which timesteps and sigmas they have: the scheduler's own, or what [`Schedule::check`] lets the
    /// sampler have.
    pub schedule: Schedule,
    /// How much of the image may change, above 0 to 1; 1 is from pure noise.
    pub strength: f64,
    /// How much of each DDIM or TCD step is fresh noise, 0 to 1; the scheduler's own default when
    /// left out (DDIM 0, TCD 0.3). Other samplers ignore it.
    pub eta: Option<f64>,
    /// Whether a strength that is too small for any step runs one all the same; otherwise it is
    /// refused.
    pub keeps_a_step: bool,
    /// How many tokens the denoiser makes of the image: flow models with `use_dynamic_shifting`
    /// look at more noise the more there are.
    pub image_seq_len: usize,
}

impl StepTableRequest {
    /// All steps from pure noise, the scheduler's own schedule and eta, for an image of 1024 × 1024 pixels.
    pub fn new(steps: u32) -> Self {
        Self {
            steps,
            schedule: Schedule::default(),
            strength: 1.0,
            eta: None,
            keeps_a_step: false,
            image_seq_len: USUAL_SEQ_LEN,
        }
    }
}

/// How much image and how much noise a sample holds: `x_t = alpha · x0 + sigma · e`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseLevel {
    /// Factor of the image: `√ᾱ`, or 1 in sigma space, or `1 − σ` in flow matching.
    pub alpha: f64,
    /// Factor of the unit noise: `√(1 − ᾱ)`, or σ.
    pub sigma: f64,
}

impl NoiseLevel {
    /// An image without noise.
    pub const CLEAN: Self = Self {
        alpha: 1.0,
        sigma: 0.0,
    };

    /// The variance-preserving level of an `ᾱ` in 0..=1.
    pub fn from_alpha_cumprod(alpha_cumprod: f64) -> Self {
        Self {
            alpha: alpha_cumprod.sqrt(),
            sigma: (1.0 - alpha_cumprod).sqrt(),
        }
    }

    /// The factor that gives a sample of this level unit variance, as UNets trained on
    /// variance-preserving schedules want it.
    pub(super) fn to_unit_variance(self) -> f64 {
        1.0 / self.alpha.hypot(self.sigma)
    }

    /// The noise of this level once the sample has unit variance, 0 to 1: `√(1 − ᾱ)` of the
    /// variance-preserving sample with the same signal-to-noise ratio.
    pub fn variance_preserving_sigma(&self) -> f64 {
        self.sigma * self.to_unit_variance()
    }

    /// `x_t` of an image and unit noise.
    pub fn mix(&self, image: f64, noise: f64) -> f64 {
        self.alpha * image + self.sigma * noise
    }
}

/// The denoised image from the model's output: `x0 = sample · x_t + output · model_output`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredOriginalSample {
    /// Factor of the sample (before `input_scale`).
    pub sample: f64,
    /// Factor of the model's output.
    pub output: f64,
}

impl PredOriginalSample {
    /// Solves the definition of the prediction type for the image, at a level.
    pub(super) fn new(prediction: PredictionType, level: NoiseLevel) -> Self {
        let NoiseLevel { alpha, sigma } = level;
        match prediction {
            PredictionType::Epsilon => Self {
                sample: 1.0 / alpha,
                output: -sigma / alpha,
            },
            PredictionType::Sample => Self {
                sample: 0.0,
                output: 1.0,
            },
            PredictionType::VPrediction => {
                let scale = level.to_unit_variance();
                Self {
                    sample: scale * scale * alpha,
                    output: -scale * sigma,
                }
            }
            PredictionType::FlowPrediction => Self {
                sample: 1.0 / (alpha + sigma),
                output: -sigma / (alpha + sigma),
            },
        }
    }
}

/// How many predictions of earlier steps a step can use.
pub const HISTORY: usize = 3;

/// What a sample is mixed from: each field is the factor of what it names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Next {
    /// The denoised image of this step, after clipping and after the mask's blend.
    pub pred_original_sample: f64,
    /// The sample that this step begins with; in [`Step::next`] the corrected one.
    pub sample: f64,
    /// The sample that the step before went on from.
    pub previous_sample: f64,
    /// The predictions that the steps before kept ([`Step::kept`]), the newest first.
    pub history: [f64; HISTORY],
    /// The model's output. Only inverse DDIM, and DDIM with `clip_sample`, use it.
    pub output: f64,
    /// Fresh unit noise: `gaussian_noise(seed, draw = 1 + index of the step, …)`.
    pub noise: f64,
}

impl Next {
    /// With a factor of this step's own prediction, which is `kept` of the denoised image and the
    /// sample.
    pub(super) fn with_prediction(mut self, factor: f64, kept: Prediction) -> Self {
        self.pred_original_sample += factor * kept.pred_original_sample;
        self.sample += factor * kept.sample;
        self
    }

    /// Moves from one level to the next along the noise that the sample and the denoised image
    /// imply, of which `fresh` (a standard deviation) is replaced by new noise: DDIM's formula
    /// (12) (arXiv 2010.02502), of which Euler's step is a change of variables.
    pub(super) fn along(level: NoiseLevel, next: NoiseLevel, fresh: f64) -> Self {
        let kept = (next.sigma * next.sigma - fresh * fresh).max(0.0).sqrt();
        let ratio = if kept == 0.0 { 0.0 } else { kept / level.sigma };
        Self {
            pred_original_sample: next.alpha - level.alpha * ratio,
            sample: ratio,
            noise: fresh,
            ..Self::default()
        }
    }
}

/// What a step keeps of the model's answer for the steps after it: an affine form of the denoised
/// image, after its blend, and the sample that the model saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Factor of the denoised image.
    pub pred_original_sample: f64,
    /// Factor of the sample.
    pub sample: f64,
}

impl Prediction {
    /// The denoised image itself (`predict_x0`, DPM-Solver++).
    pub const DATA: Self = Self {
        pred_original_sample: 1.0,
        sample: 0.0,
    };

    /// The noise that the sample holds beside the denoised image (PNDM, DEIS, DPM-Solver).
    pub(super) fn noise(level: NoiseLevel) -> Self {
        Self {
            pred_original_sample: -level.alpha / level.sigma,
            sample: 1.0 / level.sigma,
        }
    }

    /// The model's output of this prediction type, as the blended image implies it.
    pub(super) fn output(prediction: PredictionType, level: NoiseLevel) -> Self {
        let NoiseLevel { alpha, sigma } = level;
        match prediction {
            PredictionType::Epsilon => Self::noise(level),
            PredictionType::Sample => Self::DATA,
            PredictionType::VPrediction => {
                let scale = level.to_unit_variance();
                Self {
                    pred_original_sample: -1.0 / (scale * sigma),
                    sample: scale * alpha / sigma,
                }
            }
            PredictionType::FlowPrediction => Self {
                pred_original_sample: -(alpha + sigma) / sigma,
                sample: 1.0 / sigma,
            },
        }
    }
}

/// One call of the model and what is made of its output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What the model is told: a training timestep, fractional for some spacings, or with EDM `¼·ln σ`.
    pub timestep: f64,
    /// Factor of the sample before it goes into the model (`scale_model_input`).
    pub input_scale: f64,
    /// From the model's output to the denoised image.
    pub pred_original_sample: PredOriginalSample,
    /// What later steps are given of this one; nothing where it only does a step over again.
    pub kept: Option<Prediction>,
    /// What takes the place of the sample once the model has answered (UniPC's corrector).
    pub correction: Option<Next>,
    /// From the denoised image to the next sample.
    pub next: Next,
    /// The level of the sample that this step begins with.
    pub level: NoiseLevel,
    /// The level of the sample that this step leaves.
    pub next_level: NoiseLevel,
}

/// One element of a run, between two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Element {
    /// The sample.
    pub sample: f64,
    /// The sample that the step before went on from.
    pub previous_sample: f64,
    /// What the steps before kept, the newest first.
    pub history: [f64; HISTORY],
}

impl Step {
    /// A step that keeps its denoised image and corrects nothing.
    pub(super) fn new(
        timestep: f64,
        prediction: PredictionType,
        [level, next_level]: [NoiseLevel; 2],
        next: Next,
    ) -> Self {
        Self {
            timestep,
            input_scale: 1.0,
            pred_original_sample: PredOriginalSample::new(prediction, level),
            kept: Some(Prediction::DATA),
            correction: None,
            next,
            level,
            next_level,
        }
    }

    /// One element of the denoised image, before clipping and blending.
    pub fn denoise(&self, sample: f64, output: f64) -> f64 {
        self.pred_original_sample.sample * sample + self.pred_original_sample.output * output
    }

    /// Takes an element over this step, given its denoised image after clipping and blending, the
    /// model's output and fresh unit noise.
    pub fn advance(
        &self,
        element: &mut Element,
        pred_original_sample: f64,
        output: f64,
        noise: f64,
    ) {
        let mix = |factors: &Next, sample: f64| {
            let history = factors.history.iter().zip(&element.history);
            factors.pred_original_sample * pred_original_sample
                + factors.sample * sample
                + factors.previous_sample * element.previous_sample
                + history.map(|(factor, kept)| factor * kept).sum::<f64>()
                + factors.output * output
                + factors.noise * noise
        };
        let seen = element.sample;
        let sample = match &self.correction {
            Some(correction) => mix(correction, seen),
            None => seen,
        };
        let next = mix(&self.next, sample);
        if let Some(kept) = self.kept {
            element.history.rotate_right(1);
            element.history[0] =
                kept.pred_original_sample * pred_original_sample + kept.sample * seen;
        }
        element.previous_sample = sample;
        element.sample = next;
    }

    fn is_finite(&self) -> bool {
        let factors = |next: &Next| {
            let Next {
                pred_original_sample,
                sample,
                previous_sample,
                history,
                output,
                noise,
            } = *next;
            [pred_original_sample, sample, previous_sample, output, noise]
                .into_iter()
                .chain(history)
                .all(f64::is_finite)
        };
        let PredOriginalSample { sample, output } = self.pred_original_sample;
        [self.timestep, self.input_scale, sample, output]
            .into_iter()
            .chain(
                self.kept
                    .into_iter()
                    .flat_map(|kept| [kept.pred_original_sample, kept.sample]),
            )
            .all(f64::is_finite)
            && factors(&self.next)
            && self.correction.as_ref().is_none_or(factors)
    }
}

/// All steps of one run, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct StepTable {
    /// At least one.
    pub steps: Vec<Step>,
    /// Factor of unit noise when a run begins from noise alone (`init_noise_sigma`).
    pub initial_noise_scale: f64,
    /// How an image is noised when a run begins from one (`add_noise` at the first timestep).
    pub initial: NoiseLevel,
    /// Denoised images are clamped to ± this, when it is set (`clip_sample`).
    pub clip_denoised: Option<f64>,
}

impl StepTable {
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

    /// How many predictions of earlier steps any step uses, 0 to [`HISTORY`].
    pub fn predictions_kept(&self) -> usize {
        let mixes = self
            .steps
            .iter()
            .flat_map(|step| [Some(step.next), step.correction]);
        let used = mixes.flatten().filter_map(|mix| {
            let last = mix.history.iter().rposition(|factor| *factor != 0.0)?;
            Some(last + 1)
        });
        used.max().unwrap_or(0)
    }
}
