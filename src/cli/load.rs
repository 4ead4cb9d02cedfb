//! Loading a model for a command that runs once.

use std::path::Path;
use std::time::Instant;

use super::{Failure, LoraFlag, find_model, spinner};
use crate::engine::device_from_name;
use crate::model::{LoadOptions, Model};
use crate::pipeline::Pipeline;

/// The pipeline of `--model`, `--device` and `--lora`, and how long it took to load, in
/// milliseconds.
///
/// # Errors
/// One line, when there is no such model or device, or the model or a LoRA cannot be used.
pub fn load_pipeline(
    model: Option<&Path>,
    device: &str,
    loras: &[LoraFlag],
) -> Result<(Pipeline, f64), Failure> {
    let folder = find_model(model)?;
    let started = Instant::now();
    let loading = spinner(format!("loading {}", folder.display()));
    let device = device_from_name(device).map_err(Failure::usage)?;
    let options = LoadOptions {
        loras: loras.iter().cloned().map(Into::into).collect(),
        ..LoadOptions::on(device)
    };
    let model = Model::load(&folder, &options).map_err(Failure::usage)?;
    loading.finish_and_clear();
    let load_ms = started.elapsed().as_secs_f64() * 1000.0;
    let pipeline = Pipeline::new(model, 4).map_err(Failure::usage)?;
    Ok((pipeline, load_ms))
}
