//! Samplers as plain arithmetic: step tables of affine steps, and seeded noise.
//!
//! A [`Sampler`] turns a model's `scheduler_config.json` and a request into a
//! [`StepTable`] before the first step runs. Every step of every sampler is the
//! same affine form, so the pipeline needs one loop for all of them:
//!
//! ```text
//! sample = image given:  initial.alpha · image + initial.sigma · noise(draw 0)
//!          else:         initial_noise_scale · noise(draw 0)
//! for (i, step) in steps:
//!     output   = model(step.input_scale · sample, step.timestep)
//!     pred_original_sample = step.pred_original_sample.sample · sample + step.pred_original_sample.output · output
//!     pred_original_sample = clamp(pred_original_sample, ±clip_denoised)                 (when it is set)
//!     pred_original_sample = mask · pred_original_sample + (1 − mask) · known latents    (when there is a mask)
//!     sample   = correction of it                                (when the step has one)
//!     sample   = next.pred_original_sample · pred_original_sample + next.sample · sample + next.output · output
//!              + next.previous_sample · sample of step i − 1 + next.noise · noise(draw 1 + i)
//!              + Σ next.history[k] · kept of step i − 1 − k
//!     kept     = step.kept.pred_original_sample · pred_original_sample + step.kept.sample · the sample that the model saw
//! ```
//!
//! A correction is such a mix itself. Histories of up to [`HISTORY`] steps are what multistep
//! solvers need: PNDM, DEIS, DPM-Solver of third order, UniPC's predictor and corrector.
//!
//! Nothing here knows a tensor: the numbers are f64 and are tested alone,
//! against diffusers' schedulers (`tests/sampler_parity.rs`).

mod config;
mod ddim;
mod ddim_inverse;
mod ddpm;
mod deis;
mod diffusion;
mod dpm_solver;
mod edit_friendly;
mod edm;
mod error;
mod euler;
mod euler_ancestral;
mod flow_euler;
mod flow_shift;
mod lcm;
mod multistep;
pub mod noise;
mod pndm;
mod schedule;
mod sigmas;
mod spacing;
mod step_table;
mod tcd;
mod turbo;
mod unipc;

pub use config::{PredictionType, SchedulerClass, SchedulerConfig};
pub use edit_friendly::{CROSS_PROMPT, EditFriendlyStep, edit_friendly_steps};
pub use error::SamplerError;
pub use noise::{LatentRect, gaussian_noise};
pub use step_table::{
    Element, HISTORY, Next, NoiseLevel, PredOriginalSample, Prediction, Step, StepTable,
    StepTableRequest,
};

use std::collections::BTreeMap;

use crate::protocol::{Schedule, ScheduleChoices};

/// Makes step tables of one kind.
pub trait Sampler: Send + Sync {
    /// The name on the wire and the command line, such as `euler-ancestral`.
    fn name(&self) -> &'static str;

    /// What of the schedule a request may choose with a model whose scheduler is `config`; the rest
    /// is refused.
    fn schedule_choices(&self, _config: &SchedulerConfig) -> ScheduleChoices {
        ScheduleChoices::NONE
    }

    /// The steps for a model whose scheduler is `config`. Fields that the config
    /// leaves out have the defaults of the diffusers class behind this sampler,
    /// as with `Scheduler.from_config`; those that the request's schedule chooses
    /// have its values.
    ///
    /// # Errors
    /// When a field of the request or of the config is out of range, or when the
    /// two contradict each other; the message names the field and what is allowed.
    fn step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError> {
        if request.schedule == Schedule::default() {
            return self.configured_step_table(config, request);
        }
        let choices = self.schedule_choices(config);
        request.schedule.check(self.name(), &choices)?;
        self.configured_step_table(&config.scheduled(&request.schedule), request)
    }

    /// The same, once the choices of the request's schedule are in `config`; its lists, which no
    /// config has, are still to be read.
    ///
    /// # Errors
    /// As [`Sampler::step_table`].
    fn configured_step_table(
        &self,
        config: &SchedulerConfig,
        request: &StepTableRequest,
    ) -> Result<StepTable, SamplerError>;
}

static SAMPLERS: [&dyn Sampler; 17] = [
    &lcm::Lcm,
    &ddim::Ddim,
    &ddim_inverse::DdimInverse,
    &ddpm::Ddpm,
    &euler::Euler,
    &euler_ancestral::EulerAncestral,
    &dpm_solver::DpmSolver {
        name: "dpm-solver++",
        algorithm: None,
        order: None,
    },
    &dpm_solver::DpmSolver {
        name: "dpm-solver++-sde",
        algorithm: Some(dpm_solver::Algorithm::DataSde),
        order: Some(2),
    },
    &dpm_solver::DpmSolver {
        name: "dpm-solver++-3m",
        algorithm: Some(dpm_solver::Algorithm::Data),
        order: Some(3),
    },
    &unipc::UniPc,
    &deis::Deis,
    &pndm::Pndm,
    &tcd::Tcd,
    &turbo::Turbo,
    &flow_euler::FlowEuler,
    &edm::EdmEuler,
    &edm::EdmDpmSolver,
];

/// Names that people know from other programs, and the samplers' own.
const ALIASES: [(&str, &str); 14] = [
    ("euler_a", "euler-ancestral"),
    ("euler_ancestral", "euler-ancestral"),
    ("dpmpp_2m", "dpm-solver++"),
    ("dpm++_2m", "dpm-solver++"),
    ("dpmpp_2m_sde", "dpm-solver++-sde"),
    ("dpm++_2m_sde", "dpm-solver++-sde"),
    ("dpmpp_3m", "dpm-solver++-3m"),
    ("uni_pc", "unipc"),
    ("uni_pc_bh2", "unipc"),
    ("uni-pc", "unipc"),
    ("plms", "pndm"),
    ("flow_euler", "flow-euler"),
    ("edm_euler", "edm-euler"),
    ("edm_dpmpp_2m", "edm-dpm-solver++"),
];

/// The names of all samplers.
pub fn sampler_names() -> impl Iterator<Item = &'static str> {
    SAMPLERS.iter().map(|sampler| sampler.name())
}

/// The samplers that make pictures of noise; inverse DDIM goes the other way.
fn painting() -> impl Iterator<Item = &'static dyn Sampler> {
    let samplers = SAMPLERS.iter().copied();
    samplers.filter(|sampler| sampler.name() != "ddim-inverse")
}

/// The names of the samplers that make pictures of noise, for messages.
fn painting_names() -> String {
    let names = painting().map(|sampler| sampler.name());
    names.collect::<Vec<_>>().join(", ")
}

/// The names of the samplers that can paint with a model whose scheduler is `config`: those that
/// have a step table for it. What it was trained for, a flow or EDM or noise that is added to a
/// shrinking image, leaves out those that solve something else.
pub fn samplers_for(config: &SchedulerConfig) -> impl Iterator<Item = &'static str> {
    /// At one number of steps a schedule may begin where a prediction says nothing of the image.
    const STEPS: [u32; 2] = [1, 4];
    painting()
        .filter(|sampler| {
            let mut requests = STEPS.into_iter().map(StepTableRequest::new);
            requests.any(|request| sampler.step_table(config, &request).is_ok())
        })
        .map(|sampler| sampler.name())
}

/// What of the schedule can be chosen with which of [`samplers_for`] the same; those with which
/// nothing can are left out.
pub fn schedules_for(config: &SchedulerConfig) -> BTreeMap<String, ScheduleChoices> {
    let offers = samplers_for(config).filter_map(|name| {
        let sampler = sampler_by_name(name).ok()?;
        Some((name.to_owned(), sampler.schedule_choices(config)))
    });
    offers
        .filter(|(_, choices)| *choices != ScheduleChoices::NONE)
        .collect()
}

/// The sampler of that name: its own, one that people know from other programs (`dpmpp_2m`), or
/// that of its class in diffusers (`UniPCMultistepScheduler`).
///
/// # Errors
/// [`SamplerError::UnknownSampler`], which lists the samplers' own names.
pub fn sampler_by_name(name: &str) -> Result<&'static dyn Sampler, SamplerError> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let own = alias
        .map(|(_, own)| *own)
        .or_else(|| config::sampler_of_class(name))
        .unwrap_or(name);
    SAMPLERS
        .iter()
        .copied()
        .find(|sampler| sampler.name() == own)
        .ok_or_else(|| SamplerError::UnknownSampler {
            name: name.to_owned(),
            allowed: sampler_names().collect::<Vec<_>>().join(", "),
        })
}

#[cfg(test)]
mod tests;
