//! Renders on the device thread: of a sketch, or of a window over an inverted photo.

use super::RenderRequest;
use super::admission::Running;
use crate::pipeline::{Network, PhotoEdit, Pipeline, PipelineError, Render, Rendered, Timings};

/// A render on the device.
pub(super) struct Active {
    pub request: RenderRequest,
    pub running: Running,
    pub run: Run,
}

/// How a render is made.
pub(super) enum Run {
    Painting(Box<Render>),
    /// Of a window over an inverted photo.
    Photo(Box<PhotoEdit>),
}

impl Run {
    /// What can share a batch with others.
    pub fn as_render_mut(&mut self) -> Option<&mut Render> {
        match self {
            Self::Painting(render) => Some(render),
            Self::Photo(edit) => edit.as_render_mut(),
        }
    }

    /// Runs with one shape take their steps in one batch; those without take them alone.
    pub fn batch_shape(&mut self) -> Option<(Network, u32, u32, usize)> {
        self.as_render_mut().map(|render| render.batch_shape())
    }

    pub fn is_done(&self) -> bool {
        match self {
            Self::Painting(render) => render.is_done(),
            Self::Photo(edit) => edit.is_done(),
        }
    }

    pub fn timings_mut(&mut self) -> &mut Timings {
        match self {
            Self::Painting(render) => render.timings_mut(),
            Self::Photo(edit) => edit.timings_mut(),
        }
    }

    pub fn finish(self, pipeline: &Pipeline) -> Result<Rendered, PipelineError> {
        match self {
            Self::Painting(render) => pipeline.finish(*render),
            Self::Photo(edit) => pipeline.finish_window_edit(*edit),
        }
    }
}
