//! A whole model from a diffusers folder or a single file.

use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::adaptable::{Adaptable, AdaptableNetworks};
use super::control::ControlPlace;
use super::family::Traits;
use super::fit::{TextWidths, check_latents, check_text, check_tokens};
use super::lora::Lora;
use super::{
    Autoencoder, ClipTextConfig, ClipTextModel, ClipTokenizer, Component, Control, ControlChoice,
    DEFAULTS_FILE, Defaults, Family, LoraChoice, ModelError, ModelFolder, SchedulerFile, Supplied,
    TextualInversion, UNet2DConditionModel, UNetConfig,
};

/// How a model is to be loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Where the tensors live.
    pub device: Device,
    /// The number format that the networks compute in, whatever the files hold: f32, f16, or,
    /// except on the CPU, bf16. Only f32 is fast on the CPU.
    pub dtype: DType,
    /// LoRAs that are active at first in the painting UNet and the text encoders.
    pub loras: Vec<LoraChoice>,
    /// Another UNet in the model's folder, such as `unet_lcm`, that paints instead of `unet`.
    /// `unet` then only inverts.
    pub painting_unet: Option<String>,
    /// T2I-Adapters and ControlNets that are to steer the painting UNet, each under a name of its
    /// own.
    pub controls: Vec<ControlChoice>,
    /// What is given beside the model's own files.
    pub supplied: Supplied,
}

impl LoadOptions {
    /// The folder as it is, on a device, in the number format that the device is fast in.
    pub fn on(device: Device) -> Self {
        let dtype = match device.is_cpu() {
            true => DType::F32,
            false => DType::F16,
        };
        Self {
            device,
            dtype,
            loras: Vec::new(),
            painting_unet: None,
            controls: Vec::new(),
            supplied: Supplied::default(),
        }
    }
}

impl Default for LoadOptions {
    /// The CPU, f32, as the folder is.
    fn default() -> Self {
        Self::on(Device::Cpu)
    }
}

/// A model ready to run. It holds no state but the choice of its LoRAs: one forward pass does not
/// change the next.
pub struct Model {
    adaptable: AdaptableNetworks,
    loras: Vec<LoraChoice>,
    unet: Arc<UNet2DConditionModel>,
    base_unet: Arc<UNet2DConditionModel>,
    /// What can steer the painting UNet.
    controls: Vec<Control>,
    /// Between pixels and latents.
    pub vae: Autoencoder,
    /// Reads prompts.
    pub text_encoder: Arc<ClipTextModel>,
    /// Splits prompts.
    pub tokenizer: ClipTokenizer,
    /// SDXL's second text encoder and its tokenizer.
    pub second_text_encoder: Option<(Arc<ClipTextModel>, ClipTokenizer)>,
    /// What the folder says about its scheduler.
    pub scheduler: SchedulerFile,
    /// The folder's name.
    pub name: String,
    /// What kind of model it is.
    pub family: Family,
    /// What its pictures look best with.
    pub defaults: Defaults,
    /// What was taken for what the files do not say, each in one sentence.
    pub notices: Vec<String>,
    /// SDXL: without a negative prompt, its embeddings are zeros instead of the empty prompt's.
    pub force_zeros_for_empty_prompt: bool,
    /// InstructPix2Pix: the photo's latents are scaled as the noise's are (CosXL-Edit).
    pub is_cosxl_edit: bool,
    /// Where the tensors live.
    pub device: Device,
    /// The number format of the UNet and the text encoder.
    pub dtype: DType,
}

/// The networks that read prompts, each with its tokenizer.
#[derive(Clone, Copy)]
pub struct TextEncoders<'a> {
    /// The one that every model has.
    pub first: (&'a ClipTextModel, &'a ClipTokenizer),
    /// SDXL's second.
    pub second: Option<(&'a ClipTextModel, &'a ClipTokenizer)>,
}

impl Model {
    /// Reads a diffusers folder or a single file, checks that its parts fit together and prepares its networks.
    ///
    /// # Errors
    /// One sentence that names the file, and the tensor or field, that is not right.
    pub fn load(folder: &Path, options: &LoadOptions) -> Result<Self, ModelError> {
        check_number_format(options)?;
        let folder = ModelFolder::open_with(folder, &options.supplied)?;
        for notice in folder.notices() {
            tracing::info!("{}: {notice}", folder.name());
        }
        folder.check_words()?;
        // A LoRA that is not there should be told before gigabytes are read.
        for choice in &options.loras {
            Lora::open(choice)?;
        }
        let unet_class = folder.class("unet", &UNet2DConditionModel::CLASSES)?;
        let inverting = load_unet(&folder.component("unet")?, unet_class, options)?;
        let base_unet = Arc::clone(inverting.plain());
        let painting = match options.painting_unet.as_deref() {
            Some(name) => load_unet(&folder.component(name)?, unet_class, options)?,
            None => inverting,
        };
        let unet = Arc::clone(painting.plain());
        let config = unet.config();

        let (component, vae_class) = folder.autoencoder()?;
        let vae_config = component.config_of(&vae_class)?;
        let vae_dtype = Autoencoder::dtype(&vae_class, &vae_config, options.dtype)?;
        let weights = component.weights(&options.device, vae_dtype)?;
        let mut vae = Autoencoder::load(&vae_class, &vae_config, &weights)?;
        let has_second = folder.classes().contains_key("text_encoder_2");
        let embeddings = options.supplied.embeddings.iter();
        let taught = Taught {
            words: embeddings
                .map(TextualInversion::open)
                .collect::<Result<_, _>>()?,
            encoders: if has_second { 2 } else { 1 },
        };
        let first = ["text_encoder", "tokenizer"];
        let (first, tokenizer) = load_text(&folder, first, options, &taught, 0)?;
        let second = has_second
            .then(|| {
                load_text(
                    &folder,
                    ["text_encoder_2", "tokenizer_2"],
                    options,
                    &taught,
                    1,
                )
            })
            .transpose()?;
        let (second, second_tokenizer) = second.unzip();
        let text_encoder = Arc::clone(first.plain());
        let second_encoder = second.as_ref().map(|second| Arc::clone(second.plain()));
        let text_widths = TextWidths::of(&text_encoder, second_encoder.as_deref());
        let painting_folder = options.painting_unet.as_deref().unwrap_or("unet");
        for (name, unet) in [("unet", &base_unet), (painting_folder, &unet)] {
            let file = folder.component(name)?.config()?;
            check_latents(&file, unet.config(), vae.latent_channels())?;
            check_text(&file, unet.config(), text_widths)?;
        }

        let (scheduler, traits) = SchedulerFile::read(&folder)?;
        let family = Family::from_traits(Traits {
            pipeline_class: folder.pipeline_class(),
            unet: config,
            latent_channels: vae.latent_channels(),
            scheduler: &traits,
        });
        if family != Family::Sketch {
            vae.ignore_shift();
        }
        let place = ControlPlace {
            unet: config,
            latent_channels: vae.latent_channels(),
            scale: vae.scale(),
        };
        let controls = load_controls(&place, options)?;
        let embeds_guidance = config.time_cond_proj_dim.is_some();
        let defaults = Defaults::of_file(&folder.file(DEFAULTS_FILE), family, embeds_guidance)?;
        let mut model = Self {
            adaptable: AdaptableNetworks {
                unet: painting,
                text_encoder: first,
                second_text_encoder: second,
            },
            loras: Vec::new(),
            unet,
            base_unet,
            controls,
            vae,
            text_encoder,
            tokenizer,
            second_text_encoder: second_encoder.zip(second_tokenizer),
            scheduler,
            name: folder.name(),
            family,
            defaults,
            notices: folder.notices().to_vec(),
            force_zeros_for_empty_prompt: folder.flag("force_zeros_for_empty_prompt", true)?,
            is_cosxl_edit: folder.flag("is_cosxl_edit", false)?,
            device: options.device.clone(),
            dtype: options.dtype,
        };
        model.set_loras(&options.loras)?;
        Ok(model)
    }

    /// The active LoRAs, as they were chosen.
    pub fn loras(&self) -> &[LoraChoice] {
        &self.loras
    }

    /// Makes these LoRAs the active ones, all of them at once, in place of those before; none
    /// gives the model back as its folder has it. Only the LoRAs' own files are read, and the
    /// result is the same to the bit as that of loading the model with them.
    ///
    /// While the layers are made, those of the LoRAs before are still in memory.
    ///
    /// # Errors
    /// One sentence that names the LoRA's file, and the tensor in it, that does not fit; then the
    /// LoRAs before stay active.
    pub fn set_loras(&mut self, choices: &[LoraChoice]) -> Result<(), ModelError> {
        let adapted = self.adaptable.with_loras(choices)?;
        self.unet = adapted.unet;
        self.text_encoder = adapted.text_encoder;
        let second = self.second_text_encoder.as_mut();
        if let (Some((encoder, _)), Some(adapted)) = (second, adapted.second_text_encoder) {
            *encoder = adapted;
        }
        self.loras = choices.to_vec();
        Ok(())
    }

    /// The network that paints: with the LoRAs, or from the second folder.
    pub fn unet(&self) -> &UNet2DConditionModel {
        &self.unet
    }

    /// The network that inverts photos: as `unet` in the folder is, without LoRA. The same object
    /// as [`Model::unet`] where there is no other.
    pub fn base_unet(&self) -> &UNet2DConditionModel {
        &self.base_unet
    }

    /// What can steer [`Model::unet`], in the order in which it was given.
    pub fn controls(&self) -> &[Control] {
        &self.controls
    }

    /// The text encoders with the LoRAs.
    pub fn text_encoders(&self) -> TextEncoders<'_> {
        let second = self.second_text_encoder.as_ref();
        TextEncoders {
            first: (&self.text_encoder, &self.tokenizer),
            second: second.map(|(encoder, tokenizer)| (encoder.as_ref(), tokenizer)),
        }
    }

    /// The text encoders as their files have them, without LoRA, for [`Model::base_unet`].
    pub fn base_text_encoders(&self) -> TextEncoders<'_> {
        let networks = &self.adaptable;
        let second = networks.second_text_encoder.as_ref();
        let tokenizers = self.second_text_encoder.as_ref();
        TextEncoders {
            first: (networks.text_encoder.plain(), &self.tokenizer),
            second: second
                .zip(tokenizers)
                .map(|(encoder, (_, tokenizer))| (encoder.plain().as_ref(), tokenizer)),
        }
    }

    /// The side of the square windows that the model is at home in, in pixels: the smaller side of
    /// its native size, or 512 where its configuration does not say.
    pub fn native_side(&self) -> u32 {
        self.native_size()
            .map_or(512, |(width, height)| width.min(height) as u32)
    }

    /// What a window's position and sides are multiples of, in pixels: one cell of the UNet's
    /// lowest level.
    pub fn window_grid(&self) -> u32 {
        let halvings = self
            .unet
            .config()
            .block_out_channels
            .len()
            .saturating_sub(1);
        (self.vae.scale() as u32) << halvings
    }

    /// Native width and height in pixels, where the UNet's configuration says.
    pub fn native_size(&self) -> Option<(usize, usize)> {
        let (height, width) = self.unet.config().sample_size?;
        Some((width * self.vae.scale(), height * self.vae.scale()))
    }
}

/// candle multiplies no bf16 matrices on the CPU.
fn check_number_format(options: &LoadOptions) -> Result<(), ModelError> {
    let supported: &[DType] = if options.device.is_cpu() {
        &[DType::F32, DType::F16]
    } else {
        &[DType::F32, DType::F16, DType::BF16]
    };
    if supported.contains(&options.dtype) {
        return Ok(());
    }
    let names: Vec<&str> = supported.iter().map(DType::as_str).collect();
    Err(ModelError::NumberFormat {
        dtype: options.dtype.as_str().to_owned(),
        device: format!("{:?}", options.device.location()),
        supported: names.join(" or "),
    })
}

fn load_unet(
    component: &Component,
    class: &str,
    options: &LoadOptions,
) -> Result<Adaptable<UNet2DConditionModel>, ModelError> {
    let config = UNetConfig::read(&component.config_of(class)?)?;
    let weights = component.weights(&options.device, options.dtype)?;
    Adaptable::new(weights, move |weights| {
        UNet2DConditionModel::load(&config, weights)
    })
}

/// The controls of the options, under names that differ.
fn load_controls(place: &ControlPlace, options: &LoadOptions) -> Result<Vec<Control>, ModelError> {
    let mut controls: Vec<Control> = Vec::with_capacity(options.controls.len());
    for choice in &options.controls {
        if controls.iter().any(|other| other.name == choice.name) {
            return Err(ModelError::SameControlName {
                name: choice.name.clone(),
            });
        }
        let control = Control::load(choice, place, &options.device, options.dtype)?;
        controls.push(control);
    }
    Ok(controls)
}

/// Words that the text encoders are taught beside their own.
struct Taught {
    words: Vec<TextualInversion>,
    /// Text encoders of the model.
    encoders: usize,
}

impl Taught {
    /// The vectors of all words for one text encoder, those of one word after those of another;
    /// none where there are no words. Tells the tokenizer of them.
    fn add_to(
        &self,
        tokenizer: &mut ClipTokenizer,
        index: usize,
        config: &ClipTextConfig,
    ) -> Result<Option<Tensor>, ModelError> {
        let width = config.encoder.hidden_size;
        let mut rows = Vec::new();
        let mut next = config.vocab_size as u32;
        for word in &self.words {
            let vectors = word.for_encoder(index, self.encoders, width)?;
            let after = next + vectors.dims()[0] as u32;
            tokenizer.add_word(&word.word, (next..after).collect())?;
            next = after;
            rows.push(vectors);
        }
        if rows.is_empty() {
            return Ok(None);
        }
        Tensor::cat(&rows, 0)
            .map(Some)
            .map_err(|source| ModelError::Prepare {
                path: self.words[0].path.clone(),
                tensor: self.words[0].word.clone(),
                source: Box::new(source),
            })
    }
}

fn load_text(
    folder: &ModelFolder,
    [encoder, tokenizer]: [&str; 2],
    options: &LoadOptions,
    taught: &Taught,
    index: usize,
) -> Result<(Adaptable<ClipTextModel>, ClipTokenizer), ModelError> {
    let class = folder.class(encoder, &ClipTextModel::CLASSES)?;
    let component = folder.component(encoder)?;
    let config_file = component.config()?;
    let config = ClipTextConfig::read(&config_file)?;
    let (positions, vocabulary) = (config.max_position_embeddings, config.vocab_size);
    let mut tokenizer = folder.tokenizer(tokenizer, positions)?;
    check_tokens(&config_file, vocabulary, &tokenizer)?;
    let vectors = taught.add_to(&mut tokenizer, index, &config)?;
    let weights = component.weights(&options.device, options.dtype)?;
    let with_projection = class == "CLIPTextModelWithProjection";
    let path = component.path().to_owned();
    let model = Adaptable::new(weights, move |weights| {
        let model = ClipTextModel::load(&config, weights, with_projection)?;
        let Some(vectors) = &vectors else {
            return Ok(model);
        };
        model
            .with_vectors(vectors)
            .map_err(|source| ModelError::Prepare {
                path: path.clone(),
                tensor: "the vectors of embeddings".to_owned(),
                source: Box::new(source),
            })
    })?;
    Ok((model, tokenizer))
}
