//! Whether a control goes with a model.

use std::path::Path;

use super::controlnet::ControlNetConfig;
use super::source::refuse;
use super::t2i_adapter::T2IAdapterConfig;
use crate::model::error::ModelError;
use crate::model::unet_config::{TextTime, UNetConfig};

/// The UNet that is to be steered, and its latents.
#[derive(Clone, Copy)]
pub(in crate::model) struct ControlPlace<'a> {
    pub unet: &'a UNetConfig,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// How many times smaller than pictures latents are.
    pub scale: usize,
}

impl ControlPlace<'_> {
    /// An adapter's features must be as wide and as small as the UNet's images that they are added
    /// to. One may be left over where the UNet has no bottom.
    pub(super) fn check_adapter(
        &self,
        path: &Path,
        config: &T2IAdapterConfig,
    ) -> Result<(), ModelError> {
        let features = config.features();
        let places = self.unet.adapter_places();
        let places: Vec<(usize, usize)> = places
            .into_iter()
            .map(|(channels, halving)| (channels, halving * self.scale))
            .collect();
        let levels = self.unet.block_out_channels.len();
        let counts = levels..=levels + 1;
        let fits = features
            .iter()
            .zip(&places)
            .all(|(one, other)| one == other);
        if counts.contains(&features.len()) && fits {
            return Ok(());
        }
        let written = |shapes: &[(usize, usize)]| {
            let one = |(channels, scale): &(usize, usize)| format!("{channels} at 1/{scale}");
            shapes.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        Err(refuse(
            path,
            format!(
                "is a T2I-Adapter of another family of models: its features have these channels: \
                 {}; the model's UNet takes {}",
                written(&features),
                written(&places)
            ),
        ))
    }

    /// A ControlNet must be a copy of the UNet's first half.
    pub(super) fn check_controlnet(
        &self,
        path: &Path,
        config: &ControlNetConfig,
    ) -> Result<(), ModelError> {
        let (half, unet) = (&config.half, self.unet);
        let other_family = |what: &str, own: String, wanted: String| {
            let reason = format!(
                "is a ControlNet of another family of models: its {what} is {own}, but the \
                 model's UNet has {wanted}"
            );
            Err(refuse(path, reason))
        };
        macro_rules! same {
            ($($field:ident),*) => {$(
                if half.$field != unet.$field {
                    let (own, wanted) = (&half.$field, &unet.$field);
                    let name = stringify!($field);
                    return other_family(name, format!("{own:?}"), format!("{wanted:?}"));
                }
            )*};
        }
        same!(block_out_channels, layers_per_block, cross_attention_dim);
        let added = |config: &UNetConfig| {
            let width = |shape: TextTime| shape.projection_class_embeddings_input_dim;
            config.text_time.map(width)
        };
        if added(half).is_some() && added(half) != added(unet) {
            let (own, wanted) = (added(half), added(unet));
            let said = |width: Option<usize>| width.map_or("none".to_owned(), |it| it.to_string());
            let name = "projection_class_embeddings_input_dim";
            return other_family(name, said(own), said(wanted));
        }
        if ![self.latent_channels, unet.in_channels].contains(&half.in_channels) {
            let (own, wanted) = (half.in_channels, self.latent_channels);
            return other_family("in_channels", own.to_string(), wanted.to_string());
        }
        if config.scale() != self.scale {
            let reason = format!(
                "makes a control picture {} times smaller, but the model's latents are {} times \
                 smaller than pictures",
                config.scale(),
                self.scale
            );
            return Err(refuse(path, reason));
        }
        Ok(())
    }
}
