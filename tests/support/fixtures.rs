//! Fixture folders, and how close tensors are.

#![allow(dead_code, reason = "every test file uses a part of this")]

use std::path::Path;

use candle_core::Tensor;

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => std::fs::copy(entry.path(), target).map(drop).unwrap(),
        }
    }
}

/// The largest difference, as a share of the largest value that is wanted.
pub fn relative_error(found: &Tensor, wanted: &Tensor) -> f32 {
    largest(&(found - wanted).unwrap()) / largest(wanted)
}

/// The largest absolute value.
pub fn largest(tensor: &Tensor) -> f32 {
    let values = tensor.abs().unwrap().flatten_all().unwrap();
    values.max(0).unwrap().to_scalar::<f32>().unwrap()
}
