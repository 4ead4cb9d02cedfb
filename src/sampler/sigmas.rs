//! Sigma tables: interpolation, and the spacings that choose sigmas instead of timesteps.

use super::spacing::linspace;
use super::{SamplerError, SchedulerConfig};

/// How the sigmas of a run are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SigmaSpacing {
    /// Those of the spaced timesteps.
    Timesteps,
    /// Karras et al. (arXiv 2206.00364), equation 5 with ρ = 7.
    Karras,
    /// Even in log σ, at the nearest whole timesteps where the sampler wants whole ones.
    Lu,
    /// Even in log σ.
    Exponential,
}

impl SigmaSpacing {
    /// Reads `use_karras_sigmas`, `use_exponential_sigmas` and, where the class has it,
    /// `use_lu_lambdas`; at most one may be set.
    pub(super) fn read(config: &SchedulerConfig, has_lu: bool) -> Result<Self, SamplerError> {
        let karras = config.flag("use_karras_sigmas", false)?;
        let exponential = config.flag("use_exponential_sigmas", false)?;
        let lu = has_lu && config.flag("use_lu_lambdas", false)?;
        match (karras, exponential, lu) {
            (false, false, false) => Ok(Self::Timesteps),
            (true, false, _) => Ok(Self::Karras),
            (false, _, true) => Ok(Self::Lu),
            (false, true, false) => Ok(Self::Exponential),
            (true, true, _) => Err(SamplerError::config(
                "use_exponential_sigmas",
                "true while `use_karras_sigmas` is true",
                "one of the two",
            )),
        }
    }

    /// `count` sigmas from `most` down to `least`; none when the timesteps decide.
    pub(super) fn between(self, most: f64, least: f64, count: usize) -> Option<Vec<f64>> {
        match self {
            Self::Timesteps => None,
            Self::Karras => {
                const RHO: f64 = 7.0;
                let (high, low) = (most.powf(1.0 / RHO), least.powf(1.0 / RHO));
                let ramp = linspace(0.0, 1.0, count);
                Some(
                    ramp.into_iter()
                        .map(|part| (high + part * (low - high)).powf(RHO))
                        .collect(),
                )
            }
            Self::Lu | Self::Exponential => Some(
                linspace(most.ln(), least.ln(), count)
                    .into_iter()
                    .map(f64::exp)
                    .collect(),
            ),
        }
    }
}

/// The value of `table` at a fractional index, between its neighbours.
pub(super) fn at(table: &[f64], index: f64) -> f64 {
    let last = table.len().saturating_sub(1);
    let low = (index.max(0.0) as usize).min(last);
    let high = (low + 1).min(last);
    let slope = table[high] - table[low];
    slope * (index.min(last as f64) - low as f64) + table[low]
}

/// The fractional timestep whose sigma this is, interpolated in log σ (`_sigma_to_t`).
/// `table` ascends with the timestep.
pub(super) fn timestep_of(table: &[f64], sigma: f64) -> f64 {
    // diffusers keeps the table's logarithms in f32.
    let log_of = |value: f64| f64::from((value as f32).ln());
    let log_sigma = sigma.max(1e-10).ln();
    let below = table.partition_point(|value| log_of(*value) <= log_sigma);
    let low = below.saturating_sub(1).min(table.len().saturating_sub(2));
    let (from, to) = (log_of(table[low]), log_of(table[low + 1]));
    low as f64 + ((log_sigma - from) / (to - from)).clamp(0.0, 1.0)
}

/// Sigmas as diffusers stores them.
pub(super) fn rounded(sigmas: impl IntoIterator<Item = f64>) -> Vec<f64> {
    sigmas
        .into_iter()
        .map(|sigma| f64::from(sigma as f32))
        .collect()
}
