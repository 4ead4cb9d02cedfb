//! What clients are told of a loaded model, and the settings that a new room begins with.

use super::error::EngineError;
use crate::canvas::WindowRules;
use crate::model::MAX_STEPS;
use crate::pipeline::Pipeline;
use crate::protocol::{
    ControlInfo, ControlPreprocess, EditMethod, ModelInfo, REFERENCE_SCALE, Settings,
};
use crate::sampler::{samplers_for, schedules_for};

/// What rooms and clients are told of a model.
pub(super) struct Description {
    pub info: ModelInfo,
    pub rules: WindowRules,
    pub defaults: Settings,
}

/// Describes the model of a pipeline; `device` is the device's name.
///
/// # Errors
/// When the sampler that the model asks for cannot be had.
pub(super) fn describe(pipeline: &Pipeline, device: &str) -> Result<Description, EngineError> {
    let (model, wanted) = (pipeline.model(), pipeline.defaults()?);
    let native_size = model.native_side();
    let controls: Vec<ControlInfo> = model
        .controls()
        .iter()
        .map(|control| ControlInfo {
            name: control.name.clone(),
            class: control.kind().class().to_owned(),
        })
        .collect();
    let ip_adapters: Vec<ControlInfo> = model
        .ip_adapters()
        .iter()
        .map(|adapter| ControlInfo {
            name: adapter.name.clone(),
            class: adapter.kind().class().to_owned(),
        })
        .collect();
    // Who starts a server with controls means to paint with the first of them.
    let first = |all: &[ControlInfo]| all.first().map(|one| one.name.clone()).unwrap_or_default();
    let defaults = Settings {
        prompt: String::new(),
        negative_prompt: String::new(),
        guidance_scale: wanted.guidance_scale,
        guidance_rescale: None,
        image_guidance_scale: None,
        steps: wanted.steps,
        strength: wanted.strength,
        seed: 0,
        variation: wanted.variation,
        sampler: wanted.sampler.clone(),
        timestep_spacing: wanted.timestep_spacing,
        sigmas: wanted.sigmas,
        spread: 16,
        live: true,
        method: EditMethod::default(),
        finish: wanted.finish,
        finish_strength: wanted.finish_strength,
        control: first(&controls),
        control_preprocess: ControlPreprocess::default(),
        control_scale: 1.0,
        control_start: 0.0,
        control_end: 1.0,
        ip_adapter: first(&ip_adapters),
        reference: String::new(),
        reference_scale: REFERENCE_SCALE,
        reference_start: 0.0,
        reference_end: 1.0,
    };
    let mut samplers = vec![defaults.sampler.clone()];
    samplers.extend(
        samplers_for(pipeline.scheduler())
            .filter(|name| *name != defaults.sampler)
            .map(str::to_owned),
    );
    let info = ModelInfo {
        id: model.name.clone(),
        family: model.family.name().to_owned(),
        native_size,
        largest_zoom: model.defaults.largest_zoom,
        device: device.to_owned(),
        dtype: model.dtype.as_str().to_owned(),
        max_steps: MAX_STEPS,
        guidance_free: model.family.is_guidance_free(),
        scheduler: Some(pipeline.scheduler().class_name().to_owned()),
        samplers,
        schedules: schedules_for(pipeline.scheduler()),
        defaults: wanted,
        controls,
        ip_adapters,
        safety_checker: pipeline.has_safety_checker(),
    };
    let grid = model.window_grid();
    let rules = WindowRules {
        zoom: 1,
        grid,
        context: 16,
        minimum: 128.min(native_size),
        maximum: native_size.max(grid),
    };
    Ok(Description {
        info,
        rules,
        defaults,
    })
}
