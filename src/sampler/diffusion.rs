//! The fields that all variance-preserving schedulers share, and the noise schedule they describe.

use super::config::{PredictionType, SchedulerClass, SchedulerConfig};
use super::step_table::NoiseLevel;
use super::{SamplerError, spacing};

/// How training noise grows with the timestep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BetaSchedule {
    Linear,
    ScaledLinear,
    SquaredCosCapV2,
}

/// Where the timesteps of a short run lie among the training timesteps (table 2 of
/// arXiv 2305.08891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimestepSpacing {
    Linspace,
    Leading,
    Trailing,
}

/// What a variance-preserving scheduler knows after defaults are filled in.
#[derive(Clone, Debug)]
pub(super) struct Diffusion {
    pub(super) num_train_timesteps: usize,
    pub(super) prediction_type: PredictionType,
    pub(super) timestep_spacing: TimestepSpacing,
    pub(super) steps_offset: usize,
    pub(super) set_alpha_to_one: bool,
    /// `clip_sample_range` where `clip_sample` is true.
    pub(super) clip_sample: Option<f64>,
    pub(super) rescale_betas_zero_snr: bool,
    /// `ᾱ` per training timestep.
    pub(super) alphas_cumprod: Vec<f64>,
    /// Whether the schedule's shape is squaredcos_cap_v2.
    pub(super) is_cosine: bool,
}

impl Diffusion {
    /// Reads a config with the defaults of `class`. A model of EDM has no such noise schedule, and
    /// is refused.
    pub(super) fn read(
        config: &SchedulerConfig,
        class: SchedulerClass,
    ) -> Result<Self, SamplerError> {
        use SchedulerClass as Class;
        if config.class().is_edm() {
            return Err(SamplerError::OtherFormulation {
                class: config.class_name(),
                allowed: "edm-euler or edm-dpm-solver++",
            });
        }
        let latent_defaults = matches!(class, Class::Lcm | Class::Tcd);
        let narrow_betas =
            latent_defaults || matches!(class, Class::Heun | Class::Kdpm2 | Class::Kdpm2Ancestral);
        let (start, end) = if narrow_betas {
            (0.00085, 0.012)
        } else {
            (0.0001, 0.02)
        };
        let beta_schedule = config.choice(
            "beta_schedule",
            if latent_defaults {
                "scaled_linear"
            } else {
                "linear"
            },
            &[
                ("linear", BetaSchedule::Linear),
                ("scaled_linear", BetaSchedule::ScaledLinear),
                ("squaredcos_cap_v2", BetaSchedule::SquaredCosCapV2),
            ],
        )?;
        let beta_start = config.number("beta_start", start, 0.0..=1.0)?;
        let beta_end = config.number("beta_end", end, 0.0..=1.0)?;
        if beta_end < beta_start {
            let allowed = format!("at least `beta_start`, {beta_start}");
            return Err(SamplerError::config("beta_end", beta_end, allowed));
        }
        let num_train_timesteps = config.num_train_timesteps()?;
        config.refuse("thresholding")?;
        let clips = config.flag(
            "clip_sample",
            matches!(class, Class::Ddpm | Class::Ddim | Class::DdimInverse),
        )?;
        let clip_range = config.number("clip_sample_range", 1.0, 0.0..=1e6)?;
        let walks = matches!(
            class,
            Class::Ddpm | Class::Ddim | Class::DdimInverse | Class::Pndm | Class::Lcm | Class::Tcd
        );
        let rescale_betas_zero_snr = config.flag("rescale_betas_zero_snr", false)?;
        let trained = config.fractions("trained_betas")?;
        if let Some(betas) = &trained
            && betas.len() != num_train_timesteps
        {
            let allowed = format!("{num_train_timesteps} numbers, as `num_train_timesteps` says");
            let value = format!("a list of {}", betas.len());
            return Err(SamplerError::config("trained_betas", value, allowed));
        }
        let mut betas = match trained {
            Some(betas) => betas.into_iter().map(|beta| beta as f32).collect(),
            None => betas(beta_schedule, beta_start, beta_end, num_train_timesteps),
        };
        if rescale_betas_zero_snr {
            betas = rescale_zero_terminal_snr(&betas);
        }
        Ok(Self {
            num_train_timesteps,
            prediction_type: config.prediction_type(),
            timestep_spacing: config.choice(
                "timestep_spacing",
                if walks { "leading" } else { "linspace" },
                &[
                    ("linspace", TimestepSpacing::Linspace),
                    ("leading", TimestepSpacing::Leading),
                    ("trailing", TimestepSpacing::Trailing),
                ],
            )?,
            steps_offset: config.whole("steps_offset", 0, 0..=num_train_timesteps - 1)?,
            set_alpha_to_one: config.flag("set_alpha_to_one", class != Class::Pndm)?,
            clip_sample: clips.then_some(clip_range),
            rescale_betas_zero_snr,
            alphas_cumprod: cumulative_product(&betas)
                .into_iter()
                .map(f64::from)
                .collect(),
            is_cosine: beta_schedule == BetaSchedule::SquaredCosCapV2,
        })
    }

    /// Refuses models that predict a flow, for samplers that have no path for them.
    pub(super) fn refuse_flow(&self, sampler: &str) -> Result<(), SamplerError> {
        if self.prediction_type == PredictionType::FlowPrediction {
            let allowed = format!(
                "epsilon, v_prediction or sample with {sampler}; flow-euler and dpm-solver++ are \
                 the samplers for flow models"
            );
            return Err(SamplerError::config(
                "prediction_type",
                "flow_prediction",
                allowed,
            ));
        }
        Ok(())
    }

    /// `ᾱ` at a timestep; `final_alpha_cumprod` below 0.
    pub(super) fn alpha_cumprod(&self, timestep: i64) -> f64 {
        let first = self.alphas_cumprod.first().copied().unwrap_or(1.0);
        match usize::try_from(timestep) {
            Ok(timestep) => self.alphas_cumprod.get(timestep).copied().unwrap_or(0.0),
            Err(_) if self.set_alpha_to_one => 1.0,
            Err(_) => first,
        }
    }

    /// The level at a timestep.
    pub(super) fn level(&self, timestep: i64) -> NoiseLevel {
        NoiseLevel::from_alpha_cumprod(self.alpha_cumprod(timestep))
    }

    /// Whole descending timesteps of a run of `steps` before any strength.
    pub(super) fn whole_timesteps(&self, steps: usize) -> Result<Vec<i64>, SamplerError> {
        let timesteps = spacing::timesteps(
            self.timestep_spacing,
            self.num_train_timesteps,
            steps,
            self.steps_offset,
            false,
        );
        spacing::check_trained(&timesteps, self.num_train_timesteps)?;
        Ok(timesteps
            .into_iter()
            .map(|timestep| timestep as i64)
            .collect())
    }

    /// `σ = √((1 − ᾱ)/ᾱ)` per training timestep. With zero terminal SNR the last is 2¹², not
    /// infinite, as in diffusers.
    pub(super) fn sigmas(&self) -> Vec<f64> {
        let last = self.alphas_cumprod.len().saturating_sub(1);
        self.alphas_cumprod
            .iter()
            .enumerate()
            .map(|(timestep, &alpha)| {
                let floored = self.rescale_betas_zero_snr && timestep == last;
                let alpha = if floored {
                    2f32.powi(-24)
                } else {
                    alpha as f32
                };
                f64::from(((1.0 - alpha) / alpha).sqrt())
            })
            .collect()
    }
}

/// `torch.linspace` in f32: from both ends towards the middle.
fn linspace_f32(start: f32, end: f32, count: usize) -> Vec<f32> {
    let step = (end - start) / (count - 1) as f32;
    (0..count)
        .map(|i| {
            if i < count / 2 {
                start + step * i as f32
            } else {
                end - step * (count - 1 - i) as f32
            }
        })
        .collect()
}

/// Betas in f32, because diffusers computes them so: `1 − ᾱ` of the first timesteps carries the
/// rounding of `1 − β`, which is more than the parity tests allow.
fn betas(schedule: BetaSchedule, start: f64, end: f64, count: usize) -> Vec<f32> {
    match schedule {
        BetaSchedule::Linear => linspace_f32(start as f32, end as f32, count),
        BetaSchedule::ScaledLinear => {
            let roots = linspace_f32(start.sqrt() as f32, end.sqrt() as f32, count);
            roots.into_iter().map(|root| root * root).collect()
        }
        BetaSchedule::SquaredCosCapV2 => {
            // Nichol and Dhariwal's cosine schedule (arXiv 2102.09672).
            let alpha_bar = |i: usize| {
                let time = i as f64 / count as f64;
                ((time + 0.008) / 1.008 * std::f64::consts::PI / 2.0)
                    .cos()
                    .powi(2)
            };
            (0..count)
                .map(|i| (1.0 - alpha_bar(i + 1) / alpha_bar(i)).min(0.999) as f32)
                .collect()
        }
    }
}

/// `torch.cumprod(1 − β)`: f32 values, accumulated in f64.
fn cumulative_product(betas: &[f32]) -> Vec<f32> {
    let mut product = 1f64;
    betas
        .iter()
        .map(|beta| {
            product *= f64::from(1.0 - beta);
            product as f32
        })
        .collect()
}

/// Algorithm 1 of arXiv 2305.08891: no signal is left at the last timestep.
fn rescale_zero_terminal_snr(betas: &[f32]) -> Vec<f32> {
    let roots: Vec<f32> = cumulative_product(betas)
        .into_iter()
        .map(f32::sqrt)
        .collect();
    let (Some(&first), Some(&last)) = (roots.first(), roots.last()) else {
        return Vec::new();
    };
    let scale = first / (first - last);
    let mut previous = None;
    roots
        .into_iter()
        .map(|root| {
            let shifted = (root - last) * scale;
            let alpha_cumprod = shifted * shifted;
            let alpha = previous.map_or(alpha_cumprod, |before| alpha_cumprod / before);
            previous = Some(alpha_cumprod);
            1.0 - alpha
        })
        .collect()
}
