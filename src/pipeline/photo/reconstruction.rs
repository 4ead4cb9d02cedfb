//! How much of a photo survives the way to its noise and back.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::{EditMethod, Inversion, PhotoEdit};
use crate::canvas::{Pixels, pixel_rms, psnr};
use crate::pipeline::{Network, Pipeline, PipelineError, RenderSettings, Stage, Timings};

/// A photo as it came back.
pub struct Reconstruction {
    /// The whole photo, decoded; nothing of the original was put back.
    pub pixels: Pixels,
    /// Peak signal-to-noise ratio of the pixels against the photo's, in decibels; 99 at most.
    pub psnr: f64,
    /// That of the latents against the photo's, in decibels; their peak is the distance from the
    /// smallest to the largest value of the photo's.
    pub latents_psnr: f64,
    /// How long each stage took.
    pub timings: Timings,
}

impl Pipeline {
    /// Starts DDIM sampling back from the end of an inversion: the same UNet, prompt and steps, no
    /// guidance. Run it with [`Pipeline::step_photo_edit`].
    ///
    /// # Errors
    /// `NotInverted` when the photo was only encoded, or when the device fails.
    pub fn begin_reconstruction(
        &mut self,
        inversion: &Arc<Inversion>,
    ) -> Result<PhotoEdit, PipelineError> {
        let settings = RenderSettings {
            prompt: inversion.prompt().to_owned(),
            steps: inversion.trajectory().len() as u32,
            ..RenderSettings::default()
        };
        self.begin_edit_of(inversion, None, EditMethod::Ddim, &settings, Network::Base)
    }

    /// Starts what an edit by this method makes of the photo when the target prompt is the source
    /// prompt, with everything free to change: the settings' steps, strength, sampler and seed,
    /// but no guidance. Run it with [`Pipeline::step_photo_edit`].
    ///
    /// # Errors
    /// As [`Pipeline::begin_photo_edit`].
    pub fn begin_method_reconstruction(
        &mut self,
        inversion: &Arc<Inversion>,
        method: EditMethod,
        settings: &RenderSettings,
    ) -> Result<PhotoEdit, PipelineError> {
        let settings = RenderSettings {
            prompt: inversion.prompt().to_owned(),
            negative_prompt: None,
            guidance_scale: 1.0,
            references: Vec::new(),
            ..settings.clone()
        };
        self.begin_edit_of(inversion, None, method, &settings, Network::Painting)
    }

    /// What the decoder shows of the noise at the end of the inversion that is being
    /// reconstructed.
    ///
    /// # Errors
    /// `NotInverted` when the photo was only encoded, or when the device fails.
    pub fn picture_of_noise(&self, back: &PhotoEdit) -> Result<Pixels, PipelineError> {
        let inversion = back.inversion();
        let noisiest = inversion.trajectory().last();
        let latents = &noisiest.ok_or(PipelineError::NotInverted)?.latents;
        Ok(self.decode(latents)?.crop(&inversion.photo().bounds()))
    }

    /// Decodes a reconstruction whose steps are all done and compares it with the photo.
    ///
    /// # Errors
    /// When the device fails.
    pub fn finish_reconstruction(&self, edit: PhotoEdit) -> Result<Reconstruction, PipelineError> {
        let inversion = Arc::clone(edit.inversion());
        let (latents, mut timings) = edit.into_latents();
        let stage = timings.start(Stage::Decode);
        let (pixels, psnr) = self.compare(&inversion, &latents)?;
        timings.finish(stage);
        Ok(Reconstruction {
            pixels,
            psnr,
            latents_psnr: latents_psnr(inversion.latents(), &latents)?,
            timings,
        })
    }

    /// The PSNR that the autoencoder alone reaches on the photo, in decibels: no reconstruction
    /// can be expected to do better.
    ///
    /// # Errors
    /// When the device fails.
    pub fn autoencoder_psnr(&self, inversion: &Inversion) -> Result<f64, PipelineError> {
        Ok(self.compare(inversion, inversion.latents())?.1)
    }

    fn compare(
        &self,
        inversion: &Inversion,
        latents: &Tensor,
    ) -> Result<(Pixels, f64), PipelineError> {
        let photo = inversion.photo();
        let pixels = self.decode(latents)?.crop(&photo.bounds());
        let rms = pixel_rms(photo.data(), pixels.data());
        let rms = rms.ok_or(PipelineError::PictureSize {
            got: pixels.data().len(),
            want: photo.data().len(),
        })?;
        Ok((pixels, psnr(rms)))
    }
}

/// In decibels, 99 at most.
fn latents_psnr(wanted: &Tensor, found: &Tensor) -> Result<f64, PipelineError> {
    let scalar = |tensor: Tensor| tensor.to_dtype(DType::F64)?.to_scalar::<f64>();
    let values = wanted.flatten_all()?;
    let peak = scalar(values.max(0)?)? - scalar(values.min(0)?)?;
    let error = scalar((found - wanted)?.sqr()?.mean_all()?)?.sqrt();
    Ok(psnr(error / peak.max(f64::MIN_POSITIVE)))
}
