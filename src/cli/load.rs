//! Loading a model for a command that runs once.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::{
    ControlFlag, EmbeddingFlag, Failure, LoraFlag, SafetyCheckerFlag, find_model, spinner,
};
use crate::engine::device_from_name;
use crate::model::{IpAdapterChoice, LoadOptions, Model, Prediction, SafetyChecker, Supplied};
use crate::pipeline::{Pipeline, extra_networks};
use crate::sampler::sampler_by_name;

/// Which model a command runs, and on what.
#[derive(Clone, Debug, Args)]
pub struct ModelFlags {
    /// A diffusers folder, a single-file checkpoint, or the id of a pulled model [default: the
    /// bundled model]
    #[arg(long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// What is given beside it.
    #[command(flatten)]
    pub supplied: SuppliedFlags,
    /// cpu, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
}

/// What is given beside a model's own files.
#[derive(Clone, Debug, Default, Args)]
pub struct SuppliedFlags {
    /// Another autoencoder, such as TAESD: a vae folder, or a safetensors file
    #[arg(long, value_name = "FOLDER_OR_FILE")]
    pub vae: Option<PathBuf>,
    /// Tokenizer of a single-file checkpoint [default: CLIP's own vocabulary]
    #[arg(long, value_name = "FOLDER")]
    pub tokenizer: Option<PathBuf>,
    /// What a single-file checkpoint predicts [default: as the file or its kind tells]
    #[arg(long, value_name = "WHAT")]
    pub prediction: Option<PredictionName>,
    /// Textual inversion: a file, and what it is called in prompts [default: its own word, or the
    /// file's name]; may be repeated
    #[arg(long, value_name = "FILE[:WORD]")]
    pub embedding: Vec<EmbeddingFlag>,
}

/// What a model predicts, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionName {
    /// The noise.
    Epsilon,
    /// The velocity between noise and picture.
    #[value(name = "v_prediction", aliases = ["v", "v-prediction"])]
    #[serde(alias = "v", alias = "v-prediction")]
    VPrediction,
}

impl From<SuppliedFlags> for Supplied {
    fn from(flags: SuppliedFlags) -> Self {
        Self {
            vae: flags.vae,
            tokenizer: flags.tokenizer,
            prediction: flags.prediction.map(|prediction| match prediction {
                PredictionName::Epsilon => Prediction::Epsilon,
                PredictionName::VPrediction => Prediction::V,
            }),
            embeddings: flags.embedding.into_iter().map(Into::into).collect(),
        }
    }
}

/// The sampler that was asked for, or the one that the model's folder names.
///
/// # Errors
/// One line, when the folder names a scheduler that is not supported and none was asked for.
pub fn chosen_sampler(asked: Option<&str>, pipeline: &Pipeline) -> Result<String, Failure> {
    if let Some(name) = asked {
        let sampler = sampler_by_name(name).map_err(Failure::usage)?;
        return Ok(sampler.name().to_owned());
    }
    let wanted = pipeline.defaults().map_err(Failure::usage)?;
    Ok(wanted.sampler)
}

/// Says on standard error when a model gets more guidance than it seems to be made for.
pub fn warn_of_guidance(guidance_scale: f64, model: &Model) {
    if model.family.is_guidance_free() && guidance_scale > 1.0 {
        eprintln!(
            "impasto: {} looks as if it was distilled without guidance (Euler at trailing \
             timesteps): above --guidance-scale 1 its pictures may look burnt",
            model.name
        );
    }
}

/// Says on standard error that LoRAs in a prompt are not read.
pub fn warn_of_extra_networks(prompt: &str) {
    if let Some(first) = extra_networks(prompt).first() {
        eprintln!(
            "impasto: {first} in the prompt is passed over: add LoRAs with --lora FILE[:WEIGHT]"
        );
    }
}

/// What is loaded beside a model.
#[derive(Clone, Debug, Default)]
pub struct LoadExtras<'a> {
    /// Each with its weight.
    pub loras: &'a [LoraFlag],
    /// What can steer it.
    pub controls: &'a [ControlFlag],
    /// What can show it reference pictures.
    pub ip_adapters: Vec<IpAdapterChoice>,
    /// What looks at its pictures.
    pub safety_checker: SafetyCheckerFlag,
}

impl ModelFlags {
    /// The pipeline, with what is loaded beside the model, and how long it took to load, in
    /// milliseconds.
    ///
    /// # Errors
    /// One line, when there is no such model or device, or one of these cannot be used.
    pub fn load(&self, extras: &LoadExtras<'_>) -> Result<(Pipeline, f64), Failure> {
        let folder = find_model(self.model.as_deref())?;
        let started = Instant::now();
        let loading = spinner(format!("loading {}", folder.display()));
        let device = device_from_name(&self.device).map_err(Failure::usage)?;
        let safety_checker = SafetyChecker::chosen(&extras.safety_checker.0, &folder, &device);
        let safety_checker = safety_checker.map_err(Failure::usage)?;
        let options = LoadOptions {
            loras: extras.loras.iter().cloned().map(Into::into).collect(),
            controls: extras.controls.iter().cloned().map(Into::into).collect(),
            ip_adapters: extras.ip_adapters.clone(),
            supplied: self.supplied.clone().into(),
            ..LoadOptions::on(device)
        };
        let model = Model::load(&folder, &options).map_err(Failure::usage)?;
        loading.finish_and_clear();
        for notice in &model.notices {
            eprintln!("impasto: {notice}");
        }
        let load_ms = started.elapsed().as_secs_f64() * 1000.0;
        let pipeline = Pipeline::new(model, 4).map_err(Failure::usage)?;
        Ok((pipeline.with_safety_checker(safety_checker), load_ms))
    }
}
