//! A whole model from a diffusers folder.

use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};

use super::config_file::read_text;
use super::family::Traits;
use super::fit::{TextWidths, check_latents, check_text, check_tokens};
use super::lora::{Lora, adapters};
use super::lora_names::Target;
use super::{
    Autoencoder, ClipTextConfig, ClipTextModel, ClipTokenizer, Component, ConfigFile, Family,
    LoraChoice, ModelError, ModelFolder, UNet2DConditionModel, UNetConfig, Weights,
};

/// How a model is to be loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Where the tensors live.
    pub device: Device,
    /// The number format that the networks compute in, whatever the files hold: f32, f16, or,
    /// except on the CPU, bf16. Only f32 is fast on the CPU.
    pub dtype: DType,
    /// LoRAs merged into the painting UNet and the text encoders.
    pub loras: Vec<LoraChoice>,
    /// Another UNet in the model's folder, such as `unet_lcm`, that paints instead of `unet`.
    /// `unet` then only inverts.
    pub painting_unet: Option<String>,
}

impl Default for LoadOptions {
    /// The CPU, f32, as the folder is.
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            dtype: DType::F32,
            loras: Vec::new(),
            painting_unet: None,
        }
    }
}

/// A model ready to run. It holds no state: one forward pass does not change the next.
pub struct Model {
    unet: Arc<UNet2DConditionModel>,
    base_unet: Arc<UNet2DConditionModel>,
    /// Between pixels and latents.
    pub vae: Autoencoder,
    /// Reads prompts.
    pub text_encoder: ClipTextModel,
    /// Splits prompts.
    pub tokenizer: ClipTokenizer,
    /// SDXL's second text encoder and its tokenizer.
    pub second_text_encoder: Option<(ClipTextModel, ClipTokenizer)>,
    /// The text of `scheduler/scheduler_config.json`, for the sampler to read.
    pub scheduler_config_json: String,
    /// The folder's name.
    pub name: String,
    /// What kind of model it is.
    pub family: Family,
    /// True when the UNet takes an image's latents beside the noise: `in_channels` is twice the
    /// latents' channels.
    pub sketch_input: bool,
    /// Where the tensors live.
    pub device: Device,
    /// The number format of the UNet and the text encoder.
    pub dtype: DType,
}

impl Model {
    /// Reads a diffusers folder, checks that its parts fit together and prepares its networks.
    ///
    /// # Errors
    /// One sentence that names the file, and the tensor or field, that is not right.
    pub fn load(folder: &Path, options: &LoadOptions) -> Result<Self, ModelError> {
        check_number_format(options)?;
        let folder = ModelFolder::open(folder)?;
        let loras = options
            .loras
            .iter()
            .map(Lora::open)
            .collect::<Result<Vec<_>, _>>()?;
        let (unet, base_unet) = load_unets(&folder, options, &loras)?;
        let config = unet.config();

        let vae_class = folder.class("vae", &Autoencoder::CLASSES)?;
        let component = folder.component("vae")?;
        let vae_config = component.config_of(vae_class)?;
        let vae_dtype = Autoencoder::dtype(vae_class, &vae_config, options.dtype)?;
        let weights = component.weights(&options.device, vae_dtype)?;
        let vae = Autoencoder::load(vae_class, &vae_config, &weights)?;
        let (text_encoder, tokenizer) = load_text(
            &folder,
            ["text_encoder", "tokenizer"],
            options,
            &loras,
            Target::TextEncoder,
        )?;
        let second = folder.classes().contains_key("text_encoder_2").then(|| {
            let parts = ["text_encoder_2", "tokenizer_2"];
            load_text(&folder, parts, options, &loras, Target::TextEncoder2)
        });
        let second_text_encoder = second.transpose()?;
        let second_encoder = second_text_encoder.as_ref().map(|(encoder, _)| encoder);
        let text_widths = TextWidths::of(&text_encoder, second_encoder);
        let painting = options.painting_unet.as_deref().unwrap_or("unet");
        for (name, unet) in [("unet", &base_unet), (painting, &unet)] {
            let file = folder.component(name)?.config()?;
            check_latents(&file, unet.config(), vae.latent_channels())?;
            check_text(&file, unet.config(), text_widths)?;
        }
        if second_text_encoder.is_none()
            && let Some(lora) = loras.iter().find(|lora| lora.changes(Target::TextEncoder2))
        {
            return Err(lora.refuse_target(Target::TextEncoder2));
        }

        let scheduler_path = folder
            .path()
            .join("scheduler")
            .join("scheduler_config.json");
        let scheduler_config_json = read_text(&scheduler_path)?;
        let scheduler = ConfigFile::read(&scheduler_path)?;
        let family = Family::from_traits(Traits {
            pipeline_class: folder.pipeline_class(),
            unet: config,
            latent_channels: vae.latent_channels(),
            scheduler_class: &scheduler.or("_class_name", String::new())?,
            timestep_spacing: &scheduler.or("timestep_spacing", String::new())?,
        });
        Ok(Self {
            sketch_input: config.in_channels == 2 * vae.latent_channels(),
            unet,
            base_unet,
            vae,
            text_encoder,
            tokenizer,
            second_text_encoder,
            scheduler_config_json,
            name: folder.name(),
            family,
            device: options.device.clone(),
            dtype: options.dtype,
        })
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

type UNetPair = (Arc<UNet2DConditionModel>, Arc<UNet2DConditionModel>);

/// The painting network and the inverting one.
fn load_unets(
    folder: &ModelFolder,
    options: &LoadOptions,
    loras: &[Lora],
) -> Result<UNetPair, ModelError> {
    let class = folder.class("unet", &["UNet2DConditionModel"])?;
    let read = |name: &str| -> Result<(UNetConfig, Weights), ModelError> {
        let component: Component = folder.component(name)?;
        let config = UNetConfig::read(&component.config_of(class)?)?;
        Ok((config, component.weights(&options.device, options.dtype)?))
    };
    let (config, weights) = read("unet")?;
    let base = Arc::new(UNet2DConditionModel::load(&config, &weights)?);
    let merged = |weights: Weights| -> Result<Option<Weights>, ModelError> {
        let adapters = adapters(loras, Target::UNet, &weights)?;
        Ok((!adapters.is_empty()).then(|| weights.with_adapters(adapters)))
    };
    let painting = match options.painting_unet.as_deref() {
        Some(name) => {
            let (config, weights) = read(name)?;
            let weights = merged(weights.clone())?.unwrap_or(weights);
            Arc::new(UNet2DConditionModel::load(&config, &weights)?)
        }
        None => match merged(weights)? {
            Some(weights) => Arc::new(UNet2DConditionModel::load(&config, &weights)?),
            None => Arc::clone(&base),
        },
    };
    Ok((painting, base))
}

fn load_text(
    folder: &ModelFolder,
    [encoder, tokenizer]: [&str; 2],
    options: &LoadOptions,
    loras: &[Lora],
    target: Target,
) -> Result<(ClipTextModel, ClipTokenizer), ModelError> {
    let class = folder.class(encoder, &ClipTextModel::CLASSES)?;
    folder.class(tokenizer, &["CLIPTokenizer", "CLIPTokenizerFast"])?;
    let component = folder.component(encoder)?;
    let config_file = component.config()?;
    let config = ClipTextConfig::read(&config_file)?;
    let weights = component.weights(&options.device, options.dtype)?;
    let weights = weights.with_adapters(adapters(loras, target, &weights)?);
    let with_projection = class == "CLIPTextModelWithProjection";
    let model = ClipTextModel::load(&config, &weights, with_projection)?;
    let component = folder.component(tokenizer)?;
    let tokenizer = ClipTokenizer::load(component.path(), config.max_position_embeddings)?;
    check_tokens(&config_file, config.vocab_size, &tokenizer)?;
    Ok((model, tokenizer))
}
