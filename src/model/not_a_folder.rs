//! What people give in place of a diffusers folder, and what they can do with it.

use std::path::{Path, PathBuf};

use super::ModelError;

/// What a path is, as far as a model may lie there.
pub(super) enum Given {
    /// A folder, or nothing at all.
    Folder,
    /// A safetensors file.
    SingleFile,
}

/// What lies where a model should be.
///
/// # Errors
/// `NoFolder` for pickled checkpoints and other files, and for folders with nothing but a
/// checkpoint.
pub(super) fn given(path: &Path) -> Result<Given, ModelError> {
    if path.is_dir() {
        return match checkpoint_in(path) {
            Some(file) if is_pickled(&file) => Err(pickled(&file)),
            Some(file) => Err(ModelError::NoFolder {
                path: path.to_owned(),
                what: "no diffusers folder, but one with a single-file checkpoint".to_owned(),
                way_out: format!("give the file itself, {}", file.display()),
            }),
            None => Ok(Given::Folder),
        };
    }
    if !path.is_file() {
        return Ok(Given::Folder);
    }
    if is_pickled(path) {
        return Err(pickled(path));
    }
    if has_ending(path, &["safetensors"]) {
        return Ok(Given::SingleFile);
    }
    Err(ModelError::NoFolder {
        path: path.to_owned(),
        what: "neither a folder nor a safetensors file".to_owned(),
        way_out: "give the folder of a diffusers model, or a checkpoint as safetensors".to_owned(),
    })
}

/// The first checkpoint in a folder that has nothing of diffusers in it.
fn checkpoint_in(folder: &Path) -> Option<PathBuf> {
    let mut inside: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    inside.sort();
    // With parts in it, it is a diffusers folder, whatever else lies there.
    let is_part = |inner: &PathBuf| inner.join("config.json").is_file();
    if folder.join("model_index.json").is_file() || inside.iter().any(is_part) {
        return None;
    }
    let is_checkpoint = |file: &PathBuf| is_pickled(file) || has_ending(file, &["safetensors"]);
    inside.into_iter().find(is_checkpoint)
}

fn is_pickled(file: &Path) -> bool {
    has_ending(file, &["ckpt", "pt", "pth", "bin", "pkl", "pickle"])
}

fn has_ending(file: &Path, endings: &[&str]) -> bool {
    let own = file.extension().unwrap_or_default().to_string_lossy();
    endings
        .iter()
        .any(|ending| own.eq_ignore_ascii_case(ending))
}

fn pickled(file: &Path) -> ModelError {
    ModelError::NoFolder {
        path: file.to_owned(),
        what: "a pickled checkpoint, which may run any code when it is opened and is never read \
               here"
            .to_owned(),
        way_out: "get the model as safetensors, or convert it with diffusers where you trust it: \
                  StableDiffusionPipeline.from_single_file(…).save_pretrained(…)"
            .to_owned(),
    }
}
