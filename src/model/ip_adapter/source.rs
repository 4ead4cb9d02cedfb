//! What a path given as an IP-Adapter is, and whether it goes with a model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device};

use super::image_encoder::ImageEncoderConfig;
use super::image_projection::{BaseProjection, HEAD, ImageProjection, Resampler, ResamplerShape};
use crate::model::cross_attentions;
use crate::model::decoupled_attention::DecoupledAttention;
use crate::model::error::ModelError;
use crate::model::safetensors_file::SafetensorsFile;
use crate::model::unet_config::UNetConfig;
use crate::model::weights::Weights;

/// The folder of the image encoder, beside an adapter's file.
const IMAGE_ENCODER: &str = "image_encoder";
/// Where SDXL's adapters for ViT-H find theirs in the repository that all of them come from.
const OTHER_IMAGE_ENCODER: &str = "../models/image_encoder";
/// Tokens of a base adapter, which its tensors do not tell (diffusers has the same number).
const BASE_TOKENS: usize = 4;

/// An IP-Adapter that is to be used.
#[derive(Debug, Clone, PartialEq)]
pub struct IpAdapterChoice {
    /// What it is called.
    pub name: String,
    /// Its safetensors file, or a folder with one.
    pub path: PathBuf,
    /// The folder of its image encoder; the one beside the file when left out.
    pub image_encoder: Option<PathBuf>,
}

/// The kinds of IP-Adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpAdapterKind {
    /// Sees one embedding of the picture.
    Base,
    /// Sees every patch of it.
    Plus,
}

impl IpAdapterKind {
    /// What it is called on the wire.
    pub fn class(self) -> &'static str {
        match self {
            Self::Base => "IPAdapter",
            Self::Plus => "IPAdapterPlus",
        }
    }
}

/// An adapter as it lies on disk.
pub(super) struct Source {
    pub kind: IpAdapterKind,
    file: SafetensorsFile,
}

impl Source {
    /// Looks at what lies there.
    ///
    /// # Errors
    /// `IpAdapter` when it is something else, which is named; and the file's own troubles.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let path = match path.is_dir() {
            true => only_file_in(path)?,
            false => path.to_owned(),
        };
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        if ["bin", "pth", "pt", "ckpt"].contains(&ending.to_ascii_lowercase().as_str()) {
            return Err(refuse(
                &path,
                "is a pickle, which can run any program when it is read: get it as .safetensors",
            ));
        }
        if !path.is_file() {
            return Err(ModelError::Missing {
                path,
                hint: "give the safetensors file of an IP-Adapter, or the folder that it is in"
                    .to_owned(),
            });
        }
        let file = SafetensorsFile::open(&path)?;
        let kind = kind_of(&file).map_err(|reason| refuse(&path, reason))?;
        Ok(Self { kind, file })
    }

    /// Checks that the adapter is made for such a UNet.
    ///
    /// # Errors
    /// `IpAdapter`, with what the UNet has instead.
    pub fn check(&self, unet: &UNetConfig) -> Result<(), ModelError> {
        let own = self.widths();
        let wanted = cross_attentions::widths(unet);
        if own == wanted {
            return Ok(());
        }
        let described = |widths: &[[usize; 2]]| {
            let mut tokens: Vec<String> = widths.iter().map(|[_, it]| it.to_string()).collect();
            tokens.dedup();
            format!(
                "{} cross-attentions to tokens of width {}",
                widths.len(),
                tokens.join(", ")
            )
        };
        let (first, second) = (described(&own), described(&wanted));
        let reason = match first == second {
            // Their number and what they look at agree, and their own widths do not.
            true => {
                let inner = |widths: &[[usize; 2]]| {
                    let widths = widths.iter().map(|[inner, _]| inner.to_string());
                    widths.collect::<Vec<_>>().join(", ")
                };
                format!(
                    "is an IP-Adapter of another family of models: its cross-attentions are {} \
                     wide, and the model's UNet has them {} wide",
                    inner(&own),
                    inner(&wanted)
                )
            }
            false => format!(
                "is an IP-Adapter of another family of models: it has {first}, and the model's \
                 UNet has {second}"
            ),
        };
        Err(refuse(self.file.path(), reason))
    }

    /// Width of each cross-attention and of the tokens that it looks at, as far as they go.
    fn widths(&self) -> Vec<[usize; 2]> {
        let shape = |number: usize| {
            let info = self
                .file
                .info(&format!("{}.to_k_ip.weight", layer(number)))?;
            <[usize; 2]>::try_from(info.shape.as_slice()).ok()
        };
        (0..).map_while(shape).collect()
    }

    /// The folder of the image encoder that it was made for: the one that is given, or one beside it.
    ///
    /// # Errors
    /// `IpAdapter` when there is none, or none whose widths are the adapter's.
    pub fn image_encoder(&self, given: Option<&Path>) -> Result<PathBuf, ModelError> {
        let folder = self.file.path().parent().unwrap_or(Path::new(""));
        let candidates = match given {
            Some(given) => vec![given.to_owned()],
            None => [IMAGE_ENCODER, OTHER_IMAGE_ENCODER]
                .iter()
                .map(|name| folder.join(name))
                .filter(|candidate| candidate.is_dir())
                .collect(),
        };
        let own = self.seen_width()?;
        let mut others = Vec::new();
        for candidate in candidates {
            let config = ImageEncoderConfig::read(&candidate)?;
            let found = match self.kind {
                IpAdapterKind::Base => config.projection_dim,
                IpAdapterKind::Plus => config.vision.encoder.hidden_size,
            };
            if found == own {
                return Ok(candidate);
            }
            others.push(format!("{} has {found}", candidate.display()));
        }
        let what = match self.kind {
            IpAdapterKind::Base => "projection_dim",
            IpAdapterKind::Plus => "hidden_size",
        };
        let found = match others.as_slice() {
            [] => format!("there is no `{IMAGE_ENCODER}` folder beside it"),
            others => others.join(", and "),
        };
        let reason = format!(
            "needs an image encoder (CLIPVisionModelWithProjection) of {what} {own}, but {found}: \
             name its folder with --image-encoder"
        );
        Err(refuse(self.file.path(), reason))
    }

    /// Width of what CLIP sees, as the projection takes it.
    fn seen_width(&self) -> Result<usize, ModelError> {
        match self.kind {
            IpAdapterKind::Base => self.side("image_proj.proj.weight", 1),
            IpAdapterKind::Plus => self.side("image_proj.proj_in.weight", 1),
        }
    }

    /// The tensors, by their own names.
    ///
    /// # Errors
    /// The file's own troubles.
    pub fn weights(&self, device: &Device, dtype: DType) -> Result<Weights, ModelError> {
        // It is opened once more, since weights own their files.
        let file = SafetensorsFile::open(self.file.path())?;
        Ok(Weights::new(self.file.path(), vec![file], device, dtype))
    }

    /// The projection.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn image_projection(&self, weights: &Weights) -> Result<ImageProjection, ModelError> {
        let own = weights.scope("image_proj");
        let cross_attention = self.cross_attention()?;
        let seen = self.seen_width()?;
        if self.kind == IpAdapterKind::Base {
            let projection = BaseProjection::load(&own, seen, cross_attention, BASE_TOKENS)?;
            return Ok(ImageProjection::Base(projection));
        }
        let width = self.side("image_proj.layers.0.0.to_q.weight", 0)?;
        if width == 0 || !width.is_multiple_of(HEAD) {
            let reason = format!(
                "has attention of width {width} in `image_proj.layers.0.0.to_q.weight`, which is \
                 no multiple of its heads' width, {HEAD}"
            );
            return Err(refuse(self.file.path(), reason));
        }
        let has_block = |number: &usize| {
            let name = format!("image_proj.layers.{number}.0.to_q.weight");
            self.file.info(&name).is_some()
        };
        let shape = ResamplerShape {
            embed_dims: seen,
            hidden_dims: self.side("image_proj.latents", 2)?,
            output_dims: cross_attention,
            num_queries: self.side("image_proj.latents", 1)?,
            heads: width / HEAD,
            inner: self.side("image_proj.layers.0.1.1.weight", 0)?,
            depth: (0..).take_while(has_block).count(),
        };
        let resampler = Resampler::load(&own, shape)?;
        Ok(ImageProjection::Plus(Box::new(resampler)))
    }

    /// The keys and values of each cross-attention.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn layers(&self, weights: &Weights) -> Result<Arc<[DecoupledAttention]>, ModelError> {
        let widths = self.widths();
        let layers = widths.iter().enumerate();
        layers
            .map(|(number, [inner, cross_attention])| {
                let weights = weights.scope(layer(number));
                DecoupledAttention::load(&weights, *cross_attention, *inner)
            })
            .collect()
    }

    /// Width of the tokens that the cross-attentions look at.
    ///
    /// # Errors
    /// `IpAdapter` when there are no cross-attentions.
    pub fn cross_attention(&self) -> Result<usize, ModelError> {
        self.side(&format!("{}.to_k_ip.weight", layer(0)), 1)
    }

    fn side(&self, name: &str, axis: usize) -> Result<usize, ModelError> {
        let shape = self.file.info(name).map(|info| info.shape.as_slice());
        let side = shape.and_then(|shape| shape.get(axis));
        side.copied().ok_or_else(|| {
            let path = self.file.path();
            match shape {
                None => refuse(path, format!("has no tensor `{name}`")),
                Some(shape) => refuse(path, format!("has a tensor `{name}` of shape {shape:?}")),
            }
        })
    }
}

/// The module of a cross-attention. The original code counts all attention layers from 0, of which
/// every second one looks at the prompt.
fn layer(number: usize) -> String {
    format!("ip_adapter.{}", 2 * number + 1)
}

/// True where a path is the safetensors file of an IP-Adapter of any kind.
pub(super) fn is_ip_adapter(path: &Path) -> bool {
    path.is_file()
        && SafetensorsFile::open(path).is_ok_and(|file| {
            let names = file.names();
            let is_one =
                |name: &String| name.starts_with("ip_adapter.") || name.starts_with("image_proj.");
            names.iter().any(is_one)
        })
}

/// The only adapter in a folder.
fn only_file_in(folder: &Path) -> Result<PathBuf, ModelError> {
    let unreadable = |source| ModelError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let (mut files, mut has_pickle) = (Vec::new(), false);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") if path.is_file() => files.push(path),
            Some("bin") => has_pickle = true,
            _ => {}
        }
    }
    files.sort();
    match files.as_slice() {
        [only] => Ok(only.clone()),
        [] if has_pickle => Err(refuse(
            folder,
            "has only .bin files, pickles, which can run any program when they are read: get the \
             adapter as .safetensors",
        )),
        [] => Err(refuse(
            folder,
            "has no .safetensors file: give the adapter's file",
        )),
        several => {
            let names = several.iter().filter_map(|path| path.file_name());
            let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
            let reason = format!("has several files: give one of {}", names.join(", "));
            Err(refuse(folder, reason))
        }
    }
}

/// The kind of adapter in a file, or why it is none that can be used.
fn kind_of(file: &SafetensorsFile) -> Result<IpAdapterKind, &'static str> {
    let names = file.names();
    let has = |name: &str| file.info(name).is_some();
    let any = |part: &str| names.iter().any(|name| name.contains(part));
    if any("double_blocks.") || any("transformer_blocks.") {
        return Err("is an IP-Adapter of FLUX or Stable Diffusion 3, which is not supported");
    }
    if any("lora_") {
        return Err(match any("image_proj.") {
            true => "is an IP-Adapter FaceID, which is not supported: it needs a face recogniser",
            false => "is a LoRA: give it with --lora",
        });
    }
    if has("image_proj.perceiver_resampler.proj_in.weight") {
        return Err("is an IP-Adapter FaceID Plus, which is not supported");
    }
    if has("image_proj.proj.0.weight") {
        return Err(
            "is an IP-Adapter Full or FaceID, which is not supported: get a base or a Plus \
                    adapter",
        );
    }
    if any("body.0.") || any("controlnet_cond_embedding.") || any("control_model.") {
        return Err("is a T2I-Adapter or a ControlNet: give it with --control");
    }
    match () {
        () if has("image_proj.proj.weight") => Ok(IpAdapterKind::Base),
        () if has("image_proj.latents") => Ok(IpAdapterKind::Plus),
        () => Err(
            "is no IP-Adapter: it has neither `image_proj.proj.weight` nor \
                   `image_proj.latents`",
        ),
    }
}

/// An error about an adapter.
pub(super) fn refuse(path: &Path, reason: impl Into<String>) -> ModelError {
    ModelError::IpAdapter {
        path: path.to_owned(),
        reason: reason.into(),
    }
}
