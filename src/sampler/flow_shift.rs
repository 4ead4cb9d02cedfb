//! How far the sigmas of a flow are shifted towards the noisy end: the more tokens an image has, the
//! more noise hides it (equation 23 of arXiv 2403.03206).

use super::{SamplerError, SchedulerConfig};

/// Tokens of a picture of 1024 × 1024 pixels, in patches of 16.
pub(super) const USUAL_SEQ_LEN: usize = 4096;

/// How `mu` becomes a shift (`time_shift_type`).
#[derive(Clone, Copy)]
enum TimeShift {
    Exponential,
    Linear,
}

/// The factor `s` of [`shifted`].
#[derive(Clone, Copy)]
pub(super) enum FlowShift {
    /// `shift`.
    Static(f64),
    /// By the number of tokens (`use_dynamic_shifting`).
    Dynamic(f64),
}

impl FlowShift {
    /// Reads what a scheduler's config says, for an image of so many tokens.
    pub fn read(config: &SchedulerConfig, image_seq_len: usize) -> Result<Self, SamplerError> {
        if !config.flag("use_dynamic_shifting", false)? {
            let shift = config.number("shift", 1.0, 0.001..=1000.0)?;
            return Ok(Self::Static(shift));
        }
        let kinds = [
            ("exponential", TimeShift::Exponential),
            ("linear", TimeShift::Linear),
        ];
        let kind = config.choice("time_shift_type", "exponential", &kinds)?;
        let least = config.whole("base_image_seq_len", 256, 1..=1 << 24)?;
        let most = config.whole("max_image_seq_len", 4096, 1..=1 << 24)?;
        if least == most {
            let allowed = "another number than `base_image_seq_len`";
            return Err(SamplerError::config("max_image_seq_len", most, allowed));
        }
        let base = config.number("base_shift", 0.5, -20.0..=20.0)?;
        let max = config.number("max_shift", 1.15, -20.0..=20.0)?;
        let slope = (max - base) / (most as f64 - least as f64);
        let mu = base + slope * (image_seq_len as f64 - least as f64);
        let shift = match kind {
            TimeShift::Exponential => mu.exp(),
            TimeShift::Linear => mu,
        };
        if !(0.001..=1e6).contains(&shift) {
            let value = format!("{max}, which shifts {image_seq_len} tokens by {shift}");
            let allowed = "a number with which that is 0.001 to 1000000";
            return Err(SamplerError::config("max_shift", value, allowed));
        }
        Ok(Self::Dynamic(shift))
    }

    /// The factor itself.
    pub fn factor(self) -> f64 {
        match self {
            Self::Static(factor) | Self::Dynamic(factor) => factor,
        }
    }

    /// A sigma of 0 … 1, shifted.
    pub fn apply(self, sigma: f64) -> f64 {
        shifted(sigma, self.factor())
    }
}

/// `s·σ / (1 + (s − 1)·σ)`: diffusers' static shift and, with `s = e^μ` or `μ`, its dynamic ones.
pub(super) fn shifted(sigma: f64, shift: f64) -> f64 {
    shift * sigma / (1.0 + (shift - 1.0) * sigma)
}

/// Stretches descending sigmas so that the last is the config's `shift_terminal`, where it has one.
/// A run that ends in nothing but noise has nothing to stretch.
pub(super) fn stretch_to_terminal(
    config: &SchedulerConfig,
    sigmas: &mut [f64],
) -> Result<(), SamplerError> {
    let terminal = config.number("shift_terminal", 0.0, 0.0..=0.999)?;
    if let (true, Some(&end)) = (terminal > 0.0, sigmas.last())
        && end < 1.0
    {
        let stretch = (1.0 - end) / (1.0 - terminal);
        for sigma in sigmas {
            *sigma = 1.0 - (1.0 - *sigma) / stretch;
        }
    }
    Ok(())
}
