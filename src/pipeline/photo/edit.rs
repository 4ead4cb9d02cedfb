//! From a photo's noise to the photo with something else in it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::Inversion;
use super::paired::PairedEdit;
use crate::canvas::{Mask, Pixels};
use crate::pipeline::{
    Edit, Kept, Network, PhotoWindow, Pipeline, PipelineError, Render, RenderInputs,
    RenderSettings, Rendered, Stage, Start, Timings, latent_rect_from_window,
};
pub use crate::protocol::EditMethod;

impl EditMethod {
    /// All methods.
    pub const ALL: [Self; 3] = [Self::Ddim, Self::EditFriendly, Self::InfEdit];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ddim => "ddim",
            Self::EditFriendly => "edit-friendly",
            Self::InfEdit => "infedit",
        }
    }
}

impl fmt::Display for EditMethod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for EditMethod {
    type Err = PipelineError;

    fn from_str(name: &str) -> Result<Self, PipelineError> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == name)
            .ok_or_else(|| PipelineError::UnknownMethod {
                name: name.to_owned(),
                allowed: Self::ALL.map(Self::name).join(", "),
            })
    }
}

/// An edit of a photo that is under way.
pub struct PhotoEdit {
    inversion: Arc<Inversion>,
    /// Of the photo's size; none where everything may change.
    mask: Option<Mask>,
    run: Run,
}

enum Run {
    Render(Box<Render>),
    Paired(Box<PairedEdit>),
}

/// A finished edit.
pub struct EditedPhoto {
    /// The photo with the edit in it: its own bytes where the mask is 0.
    pub pixels: Pixels,
    /// Final latents, `[1, channels, height/8, width/8]`.
    pub latents: Tensor,
    /// How long each stage took.
    pub timings: Timings,
}

impl PhotoEdit {
    /// Steps done so far.
    pub fn steps_done(&self) -> usize {
        match &self.run {
            Run::Render(render) => render.steps_done(),
            Run::Paired(paired) => paired.steps_done(),
        }
    }

    /// Steps in all.
    pub fn steps(&self) -> usize {
        match &self.run {
            Run::Render(render) => render.steps(),
            Run::Paired(paired) => paired.steps(),
        }
    }

    /// True when every step is done.
    pub fn is_done(&self) -> bool {
        self.steps_done() >= self.steps()
    }

    /// The edit as a render, which can share a batch with others; none for methods that run the
    /// model in their own way.
    pub fn as_render_mut(&mut self) -> Option<&mut Render> {
        match &mut self.run {
            Run::Render(render) => Some(render),
            Run::Paired(_) => None,
        }
    }

    /// Time spent so far, to be added to.
    pub fn timings_mut(&mut self) -> &mut Timings {
        match &mut self.run {
            Run::Render(render) => render.timings_mut(),
            Run::Paired(paired) => paired.timings_mut(),
        }
    }

    pub(super) fn inversion(&self) -> &Arc<Inversion> {
        &self.inversion
    }

    pub(super) fn into_latents(self) -> (Tensor, Timings) {
        match self.run {
            Run::Render(render) => render.into_latents(),
            Run::Paired(paired) => paired.into_latents(),
        }
    }
}

impl Pipeline {
    /// Starts an edit of a photo: `settings` say what it should show where `mask`, of the photo's
    /// size, is above 0. At every step the latents outside the mask are those of the photo at that
    /// step's noise level, and soft values let a pixel go from the step on whose noise level has
    /// come down to them.
    ///
    /// The strength says where on the way to the noise the edit begins; the noise is the photo's
    /// own wherever there is an inversion, and of the seed otherwise.
    ///
    /// # Errors
    /// When the inversion is not this model's, the mask has another size, the method needs steps
    /// that the inversion does not have, the settings cannot be used, or the device fails.
    pub fn begin_photo_edit(
        &mut self,
        inversion: &Arc<Inversion>,
        mask: &Mask,
        method: EditMethod,
        settings: &RenderSettings,
    ) -> Result<PhotoEdit, PipelineError> {
        let photo = inversion.photo();
        let (width, height) = (photo.width(), photo.height());
        if (mask.width(), mask.height()) != (width, height) {
            return Err(PipelineError::MaskSize {
                got: (mask.width(), mask.height()),
                want: (width, height),
            });
        }
        self.begin_edit_of(inversion, Some(mask), method, settings, Network::Painting)
    }

    /// Starts the edit of a window over an inverted photo, given the inversion of that window.
    ///
    /// # Errors
    /// As [`Pipeline::begin_photo_edit`].
    pub fn begin_window_edit(
        &mut self,
        edit: &Edit,
        inversion: &Arc<Inversion>,
        method: EditMethod,
    ) -> Result<PhotoEdit, PipelineError> {
        let settings = self.window_settings(edit);
        self.begin_photo_edit(inversion, &edit.mask, method, &settings)
    }

    /// A window of a photo without a trajectory, for methods that need none, given the latents of
    /// its pixels.
    ///
    /// # Errors
    /// When the device fails.
    pub fn encoded_window(
        &self,
        edit: &Edit,
        photo: &PhotoWindow,
        latents: &Tensor,
    ) -> Result<Inversion, PipelineError> {
        let rect = latent_rect_from_window(&edit.window, self.model().vae.scale());
        let latents = latents.to_dtype(DType::F32)?;
        Ok(self.encoded_photo(&photo.pixels, &photo.prompt, latents, (rect.x, rect.y)))
    }

    /// An edit inside a mask or, without one, of everything.
    pub(super) fn begin_edit_of(
        &mut self,
        inversion: &Arc<Inversion>,
        mask: Option<&Mask>,
        method: EditMethod,
        settings: &RenderSettings,
        network: Network,
    ) -> Result<PhotoEdit, PipelineError> {
        let run = match method {
            EditMethod::Ddim => self.begin_from_noise(inversion, mask, settings, network)?,
            _ => self.begin_paired(inversion, mask, method, settings)?,
        };
        Ok(PhotoEdit {
            inversion: Arc::clone(inversion),
            mask: mask.cloned(),
            run,
        })
    }

    fn begin_from_noise(
        &mut self,
        inversion: &Arc<Inversion>,
        mask: Option<&Mask>,
        settings: &RenderSettings,
        network: Network,
    ) -> Result<Run, PipelineError> {
        if inversion.trajectory().is_empty() {
            return Err(PipelineError::NotInverted);
        }
        self.check_photo(inversion)?;
        let inputs = RenderInputs {
            image_input: self.no_image(inversion)?,
            kept: self.photo_mask(inversion, mask)?.map(|mask| Kept {
                latents: inversion.latents().clone(),
                mask,
            }),
            start: Start::Inverted {
                inversion: Arc::clone(inversion),
                source_prompt: inversion.prompt().to_owned(),
            },
            network,
            ..RenderInputs::from_seed(inversion.latent_rect(), settings.seed)
        };
        let render = self.begin_inputs(settings, inputs)?;
        Ok(Run::Render(Box::new(render)))
    }

    fn begin_paired(
        &mut self,
        inversion: &Arc<Inversion>,
        mask: Option<&Mask>,
        method: EditMethod,
        settings: &RenderSettings,
    ) -> Result<Run, PipelineError> {
        self.check_photo(inversion)?;
        let mask = self.photo_mask(inversion, mask)?;
        let paired = PairedEdit::begin(self, inversion, mask, method, settings)?;
        Ok(Run::Paired(Box::new(paired)))
    }

    /// The mask in latents, where there is one.
    fn photo_mask(
        &self,
        inversion: &Inversion,
        mask: Option<&Mask>,
    ) -> Result<Option<Tensor>, PipelineError> {
        let Some(mask) = mask else { return Ok(None) };
        let (width, height) = self.pixel_size(&inversion.latent_rect());
        self.latent_mask(&mask.extended(width, height)).map(Some)
    }

    /// Refuses latents that are not of this model's shape.
    fn check_photo(&self, inversion: &Inversion) -> Result<(), PipelineError> {
        let model = self.model();
        let (scale, grid) = (model.vae.scale(), model.window_grid());
        let side = |pixels: u32| pixels.next_multiple_of(grid) as usize / scale;
        let photo = inversion.photo();
        let (height, width) = (side(photo.height()), side(photo.width()));
        let want = vec![1, model.vae.latent_channels(), height, width];
        let got = inversion.latents().dims();
        if got == want {
            return Ok(());
        }
        Err(PipelineError::OtherModel {
            made_by: inversion.model().to_owned(),
            model: model.name.clone(),
            got: got.to_vec(),
            want,
        })
    }

    /// Runs one step of an edit.
    ///
    /// # Errors
    /// When the device fails.
    pub fn step_photo_edit(&self, edit: &mut PhotoEdit) -> Result<(), PipelineError> {
        match &mut edit.run {
            Run::Render(render) => self.step(&mut [render.as_mut()]),
            Run::Paired(paired) => paired.step(self),
        }
    }

    /// Decodes an edit whose steps are all done. Nothing of the photo is put back: that is for
    /// whoever knows what is shown there now.
    ///
    /// # Errors
    /// `HeldBack` for what the safety checker flags; when the device fails.
    pub fn finish_window_edit(&self, edit: PhotoEdit) -> Result<Rendered, PipelineError> {
        let (latents, timings) = edit.into_latents();
        self.rendered(latents, timings)
    }

    /// Decodes an edit whose steps are all done and puts it into the photo, inside the mask.
    ///
    /// # Errors
    /// `HeldBack` for what the safety checker flags; when the device fails.
    pub fn finish_photo_edit(&self, edit: PhotoEdit) -> Result<EditedPhoto, PipelineError> {
        let inversion = Arc::clone(&edit.inversion);
        let mask = edit.mask.clone();
        let Rendered {
            pixels: decoded,
            latents,
            mut timings,
        } = self.finish_window_edit(edit)?;
        let stage = timings.start(Stage::Decode);
        let photo = inversion.photo();
        let pixels = match mask {
            Some(mask) => {
                let mut pixels = photo.clone();
                pixels.paste_inside(&decoded, &mask);
                pixels
            }
            None => decoded.crop(&photo.bounds()),
        };
        timings.finish(stage);
        Ok(EditedPhoto {
            pixels,
            latents,
            timings,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_go_by_their_names() {
        for method in EditMethod::ALL {
            assert_eq!(method.to_string().parse::<EditMethod>().unwrap(), method);
        }
        let error = "magic".parse::<EditMethod>().unwrap_err().to_string();
        for part in ["`magic`", "ddim, edit-friendly, infedit"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
