//! Between pixels and tensors.

use candle_core::{DType, Device, IndexOp, Tensor};

use super::PipelineError;
use crate::canvas::{Mask, Pixels};
use crate::protocol::Rect;
use crate::sampler::LatentRect;

/// Pixels as `[1, 3, height, width]` in -1 … 1.
///
/// # Errors
/// When the device fails.
pub fn tensor_from_pixels(
    pixels: &Pixels,
    device: &Device,
    dtype: DType,
) -> Result<Tensor, PipelineError> {
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let area = width * height;
    let mut planes = vec![0f32; 3 * area];
    let (red, rest) = planes.split_at_mut(area);
    let (green, blue) = rest.split_at_mut(area);
    for (index, pixel) in pixels.data().chunks_exact(3).enumerate() {
        red[index] = f32::from(pixel[0]) / 127.5 - 1.0;
        green[index] = f32::from(pixel[1]) / 127.5 - 1.0;
        blue[index] = f32::from(pixel[2]) / 127.5 - 1.0;
    }
    Ok(Tensor::from_vec(planes, (1, 3, height, width), device)?.to_dtype(dtype)?)
}

/// `[1, 3, height, width]` in -1 … 1 as pixels, rounded as diffusers does.
///
/// # Errors
/// When the device fails.
pub fn pixels_from_tensor(image: &Tensor) -> Result<Pixels, PipelineError> {
    let (_, _, height, width) = image.dims4()?;
    let planes = image
        .i(0)?
        .to_dtype(DType::F32)?
        .flatten_all()?
        .to_vec1::<f32>()?;
    let area = width * height;
    let mut data = vec![0u8; 3 * area];
    for (index, pixel) in data.chunks_exact_mut(3).enumerate() {
        for (channel, value) in pixel.iter_mut().enumerate() {
            let sample = planes[channel * area + index];
            // The saturating cast also turns NaN into 0.
            *value = ((sample * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8;
        }
    }
    Pixels::from_raw(width as u32, height as u32, data).map_err(|_| PipelineError::PictureSize {
        got: planes.len(),
        want: 3 * area,
    })
}

/// The mask averaged over each latent's pixels, `[1, 1, height/scale, width/scale]` in 0 … 1.
///
/// # Errors
/// When the device fails.
pub fn latent_mask_from_mask(
    mask: &Mask,
    scale: usize,
    device: &Device,
) -> Result<Tensor, PipelineError> {
    let (width, height) = (
        mask.width() as usize / scale,
        mask.height() as usize / scale,
    );
    let mut sums = vec![0f32; width * height];
    for (y, row) in mask.data().chunks_exact(mask.width() as usize).enumerate() {
        if y / scale >= height {
            break;
        }
        for (x, cell) in row.chunks_exact(scale).enumerate() {
            let sum: u32 = cell.iter().map(|&value| u32::from(value)).sum();
            sums[(y / scale) * width + x] += sum as f32;
        }
    }
    for value in &mut sums {
        *value /= (scale * scale * 255) as f32;
    }
    Ok(Tensor::from_vec(sums, (1, 1, height, width), device)?)
}

/// The window in latents.
pub fn latent_rect_from_window(window: &Rect, scale: usize) -> LatentRect {
    let scale = scale as u32;
    LatentRect {
        x: window.x / scale,
        y: window.y / scale,
        width: window.width / scale,
        height: window.height / scale,
    }
}
