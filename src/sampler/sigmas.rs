//! Sigma tables: interpolation, and the spacings that choose sigmas instead of timesteps.

use super::spacing::linspace;
use super::{SamplerError, SchedulerConfig};

/// How the sigmas of a run are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SigmaSpacing {
    /// Those of the spaced timesteps.
    Timesteps,
    /// As [`karras`] has them, with ρ = 7.
    Karras,
    /// Even in log σ, at the nearest whole timesteps where the sampler wants whole ones.
    Lu,
    /// Even in log σ.
    Exponential,
    /// At the quantiles of a beta distribution ("Beta Sampling is All You Need", arXiv 2407.12173).
    Beta,
}

impl SigmaSpacing {
    /// Reads `use_karras_sigmas`, `use_exponential_sigmas`, `use_beta_sigmas` and, where the class
    /// has it, `use_lu_lambdas`, which gives way to Karras' sigmas; of the others one may be set.
    pub(super) fn read(config: &SchedulerConfig, has_lu: bool) -> Result<Self, SamplerError> {
        let mut found = Self::Timesteps;
        for (field, spacing) in [
            ("use_karras_sigmas", Self::Karras),
            ("use_exponential_sigmas", Self::Exponential),
            ("use_beta_sigmas", Self::Beta),
        ] {
            if !config.flag(field, false)? {
                continue;
            }
            if found != Self::Timesteps {
                let value = "true while another spacing of sigmas is true";
                return Err(SamplerError::config(field, value, "one of them"));
            }
            found = spacing;
        }
        let lu = has_lu && config.flag("use_lu_lambdas", false)?;
        match found {
            Self::Karras => Ok(Self::Karras),
            _ if lu => Ok(Self::Lu),
            found => Ok(found),
        }
    }

    /// `count` sigmas from `most` down to `least`; none when the timesteps decide.
    pub(super) fn between(self, most: f64, least: f64, count: usize) -> Option<Vec<f64>> {
        match self {
            Self::Timesteps => None,
            Self::Karras => Some(karras(most, least, 7.0, count)),
            Self::Beta => {
                let parts = linspace(0.0, 1.0, count).into_iter();
                let quantiles = parts.map(|part| beta_quantile(1.0 - part));
                Some(
                    quantiles
                        .map(|part| least + part * (most - least))
                        .collect(),
                )
            }
            Self::Lu | Self::Exponential => Some(exponential(most, least, count)),
        }
    }
}

/// `count` sigmas from `most` down to `least`, even in `σ^(1/ρ)`: equation 5 of arXiv 2206.00364.
pub(super) fn karras(most: f64, least: f64, rho: f64, count: usize) -> Vec<f64> {
    let (high, low) = (most.powf(1.0 / rho), least.powf(1.0 / rho));
    let ramp = linspace(0.0, 1.0, count);
    ramp.into_iter()
        .map(|part| (high + part * (low - high)).powf(rho))
        .collect()
}

/// `count` sigmas from `most` down to `least`, even in log σ.
pub(super) fn exponential(most: f64, least: f64, count: usize) -> Vec<f64> {
    linspace(most.ln(), least.ln(), count)
        .into_iter()
        .map(f64::exp)
        .collect()
}

/// The quantile of the symmetric beta distribution with α = β = 0.6, as `scipy.stats.beta.ppf`.
fn beta_quantile(probability: f64) -> f64 {
    if probability > 0.5 {
        return 1.0 - beta_quantile(1.0 - probability);
    }
    let wanted = probability * 2.0 * lower_half(0.5);
    let (mut low, mut high) = (0.0, 0.5);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        match lower_half(middle) < wanted {
            true => low = middle,
            false => high = middle,
        }
    }
    0.5 * (low + high)
}

/// The integral of `t^−0.4 · (1 − t)^−0.4` from 0 to `x`, at most ½: by Simpson's rule over
/// `u = t^0.6`, in which nothing is infinite.
fn lower_half(x: f64) -> f64 {
    const PIECES: usize = 64;
    let end = x.powf(0.6);
    let width = end / PIECES as f64;
    let value = |index: usize| (1.0 - (index as f64 * width).powf(1.0 / 0.6)).powf(-0.4);
    let inner = (1..PIECES).map(|index| value(index) * if index % 2 == 1 { 4.0 } else { 2.0 });
    (value(0) + value(PIECES) + inner.sum::<f64>()) * width / 3.0 / 0.6
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_beta_distribution_are_scipys() {
        // `scipy.stats.beta.ppf(p, 0.6, 0.6)` of scipy 1.17.1.
        for (probability, quantile) in [
            (0.0, 0.0),
            (1e-6, 1.855_882_462_405_304_3e-10),
            (0.001, 1.855_873_851_745_199e-5),
            (0.01, 8.612_388_215_429_059e-4),
            (0.1, 0.039_584_405_588_780_85),
            (0.25, 0.175_680_378_652_694_98),
            (0.4, 0.362_700_990_753_214_3),
            (0.5, 0.5),
            (0.6, 0.637_299_009_246_785_6),
            (0.75, 0.824_319_621_347_305),
            (0.9, 0.960_415_594_411_219_2),
            (0.99, 0.999_138_761_178_457_1),
            (1.0, 1.0),
        ] {
            let ours = beta_quantile(probability);
            assert!(
                (ours - quantile).abs() < 1e-8,
                "{probability}: {ours}, not {quantile}"
            );
        }
    }
}
