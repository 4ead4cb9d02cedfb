//! Guidance: which rows a render puts into the batch, what is made of their outputs, and the
//! embedding of the scale for models that take one.

use candle_core::{D, Tensor};

use super::embedding::TextEmbedding;
use super::{PipelineError, RenderSettings};
use crate::model::{DenoiserConfig, Family, Model};

/// One row of the batch.
pub(super) struct Row<'a> {
    pub text: &'a TextEmbedding,
    /// False for the row that sees zeros where the others see the photo.
    pub sees_image: bool,
    /// True for what is guided away from.
    pub is_negative: bool,
}

/// How the prompt pulls the model's output.
#[derive(Clone)]
pub(super) enum Guidance {
    /// One row, the prompt's.
    Off,
    /// Classifier-free guidance (arXiv 2207.12598): the negative prompt's row, then the prompt's.
    ClassifierFree {
        negative: TextEmbedding,
        scale: f64,
        /// `guidance_rescale`, 0 … 1.
        rescale: f64,
    },
    /// InstructPix2Pix's double guidance (arXiv 2211.09800): the prompt's row, the negative
    /// prompt's, and the negative prompt's without the photo.
    TextAndImage {
        negative: TextEmbedding,
        scale: f64,
        image_scale: f64,
    },
}

impl Guidance {
    /// Guidance as diffusers' pipelines choose it; `negative` is asked for only where it is used.
    pub fn new(
        model: &Model,
        settings: &RenderSettings,
        negative: impl FnOnce() -> Result<TextEmbedding, PipelineError>,
    ) -> Result<Self, PipelineError> {
        let scale = settings.guidance_scale;
        let image_scale = settings.image_guidance_scale;
        let embeds_scale = model.denoiser().config().embeds_guidance();
        let double = model.family == Family::InstructPix2Pix;
        if scale <= 1.0 || embeds_scale || (double && image_scale < 1.0) {
            return Ok(Self::Off);
        }
        let negative = negative()?;
        Ok(if double {
            Self::TextAndImage {
                negative,
                scale,
                image_scale,
            }
        } else {
            Self::ClassifierFree {
                negative,
                scale,
                rescale: settings.guidance_rescale,
            }
        })
    }

    /// The negative prompt's embedding, where there is one.
    pub fn negative_mut(&mut self) -> Option<&mut TextEmbedding> {
        match self {
            Self::Off => None,
            Self::ClassifierFree { negative, .. } | Self::TextAndImage { negative, .. } => {
                Some(negative)
            }
        }
    }

    /// The rows that guidance needs, the prompt's among them.
    pub fn rows<'a>(&'a self, prompt: &'a TextEmbedding) -> Vec<Row<'a>> {
        let prompt = Row {
            text: prompt,
            sees_image: true,
            is_negative: false,
        };
        let negative = |text, sees_image| Row {
            text,
            sees_image,
            is_negative: true,
        };
        match self {
            Self::Off => vec![prompt],
            Self::ClassifierFree { negative: text, .. } => vec![negative(text, true), prompt],
            Self::TextAndImage { negative: text, .. } => {
                vec![prompt, negative(text, true), negative(text, false)]
            }
        }
    }

    /// Which of the rows is the prompt's.
    pub fn prompt_row(&self) -> usize {
        match self {
            Self::Off | Self::TextAndImage { .. } => 0,
            Self::ClassifierFree { .. } => 1,
        }
    }

    /// One output from the prompt's and those of the other rows, which begin at row `first` of
    /// `outputs`.
    pub fn combine(
        &self,
        prompt: &Tensor,
        outputs: &Tensor,
        first: usize,
    ) -> Result<Tensor, PipelineError> {
        let row = |index| outputs.narrow(0, first + index, 1);
        Ok(match self {
            Self::Off => prompt.clone(),
            Self::ClassifierFree { scale, rescale, .. } => {
                let negative = row(0)?;
                let guided = (&negative + ((prompt - &negative)? * *scale)?)?;
                match *rescale > 0.0 {
                    true => rescaled(&guided, prompt, *rescale)?,
                    false => guided,
                }
            }
            Self::TextAndImage {
                scale, image_scale, ..
            } => {
                let (image, neither) = (row(1)?, row(2)?);
                let by_text = ((prompt - &image)? * *scale)?;
                let by_image = ((image - &neither)? * *image_scale)?;
                ((neither + by_text)? + by_image)?
            }
        })
    }
}

/// Guidance brought back to the deviation of the prompt's own output, by a factor `rescale` of the
/// way (section 3.4 of arXiv 2305.08891; diffusers' `rescale_noise_cfg`).
fn rescaled(guided: &Tensor, prompt: &Tensor, rescale: f64) -> candle_core::Result<Tensor> {
    let deviation = |output: &Tensor| output.flatten_all()?.var(0)?.sqrt();
    let ratio = (deviation(prompt)? / deviation(guided)?)?;
    guided.broadcast_mul(&ratio.affine(rescale, 1.0 - rescale)?)
}

/// Refuses scales that mean nothing.
pub(super) fn check_guidance(settings: &RenderSettings) -> Result<(), PipelineError> {
    let refuse = |field: &'static str, value: f64, allowed: &'static str| {
        Err(PipelineError::Setting {
            field,
            value,
            allowed,
        })
    };
    let scale = settings.guidance_scale;
    if !(scale.is_finite() && scale >= 0.0) {
        return refuse("guidance_scale", scale, "a number from 0 on");
    }
    let rescale = settings.guidance_rescale;
    if !(0.0..=1.0).contains(&rescale) {
        return refuse("guidance_rescale", rescale, "a number from 0 to 1");
    }
    let scale = settings.image_guidance_scale;
    if !(scale.is_finite() && scale >= 0.0) {
        return refuse("image_guidance_scale", scale, "a number from 0 on");
    }
    Ok(())
}

/// The sinusoidal embedding of each row's guidance scale, `[rows, time_cond_proj_dim]`, for a
/// model that takes one (`LatentConsistencyModelPipeline.get_guidance_scale_embedding`).
pub(super) fn guidance_embedding(
    model: &Model,
    config: &DenoiserConfig,
    scales: &[f64],
) -> Result<Option<Tensor>, PipelineError> {
    let Some(width) = config.as_unet().and_then(|unet| unet.time_cond_proj_dim) else {
        return Ok(None);
    };
    let half = width / 2;
    // In f32 and in this order, as torch computes it: thousands of radians show every bit of the
    // frequency.
    let slope = 10_000f32.ln() / (half as f32 - 1.0);
    let rows = scales.iter().map(|scale| {
        let weight = (scale - 1.0) as f32 * 1000.0;
        let angles = (0..half).map(move |index| weight * (index as f32 * -slope).exp());
        let cosines = angles.clone().map(f32::cos);
        angles.map(f32::sin).chain(cosines).collect::<Vec<_>>()
    });
    let values: Vec<f32> = rows.flatten().collect();
    let embedding = Tensor::from_vec(values, (scales.len(), 2 * half), &model.device)?;
    let embedding = match width % 2 {
        0 => embedding,
        _ => embedding.pad_with_zeros(D::Minus1, 0, 1)?,
    };
    Ok(Some(embedding.to_dtype(model.dtype)?))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn outputs() -> Tensor {
        let rows: [[f32; 4]; 3] = [
            [1.0, -1.0, 3.0, 0.5],
            [2.0, 0.0, -1.0, 1.0],
            [0.0, 1.0, 1.0, -2.0],
        ];
        Tensor::new(&rows, &Device::Cpu)
            .unwrap()
            .reshape((3, 1, 2, 2))
            .unwrap()
    }

    fn embedding() -> TextEmbedding {
        TextEmbedding {
            hidden_states: Tensor::zeros((1, 2, 3), candle_core::DType::F32, &Device::Cpu).unwrap(),
            pooled: None,
        }
    }

    fn combined(guidance: &Guidance) -> Vec<f32> {
        let prompt = embedding();
        let (outputs, first) = (outputs(), 3 - guidance.rows(&prompt).len());
        let prompt = outputs.narrow(0, first + guidance.prompt_row(), 1).unwrap();
        let combined = guidance.combine(&prompt, &outputs, first).unwrap();
        assert_eq!(combined.dims(), [1, 1, 2, 2]);
        combined.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn the_prompt_pulls_away_from_the_negative_one_and_from_the_photo() {
        let negative = embedding;
        assert_eq!(combined(&Guidance::Off), [0.0, 1.0, 1.0, -2.0]);
        let plain = Guidance::ClassifierFree {
            negative: negative(),
            scale: 2.0,
            rescale: 0.0,
        };
        assert_eq!(combined(&plain), [-2.0, 2.0, 3.0, -5.0]);
        let double = Guidance::TextAndImage {
            negative: negative(),
            scale: 2.0,
            image_scale: 3.0,
        };
        assert_eq!(combined(&double), [4.0, -4.0, 3.0, 6.0]);
    }

    #[test]
    fn full_rescale_gives_the_deviation_of_the_prompt_alone() {
        let deviation = |values: &[f32]| {
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            let squares = values.iter().map(|value| (value - mean).powi(2));
            squares.sum::<f32>().sqrt()
        };
        let guided = |rescale| {
            combined(&Guidance::ClassifierFree {
                negative: embedding(),
                scale: 4.0,
                rescale,
            })
        };
        let prompt = combined(&Guidance::Off);
        assert!((deviation(&guided(1.0)) - deviation(&prompt)).abs() < 1e-4);
        let half = (deviation(&guided(0.0)) + deviation(&prompt)) / 2.0;
        assert!((deviation(&guided(0.5)) - half).abs() < 1e-4);
    }
}
