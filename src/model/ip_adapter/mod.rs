//! IP-Adapters: a picture beside the prompt (Ye et al., arXiv 2308.06721). CLIP looks at it, a
//! projection makes tokens of what it sees, and each cross-attention of a UNet looks at these through
//! keys and values of the adapter's own. The UNet itself stays as it is, with any LoRA.

mod image_encoder;
mod image_projection;
mod inspect;
mod source;

pub use inspect::{IpAdapterReport, inspect_ip_adapter};
pub use source::{IpAdapterChoice, IpAdapterKind};

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device, Result, Tensor};

use super::error::ModelError;
use super::unet_config::UNetConfig;
use super::{DecoupledAttention, ImagePrompt};
use crate::canvas::Pixels;
use crate::kernels::Wakeful;
use image_encoder::ImageEncoder;
use image_projection::ImageProjection;
use source::Source;

/// An IP-Adapter under the name that it goes by, with the image encoder that it was made for.
pub struct IpAdapter {
    /// The name.
    pub name: String,
    kind: IpAdapterKind,
    image_encoder: Arc<ImageEncoder>,
    image_projection: ImageProjection,
    layers: Arc<[DecoupledAttention]>,
    /// What the negative prompt's row sees, the same beside every picture.
    negative_image_embeds: OnceLock<Tensor>,
}

/// What a UNet is told of a picture, `[1, tokens, width]` each.
#[derive(Debug, Clone)]
pub struct ImageEmbeds {
    /// Beside the prompt.
    pub image_embeds: Tensor,
    /// Beside the negative prompt: what the adapter makes of no picture.
    pub negative_image_embeds: Tensor,
}

impl IpAdapter {
    /// Reads the adapters of some choices, under names that differ, and checks that they go with the
    /// UNet. Those with the same image encoder share it.
    ///
    /// # Errors
    /// One sentence that names the file, and the tensor or field, that is not right, or what the
    /// model's UNet has instead.
    pub(super) fn load_all(
        choices: &[IpAdapterChoice],
        unet: &UNetConfig,
        device: &Device,
        dtype: DType,
    ) -> std::result::Result<Vec<Self>, ModelError> {
        let mut adapters: Vec<Self> = Vec::with_capacity(choices.len());
        let mut encoders: Vec<(PathBuf, Arc<ImageEncoder>)> = Vec::new();
        for choice in choices {
            if adapters.iter().any(|other| other.name == choice.name) {
                return Err(ModelError::SameIpAdapterName {
                    name: choice.name.clone(),
                });
            }
            let source = Source::open(&choice.path)?;
            source.check(unet)?;
            let folder = source.image_encoder(choice.image_encoder.as_deref())?;
            let known = encoders.iter().find(|(path, _)| *path == folder);
            let image_encoder = match known {
                Some((_, encoder)) => Arc::clone(encoder),
                None => {
                    let encoder = Arc::new(ImageEncoder::load(&folder, device, dtype)?);
                    encoders.push((folder, Arc::clone(&encoder)));
                    encoder
                }
            };
            let weights = source.weights(device, dtype)?;
            adapters.push(Self {
                name: choice.name.clone(),
                kind: source.kind,
                image_encoder,
                image_projection: source.image_projection(&weights)?,
                layers: source.layers(&weights)?,
                negative_image_embeds: OnceLock::new(),
            });
        }
        Ok(adapters)
    }

    /// What kind of adapter it is.
    pub fn kind(&self) -> IpAdapterKind {
        self.kind
    }

    /// What a UNet is told of a picture of any size: its middle, as CLIP takes pictures.
    ///
    /// # Errors
    /// When the device fails.
    pub fn embed(&self, picture: &Pixels) -> Result<ImageEmbeds> {
        let pixel_values = self.image_encoder.preprocess(picture)?;
        let _wakeful = Wakeful::threads(pixel_values.device());
        Ok(ImageEmbeds {
            image_embeds: self.encode(&pixel_values)?,
            negative_image_embeds: match self.negative_image_embeds.get() {
                Some(embeds) => embeds.clone(),
                None => {
                    let embeds = self.encode_nothing(&pixel_values)?;
                    self.negative_image_embeds.get_or_init(|| embeds).clone()
                }
            },
        })
    }

    /// What all rows of a batch see through this adapter: `image_embeds` is `[batch, tokens, width]`,
    /// `scale` how much each row sees of it.
    ///
    /// # Errors
    /// When there are not as many scales as rows.
    pub fn image_prompt(&self, image_embeds: Tensor, scale: &[f32]) -> Result<ImagePrompt> {
        ImagePrompt::new(Arc::clone(&self.layers), image_embeds, scale)
    }

    /// Tokens of a preprocessed picture.
    ///
    /// # Errors
    /// When it has another size than the image encoder takes.
    pub fn encode(&self, pixel_values: &Tensor) -> Result<Tensor> {
        let seen = match self.kind {
            IpAdapterKind::Base => self.image_encoder.image_embeds(pixel_values)?,
            IpAdapterKind::Plus => self.image_encoder.penultimate_hidden_states(pixel_values)?,
        };
        self.image_projection.forward(&seen)
    }

    /// Tokens of no picture, as `prepare_ip_adapter_image_embeds` in diffusers has them: of an
    /// embedding of zeros, or with Plus of a preprocessed picture of zeros.
    fn encode_nothing(&self, like: &Tensor) -> Result<Tensor> {
        match self.kind {
            IpAdapterKind::Base => {
                let zeros = self.image_encoder.zero_image_embeds()?;
                self.image_projection.forward(&zeros)
            }
            IpAdapterKind::Plus => self.encode(&like.zeros_like()?),
        }
    }
}
