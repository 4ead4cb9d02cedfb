//! Networks that LoRAs change, and changing them while the model is in use.
//!
//! A LoRA's network is another network of the same layers: those that no LoRA changes are shared
//! with the network as it was read, the others are made anew from its weights, in memory. So
//! inference costs nothing more, the network without LoRA stays as it is to the bit, and active
//! LoRAs take as much memory as the layers that they change.

use std::sync::Arc;

use super::lora::{Lora, adapters};
use super::lora_names::Target;
use super::{ClipTextModel, Denoiser, LoraChoice, ModelError, Weights};

type Make<N> = Box<dyn Fn(&Weights) -> Result<N, ModelError> + Send + Sync>;

/// A network as its files have it, and what makes another one of the same layers.
pub(super) struct Adaptable<N> {
    weights: Weights,
    make: Make<N>,
    plain: Arc<N>,
}

impl<N> Adaptable<N> {
    /// Loads the network with `make`.
    pub fn new(
        weights: Weights,
        make: impl Fn(&Weights) -> Result<N, ModelError> + Send + Sync + 'static,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            plain: Arc::new(make(&weights)?),
            make: Box::new(make),
            weights,
        })
    }

    /// The network without any LoRA.
    pub fn plain(&self) -> &Arc<N> {
        &self.plain
    }

    /// The network with what some LoRAs change in this part of the model.
    fn with(&self, loras: &[Lora], targets: &[Target]) -> Result<Arc<N>, ModelError> {
        let adapters = adapters(loras, targets, &self.weights)?;
        if adapters.is_empty() {
            return Ok(Arc::clone(&self.plain));
        }
        (self.make)(&self.weights.with_adapters(adapters)).map(Arc::new)
    }
}

/// The parts of a model that LoRAs change.
pub(super) struct AdaptableNetworks {
    /// The one that paints.
    pub denoiser: Adaptable<Denoiser>,
    pub text_encoder: Adaptable<ClipTextModel>,
    pub second_text_encoder: Option<Adaptable<ClipTextModel>>,
}

/// The same parts with some LoRAs.
pub(super) struct AdaptedNetworks {
    pub denoiser: Arc<Denoiser>,
    pub text_encoder: Arc<ClipTextModel>,
    pub second_text_encoder: Option<Arc<ClipTextModel>>,
}

impl AdaptableNetworks {
    /// The networks with these LoRAs and no others.
    ///
    /// # Errors
    /// One sentence that names the LoRA's file, and the tensor in it, that does not fit.
    pub fn with_loras(&self, choices: &[LoraChoice]) -> Result<AdaptedNetworks, ModelError> {
        let loras = choices
            .iter()
            .map(Lora::open)
            .collect::<Result<Vec<_>, _>>()?;
        for (choice, lora) in choices.iter().zip(&loras) {
            if let [first, rest @ ..] = lora.foreign() {
                let (name, others) = (&choice.name, rest.len());
                tracing::warn!("LoRA {name}: `{first}` and {others} others are no LoRA's: skipped");
            }
        }
        let is_unet = self.denoiser.plain().as_unet().is_some();
        for (absent, target) in [
            (self.second_text_encoder.is_none(), Target::TextEncoder2),
            (is_unet, Target::Transformer),
            // No LoRA changes T5 here.
            (true, Target::TextEncoder3),
        ] {
            let homeless = |lora: &&Lora| absent && lora.changes(target);
            if let Some(lora) = loras.iter().find(homeless) {
                return Err(lora.refuse_target(target));
            }
        }
        // Files that do not say whose they are count as a UNet's.
        let denoiser: &[Target] = match is_unet {
            true => &[Target::UNet],
            false => &[Target::Transformer, Target::UNet],
        };
        let second = self.second_text_encoder.as_ref();
        Ok(AdaptedNetworks {
            denoiser: self.denoiser.with(&loras, denoiser)?,
            text_encoder: self.text_encoder.with(&loras, &[Target::TextEncoder])?,
            second_text_encoder: second
                .map(|second| second.with(&loras, &[Target::TextEncoder2]))
                .transpose()?,
        })
    }
}
