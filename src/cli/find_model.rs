//! What `--model` means: a folder, a pulled model, or, when left out, the bundled one.

use std::path::{Path, PathBuf};

use super::{Failure, bundled_model_folder};
use crate::hub::{ModelId, ModelsFolder};

/// Names the folder of pulled models.
const MODELS_VARIABLE: &str = "IMPASTO_MODELS";

/// The folder of the model that was asked for. A folder of that name comes before a pulled model.
///
/// # Errors
/// One line, when there is neither, or the pull of it did not come to its end.
pub fn find_model(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let Some(given) = given else {
        return bundled_model_folder().ok_or_else(|| {
            Failure::usage(
                "the bundled model models/storybook is not here: run impasto from its \
                 project folder, or give --model a diffusers folder",
            )
        });
    };
    // What a file is, its reader tells.
    if given.is_dir() || given.is_file() {
        return Ok(given.to_owned());
    }
    let place = given.display();
    let id = given.to_str().and_then(|text| ModelId::parse(text).ok());
    let Some(id) = id else {
        return Err(Failure::usage(format!(
            "there is no model folder {place}: give the folder of a diffusers model"
        )));
    };
    let models = models_folder()?;
    models.find(&id).map_err(Failure::usage)?.ok_or_else(|| {
        Failure::usage(format!(
            "there is no folder {place} and no pulled model of that name in {}: \
             give the folder of a diffusers model, or run `impasto model pull {id}` first",
            models.path().display()
        ))
    })
}

/// The folder of pulled models: `IMPASTO_MODELS`, or the platform's place for a user's data.
///
/// # Errors
/// When the user has no such place.
pub fn models_folder() -> Result<ModelsFolder, Failure> {
    let named = std::env::var_os(MODELS_VARIABLE).filter(|path| !path.is_empty());
    named
        .map(|path| ModelsFolder::at(path.into()))
        .or_else(ModelsFolder::of_this_user)
        .ok_or_else(|| {
            Failure::usage(format!(
                "there is no home folder to keep models in: set {MODELS_VARIABLE} to a folder"
            ))
        })
}
