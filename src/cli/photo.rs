//! What `invert` and `edit` have in common.

use super::{Failure, bar};
use crate::pipeline::{PhotoEdit, Pipeline};

/// Runs an edit, or the way back from a photo's noise, to its last step.
///
/// # Errors
/// When the device fails.
pub fn run_steps(
    pipeline: &Pipeline,
    mut edit: PhotoEdit,
    what: &'static str,
) -> Result<PhotoEdit, Failure> {
    let progress = bar(what, edit.steps() as u64);
    while !edit.is_done() {
        pipeline
            .step_photo_edit(&mut edit)
            .map_err(Failure::broken)?;
        progress.set_position(edit.steps_done() as u64);
    }
    progress.finish_and_clear();
    Ok(edit)
}
