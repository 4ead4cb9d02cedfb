//! Getting models: from a hub into a folder of this machine.
//!
//! A [`Hub`] is a server that speaks Hugging Face's API. [`pull`] takes from it the files of a
//! diffusers repository that [`crate::model`] loads, and nothing else, into a [`ModelsFolder`].
//! A file appears under its name only when its size and its hash are what the hub lists; until
//! then it is a part that the next pull goes on with.

mod checksum;
mod client;
mod error;
mod fetch;
mod models_folder;
mod names;
mod plan;
mod pull;
mod record;

pub use checksum::Checksum;
pub use client::Hub;
pub use error::HubError;
pub use models_folder::{Inspect, ModelOnDisk, ModelsFolder};
pub use names::{ModelId, Revision};
pub use plan::Variant;
pub use pull::{PullEvent, PullRequest, Pulled, pull};
