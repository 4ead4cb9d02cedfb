//! Classifier-free guidance, as rows of the batch or as an embedding.

use candle_core::{D, Tensor};

use super::PipelineError;
use crate::model::Model;

/// True when the model takes the guidance scale as an embedding, so that a render needs one row.
pub(super) fn embeds_guidance(model: &Model) -> bool {
    model.unet().config().time_cond_proj_dim.is_some()
}

/// The sinusoidal embedding of each row's guidance scale, `[rows, time_cond_proj_dim]`, for a
/// model that takes one (`LatentConsistencyModelPipeline.get_guidance_scale_embedding`).
pub(super) fn guidance_embedding(
    model: &Model,
    scales: &[f64],
) -> Result<Option<Tensor>, PipelineError> {
    let Some(width) = model.unet().config().time_cond_proj_dim else {
        return Ok(None);
    };
    let half = width / 2;
    let rows = scales.iter().map(|scale| {
        let angles = (0..half).map(move |index| {
            let frequency = (-(10_000f64.ln()) * index as f64 / (half as f64 - 1.0)).exp();
            (scale - 1.0) * 1000.0 * frequency
        });
        let sines = angles.clone().map(|angle| angle.sin() as f32);
        let cosines = angles.map(|angle| angle.cos() as f32);
        sines.chain(cosines).collect::<Vec<_>>()
    });
    let values: Vec<f32> = rows.flatten().collect();
    let embedding = Tensor::from_vec(values, (scales.len(), 2 * half), &model.device)?;
    let embedding = match width % 2 {
        0 => embedding,
        _ => embedding.pad_with_zeros(D::Minus1, 0, 1)?,
    };
    Ok(Some(embedding.to_dtype(model.dtype)?))
}
