//! What a model folder, or a single file, is and what it lacks, from its configuration and the
//! headers of its weights: quick even where the weights are larger than memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{DType, Device};
use serde::Serialize;

use super::family::{SchedulerTraits, Traits};
use super::fit::{TextWidths, check_latents, check_text};
use super::text_parts::{TextFolders, TextParts};
use super::{
    Autoencoder, ClipTextConfig, ClipTextModel, Component, ConfigFile, DEFAULTS_FILE, Defaults,
    Denoiser, DenoiserConfig, Family, ModelError, ModelFolder, PARTS, SchedulerFile, Supplied,
    T5Config, T5EncoderModel, Weights,
};

/// What `impasto model check` tells about a folder.
#[derive(Debug, Clone, Serialize)]
pub struct ModelReport {
    /// The folder's name.
    pub name: String,
    /// True when [`super::Model::load`] will take it.
    pub usable: bool,
    /// What kind of model it is; none when that cannot be told for what is missing.
    pub family: Option<Family>,
    /// The pipeline class in `model_index.json`.
    pub pipeline_class: String,
    /// The parts, in the order of their names.
    pub components: Vec<ComponentReport>,
    /// Components that are there but that painting does not need, with their classes.
    pub ignored: BTreeMap<String, String>,
    /// Parameters of all components.
    pub parameters: u64,
    /// Bytes of weights of all components, as stored.
    pub bytes: u64,
    /// Bytes that the weights take once they are loaded on the CPU, as float32.
    pub memory_cpu: u64,
    /// Bytes that they take on a GPU, as float16 or bfloat16.
    pub memory_gpu: u64,
    /// Width and height that the model was trained at, in pixels.
    pub native_size: Option<(usize, usize)>,
    /// Channels of the latents.
    pub latent_channels: Option<usize>,
    /// Channels that the denoiser takes.
    pub in_channels: Option<usize>,
    /// Longest prompt in tokens, first and last token included.
    pub prompt_tokens: Option<usize>,
    /// The scheduler's class.
    pub scheduler_class: Option<String>,
    /// What the denoiser predicts: `epsilon`, `v_prediction`, `sample`, `flow_prediction`.
    pub prediction_type: Option<String>,
    /// What the folder says about its scheduler, for whoever knows samplers.
    #[serde(skip)]
    pub scheduler: Option<SchedulerFile>,
    /// What its pictures look best with, where that can be told.
    #[serde(skip)]
    pub defaults: Option<Defaults>,
    /// The sampler that rooms begin with; none where there is none. Whoever knows samplers fills it
    /// in.
    pub sampler: Option<String>,
    /// What is no fault of the model but good to know, each in one sentence.
    pub notices: Vec<String>,
    /// Everything that is missing or wrong, each in one sentence.
    pub problems: Vec<String>,
}

/// One component of a model folder.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ComponentReport {
    /// The component's folder, such as `unet`.
    pub name: String,
    /// Its class.
    pub class: String,
    /// Its parameters.
    pub parameters: u64,
    /// Bytes of weights, as stored.
    pub bytes: u64,
    /// Number formats of the stored tensors, such as `F16`.
    pub dtypes: BTreeSet<String>,
    /// Tensors that the configuration has no place for. They do no harm.
    pub unexpected_tensors: Vec<String>,
}

/// Looks into a folder, or a single file, without loading its weights.
///
/// # Errors
/// Only when the folder has no readable `model_index.json`, or the file is no checkpoint with all
/// parts: everything else that is wrong is in the report.
pub fn inspect(folder: &Path) -> Result<ModelReport, ModelError> {
    inspect_with(folder, &Supplied::default())
}

/// The same, with what is given beside the model's own files.
///
/// # Errors
/// Those of [`inspect`].
pub fn inspect_with(folder: &Path, supplied: &Supplied) -> Result<ModelReport, ModelError> {
    let folder = ModelFolder::open_with(folder, supplied)?;
    let mut inspection = Inspection {
        report: ModelReport {
            name: folder.name(),
            usable: false,
            family: None,
            pipeline_class: folder.pipeline_class().to_owned(),
            components: Vec::new(),
            ignored: folder
                .classes()
                .iter()
                .filter(|(name, _)| PARTS.iter().all(|part| part.name != name.as_str()))
                .map(|(name, class)| (name.clone(), class.clone()))
                .collect(),
            parameters: 0,
            bytes: 0,
            memory_cpu: 0,
            memory_gpu: 0,
            native_size: None,
            latent_channels: None,
            in_channels: None,
            prompt_tokens: None,
            scheduler_class: None,
            prediction_type: None,
            scheduler: None,
            defaults: None,
            sampler: None,
            notices: folder.notices().to_vec(),
            problems: Vec::new(),
        },
        folder,
    };
    inspection.run();
    let mut report = inspection.report;
    report.parameters = report
        .components
        .iter()
        .map(|component| component.parameters)
        .sum();
    report.bytes = report
        .components
        .iter()
        .map(|component| component.bytes)
        .sum();
    report.memory_cpu = report.parameters * DType::F32.size_in_bytes() as u64;
    report.memory_gpu = report.parameters * DType::F16.size_in_bytes() as u64;
    report.usable = report.problems.is_empty();
    Ok(report)
}

struct Inspection {
    folder: ModelFolder,
    report: ModelReport,
}

impl Inspection {
    fn run(&mut self) {
        let denoiser = self.note(Self::denoiser);
        let vae = self.note(Self::vae);
        let transformer = self.folder.classes().get("transformer").map(String::as_str);
        let widths = match transformer {
            // Which text encoders it wants is not known.
            Some(other) if !DenoiserConfig::TRANSFORMERS.contains(&other) => None,
            known => {
                let class = known.unwrap_or(DenoiserConfig::UNETS[0]);
                self.texts(TextParts::of(&self.folder, class))
            }
        };
        let scheduler = self.note(Self::scheduler);
        let Some((file, config)) = denoiser else {
            return;
        };
        self.report.in_channels = Some(config.in_channels());
        if let Some(widths) = widths {
            self.note(|_| check_text(&file, &config, widths));
        }
        let Some(vae) = vae else { return };
        self.note(|_| check_latents(&file, &config, vae.latent_channels()));
        self.report.latent_channels = Some(vae.latent_channels());
        self.report.native_size = config
            .sample_size()
            .map(|(height, width)| (width * vae.scale(), height * vae.scale()));
        let Some(scheduler) = scheduler else { return };
        let family = Family::from_traits(Traits {
            pipeline_class: self.folder.pipeline_class(),
            denoiser: &config,
            latent_channels: vae.latent_channels(),
            scheduler: &scheduler,
        });
        self.report.family = Some(family);
        let embeds_guidance = config.embeds_guidance();
        self.report.defaults = self.note(|this| {
            let path = this.folder.file(DEFAULTS_FILE);
            Defaults::of_file(&path, family, embeds_guidance)
        });
    }

    /// Runs one part of the inspection; its error becomes a problem.
    fn note<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, ModelError>) -> Option<T> {
        part(self)
            .map_err(|error| self.report.problems.push(error.to_string()))
            .ok()
    }

    fn denoiser(&mut self) -> Result<(ConfigFile, DenoiserConfig), ModelError> {
        let (name, class) = self.folder.denoiser()?;
        let class = class.to_owned();
        let component = self.folder.component(name)?;
        let file = component.config_of(&class)?;
        let config = DenoiserConfig::read(&class, &file)?;
        self.network(&component, &class, |weights| {
            Denoiser::load(&config, weights)
        })?;
        Ok((file, config))
    }

    /// All text encoders, and how wide what they say is; none where one of them is broken.
    fn texts(&mut self, parts: TextParts) -> Option<TextWidths> {
        let first = self.note(|this| this.text(parts.clip));
        let second = parts
            .second_clip
            .map(|folders| self.note(|this| this.text(folders)));
        let t5 = parts.t5.map(|folders| self.note(|this| this.t5(folders)));
        if matches!(second, Some(None)) || matches!(t5, Some(None)) {
            return None;
        }
        let (second, t5) = (second.flatten(), t5.flatten());
        Some(TextWidths::of(&first?, second.as_ref(), t5.as_ref()))
    }

    /// T5 and its tokenizer.
    fn t5(&mut self, [encoder, tokenizer]: TextFolders) -> Result<T5Config, ModelError> {
        let class = self
            .folder
            .class(encoder, &T5EncoderModel::CLASSES)?
            .to_owned();
        let component = self.folder.component(encoder)?;
        let config = T5Config::read(&component.config()?)?;
        self.network(&component, &class, |weights| {
            T5EncoderModel::load(&config, weights)
        })?;
        self.note(|this| this.folder.t5_tokenizer(tokenizer).map(drop));
        Ok(config)
    }

    fn vae(&mut self) -> Result<Autoencoder, ModelError> {
        let (component, class) = self.folder.autoencoder()?;
        let config = component.config_of(&class)?;
        self.network(&component, &class, |weights| {
            Autoencoder::load(&class, &config, weights)
        })
    }

    /// A text encoder and its tokenizer.
    fn text(&mut self, [encoder, tokenizer]: TextFolders) -> Result<ClipTextModel, ModelError> {
        let class = self
            .folder
            .class(encoder, &ClipTextModel::CLASSES)?
            .to_owned();
        let component = self.folder.component(encoder)?;
        let config = ClipTextConfig::read(&component.config()?)?;
        let with_projection = class == "CLIPTextModelWithProjection";
        let encoder = self.network(&component, &class, |weights| {
            ClipTextModel::load(&config, weights, with_projection)
        })?;
        self.note(|this| {
            let positions = config.max_position_embeddings;
            let tokenizer = this.folder.tokenizer(tokenizer, positions)?;
            this.report.prompt_tokens = Some(tokenizer.max_length());
            Ok(())
        });
        Ok(encoder)
    }

    fn scheduler(&mut self) -> Result<SchedulerTraits, ModelError> {
        let (file, traits) = SchedulerFile::read(&self.folder)?;
        self.report.scheduler = Some(file);
        self.report.scheduler_class = Some(traits.class.clone());
        self.report.prediction_type = Some(traits.prediction_type.clone());
        Ok(traits)
    }

    /// Compares a network with the headers of its weights, and reports on them.
    fn network<T>(
        &mut self,
        component: &Component,
        class: &str,
        load: impl FnOnce(&Weights) -> Result<T, ModelError>,
    ) -> Result<T, ModelError> {
        let weights = component
            .weights(&Device::Cpu, DType::F32)?
            .for_inspection();
        let network = load(&weights)?;
        self.report.problems.extend(weights.problems());
        let mut report = ComponentReport {
            name: component.name().to_owned(),
            class: class.to_owned(),
            unexpected_tensors: weights.untouched(),
            ..ComponentReport::default()
        };
        for tensor in weights.stored() {
            report.parameters += tensor.numbers() as u64;
            report.bytes += tensor.bytes() as u64;
            report.dtypes.insert(format!("{:?}", tensor.info.dtype));
        }
        self.report.components.push(report);
        Ok(network)
    }
}
