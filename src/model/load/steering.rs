//! What steers a UNet besides its prompt, and is loaded with the model: controls and IP-Adapters.

use super::options::LoadOptions;
use crate::model::control::ControlPlace;
use crate::model::{Control, IpAdapter, ModelError, UNetConfig};

/// The controls of the options, under names that differ. There is no place for them in a
/// transformer.
pub(super) fn load_controls(
    place: Option<&ControlPlace>,
    options: &LoadOptions,
) -> Result<Vec<Control>, ModelError> {
    let mut controls: Vec<Control> = Vec::with_capacity(options.controls.len());
    for choice in &options.controls {
        if controls.iter().any(|other| other.name == choice.name) {
            return Err(ModelError::SameControlName {
                name: choice.name.clone(),
            });
        }
        let Some(place) = place else {
            return Err(ModelError::Control {
                path: choice.path.clone(),
                reason: "steers UNets, and this model has a transformer: leave it out".to_owned(),
            });
        };
        let control = Control::load(choice, place, &options.device, options.dtype)?;
        controls.push(control);
    }
    Ok(controls)
}

/// The IP-Adapters of the options. There is no place for them in a transformer.
pub(super) fn load_ip_adapters(
    unet: Option<&UNetConfig>,
    options: &LoadOptions,
) -> Result<Vec<IpAdapter>, ModelError> {
    match (unet, options.ip_adapters.as_slice()) {
        (_, []) => Ok(Vec::new()),
        (Some(unet), choices) => IpAdapter::load_all(choices, unet, &options.device, options.dtype),
        (None, [first, ..]) => Err(ModelError::IpAdapter {
            path: first.path.clone(),
            reason: "is for UNets, and this model has a transformer: leave it out".to_owned(),
        }),
    }
}
