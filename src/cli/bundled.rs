//! Which model folder a command uses: the one that was asked for, or the bundled one.

use std::path::{Path, PathBuf};

use super::Failure;

/// The bundled model's folder, relative to the project.
const BUNDLED: &str = "models/storybook";

/// The folder that was asked for, or else the bundled model's.
///
/// # Errors
/// One line, when it is not there.
pub fn model_folder(asked_for: Option<&Path>) -> Result<PathBuf, Failure> {
    match asked_for {
        Some(folder) if folder.is_dir() => Ok(folder.to_owned()),
        Some(folder) => Err(Failure::usage(format!(
            "there is no model folder {}: give --model a diffusers folder",
            folder.display()
        ))),
        None => bundled_model_folder().ok_or_else(|| {
            Failure::usage(format!(
                "the bundled model {BUNDLED} is not here: run impasto from its project folder, \
                 or give --model a diffusers folder"
            ))
        }),
    }
}

/// The first folder called `models/storybook` that is there: beside the
/// working directory, beside the executable, or where this build came from.
/// None when it is in none of these places.
fn bundled_model_folder() -> Option<PathBuf> {
    let executable = std::env::current_exe().ok();
    let beside_executable = executable
        .as_deref()
        .and_then(Path::parent)
        .map(Path::to_path_buf);
    let places = [
        std::env::current_dir().ok(),
        beside_executable,
        Some(env!("CARGO_MANIFEST_DIR").into()),
    ];
    first_with_model(places.into_iter().flatten())
}

fn first_with_model(places: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    places
        .map(|place| place.join(BUNDLED))
        .find(|folder| folder.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_folder_that_is_not_there_is_refused_with_its_name() {
        let failure = model_folder(Some(Path::new("/no/such/model"))).unwrap_err();
        assert_eq!(failure.code(), 2);
        assert!(failure.to_string().contains("/no/such/model"), "{failure}");
    }

    #[test]
    fn the_first_place_with_the_folder_wins() {
        let empty = tempfile::tempdir().unwrap();
        let full = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(full.path().join(BUNDLED)).unwrap();
        let places = [empty.path().to_path_buf(), full.path().to_path_buf()];
        assert_eq!(
            first_with_model(places.into_iter()),
            Some(full.path().join(BUNDLED))
        );
        assert_eq!(
            first_with_model(std::iter::once(empty.path().to_path_buf())),
            None
        );
    }
}
