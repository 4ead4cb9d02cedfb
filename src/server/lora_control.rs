//! What switches LoRAs, so that servers are tested without a model.

use futures_util::future::BoxFuture;

use crate::engine::{EngineError, EngineHandle, EnginesHandle};
use crate::protocol::LoraWeight;

/// What the server needs of the engine to switch LoRAs.
pub trait LoraControl: Send + Sync + 'static {
    /// The LoRAs and the weights that they have now.
    fn loras(&self) -> Vec<LoraWeight>;

    /// Gives them other weights, 0 to those that are left out, and returns when it is done.
    ///
    /// # Errors
    /// What [`EngineHandle::set_loras`] refuses; then everything stays as it is.
    fn set_loras(&self, weights: Vec<LoraWeight>) -> BoxFuture<'_, Result<(), EngineError>>;
}

impl LoraControl for EngineHandle {
    fn loras(&self) -> Vec<LoraWeight> {
        EngineHandle::loras(self)
    }

    fn set_loras(&self, weights: Vec<LoraWeight>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move { EngineHandle::set_loras(self, &weights).await })
    }
}

impl LoraControl for EnginesHandle {
    fn loras(&self) -> Vec<LoraWeight> {
        EnginesHandle::loras(self)
    }

    fn set_loras(&self, weights: Vec<LoraWeight>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move { EnginesHandle::set_loras(self, &weights).await })
    }
}
