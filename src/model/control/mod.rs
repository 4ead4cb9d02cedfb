//! Networks that steer a UNet by a picture beside the prompt: T2I-Adapters, which read it once, and
//! ControlNets, which run at every step. They come in diffusers' folders, or in single files with
//! diffusers' names or those of the original repositories.

mod adapter_file;
mod controlnet;
mod controlnet_file;
mod fit;
mod inspect;
mod source;
mod t2i_adapter;

pub use controlnet::ControlNetModel;
pub use inspect::{ControlReport, inspect_control};
pub use source::{ControlChoice, ControlKind};
pub use t2i_adapter::T2IAdapter;

pub(super) use fit::ControlPlace;

use candle_core::{DType, Device};

use super::error::ModelError;
use source::Source;

/// A network that steers, under the name that it goes by.
pub struct Control {
    /// The name.
    pub name: String,
    /// The network.
    pub network: ControlNetwork,
}

/// The kinds of networks that steer.
pub enum ControlNetwork {
    /// Reads a picture once.
    T2IAdapter(T2IAdapter),
    /// Runs at every step.
    ControlNet(Box<ControlNetModel>),
}

impl Control {
    /// Reads the network of a choice and checks that it goes with the model.
    ///
    /// # Errors
    /// One sentence that names the file, and the tensor or field, that is not right, or what the
    /// model's UNet has instead.
    pub(super) fn load(
        choice: &ControlChoice,
        place: &ControlPlace,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, ModelError> {
        let network = match Source::open(&choice.path)? {
            Source::T2IAdapter(source) => {
                place.check_adapter(&choice.path, &source.config)?;
                let weights = source.weights(device, dtype)?;
                ControlNetwork::T2IAdapter(T2IAdapter::load(&source.config, &weights)?)
            }
            Source::ControlNet(source) => {
                let (config, weights) = source.network(place.unet, device, dtype)?;
                place.check_controlnet(&choice.path, &config)?;
                ControlNetwork::ControlNet(Box::new(ControlNetModel::load(&config, &weights)?))
            }
        };
        Ok(Self {
            name: choice.name.clone(),
            network,
        })
    }

    /// What kind of network it is.
    pub fn kind(&self) -> ControlKind {
        match self.network {
            ControlNetwork::T2IAdapter(_) => ControlKind::T2IAdapter,
            ControlNetwork::ControlNet(_) => ControlKind::ControlNet,
        }
    }
}
