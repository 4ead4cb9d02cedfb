//! Samplers of models that were trained in EDM's formulation (Karras et al., arXiv 2206.00364),
//! such as Playground v2.5: levels are sigmas of any size, without betas or training timesteps.
//!
//! Around the network stand the factors of the paper's table 1, which give what goes in and what
//! is asked of it unit variance, for data of the standard deviation `σ_d`:
//!
//! ```text
//! x̂0 = c_skip · x + c_out · network(c_in · x, c_noise)
//! c_in = 1/√(σ² + σ_d²)   c_skip = σ_d²/(σ² + σ_d²)   c_out = σ·σ_d/√(σ² + σ_d²)   c_noise = ¼·ln σ
//! ```
//!
//! With `prediction_type` v_prediction the network's answer has the other sign.

use super::dpm_solver::{Algorithm, Solver};
use super::euler::reads_sigma_min;
use super::multistep::order_of;
use super::sigmas;
use super::step_table::{
    Next, NoiseLevel, PredOriginalSample, Prediction, Step, StepTable, StepTableRequest,
};
use super::{PredictionType, Sampler, SamplerError, SchedulerConfig};
use crate::protocol::{ScheduleChoices, SigmasChoice};

/// `edm-euler`: diffusers' `EDMEulerScheduler`, without churn.
pub(super) struct EdmEuler;

/// `edm-dpm-solver++`: diffusers' `EDMDPMSolverMultistepScheduler`.
pub(super) struct EdmDpmSolver;

/// `sigma_schedule`.
#[derive(Clone, Copy)]
enum SigmaSchedule {
    Karras,
    Exponential,
}

/// The fields that both of diffusers' schedulers share, with their defaults.
pub(super) struct Edm {
    sigma_min: f64,
    sigma_max: f64,
    sigma_data: f64,
    sigma_schedule: SigmaSchedule,
    rho: f64,
    num_train_timesteps: usize,
    prediction_type: PredictionType,
    /// Whether a run ends at `sigma_min` instead of at the image itself.
    to_sigma_min: bool,
}

impl Edm {
    /// Reads the config of a model that was trained so.
    ///
    /// # Errors
    /// When its scheduler is of another formulation, or a field is out of range.
    pub fn read(config: &SchedulerConfig) -> Result<Self, SamplerError> {
        if !config.class().is_edm() {
            return Err(SamplerError::OtherFormulation {
                class: config.class_name(),
                allowed: match config.prediction_type() {
                    PredictionType::FlowPrediction => "flow-euler or dpm-solver++",
                    _ => "euler or dpm-solver++",
                },
            });
        }
        config.refuse("thresholding")?;
        let sigma_min = config.number("sigma_min", 0.002, 1e-6..=1e6)?;
        let sigma_max = config.number("sigma_max", 80.0, 1e-6..=1e6)?;
        if sigma_max <= sigma_min {
            let allowed = format!("more than `sigma_min`, {sigma_min}");
            return Err(SamplerError::config("sigma_max", sigma_max, allowed));
        }
        Ok(Self {
            sigma_min,
            sigma_max,
            sigma_data: config.number("sigma_data", 0.5, 1e-6..=1e6)?,
            sigma_schedule: config.choice(
                "sigma_schedule",
                "karras",
                &[
                    ("karras", SigmaSchedule::Karras),
                    ("exponential", SigmaSchedule::Exponential),
                ],
            )?,
            rho: config.number("rho", 7.0, 0.01..=1000.0)?,
            num_train_timesteps: config.num_train_timesteps()?,
            prediction_type: config.choice(
                "prediction_type",
                "epsilon",
                &[
                    ("epsilon", PredictionType::Epsilon),
                    ("v_prediction", PredictionType::VPrediction),
                ],
            )?,
            to_sigma_min: reads_sigma_min(config)?,
        })
    }

    /// The levels of a run before any strength, of which there is one more than steps. A run of one
    /// step goes from `sigma_max`: diffusers' exponential schedule would begin it at `sigma_min`,
    /// and its Euler would end it where it began, so that the noise stays in.
    fn levels(&self, count: usize) -> Vec<NoiseLevel> {
        let (most, least) = (self.sigma_max, self.sigma_min);
        let sigmas = match self.sigma_schedule {
            SigmaSchedule::Karras => sigmas::karras(most, least, self.rho, count),
            SigmaSchedule::Exponential => sigmas::exponential(most, least, count),
        };
        let last = if self.to_sigma_min { least } else { 0.0 };
        let sigmas = sigmas::rounded(sigmas.into_iter().chain([last]));
        let level = |sigma| NoiseLevel { alpha: 1.0, sigma };
        sigmas.into_iter().map(level).collect()
    }

    /// A step between two levels, with the factors around the network.
    fn step(&self, levels: [NoiseLevel; 2], next: Next) -> Step {
        let (sigma, data) = (levels[0].sigma, self.sigma_data);
        let spread = sigma.hypot(data);
        let sign = match self.prediction_type {
            PredictionType::VPrediction => -1.0,
            _ => 1.0,
        };
        let timestep = f64::from((0.25 * sigma.ln()) as f32);
        Step {
            input_scale: 1.0 / spread,
            pred_original_sample: PredOriginalSample {
                sample: (data / spread).powi(2),
                output: sign * sigma * data / spread,
            },
            ..Step::new(timestep, self.prediction_type, levels, next)
        }
    }

    fn step_table(&self, steps: Vec<Step>) -> Result<StepTable, SamplerError> {
        StepTable::new(steps, self.sigma_max.hypot(1.0), None, self.prediction_type)
    }
}

/// What `sigma_schedule` can be.
fn edm_choices() -> ScheduleChoices {
    ScheduleChoices {
        sigmas: vec![SigmasChoice::Karras, SigmasChoice::Exponential],
        ..ScheduleChoices::NONE
    }
}

impl Sampler for EdmEuler {
    fn name(&self) -> &'static str {
        "edm-euler"
    }

    fn schedule_choices(&self, _config: &SchedulerConfig) -> ScheduleChoices {
        edm_choices()
    }

    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        let edm = Edm::read(config)?;
        let count = request.checked_steps(edm.num_train_timesteps)?;
        let levels = edm.levels(count);
        let pairs = levels.windows(2).skip(request.skipped(count)?);
        let steps = pairs.map(|pair| {
            let next = Next::along(pair[0], pair[1], 0.0);
            edm.step([pair[0], pair[1]], next)
        });
        edm.step_table(steps.collect())
    }
}

impl Sampler for EdmDpmSolver {
    fn name(&self) -> &'static str {
        "edm-dpm-solver++"
    }

    fn schedule_choices(&self, _config: &SchedulerConfig) -> ScheduleChoices {
        edm_choices()
    }

    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        let edm = Edm::read(config)?;
        // Those of the denoised image alone.
        let algorithms = [("dpmsolver++", ()), ("sde-dpmsolver++", ()), ("deis", ())];
        config.choice("algorithm_type", "dpmsolver++", &algorithms)?;
        let solver = Solver::read(config, None)?;
        let most_orders = match solver.algorithm {
            // diffusers has no third order of it.
            Algorithm::DataSde => 2,
            _ => 3,
        };
        let solver_order = config.whole("solver_order", 2, 1..=most_orders)?;
        let lower_order_final = config.flag("lower_order_final", true)?;
        // Whether it is set or not: the last step leads to the image, which diffusers takes in the
        // first order, or to the level where it stands, which is no way in any order.
        config.flag("euler_at_final", false)?;
        let count = request.checked_steps(edm.num_train_timesteps)?;
        let skipped = request.skipped(count)?;
        let levels = edm.levels(count);
        let lowers = lower_order_final && count < 15;
        let steps = (skipped..count).map(|i| {
            let order = order_of(solver_order, i, [skipped, count], true, lowers);
            let pair = [levels[i], levels[i + 1]];
            let before = &levels[i + 1 - order..i];
            edm.step(pair, solver.next(before, pair, Prediction::DATA))
        });
        edm.step_table(steps.collect())
    }
}
