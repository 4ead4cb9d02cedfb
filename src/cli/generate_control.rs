//! What `generate` is told of pictures that steer.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::numbers::zero_to_one;
use super::pictures::read_image;
use super::spread::{check_span, spread};
use super::{ControlFlag, Failure};
use crate::pipeline::{ControlPicture, ControlSettings};
use crate::protocol::ControlPreprocess;

/// Flags about control. Those that stand as often as `--control` belong to its first, second, …; one
/// that stands once belongs to all.
#[derive(Clone, Debug, Args)]
pub struct ControlArgs {
    /// T2I-Adapter or ControlNet: its folder or safetensors file; may be repeated, and all of them
    /// steer at once
    #[arg(long, value_name = "[NAME=]FOLDER_OR_FILE", requires = "control_image")]
    pub control: Vec<ControlFlag>,
    /// Picture that steers: PNG, JPEG or WebP, scaled to the picture's size; one for all controls, or
    /// one for each
    #[arg(long, value_name = "IN", requires = "control")]
    pub control_image: Vec<PathBuf>,
    /// What is made of it first: none, ink (what is dark), canny (edges) or xdog (outlines)
    /// [default: none]
    #[arg(long, value_name = "NAME", requires = "control")]
    pub control_preprocess: Vec<ControlPreprocess>,
    /// How much it steers [default: 1]
    #[arg(long, value_name = "S", requires = "control")]
    pub control_scale: Vec<f64>,
    /// From where on, 0 to 1 of the steps [default: 0]
    #[arg(long, value_name = "P", requires = "control", value_parser = zero_to_one)]
    pub control_start: Vec<f64>,
    /// Up to where, 0 to 1 of the steps [default: 1]
    #[arg(long, value_name = "P", requires = "control", value_parser = zero_to_one)]
    pub control_end: Vec<f64>,
}

impl ControlArgs {
    /// Each control with its picture.
    ///
    /// # Errors
    /// One line, when a picture cannot be read or flags do not go together.
    pub fn read(&self) -> Result<Vec<ControlPicture>, Failure> {
        let of = ("--control", self.control.len());
        let images = spread("--control-image", &self.control_image, None, of)?;
        let preprocess = &self.control_preprocess;
        let none = Some(ControlPreprocess::None);
        let preprocess = spread("--control-preprocess", preprocess, none, of)?;
        let scales = spread("--control-scale", &self.control_scale, Some(1.0), of)?;
        let starts = spread("--control-start", &self.control_start, Some(0.0), of)?;
        let ends = spread("--control-end", &self.control_end, Some(1.0), of)?;
        let mut pictures = Vec::with_capacity(of.1);
        for (index, flag) in self.control.iter().enumerate() {
            let (start, end) = (starts[index], ends[index]);
            check_span(["--control-start", "--control-end"], start, end)?;
            pictures.push(ControlPicture {
                settings: ControlSettings {
                    name: flag.name.clone(),
                    preprocess: preprocess[index],
                    scale: scales[index],
                    start,
                    end,
                },
                picture: Arc::new(read_image(&images[index])?),
            });
        }
        Ok(pictures)
    }

    /// Says on standard error which pictures are scaled.
    pub fn tell_of_sizes(&self, pictures: &[ControlPicture], (width, height): (u32, u32)) {
        for (number, ControlPicture { picture, .. }) in pictures.iter().enumerate() {
            let own = (picture.width(), picture.height());
            let file = self.control_image.get(number);
            if let (true, Some(file)) = (own != (width, height), file) {
                eprintln!(
                    "impasto: the control image {}, {} x {}, is scaled to {width} x {height}",
                    file.display(),
                    own.0,
                    own.1
                );
            }
        }
    }
}
