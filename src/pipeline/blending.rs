//! Which part of a picture is free at a step, and what the model's output says of it.

use candle_core::Tensor;

use super::PipelineError;
use crate::sampler::Step;

/// The denoised image that the model's output means for a sample, clamped to ± `clip`.
pub(super) fn pred_original_sample(
    sample: &Tensor,
    output: &Tensor,
    step: &Step,
    clip: Option<f64>,
) -> Result<Tensor, PipelineError> {
    let pred_original_sample = ((sample * step.pred_original_sample.sample)?
        + (output * step.pred_original_sample.output)?)?;
    Ok(match clip {
        Some(limit) => pred_original_sample.clamp(-limit, limit)?,
        None => pred_original_sample,
    })
}

/// `known` where the mask is 0, `free` where it is 1.
pub(super) fn blend(known: &Tensor, free: &Tensor, mask: &Tensor) -> Result<Tensor, PipelineError> {
    Ok((known + (free - known)?.broadcast_mul(mask)?)?)
}

/// A soft mask hardened for one step: a pixel of mask value m is free from the
/// step on whose noise level has come down to m (StreamMultiDiffusion's
/// continuous form of differential diffusion), `σ = √(1−ᾱ)`.
pub(super) fn step_mask(mask: &Tensor, step: &Step) -> Result<Tensor, PipelineError> {
    let (now, next) = (
        step.level.variance_preserving_sigma(),
        step.next_level.variance_preserving_sigma(),
    );
    if now - next <= f64::EPSILON {
        return Ok(mask.clone());
    }
    let slope = 1.0 / (now - next);
    Ok(mask.affine(slope, -next * slope)?.clamp(0.0, 1.0)?)
}
