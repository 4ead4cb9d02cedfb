//! Where the bundled model lies.

use std::path::{Path, PathBuf};

/// The bundled model's folder, relative to the project.
const BUNDLED: &str = "models/storybook";
/// The folder beside it with the CLIPModel that judges pictures.
const BUNDLED_CLIP: &str = "storybook-clip";

/// The first folder called `models/storybook` that is there: beside the
/// working directory, beside the executable, or where this build came from.
/// None when it is in none of these places.
pub fn bundled_model_folder() -> Option<PathBuf> {
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

/// The CLIPModel beside the bundled model; None where there is none.
pub fn default_clip_folder() -> Option<PathBuf> {
    let folder = bundled_model_folder()?.with_file_name(BUNDLED_CLIP);
    folder.is_dir().then_some(folder)
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
