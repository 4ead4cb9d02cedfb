//! One edit: what a room asks the model to do with a window.

use std::sync::Arc;

use crate::canvas::{Mask, Pixels};
use crate::protocol::Rect;

/// Sampling settings of one render.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderSettings {
    /// What the picture should show.
    pub prompt: String,
    /// What it should not show.
    pub negative_prompt: String,
    /// Classifier-free guidance scale; 1 or less runs without a second row.
    pub guidance_scale: f64,
    /// Sampling steps, at least 1.
    pub steps: u32,
    /// 0 … 1: 1 starts from noise alone, less starts from the noised sketch.
    pub strength: f64,
    /// Seed of the noise, which is a function of the seed and of canvas position.
    pub seed: u64,
    /// A name that [`crate::sampler::sampler_by_name`] knows.
    pub sampler: String,
    /// DDIM's eta, 0 … 1; other samplers ignore it.
    pub eta: f64,
}

/// A window of the canvas with what was painted, what is shown, and where the
/// model may change it. The pixel buffers are as large as the window.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Where the window lies, in canvas pixels; sides are multiples of the model's grid.
    pub window: Rect,
    /// What people painted.
    pub sketch: Arc<Pixels>,
    /// What is shown now: kept where the mask is 0.
    pub known: Arc<Pixels>,
    /// 0 (stays) … 255 (may change).
    pub mask: Arc<Mask>,
    /// How to sample.
    pub settings: RenderSettings,
}
