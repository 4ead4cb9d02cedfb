//! Samplers as plain arithmetic: timetables of affine steps, and seeded noise.
//!
//! A [`Sampler`] turns a model's `scheduler_config.json` and a request into a
//! [`Timetable`] before the first step runs. Every step of every sampler is the
//! same affine form, so the pipeline needs one loop for all of them:
//!
//! ```text
//! sample = image given:  initial.signal · image + initial.noise · noise(draw 0)
//!          else:         initial_noise_scale · noise(draw 0)
//! for (i, step) in steps:
//!     output   = model(step.input_scale · sample, step.timestep)
//!     denoised = step.denoised.sample · sample + step.denoised.output · output
//!     denoised = clamp(denoised, ±clip_denoised)                 (when it is set)
//!     denoised = mask · denoised + (1 − mask) · known latents    (when there is a mask)
//!     sample   = next.denoised · denoised + next.sample · sample + next.output · output
//!              + next.previous_denoised · denoised of step i − 1 + next.noise · noise(draw 1 + i)
//! ```
//!
//! Nothing here knows a tensor: the numbers are f64 and are tested alone,
//! against diffusers' schedulers (`tests/sampler_parity.rs`).

mod config;
mod ddim;
mod ddim_inverse;
mod ddpm;
mod diffusion;
mod dpm_solver;
mod edit_friendly;
mod error;
mod euler;
mod euler_ancestral;
mod flow_euler;
mod lcm;
pub mod noise;
mod sigmas;
mod spacing;
mod timetable;
mod turbo;

pub use config::{PredictionType, SchedulerClass, SchedulerConfig};
pub use edit_friendly::{CROSS_PROMPT, EditFriendlyStep, edit_friendly_steps};
pub use error::SamplerError;
pub use noise::{LatentRect, gaussian_noise};
pub use timetable::{Denoised, Next, NoiseLevel, Step, StepValues, Timetable, TimetableRequest};

/// Makes timetables of one kind.
pub trait Sampler: Send + Sync {
    /// The name on the wire and the command line, such as `euler-ancestral`.
    fn name(&self) -> &'static str;

    /// The steps for a model whose scheduler is `config`. Fields that the config
    /// leaves out have the defaults of the diffusers class behind this sampler,
    /// as with `Scheduler.from_config`.
    ///
    /// # Errors
    /// When a field of the request or of the config is out of range, or when the
    /// two contradict each other; the message names the field and what is allowed.
    fn timetable(
        &self,
        config: &SchedulerConfig,
        request: &TimetableRequest,
    ) -> Result<Timetable, SamplerError>;
}

static SAMPLERS: [&dyn Sampler; 9] = [
    &lcm::Lcm,
    &ddim::Ddim,
    &ddim_inverse::DdimInverse,
    &ddpm::Ddpm,
    &euler::Euler,
    &euler_ancestral::EulerAncestral,
    &dpm_solver::DpmSolver,
    &turbo::Turbo,
    &flow_euler::FlowEuler,
];

/// The names of all samplers.
pub fn sampler_names() -> impl Iterator<Item = &'static str> {
    SAMPLERS.iter().map(|sampler| sampler.name())
}

/// The sampler of that name.
///
/// # Errors
/// [`SamplerError::UnknownSampler`], which lists the names.
pub fn sampler_by_name(name: &str) -> Result<&'static dyn Sampler, SamplerError> {
    SAMPLERS
        .iter()
        .copied()
        .find(|sampler| sampler.name() == name)
        .ok_or_else(|| SamplerError::UnknownSampler {
            name: name.to_owned(),
            allowed: sampler_names().collect::<Vec<_>>().join(", "),
        })
}

#[cfg(test)]
mod tests;
