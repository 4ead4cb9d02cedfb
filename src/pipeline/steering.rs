//! How a control picture or a reference picture is read, once for all steps of a render.

use candle_core::{DType, Tensor};

use super::control::{ControlPicture, Read, Steering};
use super::image_cache::ImageCache;
use super::inputs::tensor_from_pixels;
use super::reference::ReferencePicture;
use super::{Pipeline, PipelineError};
use crate::canvas::{Mask, Pixels, control_picture, resize_lanczos};
use crate::model::{Control, ControlNetwork, Model};
use crate::protocol::CanvasSize;

impl Pipeline {
    /// Reads a control picture for a render of this width and height.
    ///
    /// # Errors
    /// When the model has no control of that name, a setting is out of its range, or the size is
    /// one that the control cannot read.
    pub fn steering(
        &self,
        ControlPicture { settings, picture }: &ControlPicture,
        (width, height): (u32, u32),
    ) -> Result<Steering, PipelineError> {
        settings.check()?;
        let model = self.model();
        let (number, control) = find(model, &settings.name)?;
        let size = CanvasSize { width, height };
        let picture = control_picture(&resize_lanczos(picture, size), settings.preprocess);
        let read = match &control.network {
            ControlNetwork::T2IAdapter(adapter) => {
                let grid = adapter.downscale_factor() as u32;
                if width % grid != 0 || height % grid != 0 {
                    return Err(PipelineError::ControlSize {
                        name: settings.name.clone(),
                        width,
                        height,
                        grid,
                    });
                }
                let image = tensor_of_control(&picture, adapter.in_channels(), model)?;
                let features = adapter.forward(&image)?;
                let scaled = features.into_iter().map(|one| one * settings.scale);
                Read::Features(scaled.collect::<Result<_, _>>()?)
            }
            ControlNetwork::ControlNet(network) => {
                let image = tensor_of_control(&picture, network.conditioning_channels(), model)?;
                Read::Embedded {
                    control: number,
                    image: network.embed(&image)?,
                }
            }
        };
        Ok(Steering {
            scale: settings.scale,
            span: settings.span(),
            read,
        })
    }

    /// What renders are told of a reference picture: from the cache, or from an image encoder.
    ///
    /// # Errors
    /// When the model has no IP-Adapter of that name, a setting is out of its range, or the device
    /// fails.
    pub fn reference(
        &mut self,
        ReferencePicture { settings, picture }: &ReferencePicture,
    ) -> Result<Steering, PipelineError> {
        settings.check()?;
        let number = find_ip_adapter(&self.model, &settings.ip_adapter)?;
        Ok(Steering {
            scale: settings.scale,
            span: settings.span(),
            read: Read::Seen {
                ip_adapter: number,
                embeds: self.images.embed(&self.model, number, picture)?,
            },
        })
    }

    /// The cache of what IP-Adapters see of pictures.
    pub fn images(&self) -> &ImageCache {
        &self.images
    }
}

fn find<'a>(model: &'a Model, name: &str) -> Result<(usize, &'a Control), PipelineError> {
    let mut controls = model.controls().iter().enumerate();
    let found = controls.find(|(_, control)| control.name == name);
    found.ok_or_else(|| {
        let names = model.controls().iter().map(|control| control.name.as_str());
        PipelineError::UnknownControl {
            name: name.to_owned(),
            known: names.collect::<Vec<_>>().join(", "),
        }
    })
}

fn find_ip_adapter(model: &Model, name: &str) -> Result<usize, PipelineError> {
    let mut adapters = model.ip_adapters().iter();
    adapters
        .position(|adapter| adapter.name == name)
        .ok_or_else(|| {
            let names = model.ip_adapters().iter();
            let names = names.map(|adapter| adapter.name.as_str());
            PipelineError::UnknownIpAdapter {
                name: name.to_owned(),
                known: names.collect::<Vec<_>>().join(", "),
            }
        })
}

/// A control picture as networks read it, `[1, channels, height, width]` in 0 … 1.
fn tensor_of_control(
    picture: &Pixels,
    channels: usize,
    model: &Model,
) -> Result<Tensor, PipelineError> {
    let image = if channels == 1 {
        let grey = Mask::from_brightness(picture);
        let values = grey.data().iter().map(|value| f32::from(*value) / 255.0);
        let shape = (1, 1, grey.height() as usize, grey.width() as usize);
        Tensor::from_vec(values.collect::<Vec<_>>(), shape, &model.device)?
    } else {
        tensor_from_pixels(picture, &model.device, DType::F32)?.affine(0.5, 0.5)?
    };
    Ok(image.to_dtype(model.dtype)?)
}
