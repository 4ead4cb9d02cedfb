//! Why the engine refuses something.

use crate::model::ModelError;
use crate::pipeline::PipelineError;

/// What can go wrong between a room and the device.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model folder cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model loads, but cannot paint.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// No such device.
    #[error("there is no device {name:?}: {reason}; use cpu, cuda:N or metal")]
    Device {
        /// The name that was asked for.
        name: String,
        /// Why it is not there.
        reason: String,
    },
    /// Devices that cannot share the rooms of a server.
    #[error("{list:?} cannot share the rooms ({reason}): name them as in cuda:0,cuda:1")]
    Devices {
        /// The names that were asked for.
        list: String,
        /// Why.
        reason: String,
    },
    /// The operating system gives no thread.
    #[error("the device thread could not be started: {0}")]
    Thread(std::io::Error),
    /// The operating system gives no threads for the CPU's part.
    #[error("the computing threads could not be started: {0}; ask for fewer with --threads")]
    Threads(String),
    /// Two LoRAs have one name.
    #[error("more than one LoRA is called {name:?}: name each once, under a file name of its own")]
    SameLoraName {
        /// The name.
        name: String,
    },
    /// A LoRA that the engine was not started with.
    #[error("this engine has no LoRA {name:?}: {known}")]
    UnknownLora {
        /// The name that was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A switch of LoRAs waits already.
    #[error("other LoRAs are being switched on right now; try again in a moment")]
    Switching,
    /// Too many renders wait.
    #[error("too many renders are waiting; try again in a moment")]
    Overloaded,
    /// The engine has stopped.
    #[error("the engine has stopped; restart the server")]
    Stopped,
}
