//! What people give in place of a diffusers folder, and what they can do with it.

use std::path::{Path, PathBuf};

use super::{ModelError, SafetensorsFile};

/// What lies where a diffusers folder should be, where it can be told.
pub(super) fn other_than_a_folder(path: &Path) -> Option<ModelError> {
    let no_folder = |path: &Path, what, way_out| ModelError::NoFolder {
        path: path.to_owned(),
        what,
        way_out,
    };
    let file = if path.is_dir() {
        let mut inside: Vec<PathBuf> = std::fs::read_dir(path)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        inside.sort();
        // With parts in it, it is a diffusers folder, whatever else lies there.
        let is_part = |inner: &PathBuf| inner.join("config.json").is_file();
        if path.join("model_index.json").is_file() || inside.iter().any(is_part) {
            return None;
        }
        inside.into_iter().find(|file| is_checkpoint_name(file))?
    } else if path.is_file() {
        path.to_owned()
    } else {
        return None;
    };
    let ending = file.extension().unwrap_or_default().to_string_lossy();
    if !ending.eq_ignore_ascii_case("safetensors") {
        return is_checkpoint_name(&file).then(|| {
            no_folder(
                &file,
                "a pickled checkpoint, which may run any code when it is opened and is never read \
                 here",
                "get the model as safetensors, or convert it with diffusers where you trust it: \
                 StableDiffusionPipeline.from_single_file(…).save_pretrained(…)",
            )
        });
    }
    let opened = match SafetensorsFile::open(&file) {
        Ok(opened) => opened,
        Err(error) => return Some(error),
    };
    let names = opened.names();
    let any = |part: &str| names.iter().any(|name| name.contains(part));
    if any("lora_") || any("lokr_") || any("hada_") {
        let way_out = "give the model that it was made for, and the LoRA with --lora";
        return Some(no_folder(&file, "a LoRA", way_out));
    }
    if any("model.diffusion_model.") {
        return Some(match any("conditioner.embedders.") {
            true => no_folder(
                &file,
                "a single-file checkpoint of SDXL, not a diffusers folder",
                "convert it with diffusers: \
                 StableDiffusionXLPipeline.from_single_file(…).save_pretrained(…)",
            ),
            false => no_folder(
                &file,
                "a single-file checkpoint, not a diffusers folder",
                "convert it with diffusers: \
                 StableDiffusionPipeline.from_single_file(…).save_pretrained(…)",
            ),
        });
    }
    Some(no_folder(
        &file,
        "a single safetensors file, not a diffusers folder",
        "give the folder that save_pretrained wrote, with its model_index.json",
    ))
}

fn is_checkpoint_name(file: &Path) -> bool {
    let ending = file.extension().unwrap_or_default().to_string_lossy();
    ["safetensors", "ckpt", "pt", "pth", "bin"]
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
}
