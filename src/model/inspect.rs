//! What a model folder, or a single file, is and what it lacks, from its configuration and the
//! headers of its weights: quick even where the weights are larger than memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{DType, Device};
use serde::Serialize;

use super::family::{SchedulerTraits, Traits};
use super::fit::{TextWidths, check_latents, check_text};
use super::{
    Autoencoder, ClipTextConfig, ClipTextModel, Component, ConfigFile, DEFAULTS_FILE, Defaults,
    Family, ModelError, ModelFolder, PARTS, SchedulerFile, Supplied, UNet2DConditionModel,
    UNetConfig, Weights,
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
    /// Width and height that the model was trained at, in pixels.
    pub native_size: Option<(usize, usize)>,
    /// Channels of the latents.
    pub latent_channels: Option<usize>,
    /// Channels that the UNet takes.
    pub in_channels: Option<usize>,
    /// Longest prompt in tokens, first and last token included.
    pub prompt_tokens: Option<usize>,
    /// The scheduler's class.
    pub scheduler_class: Option<String>,
    /// What the UNet predicts: `epsilon`, `v_prediction`, `sample`.
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
    report.usable = report.problems.is_empty();
    Ok(report)
}

struct Inspection {
    folder: ModelFolder,
    report: ModelReport,
}

impl Inspection {
    fn run(&mut self) {
        let unet = self.note(Self::unet);
        let vae = self.note(Self::vae);
        let first = self.note(|this| this.text(["text_encoder", "tokenizer"]));
        let second = self.folder.classes().contains_key("text_encoder_2");
        let second = second.then(|| self.note(|this| this.text(["text_encoder_2", "tokenizer_2"])));
        let scheduler = self.note(Self::scheduler);
        let Some((unet_file, unet)) = unet else {
            return;
        };
        self.report.in_channels = Some(unet.in_channels);
        // Where the second encoder is there but broken, there is nothing to compare with.
        if let Some(first) = first
            && !matches!(second, Some(None))
        {
            let widths = TextWidths::of(&first, second.flatten().as_ref());
            self.note(|_| check_text(&unet_file, &unet, widths));
        }
        let Some(vae) = vae else { return };
        self.note(|_| check_latents(&unet_file, &unet, vae.latent_channels()));
        self.report.latent_channels = Some(vae.latent_channels());
        self.report.native_size = unet
            .sample_size
            .map(|(height, width)| (width * vae.scale(), height * vae.scale()));
        let Some(scheduler) = scheduler else { return };
        let family = Family::from_traits(Traits {
            pipeline_class: self.folder.pipeline_class(),
            unet: &unet,
            latent_channels: vae.latent_channels(),
            scheduler: &scheduler,
        });
        self.report.family = Some(family);
        let embeds_guidance = unet.time_cond_proj_dim.is_some();
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

    fn unet(&mut self) -> Result<(ConfigFile, UNetConfig), ModelError> {
        let class = self
            .folder
            .class("unet", &UNet2DConditionModel::CLASSES)?
            .to_owned();
        let component = self.folder.component("unet")?;
        let file = component.config_of(&class)?;
        let config = UNetConfig::read(&file)?;
        self.network(&component, &class, |weights| {
            UNet2DConditionModel::load(&config, weights)
        })?;
        Ok((file, config))
    }

    fn vae(&mut self) -> Result<Autoencoder, ModelError> {
        let (component, class) = self.folder.autoencoder()?;
        let config = component.config_of(&class)?;
        self.network(&component, &class, |weights| {
            Autoencoder::load(&class, &config, weights)
        })
    }

    /// A text encoder and its tokenizer.
    fn text(&mut self, [encoder, tokenizer]: [&str; 2]) -> Result<ClipTextModel, ModelError> {
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
