//! What UNets see beside the noise, by family.

use candle_core::{DType, Device, Tensor};

use super::inputs::tensor_from_pixels;
use super::{Pipeline, PipelineError};
use crate::canvas::{Mask, Pixels};
use crate::model::Family;

/// From this value on a pixel of the mask is the model's to fill: one half, as in diffusers'
/// `VaeImageProcessor.binarize`.
const FILLED: u8 = 128;

impl Pipeline {
    /// The image's latents as the UNet sees them beside the noise, from scaled latents: a sketch's
    /// as they are, a photo's unscaled. None for models that see no image, or see it through
    /// [`Pipeline::inpainting_input`].
    ///
    /// # Errors
    /// When the device fails.
    pub fn image_input(&self, latents: &Tensor) -> Result<Option<Tensor>, PipelineError> {
        let model = self.model();
        Ok(match model.family {
            Family::Sketch => Some(latents.clone()),
            Family::InstructPix2Pix if model.is_cosxl_edit => Some(latents.clone()),
            Family::InstructPix2Pix => Some(model.vae.unscaled(latents)?),
            _ => None,
        })
    }

    /// What an inpainting UNet sees beside the noise, `[1, 1 + channels, height/8, width/8]`: the
    /// mask and the scaled latents of the image without what is masked, as
    /// `StableDiffusionInpaintPipeline.prepare_mask_latents` makes them, but from the mean of the
    /// autoencoder's distribution.
    ///
    /// # Errors
    /// When the device fails.
    pub fn inpainting_input(&self, image: &Pixels, mask: &Mask) -> Result<Tensor, PipelineError> {
        let model = self.model();
        let image = tensor_from_pixels(image, &model.device, DType::F32)?;
        let keep = tensor_from_mask(mask, |value| value < FILLED, &model.device)?;
        let masked_image = image.broadcast_mul(&keep)?.to_dtype(model.dtype)?;
        let latents = model.vae.encode(&masked_image)?.to_dtype(DType::F32)?;
        // torch's nearest interpolation: each cell takes its first pixel.
        let scale = model.vae.scale();
        let fill = tensor_from_mask(mask, |value| value >= FILLED, &model.device)?;
        let (_, _, height, width) = fill.dims4()?;
        let fill = fill
            .reshape((height / scale, scale, width / scale, scale))?
            .narrow(1, 0, 1)?
            .narrow(3, 0, 1)?
            .reshape((1, 1, height / scale, width / scale))?;
        Ok(Tensor::cat(&[fill, latents], 1)?)
    }
}

/// `[1, 1, height, width]`: 1 where the mask's value is chosen, else 0.
fn tensor_from_mask(
    mask: &Mask,
    chosen: impl Fn(u8) -> bool,
    device: &Device,
) -> Result<Tensor, PipelineError> {
    let values = mask.data().iter().map(|value| f32::from(chosen(*value)));
    let shape = (1, 1, mask.height() as usize, mask.width() as usize);
    Ok(Tensor::from_vec(values.collect::<Vec<_>>(), shape, device)?)
}
