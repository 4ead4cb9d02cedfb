//! What a UNet is told beside the sample and the timestep, and one forward over many rows.

use candle_core::{DType, Tensor};

use super::PipelineError;
use super::embedding::TextEmbedding;
use super::guidance::{Guidance, guidance_embedding};
use crate::model::{AddedConditioning, Model, UNet2DConditionModel};
use crate::sampler::LatentRect;

/// Which of a model's UNets runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// The one that paints, with the active LoRAs.
    Painting,
    /// The one that inverts photos, without LoRAs; it runs without guidance.
    Base,
}

impl Network {
    /// The UNet itself.
    pub(super) fn of(self, model: &Model) -> &UNet2DConditionModel {
        match self {
            Self::Painting => model.unet(),
            Self::Base => model.base_unet(),
        }
    }
}

/// What the model is told beside the sample and the timestep.
pub(super) struct Conditioning {
    /// As many tokens as the negative prompt's, where there is one.
    pub prompt: TextEmbedding,
    pub guidance: Guidance,
    /// For models that embed it.
    pub guidance_scale: f64,
    /// SDXL's sizes.
    pub time_ids: [f32; 6],
}

/// What the UNet sees beside the noise, `[1, in_channels − channels, height, width]`; zeros where
/// nothing is given, none for a UNet that sees nothing there.
pub(super) fn image_beside(
    model: &Model,
    network: Network,
    given: Option<Tensor>,
    rect: &LatentRect,
) -> Result<Option<Tensor>, PipelineError> {
    let in_channels = network.of(model).config().in_channels;
    let beside = in_channels.saturating_sub(model.vae.latent_channels());
    Ok(match given {
        _ if beside == 0 => None,
        Some(image) => Some(image.to_dtype(DType::F32)?),
        None => {
            let shape = (1, beside, rect.height as usize, rect.width as usize);
            Some(Tensor::zeros(shape, DType::F32, &model.device)?)
        }
    })
}

/// The rows of one forward.
#[derive(Default)]
pub(super) struct Rows {
    samples: Vec<Tensor>,
    timesteps: Vec<f32>,
    texts: Vec<Tensor>,
    scales: Vec<f64>,
    pooled: Vec<Tensor>,
    time_ids: Vec<f32>,
}

impl Rows {
    /// Adds the rows that the guidance asks for: `sample` beside `image`, at a timestep. Says which
    /// is the first of them, for [`Guidance::combine`].
    pub fn push(
        &mut self,
        sample: &Tensor,
        image: Option<&Tensor>,
        timestep: f64,
        told: &Conditioning,
    ) -> Result<usize, PipelineError> {
        let first = self.samples.len();
        for row in told.guidance.rows(&told.prompt) {
            self.samples.push(match image {
                Some(image) if row.sees_image => Tensor::cat(&[sample, image], 1)?,
                Some(image) => Tensor::cat(&[sample, &image.zeros_like()?], 1)?,
                None => sample.clone(),
            });
            self.timesteps.push(timestep as f32);
            self.texts.push(row.text.hidden_states.clone());
            self.scales.push(told.guidance_scale);
            self.pooled.extend(row.text.pooled.clone());
            self.time_ids.extend(told.time_ids);
        }
        Ok(first)
    }

    /// The outputs of all rows in f32, for [`Guidance::combine`].
    pub fn forward(self, model: &Model, network: Network) -> Result<Tensor, PipelineError> {
        let unet = network.of(model);
        let rows = self.samples.len();
        let sample = Tensor::cat(&self.samples, 0)?.to_dtype(model.dtype)?;
        let timesteps = Tensor::new(self.timesteps, &model.device)?;
        let text = Tensor::cat(&self.texts, 0)?;
        let mut added = AddedConditioning {
            timestep_cond: guidance_embedding(model, unet, &self.scales)?,
            ..AddedConditioning::default()
        };
        if unet.config().text_time.is_some() {
            added.text_embeds = Some(Tensor::cat(&self.pooled, 0)?);
            added.time_ids = Some(Tensor::from_vec(self.time_ids, (rows, 6), &model.device)?);
        }
        let output = unet.forward(&sample, &timesteps, &text, &added)?;
        Ok(output.to_dtype(DType::F32)?)
    }
}
