//! What a UNet is told beside the sample and the timestep, and one forward over many rows.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::PipelineError;
use super::control::{SteeredRows, Steering};
use super::embedding::TextEmbedding;
use super::guidance::{Guidance, Row, guidance_embedding};
use super::reference::image_prompts;
use crate::model::{AddedConditioning, Denoiser, Model};
use crate::sampler::LatentRect;

/// Which of a model's denoisers runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// The one that paints, with the active LoRAs.
    Painting,
    /// The one that inverts photos, without LoRAs; it runs without guidance.
    Base,
}

impl Network {
    /// The denoiser itself.
    pub(super) fn of(self, model: &Model) -> &Denoiser {
        match self {
            Self::Painting => model.denoiser(),
            Self::Base => model.base_denoiser(),
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
    /// Prompts of parts of the picture, as long as `prompt`, each with how much it holds,
    /// `[1, 1, height, width]`, at most 1 in all.
    pub regions: Vec<(TextEmbedding, Tensor)>,
    /// Pictures beside the prompt, ready for the steps; every row sees them, the negative prompt's
    /// what there is without a picture.
    pub references: Vec<Arc<Steering>>,
}

impl Conditioning {
    /// The rows of one forward, in the order in which [`Conditioning::combine`] takes their
    /// outputs.
    fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = self.guidance.rows(&self.prompt);
        rows.extend(self.regions.iter().map(|(text, _)| Row {
            text,
            sees_image: true,
            is_negative: false,
        }));
        rows
    }

    /// One output from those of all rows, which begin at row `first` of `outputs`. What the
    /// regions' prompts would paint is mixed, place by place, before guidance (MultiDiffusion,
    /// arXiv 2302.08113).
    pub fn combine(&self, outputs: &Tensor, first: usize) -> Result<Tensor, PipelineError> {
        let row = |index| outputs.narrow(0, first + index, 1);
        let prompt = row(self.guidance.prompt_row())?;
        let mut mixed = prompt.clone();
        let regions = first + self.guidance.rows(&self.prompt).len();
        for (index, (_, share)) in self.regions.iter().enumerate() {
            let own = outputs.narrow(0, regions + index, 1)?;
            mixed = (mixed + (own - &prompt)?.broadcast_mul(share)?)?;
        }
        self.guidance.combine(&mixed, outputs, first)
    }
}

/// What the UNet sees beside the noise, `[1, in_channels − channels, height, width]`; zeros where
/// nothing is given, none for a UNet that sees nothing there.
pub(super) fn image_beside(
    model: &Model,
    network: Network,
    given: Option<Tensor>,
    rect: &LatentRect,
) -> Result<Option<Tensor>, PipelineError> {
    let in_channels = network.of(model).config().in_channels();
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
    steering: Vec<Vec<Arc<Steering>>>,
    is_negative: Vec<bool>,
}

impl Rows {
    /// Adds the rows that the guidance asks for: `sample` beside `image`, at a timestep, all of them
    /// steered by what does at this step, the references among it. Says which is the first of them, for [`Conditioning::combine`].
    pub fn push(
        &mut self,
        sample: &Tensor,
        image: Option<&Tensor>,
        timestep: f64,
        conditioning: &Conditioning,
        steering: &[Arc<Steering>],
    ) -> Result<usize, PipelineError> {
        let first = self.samples.len();
        for row in conditioning.rows() {
            self.samples.push(match image {
                Some(image) if row.sees_image => Tensor::cat(&[sample, image], 1)?,
                Some(image) => Tensor::cat(&[sample, &image.zeros_like()?], 1)?,
                None => sample.clone(),
            });
            self.timesteps.push(timestep as f32);
            self.texts.push(row.text.hidden_states.clone());
            self.scales.push(conditioning.guidance_scale);
            self.pooled.extend(row.text.pooled.clone());
            self.time_ids.extend(conditioning.time_ids);
            self.steering.push(steering.to_vec());
            self.is_negative.push(row.is_negative);
        }
        Ok(first)
    }

    /// The outputs of all rows in f32, for [`Conditioning::combine`].
    pub fn forward(self, model: &Model, network: Network) -> Result<Tensor, PipelineError> {
        let denoiser = network.of(model);
        let config = denoiser.config();
        let rows = self.samples.len();
        let sample = Tensor::cat(&self.samples, 0)?.to_dtype(model.dtype)?;
        let timesteps = Tensor::new(self.timesteps, &model.device)?;
        let text = Tensor::cat(&self.texts, 0)?;
        let mut added = AddedConditioning {
            timestep_cond: guidance_embedding(model, config, &self.scales)?,
            image_prompts: image_prompts(model, &self.steering, &self.is_negative)?,
            ..AddedConditioning::default()
        };
        if config.takes_pooled_text() {
            added.text_embeds = Some(Tensor::cat(&self.pooled, 0)?);
        }
        if config.takes_sizes() {
            added.time_ids = Some(Tensor::from_vec(self.time_ids, (rows, 6), &model.device)?);
        }
        if config.embeds_guidance() {
            let scales = self.scales.iter().map(|scale| *scale as f32);
            let scales: Vec<f32> = scales.collect();
            added.guidance = Some(Tensor::new(scales, &model.device)?);
        }
        let steered = SteeredRows {
            sample: &sample,
            timesteps: &timesteps,
            text: &text,
            added: &added,
            steering: &self.steering,
        };
        let residuals = steered.residuals(model)?;
        let output = denoiser.forward_controlled(&sample, &timesteps, &text, &added, &residuals)?;
        Ok(output.to_dtype(DType::F32)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn embedding() -> TextEmbedding {
        TextEmbedding {
            hidden_states: Tensor::zeros((1, 2, 3), DType::F32, &Device::Cpu).unwrap(),
            pooled: None,
        }
    }

    /// What two regions that hold this much of three places make of four rows: the negative
    /// prompt's, the prompt's and their own.
    fn combined(first_share: [f32; 3], second_share: [f32; 3]) -> Vec<f32> {
        let rows: [[f32; 3]; 5] = [[9.0; 3], [0.0; 3], [1.0; 3], [10.0; 3], [-4.0; 3]];
        let tensor =
            |values: &[f32], shape| Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
        let share = |values: [f32; 3]| tensor(&values, (1, 1, 1, 3));
        let conditioning = Conditioning {
            prompt: embedding(),
            guidance: Guidance::ClassifierFree {
                negative: embedding(),
                scale: 2.0,
                rescale: 0.0,
            },
            guidance_scale: 2.0,
            time_ids: [0.0; 6],
            regions: vec![
                (embedding(), share(first_share)),
                (embedding(), share(second_share)),
            ],
            references: Vec::new(),
        };
        assert_eq!(conditioning.rows().len(), 4);
        let outputs = tensor(&rows.concat(), (5, 1, 1, 3));
        let combined = conditioning.combine(&outputs, 1).unwrap();
        combined.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn each_place_is_guided_by_the_prompts_that_hold_it() {
        assert_eq!(combined([0.0; 3], [0.0; 3]), [2.0; 3], "the prompt alone");
        assert_eq!(
            combined([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
            [20.0, -8.0, 2.0]
        );
        assert_eq!(combined([0.5; 3], [0.5; 3]), [6.0; 3], "the mean of both");
    }
}
