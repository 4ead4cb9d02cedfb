//! The first render of an engine, that nobody waits for.

use super::error::EngineError;
use crate::canvas::{Pixels, WindowRules};
use crate::pipeline::{GenerateRequest, Pipeline, PipelineError, RenderSettings};

/// One render of a native window, so that the first stroke does not pay for
/// page faults and kernel selection.
pub(super) fn warm_up(pipeline: &mut Pipeline, rules: &WindowRules) -> Result<(), EngineError> {
    let defaults = pipeline.defaults()?;
    let settings = RenderSettings {
        guidance_scale: defaults.guidance_scale,
        steps: 1,
        // Less would leave none of a single step.
        strength: 1.0,
        sampler: defaults.sampler.clone(),
        ..RenderSettings::default()
    };
    let side = rules.maximum;
    let image = Some(Pixels::new(side, side, [255; 3]));
    let request = GenerateRequest {
        settings,
        size: (side, side),
        image,
        controls: Vec::new(),
        mask: None,
        latents: None,
    };
    match pipeline.generate(request, |_, _| ()) {
        // Nobody is shown it.
        Ok(_) | Err(PipelineError::HeldBack) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
