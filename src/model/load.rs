//! A whole model from a diffusers folder or a single file.

mod options;
mod steering;
mod taught_words;
mod text;

pub use options::LoadOptions;

use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};

use super::adaptable::{Adaptable, AdaptableNetworks};
use super::control::ControlPlace;
use super::family::Traits;
use super::fit::{TextWidths, check_latents, check_text};
use super::lora::Lora;
use super::text_parts::TextParts;
use super::{
    Autoencoder, ClipTextModel, ClipTokenizer, Component, Control, DEFAULTS_FILE, Defaults,
    Denoiser, DenoiserConfig, Family, IpAdapter, LoraChoice, ModelError, ModelFolder,
    PromptReading, SchedulerFile, T5EncoderModel, T5Tokenizer,
};
use steering::{load_controls, load_ip_adapters};
use taught_words::{TaughtWords, refuse_embeddings};
use text::{load_t5, load_text};

/// A model ready to run. It holds no state but the choice of its LoRAs: one forward pass does not
/// change the next.
pub struct Model {
    adaptable: AdaptableNetworks,
    loras: Vec<LoraChoice>,
    denoiser: Arc<Denoiser>,
    base_denoiser: Arc<Denoiser>,
    /// What can steer the painting denoiser, where it is a UNet.
    controls: Vec<Control>,
    /// What can show it pictures beside the prompt, where it is a UNet.
    ip_adapters: Vec<IpAdapter>,
    /// Between pixels and latents.
    pub vae: Autoencoder,
    /// Reads prompts.
    pub text_encoder: Arc<ClipTextModel>,
    /// Splits prompts.
    pub tokenizer: ClipTokenizer,
    /// The second text encoder of SDXL and SD3, and its tokenizer.
    pub second_text_encoder: Option<(Arc<ClipTextModel>, ClipTokenizer)>,
    /// The text encoder of flow models, and its tokenizer.
    pub t5: Option<(T5EncoderModel, T5Tokenizer)>,
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
    /// The number format of the denoiser and CLIP's text encoders.
    pub dtype: DType,
}

/// The networks that read prompts, each with its tokenizer.
#[derive(Clone, Copy)]
pub struct TextEncoders<'a> {
    /// The one that every model has.
    pub first: (&'a ClipTextModel, &'a ClipTokenizer),
    /// The second of SDXL and SD3.
    pub second: Option<(&'a ClipTextModel, &'a ClipTokenizer)>,
    /// That of flow models.
    pub t5: Option<(&'a T5EncoderModel, &'a T5Tokenizer)>,
    /// What is made of what they answer.
    pub reading: PromptReading,
}

impl Model {
    /// Reads a diffusers folder or a single file, checks that its parts fit together and prepares its networks.
    ///
    /// # Errors
    /// One sentence that names the file, and the tensor or field, that is not right.
    pub fn load(folder: &Path, options: &LoadOptions) -> Result<Self, ModelError> {
        options.check_number_format()?;
        let folder = ModelFolder::open_with(folder, &options.supplied)?;
        for notice in folder.notices() {
            tracing::info!("{}: {notice}", folder.name());
        }
        folder.check_words()?;
        // A LoRA that is not there should be told before gigabytes are read.
        for choice in &options.loras {
            Lora::open(choice)?;
        }
        let (denoiser_name, class) = folder.denoiser()?;
        let inverting = load_denoiser(&folder.component(denoiser_name)?, class, options)?;
        let base_denoiser = Arc::clone(inverting.plain());
        let painting = match options.painting_unet.as_deref() {
            Some(name) => load_denoiser(&folder.component(name)?, class, options)?,
            None => inverting,
        };
        let denoiser = Arc::clone(painting.plain());
        let config = denoiser.config();

        let (component, vae_class) = folder.autoencoder()?;
        let vae_config = component.config_of(&vae_class)?;
        let vae_dtype = Autoencoder::dtype(&vae_class, &vae_config, options.dtype)?;
        let weights = component.weights(&options.device, vae_dtype)?;
        let mut vae = Autoencoder::load(&vae_class, &vae_config, &weights)?;
        let parts = TextParts::of(&folder, class);
        if config.as_unet().is_none() {
            refuse_embeddings(&options.supplied)?;
        }
        let clip_encoders = if parts.second_clip.is_some() { 2 } else { 1 };
        let taught = TaughtWords::open(&options.supplied, clip_encoders)?;
        let (first, tokenizer) = load_text(&folder, parts.clip, options, &taught, 0)?;
        let second = parts
            .second_clip
            .map(|folders| load_text(&folder, folders, options, &taught, 1));
        let (second, second_tokenizer) = second.transpose()?.unzip();
        let t5 = parts
            .t5
            .map(|folders| load_t5(&folder, folders, options))
            .transpose()?;
        let text_encoder = Arc::clone(first.plain());
        let second_encoder = second.as_ref().map(|second| Arc::clone(second.plain()));
        let t5_config = t5.as_ref().map(|(encoder, _)| encoder.config());
        let text_widths = TextWidths::of(&text_encoder, second_encoder.as_deref(), t5_config);
        let painting_folder = options.painting_unet.as_deref().unwrap_or(denoiser_name);
        for (name, network) in [
            (denoiser_name, &base_denoiser),
            (painting_folder, &denoiser),
        ] {
            let file = folder.component(name)?.config()?;
            check_latents(&file, network.config(), vae.latent_channels())?;
            check_text(&file, network.config(), text_widths)?;
        }

        let (scheduler, traits) = SchedulerFile::read(&folder)?;
        let family = Family::from_traits(Traits {
            pipeline_class: folder.pipeline_class(),
            denoiser: config,
            latent_channels: vae.latent_channels(),
            scheduler: &traits,
        });
        if family != Family::Sketch && !family.is_flow() {
            vae.ignore_shift();
        }
        let place = |unet| ControlPlace {
            unet,
            latent_channels: vae.latent_channels(),
            scale: vae.scale(),
        };
        let controls = load_controls(config.as_unet().map(place).as_ref(), options)?;
        let ip_adapters = load_ip_adapters(config.as_unet(), options)?;
        let embeds_guidance = config.embeds_guidance();
        let defaults = Defaults::of_file(&folder.file(DEFAULTS_FILE), family, embeds_guidance)?;
        let mut model = Self {
            adaptable: AdaptableNetworks {
                denoiser: painting,
                text_encoder: first,
                second_text_encoder: second,
            },
            loras: Vec::new(),
            denoiser,
            base_denoiser,
            controls,
            ip_adapters,
            vae,
            text_encoder,
            tokenizer,
            second_text_encoder: second_encoder.zip(second_tokenizer),
            t5,
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
        self.denoiser = adapted.denoiser;
        self.text_encoder = adapted.text_encoder;
        let second = self.second_text_encoder.as_mut();
        if let (Some((encoder, _)), Some(adapted)) = (second, adapted.second_text_encoder) {
            *encoder = adapted;
        }
        self.loras = choices.to_vec();
        Ok(())
    }

    /// The network that paints: with the LoRAs, or from the second folder.
    pub fn denoiser(&self) -> &Denoiser {
        &self.denoiser
    }

    /// The network that inverts photos: as the folder has it, without LoRA. The same object as
    /// [`Model::denoiser`] where there is no other.
    pub fn base_denoiser(&self) -> &Denoiser {
        &self.base_denoiser
    }

    /// What can steer [`Model::denoiser`], in the order in which it was given.
    pub fn controls(&self) -> &[Control] {
        &self.controls
    }

    /// What can show [`Model::denoiser`] pictures beside the prompt, in the order in which it was
    /// given.
    pub fn ip_adapters(&self) -> &[IpAdapter] {
        &self.ip_adapters
    }

    /// The text encoders with the LoRAs.
    pub fn text_encoders(&self) -> TextEncoders<'_> {
        let second = self.second_text_encoder.as_ref();
        TextEncoders {
            first: (&self.text_encoder, &self.tokenizer),
            second: second.map(|(encoder, tokenizer)| (encoder.as_ref(), tokenizer)),
            t5: self.t5(),
            reading: self.prompt_reading(),
        }
    }

    /// How the denoiser is told a prompt.
    pub fn prompt_reading(&self) -> PromptReading {
        PromptReading::of(self.denoiser.config())
    }

    fn t5(&self) -> Option<(&T5EncoderModel, &T5Tokenizer)> {
        let t5 = self.t5.as_ref();
        t5.map(|(encoder, tokenizer)| (encoder, tokenizer))
    }

    /// The text encoders as their files have them, without LoRA, for
    /// [`Model::base_denoiser`].
    pub fn base_text_encoders(&self) -> TextEncoders<'_> {
        let networks = &self.adaptable;
        let second = networks.second_text_encoder.as_ref();
        let tokenizers = self.second_text_encoder.as_ref();
        TextEncoders {
            first: (networks.text_encoder.plain(), &self.tokenizer),
            second: second
                .zip(tokenizers)
                .map(|(encoder, (_, tokenizer))| (encoder.plain().as_ref(), tokenizer)),
            t5: self.t5(),
            reading: self.prompt_reading(),
        }
    }

    /// The side of the square windows that the model is at home in, in pixels: the smaller side of
    /// its native size, or 512 where its configuration does not say.
    pub fn native_side(&self) -> u32 {
        self.native_size()
            .map_or(512, |(width, height)| width.min(height) as u32)
    }

    /// What a window's position and sides are multiples of, in pixels: one cell of a UNet's lowest
    /// level, one token of a transformer.
    pub fn window_grid(&self) -> u32 {
        (self.vae.scale() * self.denoiser.config().window_cells()) as u32
    }

    /// What the sides of any picture must be multiples of, in pixels.
    pub fn least_grid(&self) -> u32 {
        (self.vae.scale() * self.denoiser.config().patch()) as u32
    }

    /// The largest side of a picture that the model can paint, in pixels, where there is one.
    pub fn largest_side(&self) -> Option<u32> {
        let side = self.denoiser.config().largest_side()?;
        Some((side * self.vae.scale()) as u32)
    }

    /// Native width and height in pixels, where the denoiser's configuration says.
    pub fn native_size(&self) -> Option<(usize, usize)> {
        let (height, width) = self.denoiser.config().sample_size()?;
        Some((width * self.vae.scale(), height * self.vae.scale()))
    }
}

fn load_denoiser(
    component: &Component,
    class: &str,
    options: &LoadOptions,
) -> Result<Adaptable<Denoiser>, ModelError> {
    let config = DenoiserConfig::read(class, &component.config_of(class)?)?;
    let weights = component.weights(&options.device, options.dtype)?;
    Adaptable::new(weights, move |weights| Denoiser::load(&config, weights))
}
