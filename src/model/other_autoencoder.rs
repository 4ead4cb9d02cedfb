//! An autoencoder that is given beside a model.

use std::path::Path;

use super::single_file::autoencoder_alone;
use super::{Autoencoder, Component, ModelError};

/// The component at this path and its class: a `vae` folder, a model folder with one in it, TAESD's
/// two files or a folder with them, or a file with the original names. `scaling_factor` is the
/// model's, for a file that cannot say its own.
///
/// # Errors
/// `Missing` or `NoFolder` for what is none of these, `UnknownClass` for an autoencoder that is not
/// here, and the files' own troubles.
pub(super) fn other_autoencoder(
    path: &Path,
    scaling_factor: f64,
) -> Result<(Component, String), ModelError> {
    let halves = path.join("taesd_encoder.safetensors");
    let xl_halves = path.join("taesdxl_encoder.safetensors");
    let component = if path.join("config.json").is_file() {
        Component::at(path)?.named("vae")
    } else if path.join("vae").is_dir() {
        Component::at(&path.join("vae"))?
    } else if path.is_file() || halves.is_file() || xl_halves.is_file() {
        let files = [path, &halves, &xl_halves];
        let file = files.into_iter().find(|file| file.is_file());
        let file = file.unwrap_or(path);
        let Some(part) = autoencoder_alone(file, scaling_factor)? else {
            return Err(ModelError::NoFolder {
                path: file.to_owned(),
                what: "no autoencoder with the original names".to_owned(),
                way_out: "give --vae a folder with its config.json, or another file".to_owned(),
            });
        };
        Component::inside("vae", file, part)
    } else {
        return Err(ModelError::Missing {
            path: path.to_owned(),
            hint: "give --vae a folder with an autoencoder's config.json, or its safetensors file"
                .to_owned(),
        });
    };
    let config = component.config()?;
    let class: String = config.or("_class_name", String::new())?;
    if Autoencoder::CLASSES.contains(&class.as_str()) {
        return Ok((component, class));
    }
    Err(ModelError::UnknownClass {
        path: config.path().to_owned(),
        component: "vae".to_owned(),
        class,
        supported: Autoencoder::CLASSES.join(" or "),
    })
}
