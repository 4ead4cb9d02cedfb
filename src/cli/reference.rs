//! What commands that make one picture are told of pictures beside the prompt.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::numbers::zero_to_one;
use super::pictures::read_image;
use super::spread::{check_span, spread};
use super::{ControlFlag, Failure};
use crate::model::IpAdapterChoice;
use crate::pipeline::{ReferencePicture, ReferenceSettings};
use crate::protocol::REFERENCE_SCALE;

/// Flags about reference pictures. Those that stand as often as `--ip-adapter` belong to its first,
/// second, …; one that stands once belongs to all.
#[derive(Clone, Debug, Args)]
pub struct ReferenceArgs {
    /// IP-Adapter, base or Plus: its safetensors file, or the folder that it is in; may be repeated,
    /// and all of them are seen at once
    #[arg(long, value_name = "[NAME=]FOLDER_OR_FILE", requires = "reference")]
    pub ip_adapter: Vec<ControlFlag>,
    /// Folder of the CLIP that the IP-Adapters were made for [default: image_encoder beside each]
    #[arg(long, value_name = "FOLDER", requires = "ip_adapter")]
    pub image_encoder: Option<PathBuf>,
    /// Picture that is seen beside the prompt: PNG, JPEG or WebP; one for all IP-Adapters, or one for
    /// each
    #[arg(long, value_name = "IN", requires = "ip_adapter")]
    pub reference: Vec<PathBuf>,
    /// How much of it is seen, 0 to 1 [default: 0.6]
    #[arg(long, value_name = "S", requires = "ip_adapter", value_parser = zero_to_one)]
    pub reference_scale: Vec<f64>,
    /// From where on, 0 to 1 of the steps [default: 0]
    #[arg(long, value_name = "P", requires = "ip_adapter", value_parser = zero_to_one)]
    pub reference_start: Vec<f64>,
    /// Up to where, 0 to 1 of the steps [default: 1]
    #[arg(long, value_name = "P", requires = "ip_adapter", value_parser = zero_to_one)]
    pub reference_end: Vec<f64>,
}

impl ReferenceArgs {
    /// The adapters to load.
    pub fn ip_adapters(&self) -> Vec<IpAdapterChoice> {
        ip_adapter_choices(&self.ip_adapter, self.image_encoder.as_deref())
    }

    /// Each adapter's picture.
    ///
    /// # Errors
    /// One line, when a picture cannot be read or flags do not go together.
    pub fn read(&self) -> Result<Vec<ReferencePicture>, Failure> {
        let of = ("--ip-adapter", self.ip_adapter.len());
        let files = spread("--reference", &self.reference, None, of)?;
        let usual = Some(REFERENCE_SCALE);
        let scales = spread("--reference-scale", &self.reference_scale, usual, of)?;
        let starts = spread("--reference-start", &self.reference_start, Some(0.0), of)?;
        let ends = spread("--reference-end", &self.reference_end, Some(1.0), of)?;
        let mut pictures = Vec::with_capacity(of.1);
        for (index, flag) in self.ip_adapter.iter().enumerate() {
            let (start, end) = (starts[index], ends[index]);
            check_span(["--reference-start", "--reference-end"], start, end)?;
            pictures.push(ReferencePicture {
                settings: ReferenceSettings {
                    ip_adapter: flag.name.clone(),
                    scale: scales[index],
                    start,
                    end,
                },
                picture: Arc::new(read_image(&files[index])?),
            });
        }
        Ok(pictures)
    }
}

/// IP-Adapters as they were typed, each with its image encoder where one was named.
pub fn ip_adapter_choices(
    flags: &[ControlFlag],
    image_encoder: Option<&Path>,
) -> Vec<IpAdapterChoice> {
    let choice = |flag: &ControlFlag| IpAdapterChoice {
        name: flag.name.clone(),
        path: flag.path.clone(),
        image_encoder: image_encoder.map(Path::to_owned),
    };
    flags.iter().map(choice).collect()
}
