//! What a render needs of the device, whatever kind it is.

use crate::pipeline::{PhotoEdit, Pipeline, PipelineError, Render, Rendered, Timings};

/// A render on the device, a step at a time. One implementation for each kind.
pub(super) trait Run {
    /// What takes its steps in a batch with others; none where the run takes them alone.
    fn batched(&mut self) -> Option<&mut Render>;

    /// One step, alone.
    fn step(&mut self, pipeline: &Pipeline) -> Result<(), PipelineError>;

    fn is_done(&self) -> bool;

    fn timings_mut(&mut self) -> &mut Timings;

    /// The picture, once all steps are done.
    fn finish(self: Box<Self>, pipeline: &Pipeline) -> Result<Rendered, PipelineError>;
}

/// Of a sketch.
impl Run for Render {
    fn batched(&mut self) -> Option<&mut Render> {
        Some(self)
    }

    fn step(&mut self, pipeline: &Pipeline) -> Result<(), PipelineError> {
        pipeline.step(&mut [self])
    }

    fn is_done(&self) -> bool {
        Render::is_done(self)
    }

    fn timings_mut(&mut self) -> &mut Timings {
        Render::timings_mut(self)
    }

    fn finish(self: Box<Self>, pipeline: &Pipeline) -> Result<Rendered, PipelineError> {
        pipeline.finish(*self)
    }
}

/// Of a window over an inverted photo.
impl Run for PhotoEdit {
    fn batched(&mut self) -> Option<&mut Render> {
        self.as_render_mut()
    }

    fn step(&mut self, pipeline: &Pipeline) -> Result<(), PipelineError> {
        pipeline.step_photo_edit(self)
    }

    fn is_done(&self) -> bool {
        PhotoEdit::is_done(self)
    }

    fn timings_mut(&mut self) -> &mut Timings {
        PhotoEdit::timings_mut(self)
    }

    fn finish(self: Box<Self>, pipeline: &Pipeline) -> Result<Rendered, PipelineError> {
        pipeline.finish_window_edit(*self)
    }
}
